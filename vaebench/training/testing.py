"""The numbers at the end of training: measures of the weights that `eval.checkpoint` names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from vaebench.compose import Composition
from vaebench.config.schema import Evaluation
from vaebench.errors import Refusal
from vaebench.measures.base import Numbers, Subject, evaluating, named
from vaebench.measures.evaluation import SETTINGS, Measures, measure, select, why_not
from vaebench.measures.likelihood import SAMPLING
from vaebench.progress import doing
from vaebench.suggest import override, use
from vaebench.training.checkpoints import checkpoint_of, restore
from vaebench.training.system import STATE, System

OPTION = "eval.measures"
USUAL = Evaluation().measures
"""Those of every run; where they mean nothing they are left out without a word."""

PLAIN = (*USUAL, "classification")
"""Those whose numbers are called `test/error` alone; others `test/probe/linear`."""


def check_measures(cfg: DictConfig, composition: Composition) -> None:
    """Looks at `eval.measures` before anything is trained.

    Raises:
        Refusal: there is no such measure, or it does not apply.
    """
    options = measures_of(cfg)
    names = select(cfg.eval.measures, options, OPTION)
    if names == USUAL:
        return
    composition.model.eval()
    subject = Subject(composition, torch.device("cpu"))
    reasons = {name: why_not(getattr(options, name), subject) for name in names}
    composition.model.train()
    for name, reason in reasons.items():
        if reason:
            rest = [other for other in names if not reasons[other]]
            instead = use(override(OPTION, rest))
            raise Refusal(f"{OPTION}=[{name}] does not apply: {reason.rstrip('.')}.{instead}")


def measures_of(cfg: DictConfig) -> Measures:
    """All measures, with `eval.k` and `eval.examples` for those that have a use for them."""
    shared = Measures(k=cfg.eval.k, examples=cfg.eval.examples)
    return cast(Measures, OmegaConf.to_object(OmegaConf.structured(shared)))


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
    if name not in PLAIN:
        return named(f"test/{name}", numbers)
    told = {n: v for n, v in numbers.items() if n not in (*SETTINGS, *SAMPLING)}
    return named("test", told)
