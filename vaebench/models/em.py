"""What fits a model to a whole split, without gradients: passes over it, moments, EM of Gaussians."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from vaebench.data import Columns
from vaebench.data.columns import CHUNK
from vaebench.heads.covariances import MultivariateGaussian
from vaebench.progress import doing


def pieces(split: Columns, name: str, seed: int) -> Iterator[Tensor]:
    """All examples of a split in their order, `[n, *shape]` at a time; whatever its protocol draws is
    drawn from the seed."""
    generator = torch.Generator(split.device).manual_seed(seed)
    for index in torch.arange(len(split)).split(CHUNK):
        yield split.batch(index, generator)[name]


def moments(split: Columns, name: str, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Mean `[*shape]` and covariance `[D, D]` of a split, in 64 bits on the CPU."""
    origin, sums, products = None, torch.zeros(()), torch.zeros(())
    for x in pieces(split, name, seed):
        flat = x.flatten(1).cpu().double()
        # About a point among them: far from 0 a difference of squares would lose digits.
        origin = flat.mean(0) if origin is None else origin
        shift = flat - origin
        sums, products = sums + shift.sum(0), products + shift.T @ shift
    assert origin is not None
    mean = sums / len(split)
    covariance = products / len(split) - torch.outer(mean, mean)
    return (origin + mean).view(x.shape[1:]), covariance


@dataclass(frozen=True)
class Stop:
    """When EM ends.

    Attributes:
        iterations: after so many.
        tolerance: or when one has raised the mean log-likelihood by less.
    """

    iterations: int
    tolerance: float


@dataclass(frozen=True)
class Fitted:
    """A mixture that was found.

    Attributes:
        log_weights: `[M]`.
        params: of the components, `[M, *param_shape]`.
        bounds: mean log-likelihood of the examples at each iteration.
    """

    log_weights: Tensor
    params: Tensor
    bounds: list[float]


def gaussian_mixture(
    head: MultivariateGaussian, x: Tensor, components: int, stop: Stop, seed: int
) -> Fitted:
    """scikit-learn's EM, from k-means, of examples `[N, *event]`, which it holds in 64 bits.

    To each variance it adds the square of the head's `min_scale`, so that none falls to 0. That is
    not quite an M step: unless `min_scale` is 0, an iteration may lose a little where it gains little.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    kind = {"diagonal": "diag"}.get(head.covariance, head.covariance)
    em = GaussianMixture(
        components,
        covariance_type=kind,
        reg_covar=head.min_scale**2,
        tol=stop.tolerance,
        max_iter=stop.iterations,
        random_state=seed,
    )
    flat = x.flatten(1).cpu().double().numpy()
    with doing("EM"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of iterations is an option
        em.fit(flat)
    weights, means, covariances = map(torch.from_numpy, (em.weights_, em.means_, em.covariances_))
    params = head.params_for_covariances(means.view(-1, *x.shape[1:]), covariances)
    return Fitted(weights.log(), params, [*map(float, em.lower_bounds_), float(em.score(flat))])
