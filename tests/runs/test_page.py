"""The page that compares runs, used as a reader would use it: in a browser, without a network."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_rel

from tests.runs.browser import DRAWN, browser, missing
from tests.runs.made_up import make_run, make_runs
from vaebench.runs.find import find
from vaebench.runs.groups import groups
from vaebench.runs.history import read_arrays
from vaebench.runs.layout import HISTORY
from vaebench.runs.page import build
from vaebench.runs.tables import rows

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
]

RUNS, GROUPS, SEEDS, EXAMPLES = 36, 12, 3, 40
ASLEEP = 30
SCREENSHOT = "VAEBENCH_SCREENSHOT"
"""Where to leave a picture of the page, for somebody to look at."""

HOSTILE = "</script><img src=x onerror=window.hacked=1>"


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    """Twelve configurations of three seeds, one run of which collapsed; two of another data set."""
    folder = tmp_path_factory.mktemp("runs")
    make_runs(folder, RUNS, rows=60, full=True, examples=EXAMPLES)
    noise, other = np.random.default_rng(1), folder / "other"
    kind = {"model": "vae", "k": 1, "rate": 1e-3, "noise": noise, "rows": 60, "full": True}
    for seed in (0, 1):
        make_run(other / str(seed), **kind, seed=seed, nll=20.0, asleep=ASLEEP if seed else None)
        summary = json.loads((other / str(seed) / "summary.json").read_text())
        summary |= {"choices.dataset": "digits", "config.name_of_it": HOSTILE if seed else "plain"}
        summary |= {"test/kl": 5.0 + seed, "test/recon": -19.0, "config.eval.k": 100}
        (other / str(seed) / "summary.json").write_text(json.dumps(summary))
    (folder / "broken").mkdir()
    (folder / "broken" / "summary.json").write_text("{")
    return find([folder])


@pytest.fixture(scope="module")
def members(made_up):
    """The groups of the first section."""
    return groups([run for run in made_up.runs if run.choices["dataset"] == "mnist"])


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def path(made_up, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "compare.html"
    path.write_text(build(made_up.runs, made_up.skipped, "made-up runs", path.parent), "utf-8")
    return path


@pytest.fixture
def page(driver, path):
    """The page, open as at first, in a window that shows all of it."""
    driver.set_window_size(1400, 4000)
    look(driver, path.as_uri())
    return driver


def look(driver, address):
    """Opens an address, and waits until all is drawn."""
    from selenium.webdriver.support.ui import WebDriverWait

    driver.get("about:blank")
    driver.get(address)
    WebDriverWait(driver, 120).until(lambda d: d.execute_script(DRAWN) == "all")


def texts(page, css):
    return page.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", css
    )


def column(page, name, kind="group"):
    """The texts of a column, from top to bottom, without badges."""
    return page.execute_script(
        "const i = [...document.querySelectorAll('#runs thead th')].findIndex(t => t.dataset.column === arguments[0]);"
        "return [...document.querySelectorAll(`#runs tbody tr.${arguments[1]}`)].map(r => r.cells[i]?.lastChild?.textContent ?? '');",
        name,
        kind,
    )


def click(page, css):
    page.execute_script("document.querySelector(arguments[0]).click()", css)


def choose(page, name, value, event="change"):
    page.execute_script(
        "const e = document.getElementById(arguments[0]); e.value = arguments[1]; e.dispatchEvent(new Event(arguments[2]));",
        name,
        str(value),
        event,
    )


def number(text):
    return float(text.split()[0].replace("−", "-"))


def shown(page):
    """Of the curves' first panel, the groups whose lines are drawn."""
    return page.execute_script(
        "return [...document.querySelector('#curves .panel').querySelectorAll('.line')].map(p => Number(p.dataset.group))"
    )


def named(label):
    """A configuration's name on the page, by its label in the terminal."""
    words = label.replace("optimizer.", "").split(" ")
    return " · ".join(word.removeprefix("model=") for word in words)


