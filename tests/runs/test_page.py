"""The page that compares runs, used as a reader would use it: in a browser, without a network."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.runs.browser import DRAWN, browser, missing
from tests.runs.made_up import make_runs
from vaebench.runs.find import find
from vaebench.runs.groups import differing, groups
from vaebench.runs.history import read_arrays
from vaebench.runs.layout import HISTORY
from vaebench.runs.page import build

RUNS, GROUPS = 36, 12
SCREENSHOT = "VAEBENCH_SCREENSHOT"
"""Where to leave a picture of the page, for somebody to look at."""

in_a_browser = pytest.mark.skipif(missing() is not None, reason=str(missing()))


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    make_runs(folder, RUNS)
    (folder / "broken").mkdir()
    (folder / "broken" / "summary.json").write_text("{")
    return find([folder])


@pytest.fixture(scope="module")
def page(made_up, tmp_path_factory):
    """The page, open."""
    folder = tmp_path_factory.mktemp("page")
    path = folder / "compare.html"
    path.write_text(build(made_up.runs, made_up.skipped, "made-up runs"))
    from selenium.webdriver.support.ui import WebDriverWait

    with browser(folder / "profile") as driver:
        driver.get(path.as_uri())
        WebDriverWait(driver, 60).until(lambda d: d.execute_script(DRAWN))
        driver.set_window_size(1400, 1800)  # for the grid to be seen, and drawn
        WebDriverWait(driver, 60).until(lambda d: d.execute_script(DRAWN) == "all")
        yield driver


def column(page, name):
    """The texts of a column, from top to bottom."""
    return page.execute_script(
        "const i = [...document.querySelectorAll('#runs th')].findIndex(t => t.dataset.column === arguments[0]);"
        "return [...document.querySelectorAll('#runs tbody tr')].map(r => r.cells[i].textContent);",
        name,
    )


def click(page, css):
    page.execute_script("document.querySelector(arguments[0]).click()", css)


def type_filter(page, text):
    page.execute_script(
        "const f = document.getElementById('filter'); f.value = arguments[0]; f.dispatchEvent(new Event('input'));",
        text,
    )


def curves(page):
    """Names of the curves that are drawn."""
    return page.execute_script(
        "return document.getElementById('curves').data.filter(t => t.name && t.fill !== 'toself').map(t => t.name)"
    )


def test_runs_are_groups_of_seeds_that_differ_in_what_was_chosen(made_up):
    assert differing(made_up.runs) == ["model", "k", "optimizer.lr"]
    found = groups(made_up.runs)
    assert len(found) == GROUPS
    assert all([run.seed for run in group.runs] == [0, 1, 2] for group in found)
    assert found[0].label == "model=vae k=1 optimizer.lr=0.001"


@in_a_browser
def test_the_table_sorts_by_a_column_both_ways(page):
    type_filter(page, "")
    best_first = [float(x) for x in column(page, "test/nll")]
    assert len(best_first) == RUNS
    assert best_first == sorted(best_first)
    click(page, "#runs th[data-column=k]")
    assert column(page, "k") == sorted(column(page, "k"), key=int)
    click(page, "#runs th[data-column=k]")
    assert column(page, "k") == sorted(column(page, "k"), key=int, reverse=True)


@in_a_browser
def test_the_filter_keeps_the_runs_that_have_every_word(page):
    type_filter(page, "k=5 iwae")
    assert set(column(page, "k")) == {"5"}
    assert set(column(page, "model")) == {"iwae"}
    assert page.find_element("id", "count").text == f"6 of {RUNS} runs"
    type_filter(page, "nothing like this")
    assert column(page, "k") == []
    type_filter(page, "")
    assert len(column(page, "k")) == RUNS


@in_a_browser
def test_a_ticked_off_run_leaves_its_curve(page):
    before = curves(page)
    assert sorted(before) == sorted(set(before))
    assert len(before) == GROUPS
    assert all("(3 seeds)" in name for name in before)
    click(page, "#runs tbody input")
    assert sum("(2 seeds)" in name for name in curves(page)) == 1
    click(page, "#none")
    assert curves(page) == []
    click(page, "#all")
    assert sorted(curves(page)) == sorted(before)


@in_a_browser
def test_the_band_is_the_spread_over_seeds(page, made_up):
    page.execute_script(
        "const s = document.getElementById('curve'); s.value = 'val/bound'; s.onchange();"
    )
    group = groups(made_up.runs)[0]
    last = [read_arrays(run.folder / HISTORY)["val/bound"][-1] for run in group.runs]
    mean = sum(last) / 3
    sd = (sum((x - mean) ** 2 for x in last) / 2) ** 0.5
    drawn = page.execute_script(
        "const d = document.getElementById('curves').data, n = arguments[0];"
        "const i = d.findIndex(t => t.name && t.name.startsWith(n) && t.fill !== 'toself');"
        "const half = d[i - 1].y.length / 2;"
        "return [d[i].y[d[i].y.length - 1], d[i - 1].y[half - 1]];",
        group.label,
    )
    assert drawn == pytest.approx([mean, mean + sd], rel=1e-5)


@in_a_browser
def test_the_grid_and_the_pictures_are_drawn_and_the_skipped_named(page):
    axes = page.execute_script(
        "return document.getElementById('grid').data[0].dimensions.map(d => d.label)"
    )
    assert axes == ["model", "k", "optimizer.lr", "test/nll"]
    images = page.execute_script(
        "return [...document.querySelectorAll('#pictures img')].map(i => i.naturalWidth)"
    )
    assert len(images) == GROUPS
    assert min(images) > 100
    assert "broken" in page.find_element("id", "skipped").text


@in_a_browser
def test_the_page_needs_no_network_and_reports_no_error(page):
    asked = [
        message["params"]["request"]["url"]
        for entry in page.get_log("performance")
        if (message := json.loads(entry["message"])["message"])["method"]
        == "Network.requestWillBeSent"
    ]
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:", "chrome"))] == []
    assert [e for e in page.get_log("browser") if e["level"] == "SEVERE"] == []
    if SCREENSHOT in os.environ:
        page.save_screenshot(str(Path(os.environ[SCREENSHOT])))
