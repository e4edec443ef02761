"""`vaebench evaluate RUN outliers=…`: without any download, and what is refused before anything heavy."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from tests.commands.conftest import QUICK
from vaebench.commands.outliers import show_outliers
from vaebench.measures.outliers import SCORES
from vaebench.pictures.outliers import BLUE, RED

FAST = ["outliers.k=5", "outliers.samples=2"]
OF_DENSITIES = tuple(score for score in SCORES if score != "entropy")
"""What a model of x has: entropy is a classifier's."""

RUNS = {
    "run": [*QUICK, "logger=csv"],
    "without": ["dataset.without=[1]", *QUICK, "logger=none"],
    "pixels": ["model=unconditional", "trainer.max_epochs=0", "eval.k=5", "logger=none"],
    "auto": ["model=autoencoder", *QUICK, "logger=none"],
    "labelled": ["model=cvae", *QUICK, "logger=none"],
    "grey": ["dataset.binarize=none", "trainer.max_steps=3", "eval.k=5", "logger=none"],
}


def evaluation(folder):
    found = json.loads((folder / "evaluation.json").read_text())
    return {n.removeprefix("outliers/"): v for n, v in found.items() if n.startswith("outliers/")}


def table(folder):
    with (folder / "outliers.csv").open() as file:
        return [*csv.DictReader(file)]


@pytest.mark.process
def test_the_digits_are_told_from_noise_in_a_process_of_its_own(command, copied):
    folder = copied("run")
    done = command("evaluate", "run", "outliers=noise", *FAST)
    assert (done.code, done.err) == (0, "")
    assert re.search(r"noise +nll +\d+\.\d +\d+\.\d +\d\.\d{3} ± \d\.\d{3}", done.out)
    found = evaluation(folder)
    assert found["noise/nll/auroc"] > 0.5 + 4 * found["noise/nll/auroc_se"]
    assert (found["k"], found["examples"], found["split"]) == (5, 400, "test")
    written = ("evaluation.json", "outliers.csv", "pictures/outliers.png")
    for name in (*written, "pictures/outliers_ranked.png"):
        assert f"written run/{name}\n" in done.out
        assert (folder / name).stat().st_size > 0


def test_each_score_of_each_set_is_told_and_kept_or_left_out_for_a_reason(here, copied):
    folder = copied("run")
    sets = ["rotated", "inverted", "shuffled", "noise"]
    done = here("evaluate", "run", f"outliers=[{','.join(sets)}]", *FAST)
    assert done.code == 0, done.err
    found, rows = evaluation(folder), table(folder)
    scores = [score for score in OF_DENSITIES if score != "ratio"]
    assert found["ratio/does_not_apply"] == ("no other run is named, as in outliers.baseline=RUN")
    assert "ratio: left out: no other run is named" in done.out
    for each in sets:
        for score in scores:
            assert 0 <= found[f"{each}/{score}/auroc"] <= 1
            mean = np.mean([float(row[score]) for row in rows if row["set"] == each])
            assert mean == pytest.approx(found[f"{each}/{score}/mean"], rel=1e-4)
    assert [row["set"] for row in rows] == [each for each in ("data", *sets) for _ in range(400)]
    assert [*rows[0]] == ["set", "row", *scores]
    likelier = [n for n in found if n.endswith("/auroc") and found[n] + 2 * found[f"{n}_se"] < 0.5]
    marked = [line for line in done.out.splitlines() if line.rstrip().endswith("←")]
    assert len(marked) == len(likelier)
    assert bool(likelier) == ("AUROC below ½" in done.out)


def test_a_class_that_is_left_out_is_told_from_the_others_with_every_score(here, copied):
    folder, _ = copied("without"), copied("pixels")
    done = here("evaluate", "without", "outliers=without", "outliers.baseline=pixels", *FAST)
    assert done.code == 0, done.err
    found = evaluation(folder)
    rows = [row for row in table(folder) if row["set"] == "without"]
    assert len(rows) + found["examples"] == 400
    assert {f"without/{score}/auroc" for score in OF_DENSITIES} <= found.keys()
    assert [name for name in found if "does_not_apply" in name] == ["entropy/does_not_apply"]


def test_a_score_is_marked_whose_area_is_below_a_half_by_two_errors(capsys):
    numbers = {"k": 5, "examples": 9, "data/nll/mean": 1.0}
    for each, area in (("surely", 0.39), ("perhaps", 0.41)):
        told = {"mean": 2.0, "auroc": area, "aupr": 0.5, "fpr95": 0.5}
        numbers |= {f"{each}/nll/{name}": value for name, value in told.items()}
        numbers |= {f"{each}/nll/{name}_se": 0.05 for name in ("auroc", "aupr", "fpr95")}
    show_outliers(Console(width=80), numbers, {"kl": "of [this]"}, 0.0)
    out = capsys.readouterr().out
    marked = {line.split()[0] for line in out.splitlines() if line.rstrip().endswith("←")}
    assert marked == {"surely"}
    assert "0.390 ± 0.050" in out
    assert "← AUROC below ½" in out
    assert "kl: left out: of [this]\n" in out


