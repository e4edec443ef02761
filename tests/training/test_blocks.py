"""Steps in blocks are the steps one by one."""

from __future__ import annotations

import pytest
import pytorch_lightning as pl
import torch
from rich.console import Console

from tests.fast import some_of
from tests.training.test_system import config
from tests.training.test_watch import Spoilt, nan_gradient
from vaebench.composition import compose
from vaebench.errors import Refusal
from vaebench.runs.layout import HISTORY, LAST
from vaebench.training import History, Identity, blocks, build_system, build_trainer, fit
from vaebench.training.blocks import Blocks
from vaebench.training.ready import rehearsed
from vaebench.training.stepwise import Stepwise

STEPS = 12  # of an epoch of digits
PLAIN = ("trainer=cpu", "trainer.max_epochs=2", "trainer.log_every=5", "eval.checkpoint=last")
RICH = (
    *("model=iwae", "schedule=cosine", "anneal=linear", "anneal.steps=15", "trainer.average=0.9"),
    *("trainer.clip_norm=1", "checkpoint.every=9", "optimizer=adamw"),
)
REMEMBERS = ("model=helmholtz", "weights=gaussian", "model.layers=[6,3]")
"""Its estimator learns a baseline, and keeps a running mean of the signal."""

LIMITED = ("objective=constrained", "objective.limit=100", "schedule=plateau", "trainer.patience=1")


class Batches(Stepwise):
    """How many steps were done at the end of each of Lightning's batches, and at each step."""

    def __init__(self, due=()):
        self.ends, self.steps, self.dues = [], [], due

    def due(self, trainer, system):
        return next((d for d in self.dues if d > trainer.global_step), 10**9)

    def after_step(self, trainer, system):
        self.steps.append(trainer.global_step)

    def on_train_batch_end(self, trainer, system, *args):
        self.ends.append(trainer.global_step)


class Listener(pl.Callback):
    """A user's, which is told of each step in Lightning's words."""

    def __init__(self):
        self.told = []

    def on_train_batch_end(self, trainer, system, outputs, batch, index):
        self.told.append((index, len(batch["x"])))

    def on_before_optimizer_step(self, trainer, system, optimizer):
        assert all(p.grad is not None for p in system.parameters())
        self.told.append("optimizer")

    def on_after_backward(self, trainer, system):
        self.told.append("backward")

    def on_before_zero_grad(self, trainer, system, optimizer):
        self.told.append("zero")


def fitted(folder, *overrides, callback=None, spoilt=()):
    cfg = config(*PLAIN, *overrides)
    system = build_system(cfg, compose(cfg))
    trainer = build_trainer(cfg, system, folder, Console(quiet=True))
    trainer.loggers = [History(folder, Identity("test"))]
    if callback is not None:
        trainer.callbacks.insert(0, callback)
    if spoilt:
        system.step = Spoilt(system, spoilt, nan_gradient)
    fit(cfg, system, trainer)
    return system


def left_behind(folder):
    """The history, and the last checkpoint but for what Lightning counts blocks by."""
    checkpoint = torch.load(folder / LAST, weights_only=True)
    loops = checkpoint.pop("loops")["fit_loop"]
    counts = (
        loops["epoch_loop.batch_progress"],
        loops["epoch_loop.manual_optimization.optim_step_progress"],
    )
    return (folder / HISTORY).read_text(), checkpoint, counts


def assert_same(found, expected):
    """Trees of tensors and plain values, bit for bit."""
    (mine, how), (theirs, like) = (torch.utils._pytree.tree_flatten(t) for t in (found, expected))
    assert how == like
    for a, b in zip(mine, theirs, strict=True):
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


