"""What a grid says of its jobs, and how it knows them again; no job is trained here."""

from __future__ import annotations

import io
import json
import re
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from tests.runs.made_up import make_run
from vaebench.commands.attributed import Attributed, attributed
from vaebench.commands.grid import report
from vaebench.config import record as composed
from vaebench.runs.grid import Cell, already

NOISE = np.random.default_rng(0)


def cell(grid: Path, number: int, *words: str, nll: float | None = None, error: str = "") -> Cell:
    """A job of a grid of models, k and seeds, with a result or without."""
    chosen = dict(word.split("=") for word in words)
    folder = grid / str(number)
    if nll is not None:
        model, k, seed = chosen.get("model", "vae"), chosen.get("k", 1), chosen.get("seed", 0)
        make_run(folder, model=model, k=int(k), rate=1e-3, seed=int(seed), nll=nll, noise=NOISE)
    else:
        folder.mkdir(parents=True)
        (folder / "error.txt").write_text(f"{error}\n\nTraceback …")
    return Cell(f"job {number} ({','.join(words)})", folder, (*words, "eval.k=2"))


def printed(grid: Path, cells: list[Cell], capsys, monkeypatch) -> tuple[bool | None, str]:
    """What `report` returns and prints in a wide terminal."""
    monkeypatch.setenv("COLUMNS", "140")
    failed = report(grid, cells)
    return failed, capsys.readouterr().out


def test_cells_without_a_result_are_rows_that_say_why(tmp_path, capsys, monkeypatch):
    cells = [
        cell(tmp_path, 0, "model=vae", "k=1", nll=90.0),
        cell(tmp_path, 1, "model=vae", "k=5", error="the run failed: RuntimeError: no luck"),
        cell(tmp_path, 2, "model=iwae", "k=1", error="refused: model=iwae is refused here"),
        cell(tmp_path, 3, "model=iwae", "k=5", nll=89.0),
    ]
    failed, out = printed(tmp_path, cells, capsys, monkeypatch)
    assert failed is True
    assert re.search(r"│ iwae +│ 5 +│ +89\.000 │", out)
    assert re.search(r"│ vae +│ 5 +│ +failed: RuntimeError: no luck │", out)
    assert re.search(r"│ iwae +│ 1 +│ +refused: model=iwae is refused here │", out)


def test_a_sole_survivor_is_called_what_the_grid_chose_for_it(tmp_path, capsys, monkeypatch):
    cells = [
        cell(tmp_path, 0, "model=vae", "k=1", nll=90.0),
        cell(tmp_path, 1, "model=iwae", "k=1", error="did not finish"),
    ]
    _, out = printed(tmp_path, cells, capsys, monkeypatch)
    assert "all the same" not in out
    assert re.search(r"│ vae +│ +90\.000 │", out)
    assert re.search(r"│ iwae +│ +did not finish │", out)


def test_seeds_that_failed_alike_are_one_row_beside_those_that_did_not(
    tmp_path, capsys, monkeypatch
):
    cells = [cell(tmp_path, s, "model=vae", f"seed={s}", nll=90.0 + s) for s in range(2)] + [
        cell(tmp_path, s, "model=vae", f"seed={s}", error="no luck") for s in (2, 3)
    ]
    cells += [cell(tmp_path, 4, "model=iwae", "seed=0", nll=89.0)]
    _, out = printed(tmp_path, cells, capsys, monkeypatch)
    assert re.search(r"│ vae +│ 2 │ +90\.500 ± 0\.707 │", out)
    assert re.search(r"│ vae +│ 0 │ +no luck \(seed 2, 3\) │", out)


def test_values_are_written_as_those_of_the_runs(tmp_path, capsys, monkeypatch):
    cells = [
        cell(tmp_path, 0, "optimizer.lr=1e-3", nll=90.0),
        cell(tmp_path, 1, "optimizer.lr=3e-3", error="no luck"),
    ]
    _, out = printed(tmp_path, cells, capsys, monkeypatch)
    assert re.search(r"│ 0\.001 +│ +90\.000 │", out)
    assert re.search(r"│ 0\.003 +│ +no luck │", out)


def test_beside_several_data_sets_the_lost_have_a_table_of_their_own(tmp_path, capsys, monkeypatch):
    cells = [cell(tmp_path, n, f"k={k}", nll=90.0) for n, k in enumerate((1, 5))]
    path = tmp_path / "1" / "summary.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"choices.dataset": "digits"}))
    cells.append(cell(tmp_path, 2, "k=50", error="no luck"))
    _, out = printed(tmp_path, cells, capsys, monkeypatch)
    assert out.count("no luck") == 1
    assert re.search(r"│ 50 +│ +no luck │", out)


