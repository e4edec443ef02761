"""The objects of a composed config."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from vaebench.check import Report, check
from vaebench.config.chosen import chosen
from vaebench.config.groups import OWNERS
from vaebench.config.options import IDLE, idle_class
from vaebench.config.schema import Budget, check_keys, check_ranges, resolving
from vaebench.config.signatures import check_options
from vaebench.data import Batch, Columns, Dataset, Loader, Part, Support
from vaebench.errors import Incompatible, Refusal
from vaebench.inference import outline
from vaebench.models import Model
from vaebench.objectives import Objective


@dataclass(frozen=True)
class Composition:
    """Everything that one run trains, checked against each other."""

    data: Dataset
    model: Model
    objective: Objective
    report: Report

    def split(self, part: Part) -> Columns:
        """One split of the data, on the CPU; where the model reads them, with the numbers of training
        examples."""
        split = self.data.split(part)
        numbered = self.model.numbered and part == "train"
        return replace(split, numbered=True) if numbered else split

    def exact_log_prob(self, batch: Batch) -> Tensor | None:
        """log p(x) of the examples `[B]`, where it is known and is what the model bounds."""
        bounded = self.report.quantity == "log p(x)"
        return self.data.exact_log_prob(batch) if bounded else None


def instantiate(node: DictConfig, *args: Any, **kwargs: Any) -> Any:
    """Hydra's `instantiate`, with our own refusals as they were raised."""
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate as hydra_instantiate

    try:
        return hydra_instantiate(node, *args, **kwargs)
    except InstantiationException as error:
        cause: BaseException = error
        while cause.__cause__ is not None and not isinstance(cause, Refusal):
            cause = cause.__cause__
        if isinstance(cause, Refusal):
            raise cause from None
        raise Refusal(f"{node.get('_target_')} cannot be built: {cause}") from error


def assemble(cfg: DictConfig, data: dict[str, Dataset]) -> Composition:
    """Builds a composition and holds it against the rules.

    Args:
        data: data sets that were read before, by their config; this one's is added.

    Raises:
        Refusal: an option is wrong.
        Incompatible: the parts do not go together.
    """
    with resolving():
        check_keys(cfg)
        check_ranges(cfg)
        check_options(cfg)
        check_parts(cfg)
        check_budget(cfg)
    torch.manual_seed(cfg.seed)
    key = OmegaConf.to_yaml(cfg.dataset, resolve=True)
    if key not in data:
        data[key] = instantiate(cfg.dataset)
        check_batch(data[key], cfg.trainer.batch_size, partial=not cfg.trainer.compile)
    spec = data[key].spec
    # Called with the spec here: as a keyword of `instantiate` it would become a DictConfig.
    model: Model = instantiate(cfg.model)(spec)
    instantiate(cfg.weights)(model)
    seen = outline(model, spec)
    objective: Objective = instantiate(cfg.objective)(model, seen)
    report = check(model, objective, seen)
    report.notes.extend(data[key].notes)
    return Composition(data[key], model, objective, report)


def check_budget(cfg: DictConfig) -> None:
    """Refuses a budget of no experiment."""
    if cfg.budget is not Budget.small and chosen("experiment") == "experiment=none":
        raise Refusal(
            f"budget={cfg.budget.value} has nothing to do: experiments have budgets, and none is "
            "chosen. Use budget=small."
        )


def check_parts(cfg: DictConfig) -> None:
    """Refuses a part that nothing has a use for, and the lack of one that the model needs."""
    for group, owner in OWNERS.items():
        idle = cfg[group].get("_target_", "") in ("", idle_class(group))
        idle = idle or (group == "anneal" and cfg.anneal.get("steps") == 0)
        if group in cfg[owner] and idle and owner == "model" and group != "refine":
            raise Incompatible(f"this {group}: this {owner} needs one.", group)
        if group not in cfg[owner] and not idle:
            why = f"this {group} has nothing to do: this {owner} has no {group}."
            idle_choice = (f"{group}={IDLE[group]}",) if IDLE[group] else ()
            raise Incompatible(why, owner, options=idle_choice)


def check_batch(data: Dataset, size: int = 2, *, partial: bool = True) -> None:
    """Refuses a data set whose batches are not what its spec says, or cannot be of this size."""
    split = data.split("train")
    Loader(split, size, shuffle=True, partial=partial)
    first = split.first(2)
    with torch.random.fork_rng(devices=[]):  # the model's weights are yet to be drawn
        batch = first.batch(torch.arange(len(first)))
    for name, field in data.spec.fields.items():
        if name not in batch or not field.fits(batch[name]):
            shown = tuple(batch[name].shape[1:]) if name in batch else "missing"
            raise Refusal(f"dataset: {name} is {shown} in a batch, {field.shape} in the spec")
        values = batch[name]
        if field.support.bounded and not ((values >= 0) & (values <= 1)).all():
            raise Refusal(
                f"dataset: {name} has values outside [0, 1]; its spec says {field.support.words}"
            )
        tokens = field.support is Support.TOKENS
        if tokens and not ((values >= 0) & (values < field.levels)).all():
            raise Refusal(
                f"dataset: {name} has token numbers outside [0, {field.levels}), the vocabulary of "
                "its spec"
            )
