/* The table as it is shown, for papers and other programs. */

function grid() {
  const columns = tableColumns();
  const head = columns.map((column) => [column.text, column.unit].filter(Boolean));
  const body = rows.map((row) => columns.map((column) => textOf(row, column) + markIn(row, column)));
  return { columns, head, body };
}

/* ` (best)` or ` (≈ best)` behind the number that the rows are ranked by. */
const markIn = (row, column) => (column.main && markOf(row.group) ? ` (${markOf(row.group)})` : "");

function asMarkdown() {
  const { columns, head, body } = grid();
  const line = (cells) => `| ${cells.map((c) => c.replaceAll("|", "\\|")).join(" | ")} |`;
  const marks = columns.map((column) => (isNumber(column) ? "---:" : "---"));
  return (
    [
      line(head.map(([name, unit]) => (unit ? `${name} (${unit})` : name))),
      line(marks),
      ...body.map(line),
    ].join("\n") + "\n"
  );
}

/* Means and spreads in columns of their own, with all their digits: for programs. */
function asCsv() {
  const columns = tableColumns(),
    quoted = (cell) => (/[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  const numeric = (column) => column.kind === "metric";
  const head = columns.flatMap((column) =>
    column.main
      ? [column.name, `${column.name} sd`, "mark"]
      : numeric(column)
      ? [column.name, `${column.name} sd`]
      : column.name === "difference"
        ? ["difference", "difference se"]
        : [column.name || "runs"],
  );
  const lines = rows.map((row) =>
    columns.flatMap((column) => {
      if (column.main) return [...spread(values(row.runs, column.name)), markOf(row.group)];
      if (numeric(column)) return spread(values(row.runs, column.name));
      if (column.kind === "difference") return differenceNumbers(row);
      return [textOf(row, column)];
    }),
  );
  return [head, ...lines].map((cells) => cells.map((c) => quoted(String(c))).join(",")).join("\n") + "\n";
}
const bare = (v) => (Number.isFinite(v) ? v : "");
const spread = (found) => [found.length ? mean(found) : "", bare(deviation(found))];
function differenceNumbers(row) {
  if (row.group === state.baseline) return ["", ""];
  const found = judged(row.group, state.baseline, state.metric, (g) =>
    g === row.group ? row.runs : passing(g),
  );
  return [bare(found.difference), bare(found.overExamples > 0 ? found.overExamples : found.error)];
}

/* For booktabs; the best is bold, and so is what is not significantly worse. */
const LATEX = {
  "\\": "\\textbackslash{}",
  "~": "\\textasciitilde{}",
  "^": "\\textasciicircum{}",
  "±": "$\\pm$",
  "−": "$-$",
  "–": "--",
  "<": "$<$",
  ">": "$>$",
  "≈": "$\\approx$",
  "·": "$\\cdot$",
  ...Object.fromEntries([..."&%#$_{}"].map((c) => [c, `\\${c}`])),
};
const DIGITS = "₀₁₂₃₄₅₆₇₈₉";
const inLatex = (text) =>
  text
    .replace(/[\\~^±−–<>≈·&%#$_{}]/g, (c) => LATEX[c])
    .replace(/[₀-₉]+/g, (k) => `$_{${[...k].map((c) => DIGITS.indexOf(c)).join("")}}$`);

function asLatex() {
  const { columns, head, body } = grid();
  const top = new Set([verdict.best?.group, ...(verdict.equal ?? [])]);
  const cell = (text, j, i) =>
    columns[j].main && top.has(rows[i].group) ? `\\textbf{${inLatex(text)}}` : inLatex(text);
  const lines = body.map((cells, i) => `${cells.map((text, j) => cell(text, j, i)).join(" & ")} \\\\`);
  const names = `${head.map(([name, unit]) => inLatex(unit ? `${name} (${unit})` : name)).join(" & ")} \\\\`;
  return (
    [
      "% \\usepackage{booktabs}",
      `\\begin{tabular}{${columns.map((c) => (isNumber(c) ? "r" : "l")).join("")}}`,
      "\\toprule",
      names,
      "\\midrule",
      ...lines,
      "\\bottomrule",
      "\\end{tabular}",
    ].join("\n") + "\n"
  );
}

const FORMATS = { Markdown: [asMarkdown, "md"], CSV: [asCsv, "csv"], LaTeX: [asLatex, "tex"] };

function openExport(format) {
  const [make, ending] = FORMATS[format],
    text = make();
  $("export-title").textContent = `The table as ${format}: ${rows.length} rows`;
  $("export-text").value = text;
  $("export-save").href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  $("export-save").download = `compare.${ending}`;
  $("export-said").textContent = "";
  $("export").showModal();
  $("export-text").select();
}
async function copyExport() {
  $("export-text").select();
  try {
    await navigator.clipboard.writeText($("export-text").value);
  } catch {
    document.execCommand("copy"); // where a page from a file may not ask for the clipboard
  }
  $("export-said").textContent = "copied";
}