# ------------------------------------------------------------------------- finished, and known to be
def config(folder: Path, conf: Path, *words: str):
    """Of a grid, as far as the record of it asks."""
    source = {"path": str(conf), "schema": "file", "provider": "main"}
    hydra = {
        "sweep": {"dir": str(folder)},
        "overrides": {"task": list(words), "hydra": []},
        "runtime": {"config_sources": [source]},
    }
    return OmegaConf.create({"hydra": hydra})


@pytest.fixture
def conf(tmp_path):
    """A folder of YAMLs, one of which asks the environment."""
    folder = tmp_path / "conf"
    folder.mkdir()
    (folder / "config.yaml").write_text("lr: 0.001\nlayers: ${oc.env:SOME_LAYERS,1}\n")
    return folder


def test_a_grid_is_remembered_as_it_was_composed(tmp_path, conf):
    done = cell(tmp_path / "grid", 0, "model=vae", nll=90.0)
    summary = json.loads((done.folder / "summary.json").read_text())
    done = Cell(done.name, done.folder, done.words, composed.digest(summary))
    composed.remember(config(tmp_path / "grid", conf, "model=vae"), [done])
    (found,) = composed.remembered(config(tmp_path / "grid", conf, "model=vae"))
    assert found == done
    assert composed.result(found)["test/nll"] == 90.0
    assert composed.remembered(config(tmp_path / "grid", conf, "model=iwae")) == []


def test_a_default_that_changed_since_forgets_the_grid(tmp_path, conf, monkeypatch):
    here = config(tmp_path / "grid", conf)
    before = composed.key(here)
    assert composed.key(here) == before
    monkeypatch.setenv("SOME_LAYERS", "2")
    assert composed.key(here) != before
    monkeypatch.delenv("SOME_LAYERS")
    (conf / "config.yaml").write_text("lr: 0.003\nlayers: ${oc.env:SOME_LAYERS,1}\n")
    assert composed.key(here) != before


def test_a_program_that_changed_since_forgets_the_grid(tmp_path, conf, monkeypatch):
    program = tmp_path / "program"
    program.mkdir()
    monkeypatch.setattr(composed, "PACKAGE", program)
    before = composed.key(config(tmp_path, conf))
    (program / "schema.py").write_text("k = 5")
    assert composed.key(config(tmp_path, conf)) != before


def test_a_run_of_another_config_is_not_the_remembered_one(tmp_path):
    done = cell(tmp_path, 0, "k=1", nll=90.0)
    path = done.folder / "summary.json"
    summary = json.loads(path.read_text())
    done = Cell(done.name, done.folder, done.words, composed.digest(summary))
    assert composed.result(done) is not None
    path.write_text(json.dumps(summary | {"config.k": 5}))
    assert composed.result(done) is None
    path.write_text("{")
    assert composed.result(done) is None


def test_another_version_is_not_passed_off_in_silence(tmp_path):
    assert already(tmp_path, {"versions.vaebench": "0.0.1"}).endswith(
        "by vaebench 0.0.1: this is 0.1.0"
    )


# ---------------------------------------------------------------------------- many jobs, one terminal
def test_each_line_says_whose_it_is(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    with attributed("job 3 │ "):
        print("one\ntwo")
        print("half", end="")
        sys.stderr.write("a warning\n")
        assert not sys.stdout.isatty()
    out, err = capsys.readouterr()
    assert out == "job 3 │ one\njob 3 │ two\njob 3 │ half\n"
    assert err == "job 3 │ a warning\n"


def test_what_is_drawn_meanwhile_leaves_room_for_the_label(monkeypatch, capsys):
    from rich.console import Console

    monkeypatch.setenv("COLUMNS", "60")
    with attributed("job 3 │ "):
        Console().print("word " * 40)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 1
    assert all(line.startswith("job 3 │ ") and len(line) <= 60 for line in lines)


def test_lines_of_two_jobs_never_mix():
    stream = io.StringIO()

    def speak(label):
        own = Attributed(stream, f"{label} │ ")
        for _ in range(200):
            for part in (label, label * 2, "\n"):
                own.write(part)

    threads = [threading.Thread(target=speak, args=(label,)) for label in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(stream.getvalue().splitlines()) == {"a │ aaa", "b │ bbb"}
