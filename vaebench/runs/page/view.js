/* What there is to see and what of it is looked at: the data, the choices, and the address that holds them. */

let data = JSON.parse(document.getElementById("data").textContent);
let numbers = null; // unpacked once the first table stands
const COLOURS = 7,
  DASHES = ["", "7 3", "2 3", "9 3 2 3"],
  SHOWN_AT_FIRST = 7,
  LEVEL = 0.05;
const SVG = "http://www.w3.org/2000/svg";
const $ = (id) => document.getElementById(id);

/* An element with its properties and children; text is never read as markup. */
function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role" || name === "for") element.setAttribute(name, value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/* ---- the section that is looked at, and its groups and runs */
const state = {};
let here, members; // the section; of each of its groups the runs

const runsHere = () => members.flat();
const collapsed = (run) => run.warnings.some((w) => w.kind === "collapse");
const metricIndex = (name) => here.at.get(name) ?? -1;
const about = (name) => here.metrics[metricIndex(name)];
const hasMetric = (name) => here.at.has(name);
const isOption = (name) =>
  here.differing.includes(name) || here.keys.includes(name) || here.groups.some((g) => name in g.options);

function metricOf(run, name) {
  const value = run.metrics[metricIndex(name)];
  return value === undefined ? null : value;
}

/* What no option and no metric says of a run. */
const OWN = { seed: "seed", "k of L_k": "k", examples: "examples" };

/* A run's number or word under any name that a column, an axis or a filter may have. */
function valueOf(run, name) {
  if (name in OWN) return run[OWN[name]];
  if (hasMetric(name)) return metricOf(run, name);
  return here.groups[run.group].options[name] ?? here.shared[name] ?? null;
}

const seeds = (runs, metric) =>
  runs.map((run) => [run.seed, metricOf(run, metric)]).filter(([, value]) => value !== null);
const values = (runs, metric) => seeds(runs, metric).map(([, value]) => value);

/* The error over the test examples of the difference between two groups, which Python has computed. */
function exampleError(a, b, metric) {
  const rows = here.errors[metric];
  if (!rows || a === b) return NaN;
  return rows[Math.max(a, b)]?.[Math.min(a, b)] ?? NaN;
}

/* Whether two groups differ in a metric: by their seeds where both have two, else by the test examples. */
function judged(a, b, metric, runsOf = (g) => members[g]) {
  const found = pairedBySeed(seeds(runsOf(a), metric), seeds(runsOf(b), metric));
  const whole = runsOf(a).length === members[a].length && runsOf(b).length === members[b].length;
  const error = whole ? exampleError(a, b, metric) : NaN;
  if (Number.isFinite(found.p)) return { ...found, overExamples: error, by: "seeds" };
  if (!(error > 0)) return { ...found, overExamples: error, by: "" };
  const n = members[a][0].examples || 1e4;
  return { ...found, overExamples: error, p: studentP(found.difference / error, n - 1), by: "examples" };
}

/* ---- what a group is called, everywhere: `vae · k=5`, all options that differ in the section */
const short = (key) => {
  const last = key.split(".").pop();
  return here.keys.filter((k) => k.split(".").pop() === last).length > 1 ? key : last;
};
const optionText = (group, key) => String(here.groups[group].options[key] ?? here.shared[key] ?? "–");
const label = (group) =>
  here.keys
    .map((key) => (key === "model" ? "" : `${short(key)}=`) + optionText(group, key))
    .join(" · ") || String(here.shared.model ?? "all the same");
const runLabel = (run) =>
  `${label(run.group)}${members[run.group].length > 1 || !here.keys.length ? ` · seed ${run.seed}` : ""}`;

const colour = (group) => `var(--c${group % COLOURS})`;
const dash = (group) => DASHES[Math.floor(group / COLOURS) % DASHES.length];
function swatch(group) {
  const line = s("line", {
    x1: 1,
    x2: 21,
    y1: 5,
    y2: 5,
    stroke: colour(group),
    "stroke-width": 3,
    "stroke-dasharray": dash(group),
  });
  return s("svg", { class: "swatch", width: 22, height: 10, "aria-hidden": "true" }, line);
}

