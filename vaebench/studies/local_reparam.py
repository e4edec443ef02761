"""Variance of the gradient by who sees which draw of the weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any, get_args

import torch
from torch import Tensor

from vaebench.composition import Composition
from vaebench.data import Batch
from vaebench.distributions import GLOBAL
from vaebench.errors import Refusal
from vaebench.nets.weights import GaussianNoise
from vaebench.nets.weights.base import Estimator
from vaebench.pictures.paper import new_figure
from vaebench.progress import steps as counted
from vaebench.studies.base import Findings, ModelStudy, Say, mean_se, train

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEP = torch.tensor(0)
ESTIMATORS: tuple[Estimator, ...] = get_args(Estimator)
BELOW, ALL = "all but the last", "all"
"""Rows of several layers."""


@dataclass
class LocalReparameterization(ModelStudy):
    """Variance of the gradient in each layer by local, per-example and shared draws of its weights.

    For a fixed batch of M of N examples, over draws of the weights: the estimate N/M Σ_i L_i of the data
    set's bound, whose variance is N² (Var[L] / M + (M - 1) / M Cov[L, L']), with the mean over examples
    of Var and the mean over pairs of Cov; and its gradient by the means of each layer's weights, of
    all layers, and of all but the last.

    One example's activations have the same joint distribution by local draws as by weights of its own,
    and the local gradient is the expectation of the other given these activations: of less variance,
    but for the means of the last layer, whose gradient the activations decide: there the two are the
    same, and differ by chance alone.

    Further words compose the model, whose weights are `local_gaussian` or `dropout_b`.

    Args:
        batches: M, of the training split's first examples.
        repeats: draws of each.
        trained: steps of training after which to look again; 0: none.
        lr: of that training.

    References:
        Variational Dropout and the Local Reparameterization Trick (Kingma, Salimans, Welling 2015),
        https://arxiv.org/abs/1506.02557, table 1
    """

    batches: list[int] = field(default_factory=lambda: [100, 1000])
    repeats: int = 100
    trained: int = 300
    lr: float = 1e-3

    def of(self, composition: Composition, say: Say) -> Findings:
        """Measures the three estimators of a composed model.

        Raises:
            Refusal: its weights are not such, or a batch is larger than the data.
        """
        if self.repeats < 2:
            raise Refusal(f"repeats={self.repeats}: at least 2, for an error")
        subject = Subject(composition)
        if (largest := max(self.batches)) > len(subject.split):
            raise Refusal(f"batches=[{largest}]: there are {len(subject.split)} training examples")
        torch.manual_seed(self.seed)
        rows: list[dict[str, Any]] = []
        for after in dict.fromkeys((0, self.trained)):
            train(composition, after, self.lr)
            for size in counted(self.batches):
                rows += self.at(subject, after, size, say)
        notes = [
            f"of the bound of all N = {subject.total} examples, estimated from a batch of M",
            "variance: of the gradient by the layer's weights, summed over them",
            "bound_variance: N² Var[L] / M · (1 + (M - 1) · correlation), of two examples' bounds",
            f"point_ms, ms: median of {self.repeats} gradients with the means, and with noise",
        ]
        return Findings(rows, {"variance": figure(rows)}, notes)

    def at(self, subject: Subject, after: int, size: int, say: Say) -> Iterator[dict[str, Any]]:
        """Rows of one batch."""
        batch = subject.split.first(size).batch(torch.arange(size))
        point = [timed(partial(subject.gradient, batch))[0] for _ in range(self.repeats)]
        for name in counted(ESTIMATORS):
            found = subject.draws(batch, name, self.repeats)
            told = found.of_bound(subject.total) | {"point_ms": 1e3 * median(point)}
            for layer, (value, se) in found.by_layer(subject.total).items():
                row = {"trained": after, "batch": size, "estimator": name, "layer": layer}
                yield row | {"variance": value, "variance_se": se} | told
            say(f"trained={after} batch={size} {name}")


@dataclass
class Draws:
    """What some draws of the weights came to.

    Attributes:
        bounds: of each draw and example, `[R, M]`.
        gradients: by layer, `[R, P]`.
        seconds: of each.
    """

    bounds: Tensor
    gradients: dict[str, Tensor]
    seconds: list[float]

    def by_layer(self, total: int) -> dict[str, tuple[float, float]]:
        """Variance of the gradient, summed over parameters, and its standard error."""
        squares = {n: _squares(total * g).sum(1) for n, g in self.gradients.items()}
        if len(squares) > 1:
            *below, last = squares.values()
            squares[BELOW] = torch.stack(below).sum(0)
            squares[ALL] = squares[BELOW] + last
        return {n: mean_se(each) for n, each in squares.items()}

    def of_bound(self, total: int) -> dict[str, float]:
        """Variance of N/M Σ_i L_i, the correlation of two L_i, and milliseconds.

        Args:
            total: N.
        """
        size = self.bounds.shape[1]
        own = _squares(self.bounds).sum(1)
        summed = _squares(self.bounds.sum(1, keepdim=True))[:, 0]
        among = max(1, size - 1) * own.mean().item()
        correlation, correlation_se = mean_se((summed - own) / among)
        return {
            "bound_variance": total**2 * summed.mean().item() / size**2,
            "correlation": correlation,
            "correlation_se": correlation_se,
            "ms": 1e3 * median(self.seconds),
        }


def _squares(x: Tensor) -> Tensor:
    """Squared deviations from the mean over draws, whose mean is the variance without bias."""
    return (x - x.mean(0)).square() * len(x) / (len(x) - 1)


class Subject:
    """A model whose weights' estimator can be changed.

    Raises:
        Refusal: it has none.
    """

    def __init__(self, composition: Composition) -> None:
        self.model, self.objective = composition.model, composition.objective
        self.split, self.total = composition.split("train"), composition.data.spec.size
        self.noisy = [m for m in self.objective.noisy if isinstance(m, GaussianNoise)]
        if not self.noisy or not all(m.local for m in self.noisy):
            raise Refusal(
                "this study draws the weights in three ways, and these are not drawn locally. Use "
                "weights=local_gaussian."
            )
        names = {id(module): name for name, module in self.model.named_modules()}
        self.layers = {names[id(m.layer)]: m for m in self.noisy}

    def gradient(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Bounds of the examples, and the gradient of their mean by each layer's weights."""
        estimate = self.objective.estimate(self.model, batch, STEP, GLOBAL)
        # By all that a step trains, so that it takes as long.
        parameters = [*self.model.parameters()]
        found = torch.autograd.grad(-estimate.loss, parameters, materialize_grads=True)
        by = {id(p): g for p, g in zip(parameters, found, strict=True)}
        gradients = {n: by[id(m.mean)].flatten().double() for n, m in self.layers.items()}
        return estimate.terms["bound"].double(), gradients

    def draws(self, batch: Batch, estimator: Estimator, count: int) -> Draws:
        """Of so many draws by an estimator."""
        before = [m.estimator for m in self.noisy]
        found, seconds = [], []
        for m in self.noisy:
            m.estimator = estimator
        for _ in range(count):
            took, one = timed(partial(self._drawn, batch))
            found.append(one)
            seconds.append(took)
        for m, name in zip(self.noisy, before, strict=True):
            m.estimator = name
        bounds = torch.stack([one[0] for one in found])
        gradients = {n: torch.stack([one[1][n] for one in found]) for n in self.layers}
        return Draws(bounds, gradients, seconds)

    def _drawn(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        with self.objective.weights_drawn(GLOBAL):
            return self.gradient(batch)


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what it gives."""
    begun = time.perf_counter()
    found = run()
    return time.perf_counter() - begun, found


def figure(rows: list[dict[str, Any]]) -> Figure:
    """Variance of each layer's gradient against the size of the batch, a panel for each time."""
    times = list(dict.fromkeys(row["trained"] for row in rows))
    layers = list(dict.fromkeys(row["layer"] for row in rows if row["layer"] not in (BELOW, ALL)))
    drawn = new_figure(3.2 * len(layers) + 2.0, 2.8 * len(times))
    panels = drawn.subplots(len(times), len(layers), squeeze=False)
    for line, after in zip(panels, times, strict=True):
        for axes, layer in zip(line, layers, strict=True):
            for name in ESTIMATORS:
                wanted = (after, layer, name)
                here = [r for r in rows if (r["trained"], r["layer"], r["estimator"]) == wanted]
                sizes, values = [r["batch"] for r in here], [r["variance"] for r in here]
                errors = [r["variance_se"] for r in here]
                axes.errorbar(sizes, values, errors, fmt="o-", ms=3, capsize=2, label=name)
            axes.set(title=f"{layer}, step {after}", xscale="log", yscale="log", xlabel="batch")
            axes.grid(alpha=0.25)
            axes.spines[["top", "right"]].set_visible(False)
        line[0].set_ylabel("variance of the gradient")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=8)
    return drawn
