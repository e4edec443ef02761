/* Runs side by side: what differs in their options, all numbers, example by example, pictures. */

const sideRuns = () => state.side.map((index) => data.runs[index]).filter(Boolean);

function drawSide() {
  const runs = sideRuns();
  drawChosen(runs);
  $("side-options").replaceChildren(...(runs.length ? optionRows(runs) : []));
  $("side-metrics").replaceChildren(...(runs.length ? numberRows(runs) : []));
  drawExamples(runs);
  drawSidePictures(runs);
}

function drawChosen(runs) {
  const chips = runs.map((run, i) =>
    h(
      "span",
      { className: "chip" },
      swatch(run.group),
      `${String.fromCharCode(65 + (i % 26))}: ${runLabel(run)}`,
      h(
        "button",
        { className: "quiet", "aria-label": `take ${runLabel(run)} away`, onclick: () => pin(run) },
        "×",
      ),
    ),
  );
  const rest = runsHere()
    .filter((run) => !state.side.includes(run.index))
    .slice(0, 500);
  const add = h(
    "select",
    { "aria-label": "add a run", onchange: (event) => pin(data.runs[Number(event.target.value)]) },
    new Option("add a run …", ""),
    ...rest.map((run) => new Option(runLabel(run), run.index)),
  );
  $("side-chosen").replaceChildren(...chips, ...(rest.length ? [add] : []));
}

const letters = (runs) =>
  h(
    "tr",
    {},
    h("th", { scope: "col" }, ""),
    ...runs.map((run, i) =>
      h(
        "th",
        { scope: "col", title: `${label(run.group)} · seed ${run.seed} · ${run.folder}` },
        String.fromCharCode(65 + (i % 26)),
        " ",
        swatch(run.group),
      ),
    ),
  );

/* What differs between these runs; all that they share is a click away. */
function optionRows(runs) {
  const names = [...new Set(runs.flatMap((run) => Object.keys(here.groups[run.group].options)))];
  const texts = (name) => runs.map((run) => optionText(run.group, name));
  const unlike = names.filter((name) => new Set(texts(name)).size > 1);
  const chosen = (name) => here.differing.includes(name);
  unlike.sort((a, b) => chosen(b) - chosen(a));
  const lines = unlike.map((name) =>
    h(
      "tr",
      chosen(name) ? { className: "chosen" } : { className: "follows", title: "follows from another choice" },
      h("th", { scope: "row" }, name),
      ...texts(name).map((t) => h("td", { title: t }, shortened(t, 40))),
    ),
  );
  if (new Set(runs.map((run) => run.seed)).size > 1)
    lines.push(
      h("tr", {}, h("th", { scope: "row" }, "seed"), ...runs.map((run) => h("td", {}, String(run.seed)))),
    );
  if (!lines.length)
    lines.push(
      h(
        "tr",
        {},
        h(
          "td",
          { colSpan: runs.length + 1 },
          runs.length > 1 ? "These runs chose the same." : "Add another run to see what differs.",
        ),
      ),
    );
  const shared = [
    ...names.filter((n) => !unlike.includes(n)).map((n) => [n, optionText(runs[0].group, n)]),
    ...Object.entries(here.shared),
  ];
  $("side-shared-count").textContent = `${shared.length} options${runs.length > 1 ? " that they share" : ""}`;
  const list = () =>
    $("side-shared").replaceChildren(
      ...shared.map(([n, v]) => h("tr", {}, h("th", { scope: "row" }, n), h("td", {}, String(v)))),
    );
  const details = $("side-shared").closest("details");
  details.ontoggle = () => {
    if (details.open) list();
  };
  if (details.open) list();
  return [letters(runs), ...lines];
}

/* All numbers; of the second and later runs the difference to the first, with its error over the test examples. */
function numberRows(runs) {
  const names = here.metrics
    .map((m) => m.name)
    .filter((name) => !name.endsWith("_se") && runs.some((run) => metricOf(run, name) !== null));
  const lines = names.map((name) => {
    const unit = unitOf(name, runs);
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, name, unit ? h("small", {}, unit) : ""),
      ...runs.map((run, i) => numberCell(run, runs[0], name, i)),
    );
  });
  return [letters(runs), ...lines];
}
function numberCell(run, first, name, i) {
  const value = metricOf(run, name),
    base = metricOf(first, name),
    cell = h("td", { className: "number" }, cellOf({ runs: [run] }, name));
  if (!i || value === null || base === null || value === base) return cell;
  const paired = pairedByExample(run, first, name),
    good = value < base !== about(name).higher;
  const digits = digitsFor(paired?.error);
  const text = signed(value - base, digits) + (paired ? ` ± ${plain(paired.error, digits)}` : "");
  const clear = paired && paired.p < LEVEL && isQuality(name);
  cell.append(
    h(
      "small",
      {
        className: clear ? (good ? "good" : "bad") : "",
        title: paired ? `paired over ${paired.n} examples: ${pText(paired.p)}` : "",
      },
      text,
    ),
  );
  return cell;
}

/* Differences example by example, where both runs kept them. */
function exampleValues(run, name) {
  const place = numbers && run.values[name];
  return place ? numbers.subarray(place[0], place[0] + place[1]) : null;
}
function differencesOf(run, first, name) {
  const mine = exampleValues(run, name),
    base = exampleValues(first, name);
  return mine && base && mine.length === base.length ? Array.from(mine, (v, i) => v - base[i]) : null;
}
function pairedByExample(run, first, name) {
  const found = differencesOf(run, first, name);
  return found && found.length > 1 ? tested(found) : null;
}

