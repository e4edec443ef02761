"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const COLOURS = ["#2f6fab", "#d1732a", "#3a9050", "#b8434e", "#7d5fa8", "#8a6a4f", "#cc6fa6", "#6b7280", "#a3a02c", "#2a9aa8", "#1f3f6b", "#f0a35e", "#7cc08e", "#e58a90", "#b9a2d8", "#5b4636", "#8d2f6c", "#aab2bd", "#6f6c12", "#7fd0da"];
const CURVES_AT_FIRST = 20;
const CATEGORIES = 8; // a grid's few values stand evenly, however far apart they are
const colour = (group) => COLOURS[group % COLOURS.length];
const state = { column: data.metric, up: !data.higher.includes(data.metric), metric: data.metric, shown: new Set(), chosen: null, gridSeen: false };

const options = [...data.keys, "seed"];
const subjects = new Set(data.runs.map((r) => r.subject));
if (subjects.size > 1 && !data.keys.includes("dataset")) options.unshift("subject");

function value(run, column) {
  if (column === "seed" || column === "subject" || column === "examples") return run[column];
  const v = run.metrics[column] !== undefined ? run.metrics[column] : run.options[column];
  if (v === undefined) return null;
  return v !== "" && !Number.isNaN(Number(v)) ? Number(v) : v;
}

function compare(a, b) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

/* Missing values stay last whichever way the column is sorted. */
function sorted(runs) {
  return [...runs].sort((r, s) => {
    const a = value(r, state.column), b = value(s, state.column);
    if (a === null || b === null) return compare(a, b);
    return state.up ? compare(a, b) : -compare(a, b);
  });
}

/* Every word must be found: `name=part` in that column, any other word anywhere. */
function passes(run) {
  if (state.chosen && !state.chosen.has(run)) return false;
  const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const names = [...new Set([...options, ...data.differing])];
  const all = [run.folder, data.groups[run.group], ...names.map((c) => `${c}=${value(run, c)}`)].join(" ").toLowerCase();
  return words.every((word) => {
    const [name, part] = word.split("=");
    const column = names.find((c) => c.toLowerCase() === name);
    if (part === undefined || !column) return all.includes(word);
    return String(value(run, column)).toLowerCase() === part;
  });
}

function columns() {
  const first = [state.metric, "test/bound", "test/active_units", "seconds"];
  const examples = data.examplesDiffer ? ["examples"] : [];
  return [...options, ...examples, ...new Set(first.filter((m) => data.metrics.includes(m))), "folder"];
}

function text(run, column) {
  if (column === "folder") return run.folder;
  const v = value(run, column);
  if (v === null) return "–";
  if (run.options[column] !== undefined) return run.options[column];
  return typeof v === "number" && !Number.isInteger(v) ? v.toPrecision(5) : String(v);
}

function drawTable() {
  const rows = sorted(data.runs.filter(passes));
  const head = document.createElement("tr");
  head.append(document.createElement("th"));
  for (const column of columns()) {
    const cell = document.createElement("th");
    cell.textContent = column;
    cell.dataset.column = column;
    if (column !== "folder" && data.runs.some((r) => typeof value(r, column) === "number")) cell.className = "number";
    if (column === state.column) cell.dataset.order = state.up ? "up" : "down";
    cell.onclick = () => { state.up = state.column === column ? !state.up : true; state.column = column; drawTable(); };
    head.append(cell);
  }
  $("runs").tHead.replaceChildren(head);
  const body = document.createDocumentFragment();
  for (const run of rows) body.append(row(run));
  $("runs").tBodies[0].replaceChildren(body);
  $("count").textContent = `${rows.length} of ${data.runs.length} runs`;
}

function row(run) {
  const line = document.createElement("tr");
  const tick = document.createElement("input");
  tick.type = "checkbox";
  tick.checked = state.shown.has(run);
  tick.setAttribute("aria-label", `show ${run.folder}`);
  tick.onchange = () => { tick.checked ? state.shown.add(run) : state.shown.delete(run); drawCurves(); };
  const swatch = document.createElement("span");
  swatch.className = "swatch";
  swatch.style.background = colour(run.group);
  const first = document.createElement("td");
  first.append(tick, swatch);
  line.append(first);
  for (const column of columns()) {
    const cell = document.createElement("td");
    cell.textContent = text(run, column);
    if (column !== "folder" && typeof value(run, column) === "number") cell.className = "number";
    line.append(cell);
  }
  return line;
}

