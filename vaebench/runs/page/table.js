/* The table: a row a configuration, opened into its runs; what is best, and how far the others are from a baseline. */

const MORE = 50; // rows that are drawn at a time
let rows = []; // the groups that pass the filter, in order: {group, runs}
let drawnRows = MORE;

/* Every word of the filter must hold: `name=value`, `name<value`, `name>value`, or a part of anything. */
function conditions() {
  const names = [...here.keys, ...here.differing, ...here.metrics.map((m) => m.name), ...Object.keys(OWN)];
  return state.filter.toLowerCase().split(/\s+/).filter(Boolean).map((word) => {
    const [, name, sign, value] = word.match(/^([^=<>]+)(=|<|>)(.*)$/) ?? [];
    const column = names.find((n) => n.toLowerCase() === name) ?? names.find((n) => n.toLowerCase().split(".").pop() === name);
    if (!column) return (run) => haystack(run).includes(word);
    return (run) => holds(valueOf(run, column), sign, value);
  });
}
function holds(found, sign, value) {
  if (found === null || found === undefined) return false;
  if (sign === "=") return value === "" || String(found).toLowerCase() === value || (typeof found === "number" && found === Number(value));
  return sign === "<" ? found < Number(value) : found > Number(value);
}
function haystack(run) {
  const options = { ...here.groups[run.group].options, seed: run.seed };
  return (run.text ??= [run.folder, run.state, ...run.warnings.map((w) => w.text), ...Object.entries(options).map(([n, v]) => `${n}=${v}`)].join(" ").toLowerCase());
}

function select() {
  const all = conditions(), inside = brushed();
  const passes = (run) => inside(run) && all.every((holds) => holds(run));
  rows = members.map((runs, group) => ({ group, runs: runs.filter(passes) })).filter((row) => row.runs.length);
  rowOf = new Map(rows.map((row) => [row.group, row]));
  for (const row of rows) row.key = sortKey(row);
  rows.sort((a, b) => ordered(a.key, b.key));
}

function sortKey({ group, runs }) {
  if (state.sort === "n") return runs.length;
  if (state.sort === "difference") return state.baseline === group ? 0 : judged(group, state.baseline, state.metric, among(runs, group)).difference;
  if (hasMetric(state.sort)) return values(runs, state.sort).length ? mean(values(runs, state.sort)) : null;
  return valueOf(runs[0], state.sort);
}
/* What is missing stays last whichever way the column is sorted. */
function ordered(a, b) {
  const none = (v) => v === null || v === undefined || Number.isNaN(v);
  if (none(a) || none(b)) return none(a) - none(b);
  const sign = state.up ? 1 : -1;
  return sign * (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));
}

/* The runs of a group that pass; of any other group as they pass too. */
let rowOf = new Map();
const passing = (group) => rowOf.get(group)?.runs ?? members[group];
const among = (runs, group) => (g) => (g === group ? runs : members[g]);

/* The best of the groups that are shown, and of the others how sure it is that they are worse. */
let verdict = { best: null, of: new Map() };
function judge() {
  const known = rows.filter((row) => values(row.runs, state.metric).length);
  const sign = about(state.metric)?.higher ? -1 : 1;
  for (const row of known) row.mean = mean(values(row.runs, state.metric));
  const best = known.reduce((a, b) => (a && sign * a.mean <= sign * b.mean ? a : b), null);
  const of = new Map();
  for (const row of known) if (row !== best) of.set(row.group, judged(row.group, best.group, state.metric, passing));
  verdict = { best, of, equal: [...of].filter(([, v]) => v.p >= LEVEL).map(([g]) => g), worse: [...of].filter(([, v]) => v.p < LEVEL).map(([g]) => g), unknown: [...of].filter(([, v]) => !Number.isFinite(v.p)).map(([g]) => g) };
}

function tellVerdict() {
  const { best, equal, worse, unknown } = verdict;
  if (!best) return $("verdict").replaceChildren(`No run here has ${state.metric} yet.`);
  const what = `${state.metric}${unitOf(state.metric) ? ` (${unitOf(state.metric)})` : ""}`;
  if (here.groups.length === 1) return $("verdict").replaceChildren(`${what}: `, h("b", {}, cellOf(best, state.metric)), meanOf(best));
  const parts = [h("span", { className: "badge best" }, "best"), swatch(best.group), h("b", {}, fullLabel(best.group)), ` has the ${about(state.metric).higher ? "highest" : "lowest"} ${what}: ${cellOf(best, state.metric)}${meanOf(best)}. `];
  const named = (groups) => groups.slice(0, 4).map((g) => `${fullLabel(g)} (${pText(verdict.of.get(g).p)})`).join(", ") + (groups.length > 4 ? ` and ${groups.length - 4} more` : "");
  const others = worse.length + equal.length + unknown.length;
  if (worse.length) parts.push(worse.length === others ? `${others === 1 ? "The other is" : `All ${others} others are`} significantly worse (p ≤ ${shownP(Math.max(...worse.map((g) => verdict.of.get(g).p))).replace("< ", "")}). ` : `${worse.length} of ${others} others ${worse.length === 1 ? "is" : "are"} significantly worse. `);
  if (equal.length) parts.push(h("span", { className: "badge equal" }, "≈ best"), `Not significantly worse: ${named(equal)}. `);
  if (unknown.length) parts.push(`Of ${unknown.length} nobody can say: a test needs two seeds in common, or values of the test examples.`);
  $("verdict").replaceChildren(...parts);
}
const meanOf = (row) => { const n = values(row.runs, state.metric).length; return n > 1 ? `, mean ± sd of ${n} seeds` : ""; };

