"""A mixture of a likelihood's own kind: no latents, an exact log p(x)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import torch
from torch import Tensor, nn

from vaebench.data import Batch, Columns, Field, Spec
from vaebench.data.columns import CHUNK
from vaebench.distributions import Mixture as MixtureDensity
from vaebench.errors import Incompatible
from vaebench.heads import Likelihood
from vaebench.heads.covariances import MultivariateGaussian
from vaebench.models.base import RecognitionFirst
from vaebench.models.em import Stop, gaussian_mixture, pieces
from vaebench.models.parts import check_entrywise, observed_field
from vaebench.progress import steps
from vaebench.trace import Trace

LEAST = 1e-12
"""Weight of a component at least, so that its logarithm is a number."""

EMPTY = 1e-6
"""Examples that a component is responsible for, below which it keeps the parameters that it has."""


class Mixture(RecognitionFirst):
    """p(x) = Σ_j π_j p(x | j): a likelihood at M points of its parameters, its class summed over.

    Each component starts half-way between the data's mean and an example drawn at random. EM then
    alternates responsibilities r_ij ∝ π_j p(x_i | j) and the parameters of greatest Σ_ij r_ij log π_j
    p(x_i | j), by which the likelihood of the training split never falls. It sees that split as one
    draw of its protocol, the same at each iteration: of dynamically binarized images one binarization,
    whose log-likelihood is log p(x) itself, where grey values would give a lower bound of its mean. A
    component that is responsible for nothing keeps its parameters. Gaussians with covariances of their
    own are scikit-learn's matter.

    Args:
        spec: names and shapes of a batch, and N.
        likelihood: `Field` of x → head of p(x | j).
        components: M ≥ 1.
        fit: `em`, before the first step; or `gradient`: by steps alone.
        iterations: of EM at most.
        tolerance: nats per example by which an iteration must raise log p(x) for EM to go on.
        observed: which name of the batch is x.

    Raises:
        Incompatible: the likelihood has no M step in closed form.

    References:
        Maximum Likelihood from Incomplete Data via the EM Algorithm (Dempster, Laird, Rubin 1977)
        Pattern Recognition and Machine Learning, sections 9.2 and 9.3.3 (Bishop 2006)
    """

    def __init__(
        self,
        spec: Spec,
        *,
        likelihood: Callable[[Field], Likelihood],
        components: int,
        fit: Literal["em", "gradient"],
        iterations: int,
        tolerance: float,
        observed: str = "x",
    ) -> None:
        super().__init__()
        for name, number in (("components", components), ("iterations", iterations)):
            if number < 1:
                raise Incompatible(f"model.{name}={number}: at least 1")
        x = observed_field(spec, observed)
        self.observed, self.by_em = observed, fit == "em"
        self.stop = Stop(iterations, tolerance)
        if components > spec.size:
            raise Incompatible(f"model.components={components}: there are {spec.size} examples")
        self.likelihood = likelihood(x)
        check_entrywise(self.likelihood, x)
        by_scikit_learn = isinstance(self.likelihood, MultivariateGaussian)
        if self.by_em and not (self.likelihood.fitted_by_mean or by_scikit_learn):
            raise Incompatible(
                "this model is fitted by EM, of which this likelihood has no M step in closed form.",
                "likelihood",
                options=("model.fit=gradient",),
            )
        mean = torch.zeros(x.shape) if x.mean is None else x.mean
        start = self.likelihood.params_for_mean(mean)
        self.params = nn.Parameter(start + 0.1 * torch.randn(components, *start.shape))
        self.logits = nn.Parameter(torch.zeros(components))

    @property
    def solves(self) -> bool:  # type: ignore[override]  # it depends on an option
        return self.by_em

    @property
    def density(self) -> MixtureDensity:
        """p(x)."""
        return MixtureDensity(self.likelihood, self.params, self.logits.log_softmax(0))

    def recognise(self, q: Trace, batch: Batch) -> None:
        """There is nothing to infer."""

    def generate(self, p: Trace, batch: Batch) -> None:
        p(self.observed, self.density)

    @torch.no_grad()
    def fit(self, split: Columns) -> list[float]:
        self._start(split)
        if not self.by_em:
            return []
        head, seed = self.likelihood, int(torch.randint(2**31, ()))
        if not isinstance(head, MultivariateGaussian):
            return self._by_means(split, seed)
        x = torch.cat([*pieces(split, self.observed, seed)])
        found = gaussian_mixture(head, x, len(self.logits), self.stop, seed)
        self.logits.copy_(found.log_weights)
        self.params.copy_(found.params)
        return found.bounds

    def _start(self, split: Columns) -> None:
        """Half-way from the mean of some examples to M of them."""
        count = len(self.logits)
        chosen = torch.randperm(len(split))[: max(count, CHUNK)]
        some = split.batch(chosen.to(split.device))[self.observed]
        self._set_means((some[:count] + some.mean(0)) / 2, range(count))

    def _set_means(self, means: Tensor, of: Iterable[int]) -> None:
        for j in of:
            self.params[j] = self.likelihood.params_for_mean(means[j].cpu())

    def _by_means(self, split: Columns, seed: int) -> list[float]:
        """EM of a likelihood that a mean fits, in pieces of the split."""
        bounds: list[float] = []
        for _ in steps(range(self.stop.iterations), "EM"):
            bound, counts, sums = self._expect(split, seed)
            bounds.append(bound)
            if len(bounds) > 1 and bound - bounds[-2] < self.stop.tolerance:
                return bounds
            self._maximise(counts, sums)
        return [*bounds, self._expect(split, seed)[0]]

    def _expect(self, split: Columns, seed: int) -> tuple[float, Tensor, Tensor]:
        """The mean of log p(x_i) over the split; Σ_i r_ij `[M]` and Σ_i r_ij x_i `[M, *event]`."""
        density, bound = self.density, 0.0
        counts = torch.zeros(len(self.logits), dtype=torch.float64)
        sums: Tensor | float = 0.0
        for x in pieces(split, self.observed, seed):
            joint = density.log_joint(x)
            log_p = joint.logsumexp(-1, keepdim=True)
            r = (joint - log_p).exp()
            bound += log_p.cpu().double().sum().item()
            counts += r.cpu().double().sum(0)
            sums = sums + (r.T @ x.flatten(1)).cpu().double()
        assert isinstance(sums, Tensor)
        return bound / len(split), counts, sums.unflatten(-1, x.shape[1:])

    def _maximise(self, counts: Tensor, sums: Tensor) -> None:
        weights = (counts / counts.sum()).clamp(min=LEAST)
        self.logits.copy_(weights.log())
        filled = [j for j, count in enumerate(counts.tolist()) if count > EMPTY]
        means = sums / counts.clamp(min=EMPTY).view(-1, *(1 for _ in sums.shape[1:]))
        self._set_means(means, filled)
