"""From a composed config to objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from vaebench.check import Report, check
from vaebench.config.advise import OWNERS, asking_nothing
from vaebench.config.chosen import chosen, instead
from vaebench.config.groups import PLAINEST
from vaebench.config.schema import Budget, check_keys, check_ranges, unresolved
from vaebench.config.signatures import check_options
from vaebench.data import Dataset, Loader, Support
from vaebench.errors import Refusal
from vaebench.models import Model
from vaebench.objectives import Objective

BOUNDED = (Support.UNIT, Support.LEVELS, Support.BINARY)


@dataclass(frozen=True)
class Composition:
    """Everything that one run trains, checked against each other."""

    data: Dataset
    model: Model
    objective: Objective
    report: Report


def instantiate(node: DictConfig, *args: Any, **kwargs: Any) -> Any:
    """Hydra's `instantiate`, with our own refusals as they were raised."""
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate as hydra_instantiate

    try:
        return hydra_instantiate(node, *args, **kwargs)
    except InstantiationException as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, Refusal):
                raise cause from None
            if cause.__cause__ is None:
                raise Refusal(f"{node.get('_target_')} cannot be built: {cause}") from error
            cause = cause.__cause__
        raise


def check_budget(cfg: DictConfig) -> None:
    """Refuses a budget of no experiment."""
    if cfg.budget is not Budget.small and chosen("experiment") == "experiment=none":
        raise Refusal(
            f"budget={cfg.budget.value} has nothing to do: experiments have budgets, and none is "
            "chosen. Use budget=small."
        )


BESIDE = {
    "nets": ("likelihood", "Sentence", "recurrent"),
    "posterior": ("prior", "Bits", "bernoulli"),
    "prior": ("posterior", "Bits", "bernoulli"),
}
"""The plainest choice where another group's class ends in that name."""


def plainest(group: str, cfg: DictConfig) -> str:
    """The plainest choice of a group that goes with what was chosen beside it."""
    other, name, choice = BESIDE.get(group, (group, "?", ""))
    fitting = cfg[other].get("_target_", "").endswith(name)
    return f"{group}={choice}" if fitting else PLAINEST[group]


IDLE = {
    "",
    "vaebench.models.unrefined",
    "vaebench.objectives.anneal.Constant",
    "vaebench.objectives.baselines.Nothing",
    "vaebench.objectives.estimators.auto",
}
"""What is no part, or asks for none; empty: a YAML without a class."""


def check_parts(cfg: DictConfig) -> None:
    """Refuses a part that nothing has a use for, and the lack of one that the model needs."""
    for group, owner in OWNERS.items():
        idle = cfg[group].get("_target_", "") in IDLE
        idle = idle or (group == "anneal" and cfg.anneal.get("steps") == 0)
        needed = owner == "model" and group != "refine"
        if group in cfg[owner] and idle and needed:
            raise Refusal(
                f"{chosen(group)}: {chosen(owner)} needs one." + instead(plainest(group, cfg))
            )
        if group not in cfg[owner] and not idle:
            raise Refusal(
                f"{chosen(group)} has nothing to do: {chosen(owner)} has no {group}."
                + instead(asking_nothing(group), *_readers(group, cfg))
            )


def _readers(group: str, cfg: DictConfig) -> tuple[str, ...]:
    """What has a use for a part, where whatever that needs is there."""
    if group == "anneal" and "posterior" in cfg.model:
        return ("objective=elbo",)
    return ("estimator=score",) if group == "baseline" and "estimator" in cfg.objective else ()


def compose(cfg: DictConfig) -> Composition:
    """Builds data, model and objective, and dry-runs them.

    Raises:
        Refusal: one line on what is wrong with the choices.
    """
    try:
        check_keys(cfg)
        check_ranges(cfg)
        check_options(cfg)
        check_parts(cfg)
        check_budget(cfg)
    except OmegaConfBaseException as error:
        raise Refusal(unresolved(error) or str(error).splitlines()[0]) from error
    torch.manual_seed(cfg.seed)
    data: Dataset = instantiate(cfg.dataset)
    spec = data.spec
    # Called with the spec here: as a keyword of `instantiate` it would become a DictConfig.
    model: Model = instantiate(cfg.model)(spec)
    instantiate(cfg.weights)(model)
    objective: Objective = instantiate(cfg.objective)(model, spec)
    check_batch(data, cfg.trainer.batch_size, partial=not cfg.trainer.compile)
    report = check(model, objective, spec)
    report.notes.extend(data.notes)
    return Composition(data, model, objective, report)


def check_batch(data: Dataset, size: int = 2, *, partial: bool = True) -> None:
    """Refuses a data set whose batches are not what its spec says, or cannot be of this size."""
    split = data.split("train")
    Loader(split, size, shuffle=True, partial=partial)
    first = split.first(2)
    batch = first.batch(torch.arange(len(first)))
    for name, field in data.spec.fields.items():
        if name not in batch or not field.fits(batch[name]):
            shown = tuple(batch[name].shape[1:]) if name in batch else "missing"
            raise Refusal(f"dataset: {name} is {shown} in a batch, {field.shape} in the spec")
        values = batch[name]
        if field.support in BOUNDED and not ((values >= 0) & (values <= 1)).all():
            raise Refusal(
                f"dataset: {name} has values outside [0, 1]; its spec says {field.support.words}"
            )
        tokens = field.support is Support.TOKENS
        if tokens and not ((values >= 0) & (values < field.levels)).all():
            raise Refusal(
                f"dataset: {name} has token numbers outside [0, {field.levels}), the vocabulary of "
                "its spec"
            )
