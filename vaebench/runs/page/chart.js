/* Axes, lines, bands and points as SVG: sharp in print, coloured by the style sheet, light or dark. */

const MARGIN = { left: 58, right: 14, top: 10, bottom: 40 };

/* About `count` round numbers of a range. */
function linearTicks(low, high, count) {
  const rough = (high - low) / count || 1,
    power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough * 0.999);
  const first = Math.ceil(low / step - 1e-9),
    last = Math.floor(high / step + 1e-9);
  return Array.from({ length: Math.max(0, Math.min(50, last - first + 1)) }, (_, i) =>
    Number(((first + i) * step).toPrecision(12)),
  );
}

/* Powers of ten, with their double and fivefold where there are few. */
function logTicks(low, high, count) {
  const first = Math.floor(Math.log10(low)),
    last = Math.ceil(Math.log10(high));
  const stride = Math.max(1, Math.ceil((last - first) / count));
  const leading = last - first <= 2 ? [1, 2, 5] : [1];
  const found = [];
  for (let power = first; power <= last; power += stride)
    for (const m of leading) found.push(Number((m * 10 ** power).toPrecision(3)));
  const inside = found.filter((v) => v >= low * 0.999 && v <= high * 1.001);
  return inside.length > 1 ? inside : linearTicks(low, high, count);
}

function tickText(value) {
  const size = Math.abs(value);
  if (size && (size < 1e-3 || size >= 1e6))
    return value.toExponential().replace("e+", "e").replace("-", "−").replace("e-", "e−");
  if (size >= 1e4) return `${Number((value / 1e3).toPrecision(6))}k`.replace("-", "−");
  return String(Number(value.toPrecision(6))).replace("-", "−");
}

/* Where values lie between two pixels; words stand evenly, in their order. */
function scale(values, from, to, { log = false, words = null, room = 0.04, count = 5, fixed = null, stops = null } = {}) {
  if (words) {
    const gap = (to - from) / words.length;
    const at = (v) => from + gap * (words.indexOf(String(v)) + 0.5);
    return { at, ticks: words.map((word) => [at(word), word]), words };
  }
  const known = values.filter((v) => Number.isFinite(v) && (!log || v > 0));
  let [low, high] = fixed ?? [Infinity, -Infinity];
  if (!fixed)
    for (const v of known) {
      if (v < low) low = v;
      if (v > high) high = v;
    }
  if (!known.length && !fixed) [low, high] = [log ? 1 : 0, log ? 10 : 1];
  if (log) low = Math.max(low, Number.MIN_VALUE);
  const f = log ? Math.log : (v) => v,
    back = log ? Math.exp : (v) => v;
  let a = f(low),
    b = f(high);
  const pad = fixed ? 0 : (b - a) * room || Math.abs(a) * 0.05 || 0.5;
  a -= pad;
  b += pad;
  const at = (v) => (log && v <= 0 ? NaN : from + ((f(v) - a) / (b - a)) * (to - from));
  const ticks = (stops ?? (log ? logTicks : linearTicks)(back(a), back(b), count)).map((v) => [at(v), tickText(v)]);
  return { at, ticks, invert: (pixel) => back(a + ((pixel - from) / (to - from)) * (b - a)) };
}

/* An empty chart of its host's width, with axes. */
function axes(host, { x, y, xName, yName, height = 250, name }) {
  const width = Math.max(240, host.clientWidth || 320);
  const longest = y.words ? Math.max(...y.words.map((word) => Math.min(18, word.length))) : 0;
  const left = Math.max(MARGIN.left, longest ? 14 + 7 * longest : 0);
  const box = { left, right: width - MARGIN.right, top: MARGIN.top, bottom: height - MARGIN.bottom };
  const [wide, high] = [box.right - box.left, box.bottom - box.top];
  const across = scale(x.values, box.left, box.right, { ...x, count: Math.max(2, Math.floor(wide / 75)) });
  const up = scale(y.values, box.bottom, box.top, { ...y, count: Math.max(2, Math.floor(height / 50)) });
  const size = { width, height, viewBox: `0 0 ${width} ${height}` };
  const svg = s("svg", { ...size, role: "img", "aria-label": name, class: "chart" });
  const id = `clip${++axes.count}`;
  const inside = s("rect", { x: box.left, y: box.top - 2, width: wide, height: high + 4 });
  const marks = s("g", { "clip-path": `url(#${id})` });
  svg.append(
    s("defs", {}, s("clipPath", { id }, inside)),
    frame(box, across, up, xName, yName, height),
    marks,
  );
  host.replaceChildren(svg);
  return { svg, box, x: across, y: up, marks, height };
}

