"""The page of `vaebench compare` with 1,000 made-up runs of 100 history rows: how large it is, how fast
it opens, and how long whatever one does with it takes.

    python benchmarks/page.py --before CHECKOUT   writes results/page.json
    python benchmarks/page.py --runs 60           a smoke test
                                                  needs chromium and chromedriver

Before is another version's page of 300 runs of 300 rows in the same browser, in turn. The table stands
when its first row has been painted; an action ends with the second frame after it. Each action is taken
back before it is measured again; the median of `--rounds`. Runs in a grid are twelve configurations
with their seeds; in a search each is one of its own.

PASS: at most 12 MB; the table in at most 1.5 of the time of the page before, and each action in at most
the time of the like, or of the slowest where the page before had none like it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.runs.browser import DRAWN, browser, missing
from tests.runs.made_up import make_runs, make_search

ROOT = Path(__file__).resolve().parents[1]
MEGABYTES, FIRST_TABLE, ACTION = 12.0, 1.5, 1.0
ROWS_NOW = 100
BUILD = """
import sys, time
from pathlib import Path
from vaebench.runs.find import find
from vaebench.runs.page import build
begun = time.perf_counter()
found = find([Path(sys.argv[1])])
Path(sys.argv[2]).write_text(build(found.runs, found.skipped, "made-up runs"), encoding="utf-8")
print(time.perf_counter() - begun)
"""
TABLE = """
const looking = () => requestAnimationFrame(() => {
  if (!document.querySelector('#runs tbody tr')) return looking();
  requestAnimationFrame(() => { window.tableStood = performance.now(); });
});
looking();
"""
TWO_FRAMES = """
const [action, done] = arguments, begun = performance.now();
eval(action);
requestAnimationFrame(() => requestAnimationFrame(() => done((performance.now() - begun) / 1000)));
"""
SET = "(() => {{ const e = document.getElementById('{0}'); e.value = '{1}'; e.dispatchEvent(new Event('{2}')); }})()"
CLICK = "document.querySelector('{}').click()"
RESET = CLICK.format("#reset")

BEFORE = {
    "sort": (CLICK.format("#runs th[data-column=seconds]"),) * 2,
    "filter": (SET.format("filter", "k=5", "input"), SET.format("filter", "", "input")),
    "metric": (
        SET.format("metric", "test/bound", "change"),
        SET.format("metric", "test/nll", "change"),
    ),
    "curves": (
        SET.format("curve", "val/bound", "change"),
        SET.format("curve", "val/loss", "change"),
    ),
    "tick": (CLICK.format("#runs tbody input"),) * 2,
    "show all": (CLICK.format("#all"), CLICK.format("#none")),
    "show none": (CLICK.format("#none"), CLICK.format("#all")),
}
"""Action → what does it, and what takes it back."""

NOW = BEFORE | {
    "sort": (CLICK.format('#runs th[data-column="test/active_units"] button'),) * 2,
    "curves": (CLICK.format("#curve-names input"),) * 2,
    "show all": (CLICK.format("#all"), CLICK.format("#best")),
    "show none": (CLICK.format("#none"), CLICK.format("#best")),
    "open": (CLICK.format("#runs button.open"),) * 2,
    "baseline": (SET.format("baseline", "3", "change"), SET.format("baseline", "0", "change")),
    "log axis": (CLICK.format("#logx"),) * 2,
    "smoothing": (SET.format("smooth", "80", "input"), SET.format("smooth", "0", "input")),
    "each run": (CLICK.format("#each"),) * 2,
    "by seconds": (SET.format("x", "seconds", "change"), SET.format("x", "step", "change")),
    "scatter": (SET.format("py", "seconds", "change"), SET.format("py", "test/nll", "change")),
    "beside": (CLICK.format("#side-chosen button"), RESET),
    "reset": (RESET, RESET),
}


def built(tree: Path, runs: Path, page: Path) -> dict[str, float]:
    """Seconds and megabytes of a version's page."""
    environment = os.environ | {"PYTHONPATH": str(tree)}
    words = [sys.executable, "-c", BUILD, str(runs), str(page)]
    done = subprocess.run(
        words, cwd=tree, env=environment, capture_output=True, text=True, check=True
    )
    return {"build_seconds": float(done.stdout), "megabytes": page.stat().st_size / 1e6}


