/* Curves: several metrics at once, by step, epoch or seconds; a mean with its spread, or each run. */

const LINES = 100; // drawn in a panel at most
const PANEL = 250;
let range = null; // of x, looked at more closely

/* A run's curve of a metric: steps and values, cut from the packed numbers. */
function curveOf(run, name) {
  const place = data.curves.indexOf(name);
  for (let i = 0; i < run.curves.length; i += 4) {
    const [metric, steps, found, n] = run.curves.slice(i, i + 4);
    if (metric === place)
      return {
        at: steps,
        n,
        steps: numbers.subarray(steps, steps + n),
        ys: numbers.subarray(found, found + n),
      };
  }
  return null;
}

/* Steps as what the axis shows; nothing where the run kept no clock. */
function along(run, steps) {
  if (state.x === "step") return steps;
  if (!run.clock.length) return null;
  const [first, seconds, epochs, n] = run.clock,
    cut = (from) => numbers.subarray(from, from + n);
  const to = cut(state.x === "seconds" ? seconds : epochs),
    known = cut(first);
  return Array.from(steps, (step) =>
    step <= known[0] ? (to[0] * step) / known[0] : interpolated(known, to, step),
  );
}

/* Mean and spread of some runs' curves: point by point where their steps are the same. */
function meanCurve(curves) {
  if (curves.every((c) => c.at === curves[0].at && c.n === curves[0].n)) {
    return spreadOf(curves[0].xs, (i) => curves.map((c) => c.ys[i]), curves);
  }
  const xs = [...new Set(curves.flatMap((c) => Array.from(c.xs)))]
    .sort((a, b) => a - b)
    .filter((x) => curves.every((c) => x >= c.xs[0] && x <= c.xs[c.xs.length - 1]));
  return spreadOf(xs, (i) => curves.map((c) => interpolated(c.xs, c.ys, xs[i])), null);
}
function spreadOf(xs, at, curves) {
  const n = xs.length,
    ys = new Array(n),
    low = new Array(n),
    high = new Array(n);
  for (let i = 0; i < n; i++) {
    const found = at(i),
      sd = deviation(found) || 0;
    ys[i] = mean(found);
    low[i] = ys[i] - sd;
    high[i] = ys[i] + sd;
  }
  const middle =
    curves && state.x !== "step"
      ? Array.from(xs, (_, i) => mean(curves.map((c) => c.xs[i])))
      : Array.from(xs);
  return { xs: middle, ys, low, high };
}

function linesOf(group, name) {
  const curves = [];
  for (const run of drawnOf(group)) {
    const found = curveOf(run, name),
      xs = found && along(run, found.steps);
    if (xs)
      curves.push({
        run,
        at: found.at,
        n: found.n,
        xs,
        ys: state.smooth ? smoothed(Array.from(found.ys), state.smooth / 100) : found.ys,
      });
  }
  if (!curves.length) return [];
  if (state.each || curves.length === 1)
    return curves.map((c) => ({
      xs: Array.from(c.xs),
      ys: Array.from(c.ys),
      group,
      name: runLabel(c.run),
      marks: marksOf([c]),
    }));
  const all = meanCurve(curves);
  return all.xs.length > 1
    ? [{ ...all, group, name: `${label(group)} (${curves.length} seeds)`, marks: marksOf(curves) }]
    : [];
}

/* Where runs began to collapse. */
const marksOf = (curves) =>
  curves.flatMap(({ run }) =>
    run.warnings
      .filter((w) => w.kind === "collapse")
      .map((w) => ({ x: along(run, [w.step])?.[0], run: runLabel(run), text: `seed ${run.seed}: ${w.text}` })),
  );

const shownGroups = () => here.groups.map((_, group) => group).filter((group) => drawnOf(group).length);

function drawCurves() {
  if (!numbers) return;
  const groups = shownGroups(),
    host = $("curves");
  drawLegend(groups);
  const panels = state.curves.map((name) => panelOf(name, groups));
  host.replaceChildren(...panels.map((panel) => panel.figure));
  for (const panel of panels) lineChart(panel.host, panel.lines, panel.options);
  const clockless =
    state.x !== "step" && groups.flatMap(drawnOf).filter((run) => !run.clock.length).length;
  const empty = !groups.length
    ? "No run that is listed in the table is ticked."
    : !here.curves.length
      ? "These runs kept no history."
      : "";
  const many = panels.some((panel) => panel.left)
    ? `${Math.max(...panels.map((panel) => panel.left))} configurations are not drawn: ${LINES} lines are as many as anybody can follow. `
    : "";
  $("curve-note").textContent =
    `${empty}${many}${clockless ? `${clockless} runs of an older version kept no clock, and have no ${state.x}.` : ""}`;
}

function panelOf(name, groups) {
  const lines = [];
  let after = 0; // the first group that is not drawn
  for (; after < groups.length && lines.length < LINES; after++) lines.push(...linesOf(groups[after], name));
  const unit = data.curveUnits[data.curves.indexOf(name)];
  const host = h("div", { className: "plot" });
  const figure = h(
    "figure",
    { className: "panel" },
    h("figcaption", {}, h("b", {}, name), unit ? ` ${unit}` : ""),
    host,
  );
  const xName = { step: "step", epoch: "epoch", seconds: "seconds of training" }[state.x];
  const options = {
    logx: state.logx,
    logy: state.logy,
    range,
    xName,
    height: PANEL,
    name: `${name} by ${xName}: ${lines.length} curves`,
    onrange: (to) => {
      range = to;
      drawCurves();
    },
  };
  return { figure, host, lines, options, left: groups.length - after };
}

const LEGEND = 24;
function drawLegend(groups) {
  const items = groups.slice(0, LEGEND).map((group) =>
    h(
      "button",
      {
        className: "key",
        title: `hide ${label(group)}`,
        onclick: () => toggle(members[group], false),
        onmouseenter: () => light(group),
        onmouseleave: () => light(null),
        onfocus: () => light(group),
        onblur: () => light(null),
      },
      swatch(group),
      label(group),
    ),
  );
  if (groups.length > LEGEND)
    items.push(h("span", { className: "hint" }, `and ${groups.length - LEGEND} more`));
  $("legend").replaceChildren(...items);
}
function light(group) {
  for (const path of document.querySelectorAll("#curves .line"))
    path.classList.toggle("dim", group !== null && Number(path.dataset.group) !== group);
}