/* ---- columns */
const single = () => members.every((runs) => runs.length < 2);
function tableColumns() {
  const several = here.groups.length > 1;
  const found = here.keys.map((key) => ({ name: key, text: short(key), kind: "option" }));
  if (!here.keys.length) found.push({ name: "", text: "runs", kind: "option" });
  if (!single()) found.push({ name: "n", text: "n", kind: "n" });
  if (hasMetric(state.metric)) found.push({ name: state.metric, kind: "metric", text: state.metric, unit: unitOf(state.metric), main: true });
  const byExample = state.metric in here.errors, bySeed = !single();
  if (several) found.push({ name: "difference", kind: "difference", text: "difference", unit: `to baseline${byExample ? " ± se over examples" : bySeed ? " ± se over seeds" : ""}` });
  if (several) found.push({ name: "p", kind: "p", text: "p", unit: bySeed ? "paired by seed" : byExample ? "paired by example" : "" });
  for (const name of state.columns) if (name !== state.metric && !here.keys.includes(name)) found.push({ name, text: hasMetric(name) ? name : short(name), kind: hasMetric(name) ? "metric" : "option", unit: unitOf(name) });
  for (const column of found) column.number = isNumber(column);
  return found;
}

/* Mean ± sd, rounded by the sd; of one run its number, rounded by its own standard error where it has one. */
function cellOf({ runs }, name) {
  const found = values(runs, name);
  if (!found.length) return "–";
  if (found.length > 1) {
    const sd = deviation(found), digits = digitsFor(sd);
    return sd ? `${plain(mean(found), digits)} ± ${plain(sd, digits)}` : plain(found[0]);
  }
  const run = runs.find((r) => metricOf(r, name) !== null), error = metricOf(run, `${name}_se`);
  if (error) return `${plain(found[0], digitsFor(error))} (se ${plain(error, digitsFor(error))})`;
  return plain(found[0], about(name).digits === 0 ? 0 : null);
}

function differenceOf({ group, runs }) {
  if (group === state.baseline) return ["baseline", ""];
  const found = judged(group, state.baseline, state.metric, (g) => (g === group ? runs : passing(g)));
  if (!Number.isFinite(found.difference)) return ["–", "–"];
  const error = found.overExamples > 0 ? found.overExamples : found.error;
  const digits = digitsFor(error);
  return [signed(found.difference, digits) + (error > 0 ? ` ± ${plain(error, digits)}` : ""), shownP(found.p)];
}

function textOf(row, column) {
  if (column.kind === "n") return String(row.runs.length);
  if (column.kind === "metric") return cellOf(row, column.name);
  if (column.kind === "difference") return (row.told ??= differenceOf(row))[0];
  if (column.kind === "p") return (row.told ??= differenceOf(row))[1];
  if (column.name === "") return fullLabel(row.group);
  if (here.groups[row.group].options[column.name] !== undefined || here.shared[column.name] !== undefined) return optionText(row.group, column.name);
  const own = [...new Set(row.runs.map((run) => valueOf(run, column.name) ?? "–"))];
  return own.length > 3 ? `${own.slice(0, 3).join(", ")} …` : own.join(", ");
}

const isNumber = (column) => column.kind !== "option" || here.groups.some((g) => typeof g.options[column.name] === "number");

/* ---- drawing */
function drawTable() {
  select();
  judge();
  tellVerdict();
  const columns = tableColumns();
  $("runs").tHead.replaceChildren(heads(columns));
  drawRows(columns);
  const n = rows.reduce((sum, row) => sum + row.runs.length, 0);
  $("count").textContent = `${n} of ${runsHere().length} runs in ${rows.length} of ${here.groups.length} configurations`;
}

function heads(columns) {
  const line = h("tr");
  line.append(h("th", { className: "pick", scope: "col" }, h("span", { className: "quiet" }, "draw")));
  for (const column of columns) {
    const sorts = column.kind !== "p" && column.name !== "";
    const order = state.sort === column.name ? (state.up ? "ascending" : "descending") : "none";
    const name = sorts ? h("button", { className: "sort", onclick: () => sortBy(column.name) }, column.text) : column.text;
    const cell = h("th", { scope: "col", className: column.number ? "number" : "", dataset: { column: column.name } }, name);
    if (sorts) cell.setAttribute("aria-sort", order);
    if (column.unit) cell.append(h("small", {}, column.unit));
    line.append(cell);
  }
  line.append(h("th", { scope: "col", "aria-label": "more" }));
  return line;
}

