/* Any number against any other; rate against distortion; parallel coordinates; what options decide. */

const FEW = 12; // values up to which words stand side by side on an axis
const POINTS = 1500;

/* What an axis can show, options before metrics. */
function axisNames() {
  const options = [...new Set([...here.keys, ...here.differing])];
  return {
    options: [...options, "seed"],
    metrics: here.metrics.map((m) => m.name).filter((n) => !n.endsWith("_se")),
  };
}

function wordsOf(name) {
  if (hasMetric(name) || name === "seed") return null;
  const found = [...new Set(runsHere().map((run) => valueOf(run, name)))].filter((v) => v !== null);
  if (found.every((v) => typeof v === "number")) return null;
  return found.map(String).sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
}

/* A point a configuration with its sd, or one a run. */
function pointsOf(xName, yName, x = (run) => valueOf(run, xName), y = (run) => valueOf(run, yName)) {
  const found = [];
  for (const group of shownGroups()) {
    const runs = drawnOf(group).filter((run) => x(run) !== null && y(run) !== null);
    if (state.prun || runs.length < 2)
      for (const run of runs)
        found.push({
          x: x(run),
          y: y(run),
          group,
          name: `${runLabel(run)}: ${told(xName, x(run))}, ${told(yName, y(run))}`,
        });
    else {
      const point = { ...centre(runs.map(x), "x", "ex"), ...centre(runs.map(y), "y", "ey"), group };
      found.push({
        ...point,
        name: `${label(group)} (${runs.length} seeds): ${told(xName, point.x, point.ex)}, ${told(yName, point.y, point.ey)}`,
      });
    }
  }
  return found.slice(0, POINTS);
}
/* `test/nll 23.81 ± 0.04 sd nats` */
function told(name, value, sd) {
  const digits = digitsFor(sd),
    unit = about(name.replace("−", ""))?.unit;
  const text = typeof value === "number" ? plain(value, digits) : value;
  return [name, text + (sd ? ` ± ${plain(sd, digits)} sd` : ""), unit].filter(Boolean).join(" ");
}
/* The few values that a number of the options has: its axis names them. */
function stopsOf(name) {
  if (!isOption(name)) return null;
  const found = [...new Set(runsHere().map((run) => valueOf(run, name)))].filter((v) => typeof v === "number");
  return found.length <= FEW ? found.sort((a, b) => a - b) : null;
}
const centre = (found, at, error) =>
  new Set(found).size > 1 && typeof found[0] === "number"
    ? { [at]: mean(found), [error]: deviation(found) }
    : { [at]: found[0] };

const named = (name) => (unitOf(name) ? `${name} (${about(name).unit || "–"})`.replace(" (–)", "") : name);

function drawPlots() {
  drawScatter();
  drawRate();
  drawParallel();
  drawImportance();
}

function drawScatter() {
  const points = pointsOf(state.px, state.py);
  pointChart($("scatter"), points, {
    xWords: wordsOf(state.px),
    yWords: wordsOf(state.py),
    xStops: stopsOf(state.px),
    yStops: stopsOf(state.py),
    logx: state.plogx,
    logy: state.plogy,
    xName: named(state.px),
    yName: named(state.py),
    height: 320,
    name: `${state.py} by ${state.px}: ${points.length} points`,
  });
}

/* Rate against distortion: on a line of slope −1 the bound is the same (Alemi et al. 2018). */
function drawRate() {
  const there =
    hasMetric("test/kl") && hasMetric("test/recon") && values(runsHere(), "test/kl").some((v) => v > 0);
  $("rate-panel").hidden = !there;
  if (!there) return;
  const points = pointsOf(
    "test/kl",
    "−test/recon",
    (run) => metricOf(run, "test/kl"),
    (run) => (metricOf(run, "test/recon") === null ? null : -metricOf(run, "test/recon")),
  );
  pointChart($("rate"), points, {
    xName: "rate: test/kl (nats)",
    yName: "distortion: −test/recon (nats)",
    height: 320,
    name: `distortion by rate: ${points.length} points`,
    under: isoBounds,
  });
}
function isoBounds(chart) {
  const { box } = chart,
    low = chart.x.invert(box.left),
    high = chart.x.invert(box.right),
    bottom = chart.y.invert(box.bottom),
    top = chart.y.invert(box.top);
  for (const sum of linearTicks(low + bottom, high + top, 7)) {
    const line = s(
      "path",
      {
        class: "iso",
        d: `M${chart.x.at(low)} ${chart.y.at(sum - low)}L${chart.x.at(high)} ${chart.y.at(sum - high)}`,
      },
      s("title", {}, `bound ${plain(-sum)}`),
    );
    chart.marks.append(line);
  }
}

