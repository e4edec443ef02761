/* Which configurations are listed, in which order, which is best, and how sure that is. */

let rows = []; // the groups that pass the filter, in order: {group, runs}

/* Every word of the filter must hold: `name=value`, `name<value`, `name>value`, or a part of anything. */
const conditions = () =>
  words().map(({ word, column, sign, value }) =>
    column ? (run) => holds(valueOf(run, column), sign, value) : (run) => haystack(run).includes(word),
  );
function words() {
  const names = [...here.keys, ...here.differing, ...here.metrics.map((m) => m.name), ...Object.keys(OWN)];
  return state.filter
    .toLowerCase()
    .split(/\s+/)
    .filter(Boolean)
    .map((word) => {
      const [, name, sign, value] = word.match(/^([^=<>]+)(=|<|>)(.*)$/) ?? [];
      const column =
        names.find((n) => n.toLowerCase() === name) ??
        names.find((n) => n.toLowerCase().split(".").pop() === name);
      return { word, name, column, sign, value };
    });
}
function nothingMatches() {
  const unknown = words().filter(({ name, column }) => name && !column);
  const which = unknown.map(({ name }) => `; ${name} is no column`).join("");
  return `Nothing matches the filter${which}.`;
}
function holds(found, sign, value) {
  if (found === null || found === undefined) return false;
  if (sign === "=")
    return (
      value === "" ||
      String(found).toLowerCase() === value ||
      (typeof found === "number" && found === Number(value))
    );
  return sign === "<" ? found < Number(value) : found > Number(value);
}
function haystack(run) {
  const options = { ...here.groups[run.group].options, seed: run.seed };
  return (run.text ??= [
    run.folder,
    run.state,
    ...run.warnings.map((w) => w.text),
    ...Object.entries(options).map(([n, v]) => `${n}=${v}`),
  ]
    .join(" ")
    .toLowerCase());
}

function select() {
  const all = conditions(),
    inside = brushed();
  const passes = (run) => inside(run) && all.every((holds) => holds(run));
  rows = members
    .map((runs, group) => ({ group, runs: runs.filter(passes) }))
    .filter((row) => row.runs.length);
  rowOf = new Map(rows.map((row) => [row.group, row]));
  for (const row of rows) row.key = sortKey(row);
  rows.sort((a, b) => ordered(a.key, b.key));
}

function sortKey({ group, runs }) {
  if (state.sort === "n") return runs.length;
  if (state.sort === "difference")
    return state.baseline === group
      ? 0
      : judged(group, state.baseline, state.metric, among(runs, group)).difference;
  if (hasMetric(state.sort)) return values(runs, state.sort).length ? mean(values(runs, state.sort)) : null;
  return valueOf(runs[0], state.sort);
}
/* What is missing stays last whichever way the column is sorted. */
function ordered(a, b) {
  const none = (v) => v === null || v === undefined || Number.isNaN(v);
  if (none(a) || none(b)) return none(a) - none(b);
  const sign = state.up ? 1 : -1;
  return (
    sign *
    (typeof a === "number" && typeof b === "number"
      ? a - b
      : String(a).localeCompare(String(b), "en", { numeric: true }))
  );
}

/* The runs of a group that pass; of any other group as they pass too. */
let rowOf = new Map();
const passing = (group) => rowOf.get(group)?.runs ?? members[group];
/* The runs of a group that are drawn: listed and ticked. */
const drawnOf = (group) => (rowOf.get(group)?.runs ?? []).filter((run) => state.shown.has(run.index));
const among = (runs, group) => (g) => (g === group ? runs : members[g]);

/* The best of the groups that are shown, and of the others how sure it is that they are worse. */
let verdict = { best: null, of: new Map() };
function judge() {
  const known = isQuality(state.metric) ? rows.filter((row) => values(row.runs, state.metric).length) : [];
  const sign = about(state.metric)?.higher ? -1 : 1;
  for (const row of known) row.mean = mean(values(row.runs, state.metric));
  const best = known.reduce((a, b) => (a && sign * a.mean <= sign * b.mean ? a : b), null);
  const of = new Map();
  for (const row of known)
    if (row !== best) of.set(row.group, judged(row.group, best.group, state.metric, passing));
  verdict = {
    best,
    of,
    equal: [...of].filter(([, v]) => v.p >= LEVEL).map(([g]) => g),
    worse: [...of].filter(([, v]) => v.p < LEVEL).map(([g]) => g),
    unknown: [...of].filter(([, v]) => !Number.isFinite(v.p)).map(([g]) => g),
  };
}

function tellVerdict() {
  const { best, equal, worse, unknown } = verdict;
  if (!rows.length) return $("verdict").replaceChildren();
  if (!isQuality(state.metric))
    return $("verdict").replaceChildren(`${state.metric} is no quality: nothing is the best by it. `, ...warningsTold());
  if (!best) return $("verdict").replaceChildren(`No run here has ${state.metric} yet.`);
  const what = `${state.metric}${unitOf(state.metric) ? ` (${unitOf(state.metric)})` : ""}`;
  if (here.groups.length === 1)
    return $("verdict").replaceChildren(`${what}: `, h("b", {}, cellOf(best, state.metric)), meanOf(best));
  const parts = [
    h("span", { className: "badge best" }, "best"),
    swatch(best.group),
    h("b", {}, label(best.group)),
    ` has the ${about(state.metric).higher ? "highest" : "lowest"} ${what}: ${cellOf(best, state.metric)}${meanOf(best)}. `,
  ];
  const named = (groups) =>
    groups
      .slice(0, 3)
      .map((g) => `${label(g)} (${pText(verdict.of.get(g).p)})`)
      .join(", ") + (groups.length > 3 ? ` and ${groups.length - 3} more` : "");
  if (worse.length)
    parts.push(`Significantly worse, each tested against the best: ${named(worse)}. `);
  if (equal.length)
    parts.push(
      h("span", { className: "badge equal" }, "≈ best"),
      `Not significantly worse than the best: ${named(equal)}. `,
    );
  if (unknown.length)
    parts.push(
      `Of ${unknown.length} nobody can say: a test needs two seeds in common, or values of the test examples.`,
    );
  $("verdict").replaceChildren(...parts, ...warningsTold());
}
/* Which of the runs listed are not well, since when. */
function warningsTold() {
  const ill = rows.flatMap((row) => row.runs).filter((run) => run.warnings.length);
  if (!ill.length) return [];
  const told = ill.slice(0, 3).map((run) => `${label(run.group)} seed ${run.seed} ${brief(run)}`);
  const more = ill.length > 3 ? ` and ${ill.length - 3} more` : "";
  return [h("span", { className: "badge warn" }, "⚠"), `${told.join("; ")}${more}.`];
}
const meanOf = (row) => {
  const n = values(row.runs, state.metric).length;
  return n > 1 ? `, mean ± sd of ${n} seeds` : "";
};