/* Which test examples one does better on: how the differences lie, and the farthest of them. */
const FARTHEST = 6;
function drawExamples(runs) {
  const host = $("side-examples");
  const name =
    Object.keys(runs[0]?.values ?? {}).find((n) => n === state.metric) ??
    Object.keys(runs[0]?.values ?? {})[0];
  const found =
    runs.length > 1 && name
      ? runs
          .slice(1)
          .map((run, i) => [run, i + 1, differencesOf(run, runs[0], name)])
          .filter(([, , d]) => d)
      : [];
  $("examples-panel").hidden = !found.length;
  host.replaceChildren(...found.map(([run, i, differences]) => examplesOf(run, i, differences, name)));
  for (const plot of host.querySelectorAll(".plot")) plot.draw();
}
function examplesOf(run, i, differences, name) {
  const letter = String.fromCharCode(65 + (i % 26)),
    sign = about(name).higher ? -1 : 1,
    result = tested(differences),
    digits = digitsFor(result.error);
  const wins = differences.filter((d) => sign * d < 0).length,
    losses = differences.filter((d) => sign * d > 0).length;
  const order = differences.map((d, at) => [sign * d, at]).sort(([a], [b]) => a - b);
  const listed = (list) => list.map(([d, at]) => `#${at} (${signed(sign * d, 2)})`).join(", ");
  const plot = h("div", { className: "plot" });
  plot.draw = () => histogram(plot, differences, sign, [run, sideRuns()[0]], `${name}: ${letter} − A`);
  return h(
    "div",
    { className: "example-panel" },
    h(
      "p",
      {},
      h("b", {}, `${letter} − A: ${signed(result.difference, digits)} ± ${plain(result.error, digits)}`),
      ` (${pText(result.p)}, ${result.n} examples). ${letter} is better on ${wins}, A on ${losses}.`,
    ),
    plot,
    h(
      "p",
      { className: "hint" },
      `${letter} gains most on test examples ${listed(order.slice(0, FARTHEST))}; A on ${listed(order.slice(-FARTHEST).reverse())}.`,
    ),
  );
}

/* On whose side a test example lies, in whose colour; the middle bin is on nobody's. */
function histogram(host, differences, sign, [run, first], name) {
  const BINS = 41,
    reach = Math.max(...differences.map(Math.abs)) || 1,
    width = (2 * reach) / BINS,
    counts = new Array(BINS).fill(0);
  for (const d of differences) counts[Math.min(BINS - 1, Math.floor((d + reach) / width))]++;
  const chart = axes(host, {
    x: { values: [], fixed: [-reach, reach] },
    y: { values: [0, ...counts], room: 0.02 },
    xName: name,
    yName: "test examples",
    height: 190,
    name: `how the differences lie: ${name}`,
  });
  counts.forEach((count, i) => {
    const from = chart.x.at(-reach + i * width),
      to = chart.x.at(-reach + (i + 1) * width),
      top = chart.y.at(count),
      middle = -reach + (i + 0.5) * width;
    chart.marks.append(
      s("rect", {
        x: from + 0.5,
        width: Math.max(0.5, to - from - 1),
        y: top,
        height: Math.max(0, chart.y.at(0) - top),
        class: i === (BINS - 1) / 2 ? "even" : sign * middle < 0 ? "gain" : "loss",
        fill: colour((sign * middle < 0 ? run : first).group),
        opacity: run.group === first.group && sign * middle > 0 ? 0.5 : 1, // two seeds have one colour
      }),
    );
  });
  chart.marks.append(
    s("line", {
      x1: chart.x.at(0),
      x2: chart.x.at(0),
      y1: chart.box.top,
      y2: chart.box.bottom,
      class: "zero",
    }),
  );
}

/* ---- pictures: a row a kind, a column a run; one size for all */
const pictureKinds = (runs) => [...new Set(runs.flatMap((run) => Object.keys(run.pictures)))];
function figureOf(run, kind, caption) {
  const image = h("img", {
    src: run.pictures[kind],
    alt: `${kind} of ${label(run.group)}, seed ${run.seed}`,
    loading: "lazy",
  });
  return h("figure", {}, image, h("figcaption", {}, caption));
}
function drawSidePictures(runs) {
  const kinds = pictureKinds(runs),
    lines = kinds.map((kind) =>
      h(
        "div",
        { className: "strip" },
        ...runs.map((run, i) =>
          run.pictures[kind]
            ? figureOf(run, kind, `${String.fromCharCode(65 + (i % 26))} · ${kind}`)
            : h(
                "figure",
                { className: "none" },
                h("figcaption", {}, `${String.fromCharCode(65 + (i % 26))} · no ${kind} in this page`),
              ),
        ),
      ),
    );
  $("side-pictures").replaceChildren(...lines);
}

const PICTURES = 60;
function drawPictures() {
  const runs = shownGroups().flatMap(drawnOf),
    kinds = pictureKinds(runs);
  $("pictures-panel").hidden = runsHere().length < 2 || !pictureKinds(runsHere()).length;
  const kind = kinds.includes(state.kind) ? state.kind : kinds.includes("samples") ? "samples" : kinds[0];
  fill($("kind"), kinds, kind);
  const first = shownGroups()
    .map((group) => drawnOf(group).find((run) => run.pictures[kind]))
    .filter(Boolean);
  $("pictures").replaceChildren(
    ...first.slice(0, PICTURES).map((run) => {
      const figure = figureOf(run, kind, "");
      figure.lastChild.append(swatch(run.group), `${label(run.group)} · seed ${run.seed}`);
      return figure;
    }),
  );
  const more = first.length > PICTURES ? `${first.length - PICTURES} more are not shown. ` : "";
  $("left-out").textContent =
    `${more}${data.picturesLeftOut ? `The pictures of ${data.picturesLeftOut} runs are left out to keep the page light.` : ""}`;
}
