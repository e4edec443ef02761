"""What reaches standard output: on any terminal, through any pipe, and while the work is slow."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from tests.commands.conftest import QUICK
from vaebench import progress
from vaebench.cli import main
from vaebench.commands import check as checking
from vaebench.commands import heartbeat
from vaebench.config.choices import choices
from vaebench.measures.evaluation import NAMES
from vaebench.paths import conf_dir
from vaebench.pictures import PICTURES
from vaebench.training.cost import Cost

ASCII = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
RUNS = {"run": [*QUICK, "logger=csv"]}
SMALL = ["k=50", "ais.temperatures=5", "ais.examples=4", "gap.examples=4", "gap.steps=5"]
SMALL += ["gap.k=100"]


# --------------------------------------------------------------------------- terminals without UTF-8
def test_a_run_prints_its_whole_output_on_a_terminal_of_ascii(command, tmp_path):
    done = command(*QUICK, "logger=csv", "hydra.run.dir=run", **ASCII)
    assert (done.code, done.err) == (0, "")
    assert done.out.isascii()
    assert "+-- model=vae latent_dim=10" in done.out
    assert re.search(r"\| test/nll = -L_5 +\| \d+\.\d+ \+/- \d+\.\d+ \|", done.out)
    assert {path.name for path in (tmp_path / "run").iterdir()} >= {"summary.json", "pictures"}


@pytest.mark.parametrize("args", [["--help"], ["list"], ["posterior=gausian"], ["nosuch=é"]])
def test_answers_and_refusals_on_a_terminal_of_ascii(command, args):
    done = command(*args, **ASCII)
    assert done.code in (0, 2)
    assert (done.out + done.err).isascii()
    assert "Traceback" not in done.err


# ------------------------------------------------------------------------------- unforeseen errors
def test_an_unforeseen_error_is_one_line(monkeypatch, capfd):
    monkeypatch.setattr("vaebench.cli._list", lambda args: {}["no\nsuch"])
    assert main(["list"]) == 1
    err = capfd.readouterr().err
    assert err == "vaebench: KeyError: 'no\\nsuch' (VAEBENCH_TRACEBACK=1 shows where)\n"
    monkeypatch.setenv("VAEBENCH_TRACEBACK", "1")
    assert main(["list"]) == 1
    assert "Traceback" in capfd.readouterr().err


@pytest.mark.process
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_output_that_finds_no_room_is_one_line(tmp_path):
    with open("/dev/full", "w") as full, piped("list", out=full, cwd=tmp_path) as done:
        err = done.stderr.read()
    assert (done.returncode, len(err.splitlines())) == (1, 1)
    assert "No space left" in err


# ------------------------------------------------------------------------------------ closed pipes
def piped(*args, out=subprocess.PIPE, cwd):
    return subprocess.Popen(
        [sys.executable, "-m", "vaebench", *args],
        stdout=out,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
    )


@pytest.mark.process
def test_a_run_whose_reader_leaves_goes_on_and_finishes(tmp_path):
    with piped(*QUICK, "logger=csv", "hydra.run.dir=run", cwd=tmp_path) as run:
        assert run.stdout.readline().startswith("composing model=vae")
        run.stdout.close()
        err = run.stderr.read()
    assert run.returncode == 0
    assert err == "vaebench: nobody reads the output any more; the work goes on\n"
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["test/nll"] > 0


@pytest.mark.process
def test_a_list_whose_reader_leaves_ends_quietly(tmp_path):
    with piped("list", cwd=tmp_path) as done:
        done.stdout.close()
        assert done.stderr.read() == ""
    assert done.returncode == 0


# --------------------------------------------------------------------------- samples of a test split
@pytest.mark.parametrize(
    ("words", "k"),
    [([], 100), (["dataset=topics"], 100), (["dataset=ptb"], 10), (["dataset=ptb", "eval.k=7"], 7)],
)
def test_a_data_set_suggests_how_many_and_the_command_line_decides(here, words, k):
    done = here(*words, "--cfg", "job", "--resolve", "-p", "eval")
    assert f"k: {k}\n" in done.out


# -------------------------------------------------------------------------------------------- list
def test_a_list_that_is_no_terminals_loses_nothing(command):
    listed = command("list", COLUMNS="80").out
    for group in choices([conf_dir()]).values():
        for title in group.values():
            assert f"{title}\n" in listed


def test_a_list_fits_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) == 80
    assert any(line.endswith("…") for line in lines)


# ------------------------------------------------------------------------------ while work is slow
class Recorder(list):
    """Remembers what was under way, the outermost first, whenever a loop began."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = []

    def append(self, loop):
        super().append(loop)
        self.seen.append([each.what for each in self])


@pytest.fixture
def begun(monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(progress, "_loops", recorder)
    return recorder.seen


def test_every_measure_and_picture_says_that_it_is_at_work_and_counts(here, copied, begun):
    copied("run")
    assert here("evaluate", "run", *SMALL, "latents=true").code == 0
    assert here("evaluate", "run", "outliers=noise", "outliers.k=5").code == 0
    for name in (*NAMES, "latents"):
        loops = [path[1:] for path in begun if path[0] == name]
        assert [] in loops
        # A probe's classifiers are another library's, and there is no label observed, no class drawn,
        # no known factor, no modality and no other seed.
        of_others = ("probe", "classification", "class_samples", "predictive", "transfer")
        of_others += ("modalities", "overlap", "pose", "swaps")
        if name not in (*of_others, "disentanglement", "equivariance", "udr"):
            assert any(loops), name
    phases = {path[1] for path in begun if path[0] == "ais" and len(path) > 1}
    assert {"step sizes", "forward", "backward"} <= phases
    assert here("sample", "run", "n=9").code == 0
    assert set(PICTURES) <= {path[0] for path in begun}


@pytest.mark.matrix
def test_a_grid_says_where_it_is_and_what_it_does(here, monkeypatch):
    monkeypatch.setattr(heartbeat, "SILENCE", 0.05)
    monkeypatch.setattr(heartbeat, "LOOK_SECONDS", 0.02)
    done = here(
        "-m", "k=1,2", "trainer.max_epochs=2", "eval.k=2000", "eval.examples=100", "logger=none"
    )
    assert done.code == 0, done.err
    assert "job 0 (k=1) · 1 of 2\n" in done.out
    assert re.search(r"job 1 \(k=2\) · 2 of 2, about \d+ s left\n", done.out)
    testing = r"testing · likelihood · \d+ % · \d+ s · about \d+ s left"
    assert re.search(rf"  job 1 · 2 of 2 · {testing}\n", done.out)


# ------------------------------------------------------------------------------------------- check
def test_check_tells_what_a_step_takes(here, tmp_path):
    done = here("check", "model=iwae", "k=3")
    assert done.code == 0, done.err
    assert re.search(r"└── a step about \d+ ms and \d+ MB\n", done.out)
    assert "warning" not in done.out
    assert not [*tmp_path.iterdir()]


def test_check_warns_of_a_step_that_nobody_expects(here, monkeypatch):
    monkeypatch.setattr(checking, "cost_of_step", lambda *_: Cost(12.0, 1e15))
    out = here("check").out
    assert "└── a step about 12.0 s and 1000000.0 GB" in out
    assert (
        "warning a step takes about 12 s; a smaller k, trainer.batch_size or net takes less" in out
    )
    assert re.search(r"warning a step needs about 1000000.0 GB, and there are \d+\.\d GB;", out)
    assert out.endswith("ok\n")