/* The ticks with their lines, and the axes' names. */
function frame(box, across, up, xName, yName, height) {
  const group = s("g", { class: "axis" });
  const middle = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
  const text = (x, y, said, more) => group.append(s("text", { x, y, ...more }, shortened(said, 60)));
  const room = (box.right - box.left) / Math.max(1, across.ticks.length);
  const fits = Math.max(1, ...across.ticks.map(([, said]) => said.length)) * 6.2 < room;
  for (const [at, said] of across.ticks) {
    group.append(s("line", { x1: at, x2: at, y1: box.top, y2: box.bottom }));
    const turned = { "text-anchor": "end", transform: `rotate(-20 ${at} ${box.bottom + 14})` };
    text(at, box.bottom + 15, shortened(said, 16), fits ? { "text-anchor": "middle" } : turned);
  }
  for (const [at, said] of up.ticks) {
    group.append(s("line", { x1: box.left, x2: box.right, y1: at, y2: at }));
    text(box.left - 6, at + 4, shortened(said, 18), { "text-anchor": "end" });
  }
  const name = { "text-anchor": "middle", class: "name" };
  text(middle[0], height - 4, xName, name);
  if (yName) text(12, middle[1], yName, { ...name, transform: `rotate(-90 12 ${middle[1]})` });
  return group;
}
axes.count = 0;

/* Nothing is cut without a sign. */
const shortened = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function pathOf(xs, ys, chart) {
  let path = "",
    down = false;
  for (let i = 0; i < xs.length; i++) {
    const x = chart.x.at(xs[i]),
      y = chart.y.at(ys[i]);
    down = down && Number.isFinite(x + y);
    if (!Number.isFinite(x + y)) continue;
    path += (down ? "L" : "M") + Math.round(x * 10) / 10 + " " + Math.round(y * 10) / 10;
    down = true;
  }
  return path;
}

/* The heights that lines and bands have between two values of x, or anywhere. */
function heights(lines, range) {
  const found = [];
  for (const { xs, ys, low, high } of lines)
    for (let i = 0; i < xs.length; i++) {
      if (range && (xs[i] < range[0] || xs[i] > range[1])) continue;
      if (low) found.push(low[i], high[i]);
      else found.push(ys[i]);
    }
  return found;
}

/* Lines with bands. A line: {xs, ys, low?, high?, group, name, marks?: [{x, text}]}. */
function lineChart(host, lines, options) {
  const all = heights(lines, options.range);
  const ends = ({ xs }) => [xs[0], xs.at(-1), ...(options.logx ? xs.slice(0, 3) : [])];
  const x = { values: lines.flatMap(ends), log: options.logx, fixed: options.range, room: 0.01 };
  const chart = axes(host, {
    x,
    y: { values: all, log: options.logy },
    xName: options.xName,
    yName: "",
    name: options.name,
    height: options.height,
  });
  for (const line of lines) if (line.low) chart.marks.append(band(line, chart));
  for (const line of lines) {
    const path = s("path", {
      d: pathOf(line.xs, line.ys, chart),
      fill: "none",
      stroke: colour(line.group),
      "stroke-dasharray": dash(line.group),
      class: "line",
      "data-group": line.group,
    });
    line.path = path;
    chart.marks.append(path);
    for (const mark of line.marks ?? []) chart.marks.append(flag(mark, line, chart));
  }
  pointAt(chart, lines, options, host);
  return chart;
}