def test_rows_are_configurations_that_open_into_their_runs(page, members):
    means = [number(text) for text in column(page, "test/nll")]
    assert len(means) == GROUPS
    assert means == sorted(means)
    best = min(members, key=lambda g: np.mean([*g.values("test/nll").values()]))
    values = [*best.values("test/nll").values()]
    sd = np.std(values, ddof=1)
    digits = 1 - math.floor(math.log10(sd))
    assert column(page, "test/nll")[0] == f"{np.mean(values):.{digits}f} ± {sd:.{digits}f}"
    assert set(column(page, "n")) == {"3"}
    button = "#runs tbody button.open"
    assert page.execute_script(f"return document.querySelector('{button}').ariaExpanded") == "false"
    click(page, button)
    assert page.execute_script(f"return document.querySelector('{button}').ariaExpanded") == "true"
    opened = sorted(number(text) for text in column(page, "test/nll", "run"))
    assert opened == pytest.approx(sorted(values), abs=0.06)
    links = page.execute_script("return [...document.querySelectorAll('#runs a')].map(a => a.href)")
    assert len(links) == SEEDS
    assert all(Path(link.removeprefix("file://")).is_dir() for link in links)


def test_a_column_sorts_both_ways_and_says_so(page):
    sorts = '#runs th[data-column="k"]'
    click(page, f"{sorts} button")
    assert column(page, "k") == sorted(column(page, "k"), key=int)
    assert (
        page.execute_script("return document.querySelector(arguments[0]).ariaSort", sorts)
        == "ascending"
    )
    click(page, f"{sorts} button")
    assert column(page, "k") == sorted(column(page, "k"), key=int, reverse=True)
    assert (
        page.execute_script("return document.querySelector(arguments[0]).ariaSort", sorts)
        == "descending"
    )


def test_the_keyboard_keeps_its_place_in_a_table_that_is_drawn_anew(page):
    from selenium.webdriver.common.keys import Keys

    page.find_element("css selector", "#runs button.open").send_keys(Keys.ENTER)
    focus = "return [document.activeElement.className, document.activeElement.ariaExpanded]"
    assert page.execute_script(focus) == ["open", "true"]
    page.switch_to.active_element.send_keys(Keys.SPACE)
    assert page.execute_script(focus) == ["open", "false"]
    assert (
        page.find_element("css selector", "a.skip").get_attribute("href").endswith("#table-panel")
    )


def test_the_filter_takes_words_equalities_and_comparisons(page, members):
    choose(page, "filter", "k=5 iwae", "input")
    assert set(column(page, "k")) == {"5"}
    assert set(column(page, "model")) == {"iwae"}
    assert texts(page, "#count") == [f"6 of {RUNS} runs in 2 of {GROUPS} configurations"]
    choose(page, "filter", "test/nll<91 seed=0", "input")
    few = [g for g in members if g.values("test/nll").get(0, 99) < 91]
    assert len(column(page, "k")) == len(few) > 0
    choose(page, "filter", "nothing nosuch=3", "input")
    assert column(page, "k") == []
    assert texts(page, "#runs .nothing") == ["Nothing matches the filter; nosuch is no column."]
    choose(page, "filter", "", "input")
    assert len(column(page, "k")) == GROUPS


def test_differences_and_their_p_are_those_of_the_terminal(page, members):
    table = {named(row.group.label): row for row in rows(members, "test/nll", members[0])}
    found = page.execute_script(
        "return here.groups.map((_, g) => [label(g), judged(g, state.baseline, 'test/nll')])"
    )
    assert len(found) == GROUPS
    for label, judged in found:
        row = table[label]
        if row.group is members[0]:
            continue
        assert judged["difference"] == pytest.approx(row.difference, rel=1e-4, abs=1e-4)
        assert judged["p"] == pytest.approx(row.p, rel=2e-3)
        assert judged["overExamples"] == pytest.approx(row.error, rel=2e-3)
    assert "baseline" in column(page, "difference")
    choose(page, "baseline", 3)
    assert column(page, "difference")[3] == "baseline"
    assert texts(page, "#runs th[data-column=p] small") == ["against the baseline"]


def test_a_baseline_chosen_in_a_row_is_that_of_the_controls_and_no_name_changes(page):
    names = texts(page, "#legend .key")
    click(page, "#runs tbody tr:nth-child(3) .last button")
    chosen = "return [state.baseline, Number(document.getElementById('baseline').value)]"
    assert page.execute_script(chosen) == [2, 2]
    assert texts(page, "#legend .key") == names
    assert texts(page, "#baseline option")[:7] == names


@pytest.mark.parametrize("n", [2, 3, 10, 400])
def test_the_t_test_is_scipys(page, n):
    noise = np.random.default_rng(n)
    for shift in (0.0, 0.3, 3.0):
        a, b = noise.normal(size=n), noise.normal(shift, size=n)
        found = page.execute_script("return tested(arguments[0])", (a - b).tolist())
        assert found["p"] == pytest.approx(ttest_rel(a, b).pvalue, rel=1e-8)