/* ---- parallel coordinates: every configuration a line from option to option to the metric */
function parallelAxes() {
  const several = (name) => new Set(runsHere().map((run) => valueOf(run, name))).size > 1;
  return [...here.keys.filter(several), state.metric];
}

function drawParallel() {
  const names = parallelAxes(),
    panel = $("parallel-panel");
  panel.hidden = names.length < 2 || here.groups.length < 2;
  if (panel.hidden) return;
  const host = $("parallel"),
    width = Math.max(240, host.clientWidth || 320),
    height = 320;
  const compact = width < 560;
  const svg = s("svg", {
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    class: "chart",
    "aria-label": `parallel coordinates of ${names.join(", ")}`,
  });
  const left = compact ? 34 : 70,
    right = width - (compact ? 46 : 80),
    gap = (right - left) / (names.length - 1);
  const each = names.map((name, i) => ({ name, x: left + i * gap, ...parallelScale(name, height) }));
  const lines = members.map((runs, group) => ({
    group,
    value: values(runs, state.metric).length ? mean(values(runs, state.metric)) : NaN,
    ys: each.map((axis) => axis.of(runs)),
  }));
  const found = lines.map((line) => line.value).filter(Number.isFinite),
    low = Math.min(...found),
    high = Math.max(...found);
  const passes = new Set(rows.map((row) => row.group));
  svg.append(...strokes(lines, each, low, high, passes));
  each.forEach((axis, i) => svg.append(axisOf(axis, i, each.length, height)));
  host.replaceChildren(svg);
}

function parallelScale(name, height) {
  const words = wordsOf(name),
    all = [
      ...new Set(
        runsHere()
          .map((run) => valueOf(run, name))
          .filter((v) => v !== null),
      ),
    ];
  const few = !words && !hasMetric(name) && all.length <= FEW ? all.sort((a, b) => a - b).map(String) : words;
  const wide = !few && all.length > 1 && Math.min(...all) > 0 && Math.max(...all) / Math.min(...all) > 50;
  const axis = scale(all, height - 26, 38, { words: few, log: wide, room: 0.03, count: 6 });
  const of = (runs) => {
    const found = runs.map((run) => valueOf(run, name)).filter((v) => v !== null);
    return !found.length ? NaN : few ? axis.at(found[0]) : axis.at(mean(found));
  };
  return {
    ...axis,
    of,
    pixel: (run) => {
      const v = valueOf(run, name);
      return v === null ? NaN : axis.at(v);
    },
  };
}

/* Lines of about the same value as one path: a thousand are drawn as fast as ten. */
const SHADES = 24;
function strokes(lines, each, low, high, passes) {
  const paths = new Map();
  for (const line of lines) {
    const t = Number.isFinite(line.value) ? (line.value - low) / (high - low || 1) : NaN;
    const good = about(state.metric)?.higher ? t : 1 - t,
      shade = Math.round(good * SHADES);
    const key = !passes.has(line.group) ? "out" : Number.isFinite(shade) ? shade : "none";
    let d = "";
    line.ys.forEach((y, i) => {
      if (Number.isFinite(y))
        d += `${d && Number.isFinite(line.ys[i - 1]) ? "L" : "M"}${each[i].x.toFixed(1)} ${y.toFixed(1)}`;
    });
    paths.set(key, (paths.get(key) ?? "") + d);
  }
  const order = ([a], [b]) => (typeof a === "string" ? -1 : a) - (typeof b === "string" ? -1 : b);
  return [...paths].sort(order).map(([key, d]) =>
    s("path", {
      d,
      fill: "none",
      class: key === "out" ? "strand out" : "strand",
      stroke: key === "out" || key === "none" ? "var(--line)" : viridis(key / SHADES),
    }),
  );
}

/* Viridis (van der Walt, Smith 2015) through seven of its colours, without the end that the ground swallows. */
const VIRIDIS = [
  [68, 1, 84],
  [68, 57, 131],
  [49, 104, 142],
  [33, 145, 140],
  [53, 183, 121],
  [144, 215, 67],
  [235, 215, 40],
];
const onDark = matchMedia("(prefers-color-scheme: dark)");
function viridis(t) {
  const [from, to] = onDark.matches && !document.body.dataset.printing ? [0.2, 1] : [0, 0.9];
  const at = Math.min(0.9999, from + (to - from) * Math.max(0, t)) * (VIRIDIS.length - 1),
    i = Math.floor(at);
  return `rgb(${VIRIDIS[i].map((c, j) => Math.round(c + (at - i) * (VIRIDIS[i + 1][j] - c))).join(",")})`;
}

