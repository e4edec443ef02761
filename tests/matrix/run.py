"""What a cell comes to: it trains, or it is refused in a line that leads on. There is no third."""

from __future__ import annotations

import itertools
import math
import re
import shlex
from collections.abc import Callable, Container, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from statistics import NormalDist
from typing import Literal

import pytest
import torch
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict
from torch import Tensor

from tests.matrix.cells import AXES, Cell, Matrix
from vaebench.cli import conf_dir
from vaebench.composition import Composition, compose
from vaebench.composition.build import assemble
from vaebench.config.chosen import chosen, in_words
from vaebench.config.schema import register
from vaebench.config.words import given
from vaebench.data import Dataset
from vaebench.errors import Incompatible, Refusal
from vaebench.suggest import suggestions

STEPS = 2
"""Training steps of a cell; those with a known log p(x) may take more."""

BATCH = 100
LEARNING_RATE = {"pathwise": 2e-2, "relaxed": 2e-2, "enumerated": 2e-2, "score": 2e-3}
"""By what the objective asks of q: gradients of the score function are noisy, and wake-sleep
descends nothing."""

FAMILY_WISE = 1e-3
"""Chance that all bounds of a matrix are honest and one of them is called too high nevertheless."""

SLACK = 1e-6


class Broken(AssertionError):
    """The third state: neither trained nor properly refused."""


@dataclass(frozen=True)
class Outcome:
    """What a cell came to.

    Attributes:
        message: of the refusal.
        bound: mean over test examples, where the data's log p(x) is known.
        exact: mean log p(x) of the same examples.
        error: standard error of bound - exact.
        reason: of a refusal: the model, and why, but for what else is chosen and what to use instead.
    """

    state: Literal["trained", "refused"]
    message: str = ""
    bound: float = math.nan
    exact: float = math.nan
    error: float = math.nan
    reason: tuple[str, str] = ("", "")

    def excess(self, comparisons: int) -> float:
        """By how much the bound is larger than an honest one could be; ≤ 0: it is not.

        E[bound] ≤ E[log p_model(x)] ≤ E[log p(x)] over x ~ p (Gibbs), so that only chance takes
        the mean over test examples above the exact one.

        Args:
            comparisons: how many bounds are judged together (Bonferroni).
        """
        z = NormalDist().inv_cdf(1 - FAMILY_WISE / comparisons)
        return self.bound - self.exact - z * self.error - SLACK


# ------------------------------------------------------------------------------------- composing
@contextmanager
def composed(cell: Cell, folders: Sequence[Path]) -> Iterator[DictConfig]:
    """The config that the command would compose; until the end Hydra knows what was chosen."""
    register()
    own = [f"file://{folder}" for folder in folders if folder != conf_dir()]
    search = [f"hydra.searchpath=[{','.join(own)}]"] if own else []
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        cfg = hydra_compose("config", [*search, *cell.overrides], return_hydra_config=True)
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(cfg)
    with open_dict(cfg):
        del cfg["hydra"]
    try:
        yield cfg
    finally:
        HydraConfig.instance().cfg = before


