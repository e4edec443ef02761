"""The user's own arrays, by the real command."""

import json
import shlex

import numpy as np
import pytest
import torch

import vaebench
from tests.fast import first_of
from vaebench.suggest import suggestions

N = 60
QUICK = ("trainer.max_steps=5", "trainer.batch_size=20", "eval.k=2", "logger=csv")
DRAWN = np.random.default_rng(0)
TWO = {"x": DRAWN.integers(0, 256, (N, 8, 8), dtype=np.uint8), "y": np.arange(N) % 3}
THREE = {"x": DRAWN.normal(size=(N, 5)), "shape": np.arange(N) % 3, "light": np.arange(N) % 4}


def trained(here, folder, arrays, *words, run="run"):
    np.savez(folder / "own.npz", **arrays)
    where = (f"dataset.path={folder}/own.npz", f"hydra.run.dir={run}")
    done = here("dataset=arrays", *where, *QUICK, *words)
    assert done.code == 0, done.err
    return done, json.loads((folder / run / "summary.json").read_text())


@pytest.mark.parametrize("memory", ["2GB", "1KB"])
def test_two_columns_train_and_are_measured(here, tmp_path, memory):
    done, summary = trained(here, tmp_path, TWO, "likelihood=bernoulli", f"dataset.memory={memory}")
    assert "log p(x)" in done.out
    assert ("stay on disk" in done.out) == (memory == "1KB")
    assert np.isfinite(summary["test/nll"])
    assert (tmp_path / "run" / "pictures" / "reconstructions.png").exists()
    assert here("evaluate", "run", "measures=[probe,rate]", "latents=true").code == 0
    run = vaebench.load(tmp_path / "run")
    assert run.examples("test").shape == (6, 1, 8, 8)
    assert torch.isfinite(run.bound(run.examples("test"), k=3)).all()


def test_mapped_arrays_train_to_the_same_numbers(here, tmp_path):
    numbers = []
    for memory in ("2GB", "1KB"):
        _, summary = trained(here, tmp_path, TWO, f"dataset.memory={memory}", run=memory)
        numbers.append({n: v for n, v in summary.items() if n.startswith(("test/", "val/"))})
    assert numbers[0] == numbers[1]


@pytest.mark.parametrize("arranged", ["dataset.factors=[shape,light]", "dataset.labelled=2"])
def test_three_columns_train_in_an_arrangement_of_their_own(here, tmp_path, arranged):
    arrays = THREE | ({"labelled": np.arange(N) % 5 == 0} if "labelled" in arranged else {})
    _, summary = trained(here, tmp_path, arrays, arranged)
    assert np.isfinite(summary["test/nll"])


def test_a_batch_without_room_for_others_is_refused(here, tmp_path):
    np.savez(tmp_path / "own.npz", **TWO, labelled=np.arange(N) % 2)
    words = ("dataset=arrays", "dataset.path=own.npz", "dataset.labelled=20", *QUICK[2:])
    done = here(*words, "trainer.batch_size=20")
    assert done.code == 2
    assert done.err.strip().splitlines()[-1].endswith("Use trainer.batch_size=40.")
    assert list(tmp_path.iterdir()) == [tmp_path / "own.npz"]
    assert here("check", *words, "trainer.batch_size=40").code == 0


MASKED = {
    "x": DRAWN.integers(0, 256, (N, 8, 8), dtype=np.uint8),
    "mask": DRAWN.integers(0, 2, (N, 8, 8)).astype(bool),
    "pose": DRAWN.normal(size=(N, 2)).astype(np.float32),
}
OF_THEM = {
    "model.observed=[x,mask] likelihood=by_field": "log p(x, mask)",
    "model.observed=[x,mask] likelihood=bernoulli nets=conv": "log p(x, mask)",
    "model.observed=mask likelihood=bernoulli model.conditions=[pose,x] nets=conv": "log p(mask | x, pose)",
    "model=cvae model.conditions=[pose] prior=conditional likelihood=bernoulli": "log p(x | pose)",
    "model=cvae model.observed=[x,mask] model.conditions=[pose] nets=by_field likelihood=by_field": (
        "log p(x, mask | pose)"
    ),
    "model=hierarchical model.layers=[4,2] model.conditions=[pose] likelihood=bernoulli "
    "model.observed=[mask,x]": "log p(x, mask | pose)",
    "model=draw model.T=2 model.hidden=8 model.conditions=[pose,mask] likelihood=bernoulli": (
        "log p(x | mask, pose)"
    ),
    "model=classifier model.observed=pose": "log p(pose | x)",
    "model=classifier model.observed=[pose,mask] nets=conv": "log p(mask, pose | x)",
    "model=unconditional model.observed=[x,mask,pose] likelihood=by_field": "log p(x, mask, pose)",
}


@pytest.mark.parametrize("line", first_of(OF_THEM))
def test_columns_are_observed_together_or_conditions_without_code(here, tmp_path, line):
    done, summary = trained(here, tmp_path, MASKED, *line.split())
    composing, told, *_ = done.out.splitlines()
    assert composing.startswith("composing model=")
    assert told.startswith(f"{OF_THEM[line]} · ")
    assert np.isfinite(summary["test/bound"])
    run = vaebench.load(tmp_path / "run")
    assert run.quantity == OF_THEM[line]
    batch = run.examples("test")
    assert torch.isfinite(run.bound(batch, k=2)).all()
    given = {name: batch[name][:3] for name in run.conditions}
    made = run.sample(3, given=given)
    made = made if isinstance(made, dict) else dict(zip(run.observed, [made], strict=True))
    assert {n: len(value) for n, value in made.items()} == dict.fromkeys(run.observed, 3)
    if run.latents:
        rebuilt = run.reconstruct(batch)
        rebuilt = rebuilt if isinstance(rebuilt, dict) else {run.observed[0]: rebuilt}
        assert {n: v.shape for n, v in rebuilt.items()} == {n: batch[n].shape for n in rebuilt}


LABELS = {"labelled": np.arange(N) % 2}
WRONG = {
    "dataset.memory=lots": TWO,
    "dataset.observed=image": TWO,
    "dataset.support=[y:reel]": TWO,
    "dataset.columns=[x,why]": TWO,
    "dataset.labelled=5": TWO,
    "dataset.labelled=-1": TWO | LABELS,
    "dataset.labelled=100": TWO | LABELS,
    "dataset.factors=[shpe]": THREE,
    "dataset.factors=[tone]": TWO | {"tone": np.arange(N) % 4 / 1.0},
    "dataset.split.kind=official dataset.split.test=0": TWO,
    "dataset.split.val=60": TWO,
    "seed=1": TWO | {"y": TWO["y"] - 1},
    "seed=2": TWO | {"x": TWO["x"] % 2},
    "seed=3": TWO | {"told": np.array(3)},
    "seed=4": TWO | {"z": THREE["x"]},
}


@pytest.mark.parametrize("line", first_of(WRONG))
def test_what_a_refusal_suggests_works_when_it_is_pasted(here, tmp_path, line):
    np.savez(tmp_path / "own.npz", **WRONG[line])
    words = ["check", "dataset=arrays", "dataset.path=own.npz", *line.split()]
    done = here(*words)
    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert suggestions(done.err.strip()), done.err
    for suggestion in suggestions(done.err.strip()):
        new = shlex.split(suggestion)
        kept = [w for w in words if w.partition("=")[0] not in {n.partition("=")[0] for n in new}]
        again = here(*kept, *new)
        assert again.code == 0, (new, again.err)