function axisOf(axis, i, n, height) {
  const group = s("g", { class: "axis upright" });
  group.append(s("line", { x1: axis.x, x2: axis.x, y1: 34, y2: height - 22, class: "spine" }));
  const anchor = i === 0 ? "start" : i === n - 1 ? "end" : "middle",
    edge = i === 0 ? 2 : i === n - 1 ? 2 * axis.x : 0;
  group.append(
    s(
      "text",
      {
        x: i === 0 ? 2 : i === n - 1 ? axis.x + 44 : axis.x,
        y: i % 2 ? 26 : 12,
        "text-anchor": anchor,
        class: "name",
      },
      shortened(here.keys.includes(axis.name) ? short(axis.name) : axis.name, 22),
    ),
  );
  for (const [y, text] of axis.ticks)
    group.append(
      s(
        "text",
        { x: axis.x + (i === n - 1 ? 7 : -7), y: y + 4, "text-anchor": i === n - 1 ? "start" : "end" },
        shortened(text, 12),
      ),
    );
  const brush = brushes().find((b) => b.name === axis.name);
  if (brush)
    group.append(
      s("rect", { x: axis.x - 6, width: 12, y: brush.low, height: brush.high - brush.low, class: "brush" }),
    );
  const hit = s("rect", {
    x: axis.x - 16,
    width: 32,
    y: 30,
    height: height - 50,
    class: "hit",
    tabindex: 0,
    role: "slider",
    "aria-label": `choose by ${axis.name}`,
    "aria-valuetext": brush ? "part of it" : "all",
    "aria-valuenow": 0,
  });
  let from = null;
  const at = (event) => event.clientY - hit.ownerSVGElement.getBoundingClientRect().top;
  hit.onpointerdown = (event) => {
    from = at(event);
    hit.setPointerCapture(event.pointerId);
  };
  hit.onpointerup = (event) => {
    const ends = [from, at(event)].sort((a, b) => a - b);
    setBrush(axis.name, ends[1] - ends[0] > 5 ? ends : null);
  };
  hit.onkeydown = (event) => moveBrush(event, axis, height);
  group.append(hit);
  return group;
}

/* ---- what is chosen along the axes: `name~low~high|…` in pixels of a chart of fixed height */
const brushes = () =>
  state.chosen
    .split("|")
    .filter(Boolean)
    .map((part) => {
      const [name, low, high] = part.split("~");
      return { name, low: Number(low), high: Number(high) };
    });
function setBrush(name, ends) {
  const kept = brushes().filter((b) => b.name !== name);
  if (ends) kept.push({ name, low: Math.round(ends[0]), high: Math.round(ends[1]) });
  state.chosen = kept.map((b) => `${b.name}~${b.low}~${b.high}`).join("|");
  changed(() => {
    drawTable();
    redraw(...OF_ROWS);
  });
}
function moveBrush(event, axis, height) {
  const step = { ArrowUp: -20, ArrowDown: 20 }[event.key];
  if (event.key === "Escape") return setBrush(axis.name, null);
  if (!step) return;
  event.preventDefault();
  const now = brushes().find((b) => b.name === axis.name) ?? { low: 34, high: height / 2 };
  setBrush(axis.name, [now.low + step, now.high + step]);
}
function brushed() {
  const chosen = brushes().map((b) => ({ ...b, ...parallelScale(b.name, 320) }));
  return (run) =>
    chosen.every((b) => {
      const y = b.pixel(run);
      return y >= b.low && y <= b.high;
    });
}

/* ---- how an option and the metric go together, over all runs of the section */
function drawImportance() {
  const found = Object.entries(here.importance[state.metric] ?? {})
    .filter(([, v]) => v !== null)
    .sort(([, a], [, b]) => Math.abs(b) - Math.abs(a))
    .slice(0, 12);
  $("importance-panel").hidden = !found.length;
  if (!found.length) return;
  const lines = found.map(([name, value]) => {
    const numeric = !wordsOf(name),
      bar = h("span", { className: `bar ${value < 0 ? "less" : ""}` });
    bar.style.width = `${Math.abs(value) * 100}%`;
    const text = numeric ? `ρ = ${signed(value, 2)}` : `η = ${plain(Math.abs(value), 2)}`;
    const means = numeric
      ? `more of it, ${value > 0 ? "higher" : "lower"} ${state.metric}`
      : "words: how much of the order they settle";
    return h(
      "tr",
      { title: means },
      h("th", { scope: "row" }, name),
      h("td", {}, h("span", { className: "track" }, bar)),
      h("td", { className: "number" }, text),
    );
  });
  $("importance").replaceChildren(...lines);
  $("importance-of").textContent =
    `Spearman's rank correlation with ${state.metric} over ${values(runsHere(), state.metric).length} runs; of words η, its size without a sign`;
}
