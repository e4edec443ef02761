"""Bias and variance of gradient estimators, for a chosen model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from vaebench.check import check
from vaebench.composition import Composition
from vaebench.errors import Incompatible, Refusal
from vaebench.heads import Conditional
from vaebench.inference import infer, outline
from vaebench.measures.base import check_known
from vaebench.measures.latents import Moments
from vaebench.objectives import ELBO, IWAE, baselines, estimators
from vaebench.objectives.anneal import Constant
from vaebench.objectives.baselines import DECAY, Baseline
from vaebench.objectives.estimated import Estimated
from vaebench.objectives.estimators import Estimator
from vaebench.progress import steps as counted
from vaebench.studies.base import Findings, ModelStudy, Say, mean_se, train
from vaebench.studies.gradient_figures import figures

BASELINES: dict[str, Callable[..., Baseline]] = {
    "none": baselines.Nothing,
    "running": partial(baselines.Running, decay=DECAY),
    "optimal": partial(baselines.Optimal, decay=DECAY),
    "learned": baselines.Learned,
    "leave_one_out": baselines.LeaveOneOut,
}
PLAIN: dict[str, Any] = {"beta": 1.0, "anneal": Constant()}
BOUNDS: dict[str, Callable[..., Estimated]] = {
    "elbo": partial(ELBO, kl="auto", free_bits=0.0, free_bits_per="dimension", **PLAIN),
    "iwae": partial(IWAE, **PLAIN),
}


def _estimators() -> dict[str, partial[Any]]:
    """Those that can be chosen, the score function once with each baseline."""
    found: dict[str, partial[Any]] = {}
    for name, kind in estimators.ESTIMATORS.items():
        if kind is estimators.Score:
            found |= {f"{name}:{b}": partial(kind, baseline=made) for b, made in BASELINES.items()}
        elif kind is not estimators.auto:
            found[name] = partial(kind)
    return found


ESTIMATORS = _estimators()
UNBIASED = {
    "elbo": ["enumerate", "pathwise", "score:leave_one_out", "nvil", "score:running"],
    "iwae": ["enumerate", "pathwise", "vimco", "score:running"],
}
"""Estimators whose mean is the gradient of the expected bound, those of least noise first."""

WARM_UP = 200
STEP = torch.tensor(0)


@dataclass
class GradientVariance(ModelStudy):
    """Bias and variance of every estimator's gradient, part by part and against k, for any model.

    Further words compose the model as a training run does: `model=helmholtz dataset=digits`.

    Args:
        bounds: elbo, iwae.
        estimators: which, `score:BASELINE` for the score function; those that do not go with the
            model or the bound are left out. Empty: all.
        ks: samples for each example.
        repeats: gradients of each.
        reference: gradients that the unbiased reference is the mean of.
        examples: the batch, of the training split.
        trained: steps of training before the gradients are looked at; 0: none.
        lr: of that training.
    """

    bounds: list[str] = field(default_factory=lambda: list(BOUNDS))
    estimators: list[str] = field(default_factory=list)
    ks: list[int] = field(default_factory=lambda: [1, 5, 20])
    repeats: int = 200
    reference: int = 400
    examples: int = 20
    trained: int = 0
    lr: float = 1e-3

    def of(self, composition: Composition, say: Say) -> Findings:
        """Measures the estimators of a composed model.

        Raises:
            Refusal: an unknown estimator or bound, a model without latents.
        """
        check_known("estimators", self.estimators, ESTIMATORS)
        check_known("bounds", self.bounds, BOUNDS)
        for name, least in (("repeats", 2), ("reference", 4)):
            if getattr(self, name) < least:
                raise Refusal(f"{name}={getattr(self, name)}: at least {least}, for an error")
        torch.manual_seed(self.seed)
        subject = Gradients(composition, self.examples)
        if not subject.latents:
            raise Refusal("a model without latents has no gradient to estimate")
        train(composition, self.trained, self.lr)
        rows: list[dict[str, Any]] = []
        for bound in counted(self.bounds):
            for k in counted(self.ks):
                rows += self.at(subject, bound, k, say)
        if not rows:
            told = ", ".join(self.estimators) or "no estimator"
            raise Refusal(f"{told} goes with this model, {', '.join(self.bounds)} and k={self.ks}")
        notes = [
            "objectives of their own, with β = 1: the composed one serves the training alone",
            "variance: of a parameter's gradient, summed over the part's parameters",
            "snr: mean over parameters of |mean| / standard deviation of the gradient",
            "bias: of the mean gradient along the reference, relative to it",
            f"reference: {self.reference} gradients of the first unbiased estimator",
        ]
        return Findings(rows, figures(rows, self.ks), notes)

    def at(self, subject: Gradients, bound: str, k: int, say: Say) -> Iterator[dict[str, Any]]:
        """Rows of one bound at one k."""
        wanted = self.estimators or ESTIMATORS
        made = {n: e for n in ESTIMATORS if (e := subject.objective(bound, n, k)) is not None}
        reference = next((made[n] for n in UNBIASED[bound] if n in made), None)
        if reference is None:
            return
        half = self.reference // 2
        moments = Moments()
        for gradient in subject.gradients(reference, half):
            moments.add(gradient.unsqueeze(0))
        first = moments.mean
        second = Tally(subject.gradients(reference, half), first, subject.parts)
        for name in counted([n for n in wanted if n in made]):
            tally = Tally(subject.gradients(made[name], self.repeats), first, subject.parts)
            for part, place in subject.parts.items():
                row = {"bound": bound, "estimator": name, "k": k, "part": part}
                yield row | _summary(tally, second, part, place)
            say(f"{bound} {name} k={k}")


class Tally:
    """Mean and variance of gradients, and their components along a direction, part by part.

    Args:
        gradients: `[P]` each; only one is held at a time.
        along: the direction, `[P]`.
        parts: of the direction.
    """

    def __init__(
        self, gradients: Iterator[Tensor], along: Tensor, parts: Mapping[str, slice]
    ) -> None:
        moments, each = Moments(), []
        for gradient in gradients:
            moments.add(gradient.unsqueeze(0))
            each.append({part: gradient[place] @ along[place] for part, place in parts.items()})
        self.mean, self.variance = moments.mean, moments.variance
        self.components = {part: torch.stack([one[part] for one in each]) for part in parts}


def _summary(tally: Tally, reference: Tally, part: str, place: slice) -> dict[str, float]:
    """Both tallies along a direction that neither of them had a hand in."""
    mean, variance = tally.mean[place], tally.variance[place]
    found, found_se = mean_se(tally.components[part])
    right, right_se = mean_se(reference.components[part])
    size = abs(right) or math.inf  # a gradient that is always 0 has no bias either
    moving = variance > 0
    exact = math.inf if mean.any() else 0.0  # what never moves has no noise
    snr = (mean[moving].abs() / variance[moving].sqrt()).mean().item() if moving.any() else exact
    return {
        "variance": variance.sum().item(),
        "snr": snr,
        "bias": (found - right) / size,
        "bias_se": math.hypot(found_se, right_se) / size,
    }


class Gradients:
    """A model, a batch, and how to ask for gradients.

    Args:
        composition: as for a training run.
        examples: of the batch.
    """

    def __init__(self, composition: Composition, examples: int) -> None:
        self.model, self.spec = composition.model, composition.data.spec
        split = composition.split("train")
        self.batch = split.first(examples).batch(torch.arange(min(examples, len(split))))
        self.latents = infer(self.model, self.batch, 1).latents
        self.named = [(n, p) for n, p in self.model.named_parameters() if p.requires_grad]
        self.parts = self._parts()

    def _parts(self) -> dict[str, slice]:
        """Each conditional's place in the gradient, and that of what is left of each child."""
        names = [n for n, m in self.model.named_modules() if isinstance(m, Conditional)]
        places: dict[str, slice] = {}
        start = 0
        for name, parameter in self.named:
            part = next((n for n in names if name.startswith(f"{n}.")), name.partition(".")[0])
            end = start + parameter.numel()
            places[part] = slice(places[part].start if part in places else start, end)
            start = end
        return places

    def objective(self, bound: str, name: str, k: int) -> Estimated | None:
        """The bound under an estimator whose baseline has settled; None where they do not go
        together."""
        estimator = ESTIMATORS[name]
        made_for = cast("type[Estimator]", estimator.func).separate
        if made_for not in (None, bound == "elbo"):
            return None
        try:
            seen = outline(self.model, self.spec)
            made = BOUNDS[bound](self.model, seen, estimator=estimator, k=k)
            check(self.model, made, seen)
            self._settle(made)
        except Incompatible:
            return None
        return made

    def _settle(self, objective: Estimated) -> None:
        """Lets what an estimator learns settle, and holds it."""
        own = list(objective.parameters())
        stateful: Sequence[Tensor] = own or list(objective.buffers())
        optimizer = torch.optim.Adam(own, lr=1e-2) if own else None
        for _ in range(WARM_UP if stateful else 0):
            estimate = objective(self.model, self.batch, STEP)
            objective.keep(estimate.state)
            if optimizer is not None:
                optimizer.zero_grad()
                estimate.loss.backward(inputs=own)
                optimizer.step()
        for module in objective.modules():
            if isinstance(module, Baseline):
                module.eval()

    def gradients(self, objective: nn.Module, count: int) -> Iterator[Tensor]:
        """Gradients of the bound on this batch, `[P]` in float64."""
        parameters = [p for _, p in self.named]
        for _ in range(count):
            loss = objective(self.model, self.batch, STEP).loss
            each = torch.autograd.grad(-loss, parameters, materialize_grads=True)
            yield torch.cat([g.flatten() for g in each]).double()