def test_the_best_is_named_with_those_that_are_not_significantly_worse(page, members):
    best = min(members, key=lambda g: np.mean([*g.values("test/nll").values()]))
    others = [r for r in rows(members, "test/nll", best) if r.group is not best]
    equal = sum(row.p >= 0.05 for row in others)
    assert len(texts(page, "#runs .badge.best")) == 1
    assert len(texts(page, "#runs .badge.equal")) == equal
    (told,) = texts(page, "#verdict")
    assert "best" in told
    assert f"{named(best.label)} has the lowest test/nll (nats · {EXAMPLES} examples)" in told
    told_worse = told.split("each tested against the best: ")[1].split(". ")[0]
    worse = [named(row.group.label) for row in others if row.p < 0.05]
    assert sum(f"{name} (p " in told_worse for name in worse) == min(3, len(worse))
    assert told_worse.endswith(f"and {len(worse) - 3} more")


def test_what_a_run_costs_is_not_ranked(page):
    choose(page, "metric", "parameters")
    assert texts(page, "#runs .badge.best") == texts(page, "#runs .badge.equal") == []
    assert "parameters is no quality" in texts(page, "#verdict")[0]


def test_each_data_set_and_quantity_has_its_own_section(page):
    tabs = texts(page, "#sections [role=tab]")
    assert [tab.split()[-2] for tab in tabs] == ["mnist", "digits"]
    click(page, "#sections [role=tab]:nth-child(2)")
    assert texts(page, "#subject") == ["log p(x) · digits"]
    assert "−L₁₀₀ · nats" in texts(page, "#verdict")[0]
    assert len(texts(page, "#rate .points")) == 1 or len(texts(page, "#rate .points")) == 2
    assert texts(page, "#rate .iso")


def test_columns_come_on_demand_and_stand_in_what_is_exported(page, members):
    assert set(column(page, "parameters")) == {""}
    page.execute_script(
        "[...document.querySelectorAll('#columns label')].find(l => l.textContent === 'parameters').querySelector('input').click()"
    )
    assert set(column(page, "parameters")) == {"400000"}
    click(page, "[data-format=CSV]")
    text = page.execute_script("return document.getElementById('export-text').value")
    table = list(csv.DictReader(io.StringIO(text)))
    assert len(table) == GROUPS
    best = min(members, key=lambda g: np.mean([*g.values("test/nll").values()]))
    assert float(table[0]["test/nll"]) == pytest.approx(
        np.mean([*best.values("test/nll").values()]), rel=1e-5
    )
    assert {"parameters", "test/nll sd", "difference se"} <= set(table[0])
    assert [row["mark"] for row in table].count("best") == 1
    click(page, "#export-close")
    click(page, "[data-format=Markdown]")
    lines = page.execute_script("return document.getElementById('export-text').value").splitlines()
    assert len(lines) == GROUPS + 2
    assert len({line.count("|") for line in lines}) == 1
    assert " (best) |" in lines[2]
    click(page, "#export-close")
    click(page, "[data-format=LaTeX]")
    latex = page.execute_script("return document.getElementById('export-text').value")
    assert latex.count("\\\\\n") == GROUPS + 1
    assert latex.count("\\textbf") == 1 + len(texts(page, "#runs .badge.equal"))
    assert "$\\pm$" in latex
    assert "test/active\\_units" in latex
    click(page, "#export-close")


def test_curves_of_several_metrics_have_the_mean_and_spread_of_the_seeds(page, members):
    assert texts(page, "#curves figcaption b") == ["val/bound", "train/bound", "val/kl"]
    assert len(shown(page)) == len(texts(page, "#legend .key")) == 7
    best = min(members, key=lambda g: np.mean([*g.values("test/nll").values()]))
    last = [read_arrays(run.folder / HISTORY)["val/bound"][-1] for run in best.runs]
    found = page.execute_script(
        "const l = linesOf(0, 'val/bound')[0]; return [l.ys.at(-1), l.high.at(-1)]"
    )
    assert found == pytest.approx([np.mean(last), np.mean(last) + np.std(last, ddof=1)], rel=1e-5)


