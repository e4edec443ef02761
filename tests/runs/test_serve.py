"""The page while runs train, asked by a browser and by whom it does not concern."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request

import numpy as np
import pytest

from tests.runs.browser import DRAWN, browser, missing
from tests.runs.made_up import make_run
from vaebench.runs.find import find
from vaebench.runs.page import serve
from vaebench.runs.page.data import gather
from vaebench.runs.page.serve import Followed, server

NOISE = np.random.default_rng(0)


@pytest.fixture
def folder(tmp_path):
    """With one finished run."""
    add(tmp_path, 0)
    return tmp_path


def add(folder, seed):
    kind = {"model": "vae", "k": 1, "rate": 1e-3, "noise": NOISE, "rows": 5, "full": True}
    make_run(folder / str(seed), **kind, seed=seed, nll=90.0 + seed)


@pytest.fixture
def address(folder, monkeypatch):
    """Where it is served, looking whenever it is asked."""
    monkeypatch.setattr(serve, "SHARE", -1)
    serving = server(Followed([folder], "followed"))
    thread = threading.Thread(target=serving.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{serving.server_address[1]}"
    serving.shutdown()
    serving.server_close()
    thread.join()


def ask(address, **headers):
    request = urllib.request.Request(address, headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read(), answer.headers


def told(address):
    return json.loads(ask(f"{address}/data")[0])["data"]


def code(address, **headers):
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(address, **headers)
    caught.value.close()
    return caught.value.code


def test_a_run_that_appears_has_its_row_and_the_end_is_the_static_page(address, folder):
    assert len(told(address)["runs"]) == 1
    add(folder, 1)
    found = json.loads(ask(f"{address}/data")[0])
    assert len(found["data"]["runs"]) == 2
    runs = find([folder])
    static = gather(runs.runs, runs.skipped, "followed")
    assert {job["state"] for job in found["data"].pop("jobs")} == {"done"}
    assert found["data"] == json.loads(
        json.dumps({k: v for k, v in static.told.items() if k != "jobs"})
    )
    assert found["numbers"] == static.numbers


def test_nobody_gets_twice_what_has_not_changed(address, folder):
    _, headers = ask(f"{address}/data")
    assert code(f"{address}/data", **{"If-None-Match": headers["ETag"]}) == 304
    add(folder, 1)
    assert (
        ask(f"{address}/data", **{"If-None-Match": headers["ETag"]})[1]["ETag"] != headers["ETag"]
    )


def test_half_a_line_corrupts_nothing(address, folder):
    add(folder, 1)
    before = told(address)["runs"]
    with (folder / "0" / "metrics.csv").open("a") as file:
        file.write("600,-1.5,9")
    (folder / "2").mkdir()
    (folder / "2" / "summary.json").write_text('{"quantity": "lo')
    after = told(address)
    assert after["runs"] == before
    assert "cannot be read" in after["skipped"][0]


def test_another_host_gets_nothing(address):
    port = address.rpartition(":")[2]
    for host in (
        "evil.example",
        f"evil.example:{port}",
        "127.0.0.1",
        f"127.0.0.1:{int(port) + 1}",
        "",
    ):
        assert code(f"{address}/data", Host=host) == 403
        assert code(address, Host=host) == 403
    assert ask(f"http://localhost:{port}/")[0].startswith(b"<!doctype html>")


def test_it_listens_on_this_machine_alone_and_serves_no_files(address, folder):
    serving = server(Followed([folder], ""))
    assert serving.server_address[0] == "127.0.0.1"
    serving.server_close()
    for path in ("/summary.json", "/../etc/passwd", "/0/metrics.csv"):
        assert code(f"{address}{path}") == 404


@pytest.mark.browser
@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_an_open_page_gains_the_row_and_keeps_what_was_chosen(address, folder, tmp_path_factory):
    from selenium.webdriver.support.ui import WebDriverWait

    with browser(tmp_path_factory.mktemp("profile")) as driver:
        driver.get(f"{address}/#x=seconds")
        wait = WebDriverWait(driver, 120)
        wait.until(lambda d: d.execute_script(DRAWN) == "all")
        driver.execute_script("state.smooth = 50; state.metric = 'test/bound'; changed(drawTable)")
        add(folder, 1)
        wait.until(lambda d: "2 of 2 runs" in d.find_element("id", "count").text)
        chosen = driver.execute_script(
            "return [state.x, state.smooth, state.metric, state.shown.size]"
        )
        assert chosen == ["seconds", 50, "test/bound", 2]
        assert driver.find_element("id", "jobs-count").text == "2 done"
        assert [e for e in driver.get_log("browser") if e["level"] == "SEVERE"] == []
