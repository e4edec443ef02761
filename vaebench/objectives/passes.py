"""Several passes over a batch, each of which sees and shows other parts of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, reduce
from operator import add
from typing import Any

import torch
from torch import Tensor, nn

from vaebench.data import Batch
from vaebench.distributions import Noise
from vaebench.errors import Incompatible
from vaebench.inference import Outline, Shown, outline
from vaebench.models import DVAE, Model
from vaebench.objectives.anneal import Anneal
from vaebench.objectives.base import Estimate, Objective
from vaebench.objectives.estimated import Estimated, MakesEstimator
from vaebench.objectives.estimators import auto
from vaebench.objectives.inner import Inner, inner
from vaebench.objectives.regularizers import ObservedWeights
from vaebench.suggest import override


@dataclass(frozen=True)
class Pass:
    """A term of a loss.

    Attributes:
        sees: names that recognition sees.
        shows: names that generation shows.
        weights: λ of those, 1 unless it is told.
        beta: β of the KL.
        frozen: whether generation is constant in it.
    """

    sees: tuple[str, ...]
    shows: tuple[str, ...]
    weights: Mapping[str, float] = field(default_factory=dict)
    beta: float = 1.0
    frozen: bool = False

    def of(self, model: Model, observed: Sequence[str]) -> Shown:
        """The model as the pass has it."""
        return Shown(model, observed, sees=self.sees, shows=self.shows, frozen=self.frozen)

    @property
    def options(self) -> dict[str, Any]:
        """Of its bound."""
        return {"regularizers": {"weights": partial(ObservedWeights, weights=self.weights)}}


class Passes(Objective):
    """Σ or mean over passes of a bound each, E_q(z | x_sees)[Σ_t λ_t log p(x_t | z)] - β KL(q(z | x_sees) ‖
    p(z)), where t runs over what the pass shows.

    Each pass is a model of its own, `Shown`, so that any estimator serves. What is reported in training is
    the passes' mean; an evaluation has the bound of the model, which sees and shows everything.

    Args:
        k, estimator: of every `Estimated` objective.
        passes: in their order.
        bound: of evidence, or of k importance weights.
        mean: whether the loss is the mean of those of the passes, not their sum.
        anneal: of every `ELBO`.

    Raises:
        Incompatible: the model needs all of what is observed, or a weight has no bound to be of.
    """

    def __init__(
        self,
        model: Model,
        outline: Outline,
        *,
        k: int,
        estimator: MakesEstimator,
        passes: Sequence[Pass],
        bound: Inner,
        mean: bool,
        anneal: Anneal,
    ) -> None:
        super().__init__(model, outline, k=k)
        if not model.partial:
            raise Incompatible(
                "this objective hides parts of what is observed, and recognition of this model needs all.",
                "objective",
                "model",
            )
        self.passes, self.observed = tuple(passes), outline.observed
        self.share = 1 / len(passes) if mean else 1.0
        options: dict[str, Any] = {"k": k, "estimator": estimator, "anneal": anneal}
        self.whole = inner(bound, model, outline, beta=1.0, **options)
        self.whole.requires_grad_(False)
        self.each = nn.ModuleList(
            _inner(bound, one, one.of(model, self.observed), outline, options) for one in passes
        )
        self.draws, self.draws_part = self.whole.draws, self.whole.draws_part
        self.rescores, self.bound = self.whole.rescores, self.whole.bound
        told = f"train/bound is the mean over {len(passes)} passes, an evaluation's of all together"
        notes = [note for one in (self.whole, *self._bounds()) for note in one.notes]
        self.notes = [*dict.fromkeys([*notes, told])]

    def _bounds(self) -> list[Estimated]:
        return [one for one in self.each if isinstance(one, Estimated)]

    def estimate(self, model: Model, batch: Batch, step: Tensor, noise: Noise) -> Estimate:
        if not self.training:
            return self.whole.estimate(model, batch, step, noise)
        found = [
            bound.estimate(one.of(model, self.observed), batch, step, noise)
            for one, bound in zip(self.passes, self._bounds(), strict=True)
        ]
        loss = self.share * reduce(add, (one.loss for one in found))
        common = [name for name in found[0].terms if all(name in one.terms for one in found)]
        terms = {name: torch.stack([one.terms[name] for one in found]).mean(0) for name in common}
        state = {
            f"each.{i}.{name}": value
            for i, one in enumerate(found)
            for name, value in one.state.items()
        }
        return Estimate(loss, terms, found[-1].evidence, state)

    def groups(self) -> list[dict[str, Any]]:
        return [group for one in self._bounds() for group in one.groups()]


def _inner(
    bound: Inner, one: Pass, shown: Shown, of: Outline, options: dict[str, Any]
) -> Estimated:
    """The bound of a pass."""
    more = one.options if one.weights else {}
    return inner(bound, shown, outline(shown, of.spec), beta=one.beta, **options, **more)


class CrossModal(Passes):
    """The mean over sources i of E_q(z | x_i)[Σ_t log p(x_t | z)] - KL(q(z | x_i) ‖ p(z)), where t runs
    over the targets of i.

    Args:
        k, estimator, bound, anneal: of `Passes`.
        passes: `source:targets` each, several names with + between, such as `x:joints+x`. Empty: each
            name that the model observes, with all of them.
        weights: λ of targets, 1 unless it is told; of a bound of evidence alone.
        beta: β of every KL.

    Raises:
        Incompatible: a pass or a weight is of what the model does not observe.

    References:
        Cross-modal Deep Variational Hand Pose Estimation (Spurr, Song, Park, Hilliges 2018),
        https://arxiv.org/abs/1803.11404
    """

    def __init__(
        self,
        model: Model,
        outline: Outline,
        *,
        k: int,
        estimator: MakesEstimator = auto,
        passes: Sequence[str],
        bound: Inner,
        weights: Mapping[str, float],
        beta: float,
        anneal: Anneal,
    ) -> None:
        known = outline.observed
        pairs = [_pair(told) for told in passes] or [((name,), known) for name in known]
        told = {name for pair in pairs for names in pair for name in names}
        if unknown := [name for name in (*told, *weights) if name not in known]:
            every = [f"{known[0]}:{'+'.join(known)}"]
            raise Incompatible(
                f"this objective is about {', '.join(sorted({*unknown}))}, and this model observes "
                f"{', '.join(known)}.",
                "model",
                options=(override("objective.passes", every),) if passes else (),
            )
        if weights and bound == "iwae":
            raise Incompatible(
                "objective.weights with objective.bound=iwae: importance weights of a weighed "
                "likelihood bound nothing.",
                options=("objective.bound=elbo",),
            )
        each = [
            Pass(sees, shows, {n: w for n, w in weights.items() if n in shows}, beta)
            for sees, shows in pairs
        ]
        super().__init__(
            model,
            outline,
            k=k,
            estimator=estimator,
            passes=each,
            bound=bound,
            mean=True,
            anneal=anneal,
        )


def _pair(told: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Sources and targets of a pass that is told as `a+b:c+d`."""
    sources, _, targets = told.partition(":")
    return tuple(sources.split("+")), tuple(targets.split("+"))


