"""The true posterior of a two-dimensional latent beside the model's q."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vaebench.data import Batch
from vaebench.inference import Target, infer
from vaebench.measures.base import Inapplicable
from vaebench.models import Model
from vaebench.pictures.paper import new_figure, save
from vaebench.pictures.view import View

EXAMPLES = 6
COARSE, FINE = 81, 141  # points along an axis
REACH = 5.0  # how far out the coarse grid looks
MASS = 0.999  # of both densities that the fine grid holds
LEVELS = (0.393, 0.865)  # mass inside one and two standard deviations of a Gaussian
CHUNK = 2000


Grid = Sequence[Tensor]
"""Points along either axis."""


@torch.no_grad()
def posteriors(view: View) -> list[Path]:
    """p(z | x) of the first examples, normalised on a grid, with the contours of q(z | x).

    A VAE bends the true posterior towards its factorial q; an importance-weighted bound of many
    samples leaves it freer (Burda, Grosse, Salakhutdinov 2016).
    """
    view.subject.need_bound()
    latent = view.plane
    dist = view.recognised.q[latent].dist
    if dist.is_discrete:
        raise Inapplicable(f"{dist.kind} have no density to draw")
    shown = min(EXAMPLES, len(view))
    columns = min(3, shown)
    figure = new_figure(3.1 * columns, 3.1 * math.ceil(shown / columns))
    panels = figure.subplots(math.ceil(shown / columns), columns, squeeze=False).flatten()
    for panel in panels[shown:]:
        panel.set_axis_off()
    for i in range(shown):
        one = {name: value[i : i + 1] for name, value in view.batch.items()}
        _draw(panels[i], view, one, latent)
    figure.suptitle("p(z | x) in colour; contours hold 39 % and 86 % of q(z | x)", fontsize=10)
    return [save(figure, view.folder / "posteriors.png")]


def _draw(axes: Any, view: View, one: Batch, latent: str) -> None:
    model = view.subject.model
    z = infer(model, one, CHUNK, noise=view.noise).q[latent].value[:, 0].cpu()
    coarse = [torch.linspace(-REACH, REACH, COARSE)] * 2
    low, high = _extent(coarse, _mass(model, one, latent, coarse))
    low = torch.minimum(low, z.quantile(0.005, 0))
    high = torch.maximum(high, z.quantile(0.995, 0))
    fine = [torch.linspace(*ends, FINE) for ends in zip(low, high, strict=True)]
    true = _mass(model, one, latent, fine).view(FINE, FINE)
    edges = [float(v) for a in fine for v in (a[0], a[-1])]
    axes.imshow(true.T.numpy(), origin="lower", extent=edges, cmap="magma_r", aspect="auto")
    density = _density(view, one, latent, z, fine)
    levels = sorted(float(_level(density.flatten(), level)) for level in LEVELS)
    if levels[0] < levels[1]:
        axes.contour(*fine, density.T, levels, colors="#2a7fb8", linewidths=1.2)
    axes.tick_params(labelsize=7)


def _extent(grid: Grid, mass: Tensor) -> tuple[Tensor, Tensor]:
    """Lower and upper ends of the part that holds nearly all of some mass `[G]`, `[2]` each."""
    kept = torch.cartesian_prod(*grid)[mass >= _level(mass, MASS)]
    pad = torch.stack([axis[1] - axis[0] for axis in grid])
    return kept.amin(0) - 2 * pad, kept.amax(0) + 2 * pad


def _mass(model: Model, one: Batch, latent: str, grid: Grid) -> Tensor:
    """p(z | x) of one example on a grid, `[G]`, summing to 1."""
    target = Target(model, one)
    device = next(iter(one.values())).device
    found = []
    for points in torch.cartesian_prod(*grid).to(device).split(CHUNK):
        prior, seen = target({latent: points.unsqueeze(1)})
        found.append((prior + seen)[:, 0].cpu().double())
    return torch.cat(found).softmax(0)


def _density(view: View, one: Batch, latent: str, z: Tensor, grid: Grid) -> Tensor:
    """q(z | x) on the grid: itself where it scores any value, else by a Gaussian kernel of its
    samples `[n, 2]`."""
    site = infer(view.subject.model, one, 1, noise=view.noise).q[latent]
    given = torch.cartesian_prod(*grid)
    if site.dist.scores_given and site.dist.has_density:
        points = given.to(site.value).unsqueeze(1)
        log_q = torch.cat([site.dist.log_prob(part) for part in points.split(CHUNK)])
        return log_q.exp().cpu().double().view(FINE, FINE)
    from scipy.stats import gaussian_kde

    kde = gaussian_kde(z.T.double().numpy())
    return torch.from_numpy(kde(given.T.double().numpy())).view(FINE, FINE)


def _level(mass: Tensor, share: float) -> Tensor:
    """The value above which lies that share of the total."""
    ordered = mass.sort(descending=True).values
    return ordered[(ordered.cumsum(0) < share * ordered.sum()).sum().clamp(max=len(ordered) - 1)]
