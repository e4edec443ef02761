/* What happens when: the controls, what is drawn where somebody looks, and what arrives while runs train. */

const DRAWN = { curves: drawCurves, plots: drawPlots, side: drawSide, pictures: drawPictures };
const OF_ROWS = ["curves", "plots", "pictures"]; // draw what is listed and ticked
const seen = new Set(),
  stale = new Set(Object.keys(DRAWN));

/* A part is drawn at once where it is in view, else as soon as it comes into view. */
function redraw(...names) {
  for (const name of names) {
    stale.add(name);
    if (numbers && (seen.has(name) || document.body.dataset.printing)) {
      stale.delete(name);
      DRAWN[name]();
    }
  }
}
function drawAll() {
  drawTable();
  redraw(...Object.keys(DRAWN));
}
function changed(draw) {
  draw();
  remember();
}

/* ---- controls */
function fill(select, names, chosen, texts = names) {
  select.replaceChildren(...names.map((name, i) => new Option(texts[i], name, false, name === chosen)));
}
function fillGroups(select, groups, chosen) {
  select.replaceChildren(
    ...groups
      .filter(([, names]) => names.length)
      .map(([title, names]) => {
        const group = h("optgroup", { label: title });
        group.append(...names.map((name) => new Option(name, name, false, name === chosen)));
        return group;
      }),
  );
}
function ticks(host, names, chosen, done) {
  host.replaceChildren(
    ...names.map((name) => {
      const box = h("input", {
        type: "checkbox",
        checked: chosen().includes(name),
        onchange: () => done(box.checked ? [...chosen(), name] : chosen().filter((n) => n !== name)),
      });
      return h("label", {}, box, name);
    }),
  );
}

function drawControls() {
  const { options, metrics } = axisNames();
  $("filter").value = state.filter;
  fill($("metric"), metrics, state.metric);
  $("better").textContent = better(state.metric);
  fill(
    $("baseline"),
    here.groups.map((_, g) => String(g)),
    String(state.baseline),
    here.groups.map((_, g) => label(g)),
  );
  for (const [id, names] of [
    [
      "px",
      [
        ["options", options],
        ["metrics", metrics],
      ],
    ],
    [
      "py",
      [
        ["metrics", metrics],
        ["options", options],
      ],
    ],
  ])
    fillGroups($(id), names, state[id]);
  $("x").value = state.x;
  for (const id of ["logx", "logy", "each", "plogx", "plogy", "prun"]) $(id).checked = state[id];
  $("smooth").value = state.smooth;
  $("zoom").value = state.zoom;
  document.body.style.setProperty("--zoom", state.zoom / 100);
  const more = here.differing.filter((n) => !here.keys.includes(n));
  const columnNames = [
    ...more,
    ...metrics.filter((n) => n !== state.metric),
    ...(new Set(runsHere().map((r) => r.examples)).size > 1 ? ["examples"] : []),
    ...(new Set(runsHere().map((r) => r.k)).size > 1 ? ["k of L_k"] : []),
  ];
  ticks(
    $("columns"),
    columnNames,
    () => state.columns,
    (to) => {
      state.columns = to;
      changed(drawTable);
    },
  );
  ticks(
    $("curve-names"),
    here.curves,
    () => state.curves,
    (to) => {
      state.curves = to;
      changed(() => redraw("curves"));
    },
  );
  const several = here.groups.length > 1;
  $("baseline").closest("label").hidden = !several;
  const one = runsHere().length < 2;
  $("plots-panel").hidden = one;
  $("side-title").textContent = one ? "The run" : "Runs side by side";
  $("side-differs").hidden = $("side-chosen").hidden = one;
  if (one) $("side-shared").closest("details").open = true;
  drawAbout();
}

function drawAbout() {
  const several = here.groups.length > 1;
  $("about").textContent =
    `${runsHere().length} ${runsHere().length === 1 ? "run" : "runs"}${several ? ` in ${here.groups.length} configurations that differ by more than the seed` : ""}, in ${data.root}${here.units ? ` · ${here.units}` : ""}`;
  $("also-differ").textContent = here.alsoDiffer;
  const firsts = new Set(members.slice(0, SHOWN_AT_FIRST).flat());
  const hidden =
    runsHere().length > firsts.size ? `The plots begin with the best ${SHOWN_AT_FIRST}; ` : "The ";
  $("ticked").textContent = `${hidden}ticks in the table say which are drawn.`;
  const names = data.sections.map((one) =>
    [`${one.quantity} · ${one.dataset}`, one.protocol].filter(Boolean).join(" · "),
  );
  $("sections").hidden = names.length < 2;
  $("sections").replaceChildren(
    ...names.map((name, i) => {
      const tab = h(
        "button",
        { role: "tab", onclick: () => turnTo(i), onkeydown: (event) => alongTabs(event, i) },
        name,
        h("small", {}, ` ${data.runs.filter((r) => r.section === i).length}`),
      );
      tab.setAttribute("aria-controls", "table-panel");
      tab.setAttribute("aria-selected", String(i === state.section));
      tab.tabIndex = i === state.section ? 0 : -1;
      return tab;
    }),
  );
  $("subject").textContent = names[state.section];
}
function alongTabs(event, i) {
  const to = { ArrowRight: i + 1, ArrowLeft: i - 1 }[event.key];
  if (to === undefined) return;
  turnTo((to + data.sections.length) % data.sections.length);
  $("sections").querySelector("[aria-selected=true]").focus();
}
function turnTo(section) {
  atFirst = defaults(section);
  Object.assign(state, defaults(section));
  range = null;
  drawnRows = MORE;
  changed(() => {
    drawControls();
    drawAll();
  });
}

