"""Callbacks of a user's: built from the config, heard at every step, kept in its checkpoints."""

from __future__ import annotations

import pytest
import pytorch_lightning as pl
import torch
from rich.console import Console

from tests.training.test_system import config, trained
from vaebench.composition import compose
from vaebench.errors import Refusal
from vaebench.runs.layout import LAST
from vaebench.training import build_system
from vaebench.training.keeper import Keeper
from vaebench.training.trainer import callbacks, own_callbacks

HERE = "tests.training.test_callbacks"
COUNTING = f"+callbacks._target_={HERE}.Counting"


class Counting(pl.Callback):
    """How many steps it has seen."""

    def __init__(self, *, by: int = 1) -> None:
        self.by, self.steps = by, 0

    def on_train_batch_end(self, trainer, system, *args):
        self.steps += self.by

    def state_dict(self):
        return {"steps": self.steps}

    def load_state_dict(self, state):
        self.steps = state["steps"]


class Deaf:
    """No callback."""


def test_a_checkpoint_keeps_what_a_callback_counted_up_to_its_step(tmp_path):
    cfg = config(COUNTING, "+callbacks.by=2", "trainer.max_steps=7", "trainer=cpu")
    trained(tmp_path, cfg)
    checkpoint = torch.load(tmp_path / LAST, weights_only=True)
    assert checkpoint["callbacks"]["Counting"] == {"steps": 14}


def test_several_are_told_apart_by_name_and_come_before_what_writes_checkpoints(tmp_path):
    both = (f"+callbacks.{name}._target_={HERE}.Counting" for name in ("one", "two"))
    cfg = config(*both, "+callbacks.two.by=5")
    assert [callback.by for callback in own_callbacks(cfg)] == [1, 5]
    system = build_system(cfg, compose(cfg))
    kinds = [type(c).__name__ for c in callbacks(cfg, system, tmp_path, Console(quiet=True))]
    assert kinds.index("Counting") < kinds.index(Keeper.__name__)


def test_there_are_none_unless_somebody_asks():
    assert own_callbacks(config()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            [f"+callbacks._target_={HERE}.Deaf"],
            "callbacks: .*Deaf is no pytorch_lightning.Callback",
        ),
        ([f"+callbacks.a._target_={HERE}.Deaf"], "callbacks.a: .*Deaf is no"),
        (["+callbacks.a=3"], "callbacks.a names no class"),
        (["+callbacks.a.by=3"], "callbacks.a names no class"),
    ],
)
def test_what_is_no_callback_is_refused(words, said):
    with pytest.raises(Refusal, match=said):
        own_callbacks(config(*words))