# ------------------------------------------------------------------------------- where a block ends
@pytest.mark.parametrize(
    ("overrides", "due", "ends"),
    [
        ([], (), [5, 10, 12, 17, 22, 24]),
        (["checkpoint.every=4"], (), [4, 5, 8, 10, 12, 16, 17, 20, 22, 24]),
        (["trainer.block=3"], (), [3, 5, 8, 10, 12, 15, 17, 20, 22, 24]),
        (["trainer.log_every=100"], (), [12, 24]),
        (["trainer.log_every=100", "trainer.max_steps=15"], (), [12, 15]),
        (["trainer.log_every=100"], (7, 20), [7, 12, 20, 24]),
        (["trainer.block=1", "trainer.max_steps=3"], (), [1, 2, 3]),
    ],
)
def test_a_block_ends_where_somebody_is_due(tmp_path, overrides, due, ends):
    fitted(tmp_path, *overrides, callback=(seen := Batches(due)))
    assert seen.ends == ends
    assert seen.steps == [*range(1, ends[-1] + 1)]


def test_a_callback_that_listens_to_batches_hears_each_step(tmp_path):
    fitted(tmp_path, "trainer.max_epochs=1", callback=(user := Listener()))
    told = [("zero", "backward", "optimizer", (i, 100 if i < 11 else 97)) for i in range(STEPS)]
    assert user.told == [word for words in told for word in words]


def test_whoever_says_how_long_a_block_is_hears_as_rarely(tmp_path):
    user = Listener()
    fitted(tmp_path, "trainer.max_epochs=1", "trainer.block=6", callback=user)
    assert [word[0] for word in user.told if isinstance(word, tuple)] == [4, 9, 11]


# -------------------------------------------------------------------------- blocks of any length alike
@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory):
    """What runs in blocks of one leave behind."""
    known = {}

    def run(overrides, spoilt):
        if (overrides, spoilt) not in known:
            folder = tmp_path_factory.mktemp("one")
            fitted(folder, *overrides, "trainer.block=1", spoilt=spoilt)
            known[overrides, spoilt] = left_behind(folder)
        return known[overrides, spoilt]

    return run


SAME = [
    (overrides, spoilt, block, gathers)
    for overrides in (RICH, REMEMBERS, LIMITED)
    for spoilt in ((), (3, 4, 16))
    for block in ("auto", "7")
    for gathers in (True, False)
]


@pytest.mark.parametrize(("overrides", "spoilt", "block", "gathers"), some_of(SAME, 6))
def test_metrics_weights_and_checkpoints_are_the_same_bit_for_bit(
    tmp_path, one_by_one, monkeypatch, overrides, spoilt, block, gathers
):
    """Looked at step by step, as on a CPU, or gathered, as on an accelerator; with steps that are
    skipped, and without."""
    monkeypatch.setattr(blocks, "waits", lambda device: gathers)
    overrides = (*overrides, "trainer.on_nan=skip")
    fitted(tmp_path, *overrides, f"trainer.block={block}", spoilt=spoilt)
    assert_same(left_behind(tmp_path), one_by_one(overrides, spoilt))


def test_a_transaction_is_taken_back_once_and_then_the_next_block_is_looked_at(
    tmp_path, monkeypatch
):
    taken = []

    def noted(self, batch, name):
        taken.append((name, self.trainer.global_step + 1))
        return kept[name](self, batch)

    kept = {name: getattr(Blocks, name) for name in ("_trusted", "_looked_at")}
    for name in kept:
        monkeypatch.setattr(Blocks, name, lambda self, batch, n=name: noted(self, batch, n))
    monkeypatch.setattr(blocks, "waits", lambda device: True)
    fitted(tmp_path, "trainer.on_nan=skip", "trainer.max_epochs=2", spoilt=(2,))
    looked = [step for name, step in taken if name == "_looked_at"]
    trusted = [step for name, step in taken if name == "_trusted"]
    assert looked == [*range(1, 11)]  # the first block once more, and the second at once
    assert trusted == [*range(1, 6), *range(11, 25)]


# ------------------------------------------------------------------------------------------ refusals
@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["trainer.block=0"], "trainer.block=0: must be at least 1, or auto"),
        (["trainer.block=many"], "trainer.block=many: must be at least 1, or auto"),
        (["trainer=ddp", "trainer.block=7"], "agree after each step. Use trainer.block=auto"),
    ],
)
def test_blocks_that_mean_nothing_are_refused(overrides, said):
    with pytest.raises(Refusal, match=said):
        rehearsed(config(*overrides))