class Runner:
    """Runs cells, and each config only once: a composition is a function of its config alone.

    Args:
        folders: of the configs.
        steps: how long those train whose data have a known log p(x).
        reasons: whether to judge by the first refusal of a model for a reason all others for it, whatever
            else is chosen: a search for what to use instead takes longer than all else.
    """

    def __init__(
        self, folders: Sequence[Path], steps: int = STEPS, *, reasons: bool = False
    ) -> None:
        self.folders, self.steps, self.reasons = list(folders), steps, reasons
        self.matrix = Matrix(self.folders)
        self.by_cell: dict[Cell, Outcome] = {}
        self.by_config: dict[str, Outcome] = {}
        self.said: dict[tuple[str, ...], str] = {}
        self.followed: set[Hashable] = set()
        self.data: dict[str, Dataset] = {}

    def __call__(self, cell: Cell, followed: Container[Hashable] = ()) -> Outcome:
        """Trained or refused.

        Args:
            followed: reasons for which nobody need look for what to use instead.

        Raises:
            Broken: trained, but not as it should.
            Exception: whatever else went wrong.
        """
        if cell in self.by_cell:
            return self.by_cell[cell]
        with composed(cell, self.folders) as cfg:
            key = OmegaConf.to_yaml(cfg, resolve=True)
            outcome = self.by_config.get(key) or self.run(cfg, followed)
        if outcome.reason not in followed:
            self.by_cell[cell] = outcome
        # A refusal names the choices, and two of them may have made the same config.
        if outcome.state == "trained":
            self.by_config[key] = outcome
        return outcome

    def run(self, cfg: DictConfig, followed: Container[Hashable] = ()) -> Outcome:
        """Composes and trains, or says why not; what to use instead is looked for once for all cells
        of a model and as many choices that are refused for the same: to others it may be of no use."""
        try:
            return trained(assemble(cfg, self.data), self.steps)
        except Incompatible as error:
            model, why = chosen("model"), in_words(str(error))
            reason = (model, str(error))
            if reason in followed:
                return Outcome("refused", why, reason=reason)
            like = (*_typed(), model, why)
            if like not in self.said:
                with pytest.raises(Refusal) as refusal:
                    compose(cfg)
                self.said[like] = str(refusal.value)
            return Outcome("refused", self.said[like], reason=reason)
        except Refusal as refusal:
            return Outcome("refused", str(refusal), reason=(chosen("model"), str(refusal)))

    def judge(self, cell: Cell) -> Outcome:
        """The outcome of a cell, whose refusal names two sides and, the first time that it is heard,
        leads to a trained cell.

        Raises:
            Broken: neither.
        """
        outcome = self(cell, self.followed if self.reasons else ())
        if outcome.state == "refused":
            check_names(cell, outcome.message)
            heard = outcome.reason if self.reasons else outcome.message
            if heard not in self.followed:
                self.followed.add(heard)
                check_leads_on(cell, self, self.matrix)
        return outcome


def _typed() -> list[str]:
    """The axes that the command line chooses of."""
    return [axis for axis in AXES if axis in given(HydraConfig.get().overrides.task)]


# -------------------------------------------------------------------------------------- training
def trained(composition: Composition, steps: int = STEPS) -> Outcome:
    """What a composition comes to."""
    known = composition.exact_log_prob(everything(composition)) is not None
    train(composition, steps if known else STEPS)
    if not known or not composition.objective.has_bound:
        return Outcome("trained")
    bound, exact = bound_and_exact(composition)
    error = (bound - exact).std().item() / math.sqrt(len(exact))
    return Outcome("trained", "", bound.mean().item(), exact.mean().item(), error)


def train(composition: Composition, steps: int) -> None:
    """A few optimizer steps.

    Raises:
        Broken: something is not finite, or a parameter got no gradient.
    """
    model, objective = composition.model.train(), composition.objective.train()
    named = [*model.named_parameters(prefix="model")]
    named += objective.named_parameters(prefix="objective")
    groups = [{"params": [*model.parameters()]}, *objective.groups()]
    optimizer = torch.optim.Adam(groups, lr=LEARNING_RATE[objective.draws])
    check_optimized(named, optimizer)
    data, generator = composition.split("train"), torch.Generator().manual_seed(0)
    learning: set[str] = set()
    for step in range(steps):
        index = torch.randint(len(data), (BATCH,), generator=generator)
        optimizer.zero_grad()
        estimate = objective(model, data.batch(index, generator), torch.tensor(step))
        check_finite({"loss": estimate.loss} | estimate.terms)
        if objective.has_bound and "bound" not in estimate.terms:
            raise Broken("the objective promises a bound and reports none")
        objective.keep(estimate.state)
        estimate.loss.backward()
        if step < STEPS:
            learning |= check_gradients(named)
        optimizer.step()
    idle = [name for name, _ in named if name not in learning]
    if idle:
        raise Broken(f"the gradient was zero throughout: {', '.join(idle)}")


Named = Sequence[tuple[str, torch.nn.Parameter]]


def check_optimized(named: Named, optimizer: torch.optim.Optimizer) -> None:
    """Every parameter is in the optimizer, once."""
    held = [id(p) for group in optimizer.param_groups for p in group["params"]]
    if sorted(held) != sorted(id(p) for _, p in named):
        raise Broken("the optimizer does not hold every parameter once")


