"""Data, reconstructions, samples from the prior, and the manifold of a two-dimensional latent."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from vaebench.data import Batch, Support
from vaebench.distributions import StandardNormal
from vaebench.inference import drawn, expected, simulate
from vaebench.measures.base import Inapplicable
from vaebench.measures.class_samples import label_given
from vaebench.pictures.paper import new_figure, save, save_bands, save_grid, save_sheet
from vaebench.pictures.view import View

MANIFOLD = 20  # images along each axis
PAIRS = 10  # images in a row of reconstructions
CLASSES, PER_CLASS = 20, 10  # rows and columns of samples under a label, at most
DRAWS = 5000  # samples that stand for a prior


def data(view: View) -> list[Path]:
    """The examples themselves; of bits, each below the grey values that they were made of."""
    path, columns = view.folder / "data.png", _columns(view)
    if len(view.shown) == 1:
        return [save_grid(path, view.images, columns)]
    title = f"{view.subject.part} examples, and the bits x that the model sees of them"
    return [save_bands(path, view.shown, 2 * columns, title)]


@torch.no_grad()
def reconstructions(view: View) -> list[Path]:
    """Rows of data, each above the row of E[x | z] at one z ~ q(z | x); of bits, below the grey
    values that they were made of."""
    _ = view.subject.latents
    rebuilt = view.recognised.p[view.name].dist.mean.reshape(view.images.shape)
    rows = view.shown | {"E[x | z]": rebuilt}
    some = {name: images[: 4 * PAIRS] for name, images in rows.items()}
    title = f"{view.subject.part} examples and their reconstructions at one z ~ q(z | x)"
    return [save_bands(view.folder / "reconstructions.png", some, PAIRS, title)]


def samples(view: View) -> list[Path]:
    """E[x | z] at z ~ p(z), one for each example's conditions; of a model under a label, a row for
    each class; of vectors, a map. Without latents, draws of x itself."""
    view.subject.need_bound()
    label, given, classes = label_given(view.subject), view.given, 0
    if label:
        given, classes = _of_each_class(view, label)
    n = classes * _per_class(view) or len(view)
    trace = simulate(view.subject.model, n, given, view.noise)
    path = view.folder / "samples.png"
    try:
        read = expected if view.subject.roles[0] else drawn
        images = read(trace, view.name).reshape(n, *view.images.shape[1:])
    except Inapplicable:
        return _map_of_samples(view, drawn(trace, view.observed[0]))
    if not classes:
        return [save_grid(path, images, _columns(view))]
    names, columns = [f"{label} = {c}" for c in range(classes)], [""] * _per_class(view)
    return [save_sheet(path, images, names, columns, f"samples of each {label}")]


def _of_each_class(view: View, label: str) -> tuple[Batch, int]:
    """Conditions of so many samples of each class, `[classes · m, *]`, and how many classes: other
    conditions are those of the first examples, the same for each class."""
    levels, m = view.subject.composition.data.spec[label].levels, _per_class(view)
    classes = min(levels, CLASSES)
    given = {n: torch.cat([value[:m]] * classes) for n, value in view.given.items()}
    given[label] = torch.arange(classes, device=view.subject.device).repeat_interleave(m)
    return given, classes


def _per_class(view: View) -> int:
    return min(len(view), PER_CLASS)


def _map_of_samples(view: View, made: Tensor) -> list[Path]:
    """Data and samples of vectors along the data's two principal components."""
    from sklearn.decomposition import PCA

    if view.subject.composition.data.spec[view.observed[0]].support is Support.TOKENS:
        raise Inapplicable(f"{view.observed[0]} holds sentences (pictures=[sentences])")
    both = view.batch[view.observed[0]], made
    real, samples = (points.reshape(len(points), -1).cpu().numpy() for points in both)
    if real.shape[1] < 2:
        raise Inapplicable(f"{view.observed[0]} is a single number")
    pca = PCA(2).fit(real)
    figure = new_figure(5, 5)
    axes = figure.subplots()
    for name, points, colour in (("data", real, "#4c72b0"), ("samples", samples, "#dd8452")):
        across, up = pca.transform(points).T
        axes.scatter(across, up, s=12, alpha=0.7, color=colour, label=name)
    axes.set_title("data and samples from the model")
    axes.set(xlabel="first principal component of the data", ylabel="second")
    axes.legend(frameon=False)
    return [save(figure, view.folder / "samples.png")]


def manifold(view: View) -> list[Path]:
    """E[x | z] on a grid over a two-dimensional latent.

    Where p(z) = N(0, I), the grid is the inverse normal CDF of a uniform one, as in Kingma, Welling
    2014, figure 4; elsewhere it spans the central 98 % of the prior's samples.
    """
    view.subject.need_bound()
    latent, one = view.plane, {name: value[:1] for name, value in view.given.items()}
    prior = simulate(view.subject.model, 1, one, view.noise)[latent].dist
    u = torch.linspace(0.02, 0.98, MANIFOLD)
    if isinstance(prior, StandardNormal):
        axes = [torch.distributions.Normal(0.0, 1.0).icdf(u)] * 2
    else:
        z = prior.sample((DRAWS,), view.noise).reshape(-1, 2).cpu()
        low, high = z.quantile(0.01, 0), z.quantile(0.99, 0)
        axes = [torch.linspace(*ends, MANIFOLD) for ends in zip(low, high, strict=True)]
    rows = torch.cartesian_prod(axes[1].flip(0), axes[0]).flip(-1).to(view.subject.device)
    return [save_grid(view.folder / "manifold.png", view.decode({latent: rows}), MANIFOLD)]


def _columns(view: View) -> int:
    return math.ceil(math.sqrt(len(view)))