/* `−L_100 · nats · 400 examples`: what a number is of, as far as it is the same for all runs. */
function unitOf(name, runs = runsHere()) {
  if (!hasMetric(name)) return "";
  const found = about(name).unit ? [about(name).unit] : [];
  if (name.startsWith("test/")) {
    const of = (key) => [...new Set(runs.filter((r) => metricOf(r, name) !== null).map((r) => r[key]))];
    const ks = name === "test/nll" ? of("k") : [],
      counts = of("examples");
    if (ks.length === 1 && ks[0]) found.unshift(`−L${subscript(ks[0])}`);
    if (ks.length > 1) found.unshift("−L of several k");
    if (counts.length === 1 && counts[0]) found.push(`${counts[0]} examples`);
    if (counts.length > 1) found.push("of unlike numbers of examples");
  }
  return found.join(" · ");
}
const subscript = (k) => String(k).replace(/\d/g, (d) => "₀₁₂₃₄₅₆₇₈₉"[d]);
const isQuality = (name) => about(name)?.quality ?? false;
const better = (name) => (!isQuality(name) ? "" : about(name).higher ? "higher is better" : "lower is better");

/* ---- the packed numbers: bytes of equal weight lie together */
async function unpack(text) {
  if (!text) return new Float32Array(0);
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  const n = planes.length / 4,
    whole = new Uint8Array(planes.length);
  for (let plane = 0; plane < 4; plane++)
    for (let i = 0; i < n; i++) whole[4 * i + plane] = planes[plane * n + i];
  return new Float32Array(whole.buffer);
}

/* ---- the address: what differs from what is chosen at first */
const LISTS = ["columns", "curves", "shown", "side", "open"],
  FLAGS = ["up", "logx", "logy", "each", "plogx", "plogy", "prun"],
  COUNTS = ["section", "baseline", "smooth", "zoom"];

/* [0, 1, 2, 5] as "0-2,5", so that the runs of a large page fit into an address. */
function ranges(list) {
  const sorted = [...list].sort((a, b) => a - b),
    found = [];
  for (const i of sorted) {
    const last = found.at(-1);
    if (last && i === last[1] + 1) last[1] = i;
    else found.push([i, i]);
  }
  return found.map(([a, b]) => (a === b ? `${a}` : `${a}-${b}`)).join(",");
}
function unranges(text) {
  return text
    .split(",")
    .filter(Boolean)
    .flatMap((part) => {
      const [a, b = a] = part.split("-").map(Number);
      return Array.from({ length: Math.max(0, Math.min(b, 1e5) - a + 1) }, (_, i) => a + i);
    });
}

function written(name, value) {
  if (name === "shown" || name === "open") return ranges(value);
  if (LISTS.includes(name)) return [...value].join(",");
  return FLAGS.includes(name) ? String(Number(value)) : String(value);
}
function read(name, text) {
  if (name === "shown" || name === "open") return new Set(unranges(text));
  if (name === "side") return unranges(text);
  if (LISTS.includes(name)) return text.split(",").filter(Boolean);
  if (FLAGS.includes(name)) return text === "1";
  return COUNTS.includes(name) ? Number(text) || 0 : text;
}

let atFirst = {};
function remember() {
  const params = new URLSearchParams();
  for (const name of Object.keys(atFirst)) {
    const now = written(name, state[name]);
    if (name === "section" ? state.section : now !== written(name, atFirst[name])) params.set(name, now);
  }
  const address = params.toString().replaceAll("%2F", "/").replaceAll("%2C", ",");
  history.replaceState(null, "", `#${address}`);
}

