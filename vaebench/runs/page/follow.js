/* Runs that train: the server is asked again and again; what was chosen stays chosen. */

const EVERY = 2000;
async function followRuns() {
  let mark = "";
  for (;;) {
    await new Promise((next) => setTimeout(next, EVERY));
    try {
      const answer = await fetch("data", {
        headers: mark ? { "If-None-Match": mark } : {},
        cache: "no-store",
      });
      $("lost").hidden = true;
      if (answer.status !== 200) continue;
      mark = answer.headers.get("ETag");
      const found = await answer.json();
      await arrive(found);
    } catch {
      $("lost").hidden = false; // whoever served the page has ended; what is here stays
    }
  }
}

/* New data: runs and groups may have other places, so that what was chosen of them is kept by name. */
async function arrive(found) {
  const fresh = await unpack(found.numbers);
  const was = here ? chosenByName() : null;
  data = found.data;
  numbers = fresh;
  if (!data.sections.length) return drawJobs();
  if (was) restore(was);
  else load(location.hash);
  document.body.classList.remove("empty");
  drawJobs();
  if (!["SELECT", "INPUT"].includes(document.activeElement?.tagName)) drawControls();
  drawAll();
}

const pathOfRun = (run) => `${data.root}/${run.folder}`.replace(/\/\.$/, "");
const nameOfGroup = (group) => JSON.stringify(group.options);
const nameOfSection = (one) => `${one.quantity} ${one.dataset} ${one.protocol}`;

function chosenByName() {
  const paths = (list) => [...list].map((i) => pathOfRun(data.runs[i]));
  const changed = Object.keys(atFirst).filter((n) => written(n, state[n]) !== written(n, atFirst[n]));
  return {
    section: nameOfSection(here),
    known: new Set(data.runs.map(pathOfRun)),
    shown: new Set(paths(state.shown)),
    side: paths(state.side),
    open: [...state.open].map((group) => nameOfGroup(here.groups[group])),
    baseline: nameOfGroup(here.groups[state.baseline]),
    changed: changed.map((name) => [name, state[name]]),
  };
}

const NEW_AT_MOST = 100; // runs that are drawn as they appear
function restore(was) {
  const section = data.sections.findIndex((one) => nameOfSection(one) === was.section);
  atFirst = defaults(Math.max(0, section));
  Object.assign(state, defaults(Math.max(0, section)), Object.fromEntries(was.changed));
  const at = new Map(data.runs.map((run) => [pathOfRun(run), run.index]));
  const place = new Map(here.groups.map((group, i) => [nameOfGroup(group), i]));
  const known = (list) => list.filter((value) => value !== undefined);
  const isNew = (run) => !was.known.has(pathOfRun(run)) && was.shown.size < NEW_AT_MOST;
  const shown = runsHere().filter((run) => was.shown.has(pathOfRun(run)) || isNew(run));
  state.section = Math.max(0, section);
  state.shown = new Set(shown.map((run) => run.index));
  state.open = new Set(known(was.open.map((name) => place.get(name))));
  state.baseline = place.get(was.baseline) ?? here.baseline;
  const sideChanged = was.changed.some(([name]) => name === "side");
  state.side = sideChanged ? known(was.side.map((path) => at.get(path))) : sideAtFirst();
  mend();
}

function drawJobs() {
  $("jobs-panel").hidden = !data.jobs;
  if (!data.jobs) return;
  const count = (state) => data.jobs.filter((job) => job.state === state).length;
  const left = Math.max(...data.jobs.map((job) => job.left ?? 0));
  const parts = ["done", "running", "waiting", "stopped", "failed"]
    .filter(count)
    .map((state) => `${count(state)} ${state}`);
  $("jobs-count").textContent =
    `${parts.join(", ")}${left ? ` · about ${duration(left)} of training left of those that run` : ""}`;
  $("jobs").replaceChildren(
    ...data.jobs.filter((job) => job.state !== "done" && job.state !== "waiting").map(jobLine),
  );
}
function jobLine(job) {
  const bar = h("progress", {
    max: job.steps || 1,
    value: job.step,
    "aria-label": `progress of ${job.folder}`,
  });
  const run = here && data.runs.find((one) => one.folder === job.folder && one.section === state.section);
  const line = h(
    "li",
    { className: job.state },
    h("b", {}, job.folder),
    run ? ` ${runLabel(run)}` : "",
    bar,
    ` ${job.state}${job.steps ? `, step ${job.step} of ${job.steps}` : ""}${job.left ? `, about ${duration(job.left)} left` : ""}`,
  );
  if (job.reason) line.append(h("span", { className: "hint" }, ` ${job.reason}`));
  for (const warning of job.warnings)
    line.append(h("span", { className: "badge warn" }, `⚠ ${warning.text}`));
  if (job.resume) line.append(h("code", { title: "continues it in its own folder" }, job.resume));
  return line;
}