function interpolate(xs, ys, x) {
  if (x < xs[0] || x > xs[xs.length - 1]) return null;
  let i = 1;
  while (i < xs.length - 1 && xs[i] < x) i++;
  const t = xs[i] === xs[i - 1] ? 0 : (x - xs[i - 1]) / (xs[i] - xs[i - 1]);
  return ys[i - 1] + t * (ys[i] - ys[i - 1]);
}

function band(curves) {
  const steps = [...new Set(curves.flatMap((c) => c[0]))].sort((a, b) => a - b);
  const x = [], mean = [], low = [], high = [];
  for (const step of steps) {
    const ys = curves.map((c) => interpolate(c[0], c[1], step)).filter((y) => y !== null);
    if (ys.length < curves.length) continue;
    const m = ys.reduce((a, b) => a + b, 0) / ys.length;
    const v = ys.length > 1 ? ys.reduce((a, b) => a + (b - m) ** 2, 0) / (ys.length - 1) : 0;
    x.push(step); mean.push(m); low.push(m - Math.sqrt(v)); high.push(m + Math.sqrt(v));
  }
  return { x, mean, low, high };
}

function traces(group, runs) {
  const curves = runs.map((r) => r.curves[$("curve").value]).filter(Boolean);
  if (!curves.length) return [];
  const { x, mean, low, high } = band(curves);
  const name = data.groups[group] + (curves.length > 1 ? ` (${curves.length} seeds)` : "");
  const line = { type: "scatter", mode: "lines", x, y: mean, name, line: { color: colour(group), width: 2 } };
  if (curves.length < 2) return [line];
  const area = { type: "scatter", mode: "lines", x: [...x, ...[...x].reverse()], y: [...high, ...[...low].reverse()], fill: "toself", fillcolor: colour(group) + "2e", line: { width: 0 }, hoverinfo: "skip", showlegend: false };
  return [area, line];
}

function drawCurves() {
  if (!window.Plotly) return; // it is on its way, and draws when it is there
  const byGroup = new Map();
  for (const run of data.runs) if (state.shown.has(run)) byGroup.set(run.group, [...(byGroup.get(run.group) || []), run]);
  const all = [...byGroup].flatMap(([group, runs]) => traces(group, runs));
  Plotly.react("curves", all, { margin: { l: 60, r: 10, t: 10, b: 45 }, xaxis: { title: { text: "step" } }, yaxis: { title: { text: $("curve").value } }, legend: { font: { size: 11 } }, height: 400 }, { responsive: true, displayModeBar: false });
}

function axis(column) {
  const values = data.runs.map((r) => value(r, column));
  const many = new Set(values).size > CATEGORIES;
  if (many && values.every((v) => typeof v === "number")) return { label: column, values };
  const names = [...new Set(values.map(String))].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  return { label: column, values: values.map((v) => names.indexOf(String(v))), tickvals: names.map((_, i) => i), ticktext: names };
}

function drawGrid() {
  if (!state.gridSeen) return;
  const known = data.runs.map((r) => value(r, state.metric)).filter((v) => v !== null);
  if (!known.length) return;
  const worst = data.higher.includes(state.metric) ? Math.min(...known) : Math.max(...known);
  const metric = { label: state.metric, values: data.runs.map((r) => value(r, state.metric) ?? worst) };
  const dimensions = [...data.keys.map(axis), metric];
  const line = { color: metric.values, colorscale: "Viridis", reversescale: !data.higher.includes(state.metric), showscale: true };
  Plotly.react("grid", [{ type: "parcoords", dimensions, line }], { margin: { l: 70, r: 70, t: 45, b: 25 }, height: 380 }, { responsive: true, displayModeBar: false });
  $("grid").removeAllListeners?.("plotly_restyle");
  $("grid").on("plotly_restyle", () => {
    const chosen = $("grid").data[0].dimensions.filter((d) => d.constraintrange);
    const inside = (d, i) => [d.constraintrange].flat(Infinity).some((_, j, all) => j % 2 === 0 && d.values[i] >= all[j] && d.values[i] <= all[j + 1]);
    state.chosen = chosen.length ? new Set(data.runs.filter((_, i) => chosen.every((d) => inside(d, i)))) : null;
    drawTable();
  });
}

