"""Grids that go on, and runs side by side."""

from __future__ import annotations

import csv
import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.commands.conftest import UNDRAWN, run_folders
from tests.runs.made_up import make_run

pytestmark = pytest.mark.usefixtures("undrawn")

QUICK = ["trainer.max_epochs=1", "eval.k=2", "logger=csv"]
GRID = ["-m", "model=vae,iwae", "k=1,5", "seed=1,2,3", *QUICK]

PLAIN = {"choices.posterior": "gaussian", "choices.prior": "normal", "choices.refine": "none"}
PLAIN |= {"choices.anneal": "none", "config.trainer.average": 0.0}
RICH = {"choices.posterior": "iaf", "choices.prior": "vamp", "choices.refine": "hamiltonian"}
RICH |= {"choices.anneal": "linear", "config.trainer.average": 0.999}
NOISE = np.random.default_rng(0)


def jobs(out: str) -> dict[int, bool]:
    """Job number → whether an earlier call had finished it."""
    parts = re.split(r"^job (\d+) .*$", out, flags=re.MULTILINE)[1:]
    return {
        int(n): "finished already" in text for n, text in zip(parts[::2], parts[1::2], strict=True)
    }


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    """The folder of a finished grid of twelve runs."""
    from vaebench.cli import main

    folder = tmp_path_factory.mktemp("grid")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("sys.argv", ["vaebench"])
        patch.setattr(*UNDRAWN)
        assert main(GRID) == 0
    return folder


def test_a_grid_ends_in_the_table_of_its_runs(here):
    done = here("-m", "model=vae,iwae", "seed=1,2", *QUICK)
    assert done.code == 0
    table = done.out[done.out.rindex("log p(x) · digits") :]
    assert len(re.findall(r"│ (?:vae|iwae) +│ 2 │ +\d+\.\d{3} ± \d+\.\d{3}", table)) == 2
    assert "4 of 4 jobs finished" in table


