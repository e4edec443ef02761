"""The numbers at the end of training: measures of the weights that `eval.checkpoint` names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor

from vaebench.measures.base import Numbers, Subject, evaluating, named
from vaebench.measures.evaluation import SETTINGS, measure
from vaebench.measures.likelihood import SAMPLING
from vaebench.progress import doing
from vaebench.training.asked import BY_ITSELF, OPTION, USUAL, measures_of
from vaebench.training.checkpoints import checkpoint_of, restore
from vaebench.training.system import STATE, System


@dataclass(frozen=True)
class Tested:
    """What a test leaves beside the numbers that it tells.

    Attributes:
        examples: what there is to say of each test example, by metric, `[N]` each.
        notes: a line on each measure that does not apply with these weights.
    """

    examples: dict[str, Tensor]
    notes: list[str]


def measured(cfg: DictConfig, system: System, device: torch.device, folder: Path) -> Tested:
    """Measures the test split on a device, tells a run's loggers, and leaves the measured weights."""
    _, held = checkpoint_of(folder, cfg.eval.checkpoint.value)
    restore(system.composition, held["state_dict"])
    system.latest = dict(held[STATE]["latest"])
    evaluating(system.composition, device)
    subject = Subject(system.composition, device, step=system.global_step)
    notes = []
    with doing("testing"):
        for name, found in measure(measures_of(cfg), cfg.eval.measures, subject):
            if not isinstance(found, str):
                system.tell(called(name, found))
            elif cfg.eval.measures != USUAL:
                notes.append(f"{OPTION}: {name} does not apply: {found}")
    evaluating(system.composition, system.device)
    return Tested({f"test/{name}": values for name, values in subject.kept.items()}, notes)


def called(name: str, numbers: Numbers) -> Numbers:
    """The numbers of a measure, as a run calls them."""
    if name not in BY_ITSELF:
        return named(f"test/{name}", numbers)
    told = {n: v for n, v in numbers.items() if n not in (*SETTINGS, *SAMPLING)}
    return named("test", told)