def test_folders_that_are_called_like_another_set_are_refused(here, copied, tmp_path):
    copied("run")
    for name in ("data", "a/photos", "b/photos"):
        (tmp_path / name).mkdir(parents=True)
    for words, name in (("./data", "data"), ("a/photos,b/photos", "photos")):
        done = here("evaluate", "run", f"outliers=[{words}]")
        assert done.code == 2
        assert f"a set is called {name} already" in done.err


def test_pictures_have_a_panel_for_each_score_and_frames_of_both_colours(here, copied):
    folder = copied("run")
    assert here("evaluate", "run", "outliers=[noise,rotated]", "examples=40", *FAST).code == 0
    with Image.open(folder / "pictures" / "outliers_ranked.png") as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3) / 255
    for colour in (BLUE, RED):
        assert (np.abs(pixels - colour).max(1) < 0.01).sum() > 1000


def test_a_model_of_reconstruction_alone_ranks_by_it(here, copied):
    folder = copied("auto")
    done = here("evaluate", "auto", "outliers=noise", *FAST)
    assert done.code == 0, done.err
    assert [*table(folder)[0]] == ["set", "row", "recon"]
    assert "nll: left out: the model was trained on reconstruction alone" in done.out


def test_conditions_go_with_the_examples(here, copied):
    folder = copied("labelled")
    assert here("evaluate", "labelled", "outliers=[inverted,digits]", *FAST).code == 0
    found = evaluation(folder)
    assert found["inverted/nll/auroc"] > 0.9
    assert found["digits/nll/auroc"] == 0.5  # the same images of the same labels


def test_other_data_follow_the_runs_protocol_and_a_folder_is_taken_whole(here, copied, tmp_path):
    folder, generator = copied("grey"), np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for i in range(7):
        pixels = generator.integers(0, 256, (20, 20), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{i}.png")
    done = here("evaluate", "grey", "outliers=digits", *FAST)
    assert done.code == 0, done.err
    assert evaluation(folder)["digits/nll/auroc"] == 0.5
    done = here("evaluate", "grey", "outliers=photos/", *FAST)
    assert done.code == 2
    assert done.err == (
        "vaebench: outliers=[photos/]: its x is [1, 8, 8] of 256 grey levels in [0, 1], not "
        "[1, 8, 8] of 17 grey levels in [0, 1], as the run's is\n"
    )
    folder = copied("run")
    done = here("evaluate", "run", "outliers=[photos/,noise]", *FAST)
    assert done.code == 0, done.err
    assert [row["set"] for row in table(folder)].count("photos") == 7


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["outliers=rotatd"], "Did you mean outliers=[rotated]?"),
        (["outliers=[noise,minst]"], "Did you mean outliers=[mnist]?"),
        (["outliers=/no/folder"], "and folders of images."),
        (["outliers={a:b}"], "a list was expected. Use outliers=[]."),
        (["outlier=noise"], "Did you mean outliers=noise?"),
        (["outliers.basline=x"], "Did you mean outliers.baseline=x?"),
        (["outliers=noise", "outliers.k=0"], "outliers.k=0: must be at least 1"),
        (["outliers=noise", "outliers=rotated"], "outliers is given twice"),
    ],
)
def test_what_is_mistyped_is_refused_before_a_run_is_looked_for(here, words, told):
    done = here("evaluate", "nowhere", *words)
    assert done.code == 2
    assert told in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["measures=[outliers]"], "measures=[outliers] does not apply: no outliers are named"),
        (["outliers=without"], "vaebench: outliers=[without] are of classes that the run was"),
        (["outliers=ppca"], "outliers=[ppca]: its x is [8] of real numbers, not [1, 8, 8] of bin"),
        (["outliers=images"], "outliers.options=[dataset.path=…] must be given"),
        (["outliers=digits", "outliers.options=[dataset.foo=1]"], "no option 'dataset.foo'"),
        (["outliers=noise", "outliers.options=[dataset.path=x]"], "outliers names none"),
        (["outliers=noise", "outliers.baseline=none"], "none is no run folder"),
        (["outliers=noise", "outliers.baseline=auto"], "reconstruction alone"),
        (["outliers=noise", "outliers.baseline=grey"], "of 17 grey levels in [0, 1], not"),
        (
            ["outliers=noise", "outliers.baseline=labelled"],
            "log p(x | y), and this run of log p(x)",
        ),
    ],
)
def test_what_does_not_go_with_the_run_is_refused_in_a_line(here, copied, words, told):
    for name in ("run", *(w.partition("baseline=")[2] for w in words if "baseline=" in w)):
        if name in RUNS:
            copied(name)
    done = here("evaluate", "run", *words)
    assert done.code == 2
    assert told in done.err
    assert done.err.count("\n") == 1


def test_the_end_of_training_names_no_outliers(here):
    done = here("eval.measures=[terms,outliers]", *QUICK, "logger=none")
    assert done.code == 2
    assert "no outliers are named" in done.err
    assert "Use eval.measures=[terms]." in done.err