function band(line, chart) {
  const there = pathOf(line.xs, line.high, chart),
    back = pathOf([...line.xs].reverse(), [...line.low].reverse(), chart);
  return s("path", { d: `${there}${back.replaceAll("M", "L")}Z`, fill: colour(line.group), class: "band" });
}

/* Where something began, on a line: a triangle that says what. */
function flag(mark, line, chart) {
  const x = chart.x.at(mark.x),
    y = chart.y.at(interpolated(line.xs, line.ys, mark.x));
  const group = s(
    "g",
    { class: "flag", stroke: colour(line.group) },
    s("title", {}, `${line.name}: ${mark.text}`),
  );
  group.append(
    s("line", { x1: x, x2: x, y1: chart.box.top, y2: chart.box.bottom, "stroke-dasharray": "2 3" }),
  );
  group.append(
    s("path", { d: `M${x - 6} ${y - 12}h12l-6 10z` }),
    s("text", flagText(x, chart), `${mark.run} collapses`),
  );
  return group;
}

/* Beside its line on the side with more room, each below the one before. */
function flagText(x, chart) {
  const left = x < (chart.box.left + chart.box.right) / 2;
  const y = chart.box.top + 10 + 13 * chart.marks.querySelectorAll(".flag").length;
  return { x: left ? x + 5 : x - 5, y, "text-anchor": left ? "start" : "end" };
}

function interpolated(xs, ys, x) {
  if (!(x >= xs[0]) || x > xs[xs.length - 1]) return NaN;
  let low = 0,
    high = xs.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] <= x) low = middle;
    else high = middle;
  }
  if (xs[high] === x || high === low) return ys[high];
  const t = xs[high] === xs[low] ? 0 : (x - xs[low]) / (xs[high] - xs[low]);
  return ys[low] + t * (ys[high] - ys[low]);
}

/* The pointer: the nearest line is named; a drag looks closer, a double click steps back. */
function pointAt(chart, lines, options, host) {
  const { svg, box } = chart;
  const tip = h("div", { className: "tip", hidden: true });
  const dot = s("circle", { r: 4, class: "dot", visibility: "hidden" }),
    drag = s("rect", { y: box.top, height: box.bottom - box.top, class: "drag", width: 0 });
  svg.append(drag, dot);
  host.append(tip);
  let from = null;
  const place = (event) => {
    const r = svg.getBoundingClientRect();
    return [
      ((event.clientX - r.left) / r.width) * svg.viewBox.baseVal.width,
      ((event.clientY - r.top) / r.height) * svg.viewBox.baseVal.height,
    ];
  };
  const leave = () => {
    tip.hidden = true;
    dot.setAttribute("visibility", "hidden");
    for (const line of lines) line.path.classList.remove("near");
  };
  svg.onpointermove = (event) => {
    const [px, py] = place(event);
    if (from !== null) {
      drag.setAttribute("x", Math.min(from, px));
      drag.setAttribute("width", Math.abs(px - from));
      return;
    }
    const at = chart.x.invert(px),
      near = nearest(lines, chart, at, py);
    leave();
    if (!near) return;
    near.line.path.classList.add("near");
    dot.setAttribute("visibility", "visible");
    dot.setAttribute("cx", px);
    dot.setAttribute("cy", chart.y.at(near.value));
    dot.setAttribute("fill", colour(near.line.group));
    tip.replaceChildren(
      h("b", {}, near.line.name),
      ` ${plain(near.value)}`,
      h("span", {}, ` at ${options.xName} ${plain(Number(at.toPrecision(4)))}`),
    );
    tip.hidden = false;
    tip.style.left = `${Math.min(px + 12, Math.max(0, svg.clientWidth - tip.offsetWidth - 4))}px`;
    tip.style.top = `${Math.max(0, chart.y.at(near.value) - 40)}px`;
  };
  svg.onpointerleave = () => {
    if (from === null) leave();
  };
  svg.onpointerdown = (event) => {
    [from] = place(event);
    svg.setPointerCapture(event.pointerId);
  };
  svg.onpointerup = (event) => {
    const [to] = place(event),
      ends = [from, to].sort((a, b) => a - b);
    from = null;
    drag.setAttribute("width", 0);
    if (ends[1] - ends[0] > 8)
      options.onrange(ends.map((pixel) => chart.x.invert(Math.max(box.left, Math.min(box.right, pixel)))));
  };
  svg.ondblclick = () => options.onrange(null);
}