def test_curves_go_by_epochs_and_seconds_smooth_and_take_runs_apart(page):
    steps = page.execute_script("return linesOf(0, 'val/bound')[0].xs")
    choose(page, "x", "epoch")
    epochs = page.execute_script("return linesOf(0, 'val/bound')[0].xs")
    assert np.array(epochs) == pytest.approx(np.array(steps) / 600, rel=1e-4)
    choose(page, "x", "seconds")
    seconds = page.execute_script("return linesOf(0, 'val/bound')[0].xs")
    assert np.array(seconds) == pytest.approx(np.array(steps) / 50, rel=1e-4)
    rough = page.execute_script("return linesOf(0, 'val/kl')[0].ys")
    choose(page, "smooth", 90, "input")
    smooth = page.execute_script("return linesOf(0, 'val/kl')[0].ys")
    assert np.diff(smooth).std() < 0.3 * np.diff(rough).std()
    assert smooth[0] == pytest.approx(rough[0])
    click(page, "#logx")
    assert texts(page, "#curves .panel .axis text")
    click(page, "#each")
    assert len(shown(page)) == 7 * SEEDS


def test_the_pointer_names_a_curve_and_a_drag_looks_closer(page):
    from selenium.webdriver.common.action_chains import ActionChains

    svg = page.find_element("css selector", "#curves svg")
    ActionChains(page).move_to_element_with_offset(svg, 100, -80).perform()
    named = page.execute_script("return document.querySelector('#curves .tip b').textContent")
    assert "(3 seeds)" in named
    before = texts(page, "#curves .panel:first-child .axis text")
    ActionChains(page).move_to_element_with_offset(svg, -60, 0).click_and_hold().move_by_offset(
        90, 0
    ).release().perform()
    closer = texts(page, "#curves .panel:first-child .axis text")
    assert closer != before
    assert page.execute_script("return range[1] - range[0]") < 4000
    page.execute_script("document.querySelector('#curves svg').ondblclick()")
    assert texts(page, "#curves .panel:first-child .axis text") == before


def test_where_a_run_began_to_collapse_is_in_table_and_curve(page):
    click(page, "#sections [role=tab]:nth-child(2)")
    step = 100 * (ASLEEP + 1)
    assert any(f"collapsed from step {step}" in text for text in texts(page, "#runs .badge.warn"))
    assert f"seed 1 collapsed from step {step}" in texts(page, "#verdict")[0]
    assert any(f"from step {step}" in text for text in texts(page, "#curves .flag title"))
    assert "val/active_units" in texts(page, "#curves figcaption b")
    (run,) = page.execute_script("return runsHere().filter(r => r.seed === 1).map(runLabel)")
    assert set(texts(page, "#curves .flag text")) == {f"{run} collapses"}


def test_what_is_ticked_is_what_is_drawn_in_the_same_colour(page):
    assert shown(page) == [0, 1, 2, 3, 4, 5, 6]
    click(page, "#runs tbody input")
    assert shown(page) == [1, 2, 3, 4, 5, 6]
    swatch = page.execute_script(
        "const row = document.querySelectorAll('#runs tbody tr')[1].querySelector('line').getAttribute('stroke');"
        "return [row, document.querySelector('#curves .line').getAttribute('stroke'), document.querySelector('#scatter .points').getAttribute('fill')]"
    )
    assert len(set(swatch)) == 1
    click(page, "#none")
    assert shown(page) == []
    click(page, "#all")
    assert len(shown(page)) == GROUPS


def test_any_number_stands_against_any_other(page):
    choose(page, "px", "optimizer.lr")
    choose(page, "py", "test/bound")
    assert texts(page, "#scatter .axis .name") == ["optimizer.lr", "test/bound (nats)"]
    points = page.execute_script("return pointsOf('optimizer.lr', 'test/bound')")
    assert {p["x"] for p in points} == {0.001, 0.003}
    assert all("test/bound −" in p["name"] and " sd nats" in p["name"] for p in points)
    assert {"0.001", "0.003"} <= set(texts(page, "#scatter .axis text"))
    assert all(p["ey"] > 0 for p in points)
    choose(page, "px", "model")
    assert {"vae", "iwae"} <= set(texts(page, "#scatter .axis text"))


def test_a_brush_along_an_axis_chooses_by_it(page):
    names = page.execute_script("return parallelAxes()")
    assert names == ["model", "k", "optimizer.lr", "test/nll"]
    page.execute_script(
        "const y = parallelScale('model', 320).at('iwae'); setBrush('model', [y - 5, y + 5])"
    )
    assert set(column(page, "model")) == {"iwae"}
    assert texts(page, "#count")[0].startswith("18 of")
    listed = page.execute_script("return rows.map(row => row.group)")
    assert set(shown(page)) == set(listed) & set(range(7))
    click(page, "#brushed button")
    assert texts(page, "#brushed .chip") == []
    assert shown(page) == [0, 1, 2, 3, 4, 5, 6]
    assert len(column(page, "model")) == GROUPS