def check_finite(values: dict[str, Tensor]) -> None:
    """Loss and terms are numbers."""
    for name, value in values.items():
        if not value.isfinite().all():
            raise Broken(f"{name} is not finite")


def check_gradients(named: Named) -> set[str]:
    """The parameters whose gradient is not all zero; each has one, and it is finite."""
    for name, parameter in named:
        if parameter.grad is None:
            raise Broken(f"{name} got no gradient")
        check_finite({f"the gradient of {name}": parameter.grad})
    return {name for name, parameter in named if parameter.grad.any()}


def everything(composition: Composition) -> dict[str, Tensor]:
    """The test split as one batch."""
    test = composition.data.split("test")
    return test.batch(torch.arange(len(test)))


@torch.no_grad()
def bound_and_exact(composition: Composition) -> tuple[Tensor, Tensor]:
    """The reported bound and the known log p(x) of each test example, `[N]`."""
    model, objective = composition.model.eval(), composition.objective.eval()
    batch = everything(composition)
    bound = objective(model, batch, torch.tensor(0)).terms["bound"]
    check_finite({"test bound": bound})
    exact = composition.exact_log_prob(batch)
    assert exact is not None
    return bound.double(), exact


# -------------------------------------------------------------------------------------- refusals
OVERRIDE = re.compile(r"[+~]{0,2}[\w./@]+=\S+")


def offered(message: str) -> list[list[str]]:
    """The overrides that a refusal ends in, each perhaps of several options.

    Raises:
        Broken: nothing is offered, or it is no override.
    """
    found = [shlex.split(suggestion) for suggestion in suggestions(message)]
    if not found:
        raise Broken(f"{message} — offers no override")
    for word in itertools.chain(*found):
        if not OVERRIDE.fullmatch(word):
            raise Broken(f"{message} — {word} is no override")
    return found


def check_names(cell: Cell, message: str) -> None:
    """A refusal names the choices on at least two axes, besides what it offers instead.

    Raises:
        Broken: it does not.
    """
    before, _, remedy = message.rpartition(" Use ")
    sides = named_sides(cell, before or remedy)
    if len(set(sides.values())) < 2:
        raise Broken(f"names {' and '.join(sides) or 'no side'} alone: {message}")


def named_sides(cell: Cell, text: str) -> dict[str, int]:
    """The axes whose choice a text names, and where it does."""
    found: dict[str, int] = {}
    for variant in cell.variants:
        words = [re.escape(w) for w in (variant.name, variant.target) if w]
        # A bare word: posterior=gaussian does not name likelihood=gaussian too.
        patterns = [rf"(?<![\w=.])(?:{'|'.join(words)})(?![\w=])"]
        patterns += [rf"(?<!\w){re.escape(o)}(?!\w)" for o in variant.overrides]
        if variant.group == "dataset":
            patterns.append(r"\bthe data\b")
        places = [m.start() for p in patterns if (m := re.search(p, text))]
        if places:
            found[variant.group] = min(places)
    return found


def check_leads_on(cell: Cell, run: Callable[[Cell], Outcome], matrix: Matrix) -> None:
    """Whichever overrides a user takes up, the cell trains in the end.

    Each refusal on the way has another reason, and there are no more of them than axes.

    Raises:
        Broken: nothing is offered, or it leads nowhere or in a circle.
    """
    _follow(cell, run, matrix, ())


def _follow(
    cell: Cell, run: Callable[[Cell], Outcome], matrix: Matrix, path: tuple[str, ...]
) -> None:
    outcome = run(cell)
    if outcome.state == "trained":
        return
    if outcome.message in path:
        raise Broken(" → ".join([*path, outcome.message]) + " goes in a circle")
    path = (*path, outcome.message)
    if len(path) > len(AXES):
        raise Broken(" → ".join(path) + " takes more overrides than there are axes")
    for overrides in offered(outcome.message):
        if not any(map(matrix.leaves_out, overrides)):
            _follow(reduce(matrix.using, overrides, cell), run, matrix, path)
