/* The table: a row a configuration, opened into its runs; what is best, and how far the others are from a baseline. */

const MORE = 30; // rows that are drawn at a time: a screen of them
let drawnRows = MORE;

/* ---- columns */
const single = () => members.every((runs) => runs.length < 2);
function tableColumns() {
  const several = here.groups.length > 1;
  const found = here.keys.map((key) => ({ name: key, text: short(key), kind: "option" }));
  if (!here.keys.length) found.push({ name: "", text: "runs", kind: "option" });
  if (!single()) found.push({ name: "n", text: "n", kind: "n" });
  if (hasMetric(state.metric))
    found.push({
      name: state.metric,
      kind: "metric",
      text: state.metric,
      unit: unitOf(state.metric),
      main: true,
    });
  const byExample = state.metric in here.errors,
    bySeed = !single();
  if (several)
    found.push({
      name: "difference",
      kind: "difference",
      text: "difference",
      unit: `to baseline${byExample ? " ± se over examples" : bySeed ? " ± se over seeds" : ""}`,
    });
  if (several)
    found.push({
      name: "p",
      kind: "p",
      text: "p",
      unit: "against the baseline",
    });
  for (const name of state.columns)
    if (name !== state.metric && !here.keys.includes(name))
      found.push({
        name,
        text: hasMetric(name) ? name : short(name),
        kind: hasMetric(name) ? "metric" : "option",
        unit: unitOf(name),
      });
  for (const column of found) column.number = isNumber(column);
  return found;
}

/* Mean ± sd, rounded by the sd; of one run its number, rounded by its own standard error where it has one. */
function cellOf({ runs }, name) {
  const found = values(runs, name);
  if (!found.length) return "–";
  if (found.length > 1) {
    const sd = deviation(found),
      digits = digitsFor(sd);
    return sd ? `${plain(mean(found), digits)} ± ${plain(sd, digits)}` : plain(found[0]);
  }
  const run = runs.find((r) => metricOf(r, name) !== null),
    error = metricOf(run, `${name}_se`);
  if (error) return `${plain(found[0], digitsFor(error))} (se ${plain(error, digitsFor(error))})`;
  return plain(found[0], about(name).digits === 0 ? 0 : null);
}

function differenceOf({ group, runs }) {
  if (group === state.baseline) return ["baseline", ""];
  const found = judged(group, state.baseline, state.metric, (g) => (g === group ? runs : passing(g)));
  if (!Number.isFinite(found.difference)) return ["–", "–"];
  const error = found.overExamples > 0 ? found.overExamples : found.error;
  const digits = digitsFor(error);
  return [
    signed(found.difference, digits) + (error > 0 ? ` ± ${plain(error, digits)}` : ""),
    shownP(found.p),
  ];
}

function textOf(row, column) {
  if (column.kind === "n") return String(row.runs.length);
  if (column.kind === "metric") return cellOf(row, column.name);
  if (column.kind === "difference") return (row.told ??= differenceOf(row))[0];
  if (column.kind === "p") return (row.told ??= differenceOf(row))[1];
  if (column.name === "") return label(row.group);
  if (here.groups[row.group].options[column.name] !== undefined || here.shared[column.name] !== undefined)
    return optionText(row.group, column.name);
  const own = [...new Set(row.runs.map((run) => valueOf(run, column.name) ?? "–"))];
  return own.length > 3 ? `${own.slice(0, 3).join(", ")} …` : own.join(", ");
}

const isNumber = (column) =>
  column.kind !== "option" || here.groups.some((g) => typeof g.options[column.name] === "number");

/* ---- drawing */
function drawTable() {
  select();
  judge();
  tellVerdict();
  const columns = tableColumns();
  const key = $("runs").contains(document.activeElement) ? document.activeElement.dataset.key : null;
  $("runs").tHead.replaceChildren(heads(columns));
  drawRows(columns);
  drawBrushChip();
  if (key) document.querySelector(`#runs [data-key="${CSS.escape(key)}"]`)?.focus(); // of the keyboard
  const n = rows.reduce((sum, row) => sum + row.runs.length, 0);
  $("count").textContent =
    `${n} of ${runsHere().length} runs in ${rows.length} of ${here.groups.length} configurations`;
}