def test_what_options_decide_is_told_in_order(page):
    assert texts(page, "#importance th") == ["model", "k", "optimizer.lr"]


def test_two_runs_side_by_side_example_by_example(page, made_up):
    first, second = page.execute_script("return sideRuns().map(r => r.folder)")
    root = Path(os.path.commonpath([run.folder for run in made_up.runs]))
    values = {run.folder: run.examples["test/nll"] for run in made_up.runs if run.examples}
    differences = values[root / second] - values[root / first]
    error = differences.std(ddof=1) / math.sqrt(EXAMPLES)
    found = page.execute_script("return pairedByExample(sideRuns()[1], sideRuns()[0], 'test/nll')")
    assert found["difference"] == pytest.approx(differences.mean(), rel=1e-3)
    assert found["error"] == pytest.approx(error, rel=1e-3)
    (told,) = texts(page, "#side-examples p:first-child")
    wins = (differences < 0).sum()
    assert f"B is better on {wins}, A on {EXAMPLES - wins}" in told
    assert f"#{differences.argmin()} " in texts(page, "#side-examples .hint")[0]
    sides = page.execute_script(
        "return [...document.querySelectorAll('#side-examples rect[fill]')].map(r => [r.className.baseVal, r.getAttribute('fill')])"
    )
    of_a, of_b = page.execute_script("return sideRuns().map(r => colour(r.group))")
    assert {fill for side, fill in sides if side == "gain"} == {of_b} != {of_a}
    assert {fill for side, fill in sides if side == "loss"} == {of_a}
    assert [side for side, _ in sides].count("even") == 1
    options = texts(page, "#side-options tr.chosen th")
    assert "optimizer.lr" in options or "k" in options or "model" in options


def test_pictures_stand_under_each_other_by_kind_in_one_size(page):
    captions = texts(page, "#side-pictures figcaption")
    assert captions == ["A · reconstructions", "B · reconstructions", "A · samples", "B · samples"]
    width = "return document.querySelector('#side-pictures figure').clientWidth"
    before = page.execute_script(width)
    choose(page, "zoom", 200, "input")
    assert page.execute_script(width) == pytest.approx(2 * before, abs=2)
    naturals = page.execute_script(
        "return [...document.querySelectorAll('#pictures img')].map(i => i.naturalWidth)"
    )
    assert len(naturals) == 7


def test_the_address_is_the_view(page, path):
    choose(page, "metric", "test/bound")
    click(page, "#runs button.open")
    choose(page, "x", "seconds")
    click(page, "#none")
    click(page, "#runs tbody tr.run input")
    page.execute_script("state.filter = 'vae'; changed(() => { drawControls(); drawAll(); })")
    address = page.current_url
    view = "return [[...document.querySelectorAll('#runs tr')].map(r => r.textContent), document.querySelectorAll('#curves .line').length, document.getElementById('x').value]"
    before = page.execute_script(view)
    assert before[1:] == [3, "seconds"]
    look(page, address)
    assert page.execute_script(view) == before
    click(page, "#reset")
    assert len(shown(page)) == 7
    look(page, path.as_uri() + "#metric=none&side=9999&curves=x&section=7")
    assert texts(page, "#subject") == ["log p(x) · digits"]


def test_it_prints_whole_and_fits_a_narrow_window(page):
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 480, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    look(page, page.current_url)
    assert page.execute_script("return document.documentElement.scrollWidth") <= 480
    assert not page.execute_script("return document.querySelector('#side-options tr')")
    page.execute_script("window.onbeforeprint(); window.onafterprint()")
    assert page.execute_script("return document.querySelector('#side-options tr')")
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_dark_where_the_reader_wants_dark(page):
    ground = "return getComputedStyle(document.body).backgroundColor"
    light = page.execute_script(ground)
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": "dark"}]},
    )
    assert page.execute_script(ground) != light
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_the_skipped_are_named_and_nothing_a_run_says_is_run(page):
    assert "broken" in texts(page, "#skipped")[0]
    click(page, "#sections [role=tab]:nth-child(2)")
    click(page, "#side-chosen button")
    assert any(HOSTILE in text for text in texts(page, "td, th, h2, button, label, option"))
    assert page.execute_script("return window.hacked") is None


def test_the_page_asks_nobody_and_reports_no_error(page):
    """The last test of the file: of all that was done before."""
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