/* The choices of a section before anybody has chosen. */
function defaults(section) {
  here = data.sections[section];
  here.at ??= new Map(here.metrics.map((metric, i) => [metric.name, i]));
  members = here.groups.map(() => []);
  data.runs.forEach((run, index) => {
    run.index = index;
    if (run.section === section) members[run.group].push(run);
  });
  const drawn = new Set(
    runsHere().flatMap((run) => run.curves.filter((_, i) => i % 4 === 0).map((i) => data.curves[i])),
  );
  here.curves = data.curves.filter((name) => drawn.has(name)).sort();
  const wanted = [
    "val/bound",
    "val/loss",
    "train/bound",
    "val/kl",
    "val/recon",
    "train/loss",
    "val/active_units",
  ];
  const curves = wanted.filter(
    (name) => drawn.has(name) && !(name.endsWith("/loss") && drawn.has(name.replace("loss", "bound"))),
  );
  const woken = "val/active_units";
  if (drawn.has(woken) && runsHere().some(collapsed)) curves.splice(2, 0, woken); // beside the bounds
  const first = members
    .slice(0, SHOWN_AT_FIRST)
    .flat()
    .map((run) => run.index);
  const numeric = here.keys.filter((key) => here.groups.some((g) => typeof g.options[key] === "number"));
  const px = numeric[0] ?? here.keys[0] ?? "seed";
  const beside = ["test/bound", "test/kl", "test/active_units", "seconds"].filter(
    (name) => hasMetric(name) && name !== here.metric,
  );
  return {
    section,
    metric: here.metric,
    baseline: here.baseline,
    filter: "",
    sort: here.metric,
    up: !about(here.metric)?.higher,
    columns: beside,
    open: new Set(here.groups.length === 1 && members[0].length > 1 ? [0] : []),
    shown: new Set(first),
    curves: [...new Set(curves.length ? curves : here.curves)].slice(0, 3),
    x: "step",
    logx: false,
    logy: false,
    smooth: 0,
    each: false,
    from: "",
    px,
    py: here.metric,
    plogx: spansPowers(px),
    plogy: false,
    prun: false,
    chosen: "",
    side: sideAtFirst(),
    kind: "",
    zoom: runsHere().length > 1 ? 100 : 180,
  };
}

/* Whether an option's values are far apart, as those of k=1,5,50: an axis of logarithms shows them all. */
function spansPowers(name) {
  const found = here.groups.map((g) => g.options[name]).filter((v) => typeof v === "number");
  return found.length > 0 && Math.min(...found) > 0 && Math.max(...found) / Math.min(...found) >= 20;
}

/* The best run and the baseline's of the same seed; where they are one, the next best. */
function sideAtFirst() {
  const best = members.find((runs) => runs.length)?.[0];
  if (!best) return [];
  const other = best.group === here.baseline ? members[1] : members[here.baseline];
  const twin =
    (other ?? members[0]).find((run) => run.seed === best.seed && run !== best) ??
    (other ?? members[0]).find((run) => run !== best);
  return twin ? [best.index, twin.index] : [best.index];
}

function load(address) {
  const params = new URLSearchParams(address.replace(/^#/, ""));
  const section = Math.min(data.sections.length - 1, Math.max(0, Number(params.get("section")) || 0));
  atFirst = defaults(section);
  Object.assign(state, defaults(section));
  for (const [name, text] of params)
    if (name in atFirst && name !== "section") state[name] = read(name, text);
  mend();
}

/* A link may be of another page, or of this one before some runs were there. */
function mend() {
  const isRun = (i) => data.runs[i]?.section === state.section;
  if (!hasMetric(state.metric)) state.metric = here.metric;
  if (!here.groups[state.baseline]) state.baseline = here.baseline;
  state.columns = state.columns.filter((name) => hasMetric(name) || isOption(name) || name in OWN);
  state.curves = state.curves.filter((name) => here.curves.includes(name));
  state.side = state.side.filter(isRun);
  state.shown = new Set([...state.shown].filter(isRun));
}