def opened(driver: Any, page: Path) -> float:
    """Seconds until the table of a page stands; it is left open, with all that its screen shows."""
    driver.get("about:blank")
    driver.get(page.as_uri())
    until(driver, lambda: driver.execute_script("return window.tableStood"))
    stood = driver.execute_script("return window.tableStood") / 1000
    until(driver, lambda: driver.execute_script(DRAWN))
    time.sleep(0.5)
    return stood


def until(driver: Any, done: Callable[[], object]) -> None:
    """Waits."""
    while not done():
        time.sleep(0.01)


def acted(driver: Any, actions: dict[str, tuple[str, str]]) -> dict[str, float]:
    """Seconds that each action takes."""
    found = {}
    for name, (action, back) in actions.items():
        if there(driver, action):
            found[name] = driver.execute_async_script(TWO_FRAMES, action)
            driver.execute_async_script(TWO_FRAMES, back)
    return found


def there(driver: Any, action: str) -> bool:
    """Whether what an action clicks on is on the page: a search has no group to open."""
    found = action.partition("querySelector('")[2].rpartition("')")[0]
    return not found or bool(driver.execute_script(f"return document.querySelector('{found}')"))


def medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Of each figure, over the rounds."""
    return {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}


def main() -> int:
    """The exit code is 1 where a figure is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--before", type=Path, help="a checkout of another version")
    options = parser.parse_args()
    if why := missing():
        raise SystemExit(why)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_runs(folder / "grid", options.runs, rows=ROWS_NOW, full=True)
        make_search(folder / "search", options.runs, rows=ROWS_NOW, full=True)
        pages = {kind: (ROOT, folder / kind, NOW) for kind in ("grid", "search")}
        if options.before:
            make_runs(folder / "before", 300)
            pages["before"] = (options.before.resolve(), folder / "before", BEFORE)
        found = measured(pages, options.rounds, folder / "profile")
    passed = judge(found)
    result = {
        "runs": options.runs,
        "rows": ROWS_NOW,
        "rounds": options.rounds,
        **found,
        "passed": passed,
    }
    if options.before:
        path = ROOT / "benchmarks" / "results" / "page.json"
        path.write_text(json.dumps(result, indent=2) + "\n")
    print("PASS" if passed else "FAIL")
    return 0 if passed else 1


def measured(pages: dict[str, Any], rounds: int, profile: Path) -> dict[str, Any]:
    """Each page's size and times, in turn."""
    found: dict[str, Any] = {}
    files = {kind: runs.with_suffix(".html") for kind, (_, runs, _) in pages.items()}
    for kind, (tree, runs, _) in pages.items():
        found[kind] = built(tree, runs, files[kind])
    tables: dict[str, list[float]] = {kind: [] for kind in pages}
    actions: dict[str, list[dict[str, float]]] = {kind: [] for kind in pages}
    with browser(profile) as driver:
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": TABLE})
        driver.set_window_size(1400, 2400)
        for _ in range(rounds):
            for kind, (_, _, does) in pages.items():
                tables[kind].append(opened(driver, files[kind]))
                actions[kind].append(acted(driver, does))
    for kind in pages:
        found[kind] |= {"table": statistics.median(tables[kind]), "actions": medians(actions[kind])}
    return found


def judge(found: dict[str, Any]) -> bool:
    """Tells the figures, and whether all are met."""
    before, passed = found.get("before"), True
    for kind, of in found.items():
        print(
            f"{kind}: built in {of['build_seconds']:.1f} s, {of['megabytes']:.1f} MB, table in {of['table']:.2f} s"
        )
        for name, seconds in of["actions"].items():
            print(f"  {name}: {1000 * seconds:.0f} ms")
        if kind == "before" or not before:
            continue
        most = {n: before["actions"].get(n, max(before["actions"].values())) for n in of["actions"]}
        slow = [n for n, seconds in of["actions"].items() if seconds > ACTION * most[n]]
        of["missed"] = slow + ["table"] * (of["table"] > FIRST_TABLE * before["table"])
        of["missed"] += ["megabytes"] * (of["megabytes"] > MEGABYTES)
        print(f"  missed: {', '.join(of['missed']) or 'nothing'}")
        passed = passed and not of["missed"]
    return passed


if __name__ == "__main__":
    raise SystemExit(main())
