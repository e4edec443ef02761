"""The page of `vaebench compare` with 300 made-up runs: how large it is, how fast it opens and sorts.

    python benchmarks/page.py [--runs 300]        needs chromium and chromedriver

Opening ends when all that a screen of 1400 x 900 shows has been drawn, the table and the curves (the
parallel coordinates below are drawn when they are scrolled to); sorting, when the table stands in its
new order. Beside them, an empty page in the same browser.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.runs.browser import DRAWN, browser, missing
from tests.runs.made_up import make_runs
from vaebench.runs.find import find
from vaebench.runs.page import build

MAX_SECONDS, MAX_MEGABYTES = 2.0, 15.0
TWO_FRAMES = "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done))"


def seconds(driver: Any, action: Callable[[], object]) -> float:
    """Until two more frames have been drawn."""
    begun = time.monotonic()
    action()
    driver.execute_async_script(TWO_FRAMES)
    return time.monotonic() - begun


def main() -> int:
    """The exit code is 1 where a figure is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    runs = parser.parse_args().runs
    if why := missing():
        raise SystemExit(why)
    with tempfile.TemporaryDirectory() as folder:
        make_runs(Path(folder, "runs"), runs)
        begun = time.monotonic()
        found = find([Path(folder, "runs")])
        page, empty = Path(folder, "compare.html"), Path(folder, "empty.html")
        page.write_text(build(found.runs, found.skipped, f"{runs} made-up runs"))
        empty.write_text("<p>nothing")
        building, size = time.monotonic() - begun, page.stat().st_size / 1e6
        with browser(Path(folder, "profile")) as driver:
            driver.get(empty.as_uri())
            nothing = seconds(driver, lambda: driver.get(empty.as_uri()))
            begun = time.monotonic()
            driver.get(page.as_uri())
            while not driver.execute_script(DRAWN):
                time.sleep(0.01)
            driver.execute_async_script(TWO_FRAMES)
            opening = time.monotonic() - begun
            click = "document.querySelector('#runs th[data-column=seconds]').click()"
            sorting = seconds(driver, lambda: driver.execute_script(click))
            rows = driver.execute_script(
                "return document.querySelectorAll('#runs tbody tr').length"
            )
    assert rows == runs
    passed = opening < MAX_SECONDS and sorting < MAX_SECONDS and size < MAX_MEGABYTES
    print(f"{runs} runs: built in {building:.1f} s, {size:.1f} MB")
    print(f"opened in {opening:.2f} s (an empty page: {nothing:.2f} s), sorted in {sorting:.2f} s")
    print("PASS" if passed else "FAIL")
    return 0 if passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