/* That an axis of the parallel coordinates chooses, too, and how to let go. */
function drawBrushChip() {
  const let_go = () => {
    state.chosen = "";
    changed(drawAll);
  };
  const button = h("button", { className: "quiet", "aria-label": "choose no longer by it", onclick: let_go }, "×");
  const names = brushes().map((brush) => brush.name);
  const chip = h("span", { className: "chip", title: names.join(", ") }, "chosen in parallel coordinates", button);
  $("brushed").replaceChildren(...(names.length ? [chip] : []));
}

function heads(columns) {
  const line = h("tr");
  line.append(h("th", { className: "pick", scope: "col" }, h("span", { className: "quiet" }, "draw")));
  for (const column of columns) {
    const sorts = column.kind !== "p" && column.name !== "";
    const order = state.sort === column.name ? (state.up ? "ascending" : "descending") : "none";
    const name = sorts
      ? h(
          "button",
          { className: "sort", dataset: { key: `sort ${column.name}` }, onclick: () => sortBy(column.name) },
          column.text,
        )
      : column.text;
    const cell = h(
      "th",
      { scope: "col", className: classOf(column, column.number), dataset: { column: column.name } },
      name,
    );
    if (sorts) cell.setAttribute("aria-sort", order);
    if (column.unit) cell.append(h("small", {}, column.unit));
    line.append(cell);
  }
  line.append(h("th", { scope: "col", "aria-label": "more" }));
  return line;
}

/* In a narrow window the first cell names the configuration, and the columns of its name are left out. */
const classOf = (column, number) =>
  [number && "number", (column.name === "" || here.keys.includes(column.name)) && "wide-only"].filter(Boolean).join(" ");

function sortBy(name) {
  const first = hasMetric(name) ? !about(name).higher : true;
  state.up = state.sort === name ? !state.up : first;
  state.sort = name;
  changed(drawTable);
}

/* The rows that are drawn at a time, or those after some that are there. */
function drawRows(columns, after = 0) {
  const body = document.createDocumentFragment();
  for (const row of rows.slice(after, drawnRows)) {
    row.told = undefined;
    body.append(groupRow(row, columns));
    if (state.open.has(row.group) && row.runs.length > 1)
      for (const run of row.runs) body.append(runRow(run, columns));
  }
  if (!rows.length)
    body.append(h("tr", { className: "nothing" }, h("td", { colSpan: columns.length + 2 }, nothingMatches())));
  if (!after) $("runs").tBodies[0].replaceChildren();
  $("runs").tBodies[0].append(body);
  $("more").hidden = rows.length <= drawnRows;
  $("more").textContent =
    `show ${Math.min(MORE, rows.length - drawnRows)} more of ${rows.length - drawnRows} rows that are left`;
}

function drawMore() {
  drawnRows += MORE;
  drawRows(tableColumns(), drawnRows - MORE);
}

function groupRow(row, columns) {
  const { group, runs } = row,
    line = h("tr", { className: "group" });
  const tick = tickOf(runs, label(group));
  const pick = h("td", { className: "pick" }, tick, swatch(group));
  if (runs.length > 1) pick.append(opener(group));
  pick.append(h("span", { className: "narrow" }, label(group)));
  line.append(pick);
  columns.forEach((column, i) => {
    const text = textOf(row, column),
      cell = h("td", { className: classOf(column, column.number), title: text }, text);
    if (column.main) cell.prepend(...badge(group));
    line.append(cell);
  });
  line.append(lastCell(runs, runs.length === 1));
  return line;
}

/* What a configuration is against the best. */
function markOf(group) {
  if (here.groups.length < 2) return "";
  if (verdict.best?.group === group) return "best";
  return verdict.of.get(group)?.p >= LEVEL ? "≈ best" : "";
}
function badge(group) {
  if (markOf(group) === "best")
    return [h("span", { className: "badge best", title: "the best of the rows listed" }, "best")];
  const found = verdict.of.get(group);
  if (markOf(group))
    return [
      h(
        "span",
        {
          className: "badge equal",
          title: `not significantly worse than the best: ${pText(found.p)}, paired by ${found.by}`,
        },
        "≈ best",
      ),
    ];
  return [];
}

function opener(group) {
  const open = state.open.has(group);
  const button = h(
    "button",
    {
      className: "open",
      dataset: { key: `open ${group}` },
      onclick: () => {
        open ? state.open.delete(group) : state.open.add(group);
        changed(drawTable);
      },
    },
    open ? "▾" : "▸",
  );
  button.setAttribute("aria-expanded", String(open));
  button.setAttribute("aria-label", `runs of ${label(group)}`);
  return button;
}