function nearest(lines, chart, x, pixel) {
  let found = null;
  for (const line of lines) {
    const value = interpolated(line.xs, line.ys, x),
      far = Math.abs(chart.y.at(value) - pixel);
    if (Number.isFinite(far) && far < (found?.far ?? 40)) found = { line, value, far };
  }
  return found;
}

/* Points with error bars. A point: {x, y, ex?, ey?, group, name}. */
const SHAPES = [
  (x, y) => `M${x - 4.5} ${y}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0`,
  (x, y) => `M${x - 4} ${y - 4}h8v8h-8z`,
  (x, y) => `M${x} ${y - 5.5}l5 9h-10z`,
  (x, y) => `M${x} ${y - 5.5}l5 5.5l-5 5.5l-5 -5.5z`,
];
function pointChart(host, points, options) {
  const spread = (key, error) =>
    points.flatMap((p) => [p[key] - (p[error] || 0), p[key] + (p[error] || 0), p[key]]);
  const side = (key, error, words, log, stops) => ({
    values: words ? [] : spread(key, error),
    words,
    log: log && !words,
    room: 0.07,
    stops,
  });
  const chart = axes(host, {
    x: side("x", "ex", options.xWords, options.logx, options.xStops),
    y: side("y", "ey", options.yWords, options.logy, options.yStops),
    ...options,
  });
  options.under?.(chart);
  const paths = new Map(); // of each group's colour and shape one: a thousand points are drawn as fast as ten
  const placed = [];
  for (const p of points) {
    const x = chart.x.at(p.x),
      y = chart.y.at(p.y);
    if (!Number.isFinite(x + y)) continue;
    const key = p.group % (COLOURS * SHAPES.length),
      path = paths.get(key) ?? { bars: "", marks: "" };
    if (p.ey) path.bars += `M${x} ${chart.y.at(p.y - p.ey)}V${chart.y.at(p.y + p.ey)}`;
    if (p.ex) path.bars += `M${chart.x.at(p.x - p.ex)} ${y}H${chart.x.at(p.x + p.ex)}`;
    path.marks += SHAPES[Math.floor(key / COLOURS)](x, y);
    paths.set(key, path);
    placed.push({ ...p, px: x, py: y });
  }
  for (const [key, path] of paths)
    chart.marks.append(
      s("path", { d: path.bars, stroke: colour(key), class: "bars" }),
      s("path", { d: path.marks, fill: colour(key), class: "points" }),
    );
  namePoints(chart, placed, host);
  return chart;
}

/* The pointer: the nearest point is named. */
function namePoints({ svg }, points, host) {
  const tip = h("div", { className: "tip", hidden: true });
  host.append(tip);
  svg.onpointermove = (event) => {
    const r = svg.getBoundingClientRect(),
      px = event.clientX - r.left,
      py = event.clientY - r.top;
    const far = (p) => (p.px - px) ** 2 + (p.py - py) ** 2;
    const near = points.reduce((a, p) => (far(p) < (a ? far(a) : 400) ? p : a), null);
    tip.hidden = !near;
    if (!near) return;
    tip.replaceChildren(h("b", {}, near.name));
    tip.style.left = `${Math.min(near.px + 10, Math.max(0, svg.clientWidth - tip.offsetWidth - 4))}px`;
    tip.style.top = `${Math.max(0, near.py - 34)}px`;
  };
  svg.onpointerleave = () => {
    tip.hidden = true;
  };
}