@pytest.mark.process
def test_a_finished_grid_says_so_without_composing_it_or_loading_torch(command, grid):
    (folder,) = (grid / "runs" / "sweep").iterdir()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    code = (
        "import sys, hydra._internal.config_loader_impl as impl\n"
        "from vaebench.cli import main\n"
        "def never(*_): raise AssertionError('a job was composed')\n"
        "impl.ConfigLoaderImpl.load_sweep_config = never\n"
        "code = main(sys.argv[1:])\n"
        "assert 'torch' not in sys.modules\n"
        "raise SystemExit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *GRID], cwd=grid, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("finished already in") == 12
    assert "12 of 12 jobs finished" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.matrix
def test_a_default_that_changed_is_not_passed_off_as_finished(here, tmp_path):
    own = tmp_path / "own" / "optimizer"
    own.mkdir(parents=True)
    yaml = "_target_: torch.optim.Adam\n_partial_: true\nlr: {}\n"
    line = ["--config-dir", "own", "-m", "optimizer=mine", "seed=1,2", *QUICK]
    (own / "mine.yaml").write_text(yaml.format(0.001))
    assert here(*line).code == 0
    again = here(*line)
    assert again.code == 0
    assert again.out.count("finished already in") == 2
    (own / "mine.yaml").write_text(yaml.format(0.003))
    done = here(*line)
    assert done.code == 2
    assert "holds a run with optimizer.lr=0.001, not 0.003" in done.err


def test_what_was_chosen_beside_the_model_is_named_in_every_table(here, tmp_path):
    plain, rich = tmp_path / "runs" / "plain", tmp_path / "runs" / "rich"
    for folder, chosen in ((plain, {}), (rich, RICH)):
        make_run(folder, model="vae", k=1, rate=1e-3, seed=0, nll=90.0, noise=NOISE)
        summary = json.loads((folder / "summary.json").read_text())
        (folder / "summary.json").write_text(json.dumps(summary | PLAIN | chosen))
    done = here("compare", "runs", "out=page")
    assert done.code == 0, done.err
    line = "also differ: anneal=none/linear, trainer.average=0.0/0.999"
    for text in (
        done.out,
        *((tmp_path / "page" / f"compare.{x}").read_text() for x in ("md", "html")),
    ):
        assert line in text
    (first, _) = csv.DictReader((tmp_path / "page" / "compare.csv").read_text().splitlines())
    assert {"posterior", "prior", "refine", "anneal", "trainer.average"} <= set(first)


def test_the_table_says_of_how_many_examples_it_is(here):
    few, all_of_them = ["eval.examples=20", "hydra.run.dir=few"], ["hydra.run.dir=all"]
    assert "20 of 400 examples" in here("seed=1", *QUICK, *few).out
    assert "examples" not in here("seed=1", *QUICK, *all_of_them).out
    assert "test/nll of 20 examples" in here("compare", "few", "out=page").out
    both = here("compare", "few", "all", "out=page").out
    assert re.search(r"┃ examples ┃", both)
    assert re.search(r"│ +20 │\n", both)
    assert re.search(r"│ +400 │\n", both)
    assert "┃ eval.examples" not in both


def test_twelve_runs_compare_in_four_rows_with_a_paired_test(here, grid, tmp_path):
    done = here("compare", str(grid / "runs"), "out=page")
    assert done.code == 0, done.err
    rows = re.findall(
        r"│ (vae|iwae) +│ (1|5) │ 3 │ +([\d.]+) ± ([\d.]+) │ +(\S+)(?: ± \S+)? │ +(\S*) +│",
        done.out,
    )
    assert len(rows) == 4
    assert sum(row[4] == "baseline" for row in rows) == 1
    assert all(0 < float(row[5]) < 1 for row in rows if row[4] != "baseline")
    means = [float(row[2]) for row in rows]
    assert means == sorted(means)

    summaries = [json.loads((f / "summary.json").read_text()) for f in run_folders(grid)]
    best = [
        s["test/nll"] for s in summaries if (s["choices.model"], str(s["config.k"])) == rows[0][:2]
    ]
    assert means[0] == pytest.approx(sum(best) / 3, abs=6e-4)
    sd = math.sqrt(sum((x - sum(best) / 3) ** 2 for x in best) / 2)
    assert float(rows[0][3]) == pytest.approx(sd, abs=6e-4)

    with (tmp_path / "page" / "compare.csv").open() as file:
        table = list(csv.DictReader(file))
    assert len(table) == 12
    assert {(r["model"], r["k"], r["seed"]) for r in table} == {
        (m, k, s) for m in ("vae", "iwae") for k in "15" for s in "123"
    }
    assert (tmp_path / "page" / "compare.md").read_text().count("\n| ") == 6
    page = (tmp_path / "page" / "compare.html").read_text()
    assert "<script src=" not in page
    assert "<link" not in page


def test_the_baseline_is_the_one_that_was_asked_for(here, grid):
    (run,) = [
        f
        for f in run_folders(grid)
        if json.loads((f / "summary.json").read_text())["config.k"] == 5 and f.name == "3"
    ]
    done = here("compare", str(grid / "runs"), f"baseline={run}", "metric=test/bound", "out=page")
    assert done.code == 0, done.err
    (row,) = [line for line in done.out.splitlines() if "baseline" in line]
    assert re.match(r"│ vae +│ 5 ", row)


def test_what_is_no_finished_run_is_skipped_and_named(here, grid, tmp_path):
    shutil.copytree(grid / "runs", tmp_path / "runs")
    broken, foreign, older, stopped, failed, *_ = run_folders(tmp_path)
    (broken / "summary.json").write_text('{"quantity": ')
    (foreign / "summary.json").write_text('["somebody else\'s"]')
    summary = json.loads((older / "summary.json").read_text())
    del summary["choices.dataset"]
    (older / "summary.json").write_text(json.dumps(summary))
    (stopped / "summary.json").unlink()
    (failed / "summary.json").unlink()
    (failed / "error.txt").write_text("the run failed: ValueError: no luck\n\nTraceback …")
    done = here("compare", "runs", "out=page")
    assert done.code == 0, done.err
    skipped = {
        line.split()[1]: line for line in done.out.splitlines() if line.startswith("skipped")
    }
    assert len(skipped) == 5
    for folder, why in (
        (broken, "cannot be read"),
        (foreign, "not of this program"),
        (older, "older version: no choices.dataset"),
        (stopped, "did not finish"),
        (failed, "ValueError: no luck"),
    ):
        (line,) = [
            line for name, line in skipped.items() if Path(name.rstrip(":")).samefile(folder)
        ]
        assert why in line
    assert "no luck" in (tmp_path / "page" / "compare.html").read_text()


def test_unlike_quantities_are_never_in_one_table(here, tmp_path):
    for line in (["model=vae"], ["dataset=ppca"], ["dataset.binarize=threshold"]):
        assert here(*line, *QUICK).code == 0
    done = here("compare", "runs", "out=page")
    assert done.out.count("log p(x) · ") == 3


# --------------------------------------------------------------------------------- grids that go on
PLANTED = """
from vaebench.data import Digits


class Flawed(Digits):
    def __init__(self, *, flaw: int = 0, **shared):
        super().__init__(**shared)
        self.flaw = flaw

    def split(self, part):
        from pathlib import Path
        if part == "test" and self.flaw in (1, 4) and not Path("mended").exists():
            raise RuntimeError(f"flaw {self.flaw}")
        return super().split(part)
"""


@pytest.mark.matrix
def test_of_six_jobs_two_fail_and_only_they_run_again(here, tmp_path, monkeypatch):
    (tmp_path / "planted.py").write_text(PLANTED)
    monkeypatch.syspath_prepend(tmp_path)
    flaws = ",".join(map(str, range(6)))
    line = ["-m", f"+dataset.flaw={flaws}", "dataset._target_=planted.Flawed", *QUICK]
    first = here(*line)
    assert first.code == 1
    assert "4 of 6 jobs finished in" in first.out
    assert [n for n, before in jobs(first.out).items() if before] == []
    for flaw in (1, 4):
        assert re.search(rf"│ {flaw} +│ +failed: RuntimeError: flaw {flaw} │", first.out)
    failed = first.err.splitlines()
    assert len(failed) == 2
    assert re.match(r"vaebench: job 1 \(.*flaw=1.*RuntimeError: flaw 1", failed[0])
    assert re.match(r"vaebench: job 4 \(.*flaw=4.*RuntimeError: flaw 4", failed[1])

    (tmp_path / "mended").touch()
    second = here(*line)
    assert second.code == 0, second.err
    assert second.err == ""
    assert [n for n, before in jobs(second.out).items() if not before] == [1, 4]
    assert "6 of 6 jobs finished in" in second.out


def test_a_folder_with_other_options_is_not_taken_for_the_same_grid(here):
    line = ["-m", "seed=1,2", *QUICK, "hydra.sweep.dir=out"]
    assert here(*line).code == 0
    done = here(*line, "optimizer.lr=0.01")
    assert done.code == 2
    assert "holds a run with optimizer.lr=0.001, not 0.01" in done.err
    assert "Use hydra.sweep.dir=" in done.err


def test_a_job_whose_summary_is_broken_runs_again(here, tmp_path):
    line = ["-m", "seed=1,2", *QUICK]
    assert here(*line).code == 0
    (run_folders(tmp_path)[1] / "summary.json").write_text("{")
    done = here(*line)
    assert done.code == 0, done.err
    assert jobs(done.out) == {0: True, 1: False}


def test_a_page_that_cannot_be_written_is_refused(here, grid, tmp_path):
    (tmp_path / "taken").write_text("a file")
    done = here("compare", str(grid / "runs"), "out=taken/page")
    assert done.code == 2
    assert done.err.startswith("vaebench: out=taken/page cannot be written")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (["compare"], "Use vaebench compare runs."),
        (["compare", "nowhere"], "nowhere is no folder"),
        (["compare", "."], "no finished run in ."),
        (["compare", ".", "metrik=test/nll"], "Did you mean metric=test/nll?"),
    ],
)
def test_wrong_comparisons_are_refused_in_one_line(here, line, why):
    done = here(*line)
    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert why in done.err