function closeMenus(but) {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (menu !== but) menu.open = false;
}

function shows(wanted) {
  state.shown = new Set(wanted.map((run) => run.index));
  changed(() => {
    drawTicks();
    redraw(...OF_ROWS);
  });
}

function listen() {
  let waiting;
  $("filter").oninput = () => {
    state.filter = $("filter").value;
    drawTable();
    clearTimeout(waiting);
    waiting = setTimeout(() => changed(() => redraw(...OF_ROWS)), 300); // a browser counts how often an address changes
  };
  $("metric").onchange = () => {
    state.metric = state.sort = state.py = $("metric").value;
    state.up = !about(state.metric).higher;
    changed(() => {
      drawControls();
      drawTable();
      redraw("plots", "side");
    });
  };
  $("baseline").onchange = () => {
    state.baseline = Number($("baseline").value);
    changed(drawAll);
  };
  const on = (id, read, ...parts) => {
    $(id).onchange = () => {
      state[id] = read($(id));
      range = id.startsWith("p") ? range : null;
      changed(() => redraw(...parts));
    };
  };
  on("x", (e) => e.value, "curves");
  for (const id of ["logx", "logy", "each"]) on(id, (e) => e.checked, "curves");
  for (const id of ["plogx", "plogy", "prun"]) on(id, (e) => e.checked, "plots");
  for (const id of ["px", "py"]) on(id, (e) => e.value, "plots");
  on("kind", (e) => e.value, "pictures");
  $("smooth").oninput = () => {
    state.smooth = Number($("smooth").value);
    redraw("curves");
  };
  $("smooth").onchange = remember;
  $("zoom").oninput = () => {
    state.zoom = Number($("zoom").value);
    document.body.style.setProperty("--zoom", state.zoom / 100);
  };
  $("zoom").onchange = remember;
  $("all").onclick = () => shows(rows.flatMap((row) => row.runs));
  $("best").onclick = () => shows(rows.slice(0, SHOWN_AT_FIRST).flatMap((row) => row.runs));
  $("none").onclick = () => shows([]);
  $("reset").onclick = () => turnTo(state.section);
  $("more").onclick = drawMore;
  const scroll = $("runs").parentElement;
  scroll.onscroll = () => {
    const left = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight;
    if (left < 200 && rows.length > drawnRows) drawMore();
  };
  for (const button of document.querySelectorAll("[data-format]"))
    button.onclick = () => openExport(button.dataset.format);
  $("export-copy").onclick = copyExport;
  $("export-close").onclick = () => $("export").close();
  document.addEventListener("click", (event) => closeMenus(event.target.closest("details.menu")));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") closeMenus(null);
  });
  window.onhashchange = () => {
    load(location.hash);
    drawControls();
    drawAll();
  };
  window.onbeforeprint = () => {
    document.body.dataset.printing = "1";
    redraw(...stale);
  };
  window.onafterprint = () => {
    delete document.body.dataset.printing;
  };
  onDark.onchange = () => redraw("plots");
  let width = innerWidth,
    resizing;
  window.onresize = () => {
    if (innerWidth === width) return;
    width = innerWidth;
    clearTimeout(resizing);
    resizing = setTimeout(() => redraw("curves", "plots", "side"), 100);
  };
}

/* ---- the beginning: the table first, all else after it */
async function begin() {
  listen();
  $("skipped").replaceChildren(...data.skipped.map((line) => h("li", {}, line)));
  $("skipped-panel").hidden = !data.skipped.length;
  document.body.classList.toggle("empty", !data.sections.length);
  if (data.sections.length) {
    load(location.hash);
    drawControls();
    drawTable();
  }
  drawJobs();
  document.body.dataset.drawn = "table";
  await new Promise((next) => requestAnimationFrame(() => setTimeout(next)));
  numbers = await unpack($("numbers").textContent);
  watch();
  if (data.jobs) followRuns();
}

function watch() {
  const observer = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        const name = entry.target.dataset.part;
        entry.isIntersecting ? seen.add(name) : seen.delete(name);
        if (entry.isIntersecting && stale.has(name) && data.sections.length) redraw(name);
      }
      document.body.dataset.drawn = "all";
    },
    { rootMargin: "50px" },
  );
  for (const part of document.querySelectorAll("[data-part]")) observer.observe(part);
}

begin();