class Disentangled(Passes):
    """ELBO_dis + ELBO_emb, with z = (z_1, …, z_J) of the parts y_j of x.

    ELBO_dis = λ_x E_q[log p(x | z)] + Σ_j λ_j E_q[log p(y_j | z_j)] - β Σ_j KL(q(z_j | y_j) ‖ p(z_j)) with
    q(z | y_1, …, y_J) trains all that generates, and the encoders of parts. ELBO_emb, the same with q(z |
    x), λ' and β', has constants in the place of all that generates: it trains the encoder of x alone.

    Args:
        k, estimator, anneal: of `Passes`.
        weights: λ by name, 1 unless it is told.
        beta: β.
        embedded_weights, embedded_beta: λ' and β'.

    Raises:
        Incompatible: the model has no parts, or a weight is of nothing that it observes.

    References:
        Disentangling Latent Hands for Image Synthesis and Pose Estimation (Yang, Yao 2019),
        https://arxiv.org/abs/1812.01002, eq. 3 to 5
    """

    def __init__(
        self,
        model: Model,
        outline: Outline,
        *,
        k: int,
        estimator: MakesEstimator = auto,
        weights: Mapping[str, float],
        beta: float,
        embedded_weights: Mapping[str, float],
        embedded_beta: float,
        anneal: Anneal,
    ) -> None:
        if not isinstance(model, DVAE):
            raise Incompatible(
                "this objective has latents of known parts, which this model has none of.",
                "objective",
                "model",
            )
        x, y, shows = model.observed, tuple(model.parts), outline.observed
        passes = [
            Pass(y, shows, weights, beta),
            Pass(x, shows, embedded_weights, embedded_beta, frozen=True),
        ]
        super().__init__(
            model,
            outline,
            k=k,
            estimator=estimator,
            passes=passes,
            bound="elbo",
            mean=False,
            anneal=anneal,
        )