/* The warnings, the link and what else there is to do with a run. */
function lastCell(runs, one) {
  const cell = h("td", { className: "last" });
  const ill = runs.filter((run) => run.warnings.length || run.state === "failed" || run.state === "stopped");
  for (const run of one ? ill : ill.slice(0, 1))
    cell.append(
      h(
        "span",
        { className: "badge warn", title: ill.map((r) => `seed ${r.seed}: ${warned(r)}`).join("\n") },
        one ? `⚠ ${brief(run)}` : `⚠ ${ill.length} of ${runs.length}: ${brief(run)}`,
      ),
    );
  const running = runs.filter((run) => run.state === "running").length;
  if (running) cell.append(h("span", { className: "badge live" }, one ? "running" : `${running} running`));
  const pinned = runs.every((run) => state.side.includes(run.index));
  if (one)
    cell.append(
      h(
        "button",
        {
          className: "quiet pin",
          dataset: { key: `pin ${runs[0].index}` },
          "aria-pressed": String(pinned),
          title: "put this run beside others, below",
          onclick: () => pin(runs[0]),
        },
        pinned ? "beside ✓" : "beside",
      ),
      linkOf(runs[0]),
    );
  else if (here.groups.length > 1)
    cell.append(
      h(
        "button",
        {
          className: "quiet",
          dataset: { key: `baseline ${runs[0].group}` },
          title: "differences are to this configuration",
          onclick: () => {
            state.baseline = runs[0].group;
            changed(() => {
              drawControls();
              drawAll();
            });
          },
        },
        state.baseline === runs[0].group ? "baseline ✓" : "baseline",
      ),
    );
  return cell;
}
const warned = (run) =>
  [
    ...run.warnings.map((w) => w.text),
    ...(["failed", "stopped"].includes(run.state) ? [run.state] : []),
  ].join("; ");
const brief = (run) => {
  const w = run.warnings[0];
  return !w ? run.state : w.kind === "collapse" ? `collapsed from step ${w.step}` : "undone steps";
};

function linkOf(run) {
  const name = (run.folder === "." ? data.root : run.folder).split("/").pop();
  return run.href === undefined
    ? h("span", { className: "folder", title: run.folder }, shortened(name, 24))
    : h(
        "a",
        {
          className: "folder",
          href: `${run.href.split("/").map(encodeURIComponent).join("/")}/`,
          title: `open ${run.folder}`,
        },
        shortened(name, 24),
      );
}

function runRow(run, columns) {
  const line = h("tr", { className: "run" });
  const tick = tickOf([run], runLabel(run));
  line.append(h("td", { className: "pick" }, tick, h("span", { className: "narrow" }, `seed ${run.seed}`)));
  columns.forEach((column, i) => {
    const own = column.kind === "metric" || column.kind === "n" ? null : !i ? `seed ${run.seed}` : "";
    const text = column.kind === "n" ? "" : (own ?? cellOf({ runs: [run] }, column.name));
    line.append(h("td", { className: classOf(column, column.number && own === null), title: text }, text));
  });
  line.append(lastCell([run], true));
  return line;
}

/* What says whether some runs are drawn: all, some or none of them. */
function tickOf(runs, name) {
  const tick = h("input", { type: "checkbox", onchange: () => toggle(runs, tick.checked) });
  tick.setAttribute("aria-label", `draw ${name}`);
  tick.update = () => {
    const shown = runs.reduce((n, run) => n + state.shown.has(run.index), 0);
    tick.checked = shown === runs.length;
    tick.indeterminate = shown > 0 && shown < runs.length;
  };
  tick.update();
  return tick;
}
function drawTicks() {
  for (const tick of $("runs").querySelectorAll("input")) tick.update();
}

function toggle(runs, on) {
  for (const run of runs) on ? state.shown.add(run.index) : state.shown.delete(run.index);
  changed(() => {
    drawTicks();
    redraw(...OF_ROWS);
  });
}
function pin(run) {
  state.side = state.side.includes(run.index)
    ? state.side.filter((i) => i !== run.index)
    : [...state.side, run.index];
  changed(() => {
    drawTable();
    redraw("side");
  });
}
