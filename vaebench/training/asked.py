"""Which measures a run asks for at its end."""

from __future__ import annotations

from typing import cast

import torch
from omegaconf import DictConfig, OmegaConf

from vaebench.composition import Composition
from vaebench.config.schema import Evaluation
from vaebench.errors import Refusal
from vaebench.measures.base import Subject
from vaebench.measures.evaluation import Measures, check_nets, select, why_not
from vaebench.suggest import override, use

OPTION = "eval.measures"
USUAL = Evaluation().measures
"""Those of every run. Their numbers are called `test/nll` alone, and where they mean nothing they
are left out without a word."""

BY_ITSELF = (*USUAL, "pose")
"""Those whose numbers have names of their own: `test/epe`."""


def check_measures(cfg: DictConfig, composition: Composition) -> None:
    """Looks at `eval.measures` and `eval.weight_samples` before anything is trained.

    Raises:
        Refusal: there is no such measure, it does not apply, or no net to draw.
    """
    options = measures_of(cfg)
    names = select(cfg.eval.measures, options, OPTION)
    check_nets(cfg.eval.weight_samples, composition, names, "eval.weight_samples")
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
    """All measures, with `eval.k`, `eval.examples` and `eval.weight_samples` for those that use them."""
    shared = Measures(cfg.eval.k, cfg.eval.examples, cfg.eval.weight_samples)
    return cast(Measures, OmegaConf.to_object(OmegaConf.structured(shared)))