function sortBy(name) {
  const first = hasMetric(name) ? !about(name).higher : true;
  state.up = state.sort === name ? !state.up : first;
  state.sort = name;
  changed(drawTable);
  document.querySelector(`#runs th[data-column="${CSS.escape(name)}"] button`)?.focus();
}

function drawRows(columns) {
  const body = document.createDocumentFragment();
  for (const row of rows.slice(0, drawnRows)) {
    row.told = undefined;
    body.append(groupRow(row, columns));
    if (state.open.has(row.group) && row.runs.length > 1) for (const run of row.runs) body.append(runRow(run, columns));
  }
  $("runs").tBodies[0].replaceChildren(body);
  $("more").hidden = rows.length <= drawnRows;
  $("more").textContent = `show ${Math.min(MORE, rows.length - drawnRows)} more of ${rows.length - drawnRows} rows that are left`;
}

function groupRow(row, columns) {
  const { group, runs } = row, line = h("tr", { className: "group" });
  const tick = tickOf(runs, fullLabel(group));
  const pick = h("td", { className: "pick" }, tick, swatch(group));
  if (runs.length > 1) pick.append(opener(group));
  line.append(pick);
  columns.forEach((column, i) => {
    const text = textOf(row, column), cell = h("td", { className: column.number ? "number" : "", title: text }, text);
    if (column.main) cell.prepend(...badge(group));
    line.append(cell);
  });
  line.append(lastCell(runs, runs.length === 1));
  return line;
}

function badge(group) {
  if (here.groups.length < 2) return [];
  if (verdict.best?.group === group) return [h("span", { className: "badge best", title: "the best of the rows shown" }, "best")];
  const found = verdict.of.get(group);
  if (found?.p >= LEVEL) return [h("span", { className: "badge equal", title: `not significantly worse than the best: ${pText(found.p)}, paired by ${found.by}` }, "≈ best")];
  return [];
}

function opener(group) {
  const open = state.open.has(group);
  const button = h("button", { className: "open", onclick: () => { open ? state.open.delete(group) : state.open.add(group); changed(drawTable); } }, open ? "▾" : "▸");
  button.setAttribute("aria-expanded", String(open));
  button.setAttribute("aria-label", `runs of ${fullLabel(group)}`);
  return button;
}

/* The warnings, the link and what else there is to do with a run. */
function lastCell(runs, one) {
  const cell = h("td", { className: "last" });
  const ill = runs.filter((run) => run.warnings.length || run.state === "failed" || run.state === "stopped");
  for (const run of one ? ill : ill.slice(0, 1)) cell.append(h("span", { className: "badge warn", title: ill.map((r) => `seed ${r.seed}: ${warned(r)}`).join("\n") }, one ? `⚠ ${brief(run)}` : `⚠ ${ill.length} of ${runs.length}: ${brief(run)}`));
  const running = runs.filter((run) => run.state === "running").length;
  if (running) cell.append(h("span", { className: "badge live" }, one ? "running" : `${running} running`));
  const pinned = runs.every((run) => state.side.includes(run.index));
  if (one) cell.append(h("button", { className: "quiet pin", "aria-pressed": String(pinned), title: "put this run beside others, below", onclick: () => pin(runs[0]) }, pinned ? "beside ✓" : "beside"), linkOf(runs[0]));
  else if (here.groups.length > 1) cell.append(h("button", { className: "quiet", title: "differences are to this configuration", onclick: () => { state.baseline = runs[0].group; changed(drawAll); } }, state.baseline === runs[0].group ? "baseline ✓" : "baseline"));
  return cell;
}
const warned = (run) => [...run.warnings.map((w) => w.text), ...(["failed", "stopped"].includes(run.state) ? [run.state] : [])].join("; ");
const brief = (run) => { const w = run.warnings[0]; return !w ? run.state : w.kind === "collapse" ? `collapsed from step ${w.step}` : "undone steps"; };

function linkOf(run) {
  const name = (run.folder === "." ? data.root : run.folder).split("/").pop();
  return run.href === undefined ? h("span", { className: "folder", title: run.folder }, shortened(name, 24)) : h("a", { className: "folder", href: `${run.href.split("/").map(encodeURIComponent).join("/")}/`, title: `open ${run.folder}` }, shortened(name, 24));
}

function runRow(run, columns) {
  const line = h("tr", { className: "run" });
  const tick = tickOf([run], runLabel(run));
  line.append(h("td", { className: "pick" }, tick));
  columns.forEach((column, i) => {
    const own = column.kind === "metric" || column.kind === "n" ? null : !i ? `seed ${run.seed}` : "";
    const text = column.kind === "n" ? "" : (own ?? cellOf({ runs: [run] }, column.name));
    line.append(h("td", { className: column.number && own === null ? "number" : "", title: text }, text));
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
  changed(() => { drawTicks(); redraw("curves", "plots", "pictures"); });
}
function pin(run) {
  state.side = state.side.includes(run.index) ? state.side.filter((i) => i !== run.index) : [...state.side, run.index];
  changed(() => { drawTable(); redraw("side"); });
}