function drawPictures() {
  const kind = $("kind").value;
  const figures = data.pictures.filter((p) => p.pictures[kind]).map((p) => {
    const figure = document.createElement("figure");
    const image = document.createElement("img");
    image.src = p.pictures[kind];
    image.alt = `${kind} of ${data.groups[p.group]}`;
    const caption = document.createElement("figcaption");
    caption.textContent = `${data.groups[p.group]} · seed ${p.seed}`;
    figure.append(image, caption);
    return figure;
  });
  $("pictures").replaceChildren(...figures);
}

function fill(select, names, chosen) {
  select.replaceChildren(...names.map((name) => new Option(name, name, false, name === chosen)));
}

function begin() {
  fill($("metric"), data.metrics, data.metric);
  const curves = [...new Set(data.runs.flatMap((r) => Object.keys(r.curves)))].sort();
  fill($("curve"), curves, ["val/bound", "val/loss"].find((m) => curves.includes(m)) || curves[0]);
  const kinds = [...new Set(data.pictures.flatMap((p) => Object.keys(p.pictures)))];
  fill($("kind"), kinds, kinds.includes("samples") ? "samples" : kinds[0]);
  const best = [...new Set(sorted(data.runs).map((r) => r.group))].slice(0, CURVES_AT_FIRST);
  state.shown = new Set(data.runs.filter((r) => best.includes(r.group)));
  const more = data.groups.length > best.length ? ` The curves begin with the best ${best.length}.` : "";
  $("about").textContent = `${data.runs.length} runs in ${data.groups.length} groups that differ by more than the seed, in ${data.root}.${more}${data.ofExamples ? ` ${data.ofExamples}.` : ""}`;
  $("also-differ").textContent = data.alsoDiffer;
  $("left-out").textContent = data.picturesLeftOut ? `${data.picturesLeftOut} groups' pictures are left out to keep the page light` : "";
  $("skipped").replaceChildren(...data.skipped.map((line) => { const li = document.createElement("li"); li.textContent = line; return li; }));
  $("skipped-section").hidden = !data.skipped.length;
  $("grid-section").hidden = data.keys.length < 2;
  $("filter").oninput = drawTable;
  $("metric").onchange = () => { state.metric = state.column = $("metric").value; state.up = !data.higher.includes(state.metric); drawTable(); drawGrid(); };
  $("curve").onchange = drawCurves;
  $("kind").onchange = drawPictures;
  $("all").onclick = () => { data.runs.filter(passes).forEach((r) => state.shown.add(r)); drawTable(); drawCurves(); };
  $("none").onclick = () => { state.shown.clear(); drawTable(); drawCurves(); };
  drawTable(); drawPictures();
}

/* The plotting library comes packed inside the page, and is unpacked after the table is drawn. */
async function loadPlotly() {
  await new Promise((next) => requestAnimationFrame(() => setTimeout(next)));
  const packed = await (await fetch(`data:application/gzip;base64,${$("plotly").textContent}`)).blob();
  const script = document.createElement("script");
  script.textContent = await new Response(packed.stream().pipeThrough(new DecompressionStream("gzip"))).text();
  document.head.append(script);
}

/* The grid's drawing takes a second to set up: it waits until somebody can see it. */
function drawPlots() {
  drawCurves();
  document.body.dataset.drawn = "curves";
  new IntersectionObserver((seen, observer) => {
    if (!seen.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    state.gridSeen = true;
    drawGrid();
    document.body.dataset.drawn = "all";
  }).observe($("grid-section"));
}

begin();
