"""Pictures of a run: data, reconstructions, samples, the 2-D manifold and the training curves."""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from matplotlib.axes import Axes

from vaebench.data.seeds import PICTURES, derived
from vaebench.distributions import StandardNormal
from vaebench.inference import batch_size, infer
from vaebench.models import Model
from vaebench.trace import Trace

Batch = Mapping[str, Tensor]

SHORTEST_SIDE = 48  # pixels of one image in a grid
BORDER = 0.6  # grey of the lines between images
MANIFOLD = 20  # images along each axis
PAIRS = 10  # images in a row of reconstructions


def is_image(x: Tensor) -> bool:
    """Whether `[B, C, H, W]` can be drawn."""
    return x.ndim == 4 and x.shape[1] in (1, 3)


def save_grid(path: Path, images: Tensor, columns: int) -> Path:
    """Images `[n, C, H, W]` in [0, 1] as one PNG, enlarged in whole pixels."""
    factor = max(1, math.ceil(SHORTEST_SIDE / min(images.shape[-2:])))
    images = F.interpolate(images.detach().cpu().clamp(0, 1), scale_factor=factor)
    from torchvision.utils import make_grid, save_image  # 1.5 s that no refusal should wait for

    save_image(make_grid(images, columns, padding=2, pad_value=BORDER), path)
    return path


@torch.no_grad()
def reconstructions(model: Model, batch: Batch, name: str) -> Tensor:
    """E[x | z] at one z ~ q(z | x), `[B, C, H, W]`."""
    evidence = infer(model, batch, 1)
    return evidence.p[name].dist.mean.reshape(batch[name].shape)


@torch.no_grad()
def prior_samples(model: Model, batch: Batch, name: str) -> Tensor:
    """E[x | z] at z ~ p(z), one for each example's conditions, `[B, C, H, W]`."""
    p = Trace(1, batch_size(batch))
    model.generate(p, {n: v for n, v in batch.items() if n != name})
    return p[name].dist.mean.reshape(batch[name].shape)


@torch.no_grad()
def manifold(model: Model, batch: Batch, name: str, latent: str) -> Tensor:
    """E[x | z] on a grid over a two-dimensional latent, `[MANIFOLD², C, H, W]`.

    Where p(z) = N(0, I), the grid is the inverse normal CDF of a uniform one, as in Kingma, Welling
    2014, figure 4; elsewhere it spans the central 98 % of the prior's samples.
    """
    p = Trace(1, 1)
    one = {n: v[:1] for n, v in batch.items() if n != name}
    model.generate(p, one)
    prior = p[latent].dist
    u = torch.linspace(0.02, 0.98, MANIFOLD)
    if isinstance(prior, StandardNormal):
        axes = [torch.distributions.Normal(0.0, 1.0).icdf(u)] * 2
    else:
        z = prior.sample((5000,)).reshape(-1, 2).cpu()
        low, high = z.quantile(0.01, 0), z.quantile(0.99, 0)
        axes = [
            torch.linspace(float(a), float(b), MANIFOLD) for a, b in zip(low, high, strict=True)
        ]
    rows = torch.cartesian_prod(axes[1].flip(0), axes[0]).flip(-1).to(batch[name].device)
    p = Trace(1, len(rows), ChainMap({latent: rows.unsqueeze(0)}))
    model.generate(p, {n: v.expand(len(rows), *v.shape[1:]) for n, v in one.items()})
    return p[name].dist.mean.reshape(len(rows), *batch[name].shape[1:])


def curves(path: Path, rows: list[dict[str, str]]) -> Path | None:
    """Training and validation against the step, a panel each for bound, recon and kl, or the loss."""
    series = {
        name: [(int(r["step"]), float(r[name])) for r in rows if r.get(name)]
        for name in (rows[0] if rows else {})
    }
    names = ("bound", "recon", "kl") if "train/bound" in series else ("loss",)
    shown = [n for n in names if len(series.get(f"train/{n}", [])) > 1]
    if not shown:
        return None
    from matplotlib.figure import Figure  # as slow to load as torchvision's

    figure = Figure(figsize=(4.2 * len(shown), 3.2), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        for part, colour in (("train", "#4c72b0"), ("val", "#dd8452")):
            points = series.get(f"{part}/{name}", [])
            if points:
                axes.plot(*np.array(points).T, color=colour, label=part, linewidth=1.5)
        axes.set(title=name, xlabel="step", ylabel="nats per example")
        _zoom(axes, [v for _, v in series[f"train/{name}"]])
        axes.grid(alpha=0.25)
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    return path


def _zoom(axes: Axes, values: list[float]) -> None:
    """Leaves the plunge of the first steps off the scale, so that the rest can be read."""
    finite = [v for v in values if math.isfinite(v)]
    low, high = np.quantile(finite, [0.02, 0.98])
    if high > low:
        axes.set_ylim(low - 0.15 * (high - low), high + 0.15 * (high - low))


def draw(
    model: Model, batch: Batch, folder: Path, history: list[dict[str, str]], *, generative: bool
) -> list[Path]:
    """Every picture that applies, as `folder/*.png`.

    Args:
        model: in evaluation mode.
        batch: up to 64 test examples.
        history: rows of metrics.csv.
        generative: whether the prior was trained against, so that its samples mean something.
    """
    folder.mkdir(exist_ok=True)
    written = [curves(folder / "curves.png", history)]
    training = model.training
    model.eval()
    devices = [batch_device] if (batch_device := _device(batch)).type == "cuda" else []
    with torch.random.fork_rng(devices), torch.no_grad():
        torch.manual_seed(derived(0, PICTURES))
        evidence = infer(model, batch, 1)
        for site in evidence.observed:
            if is_image(batch[site.name]):
                written += _draw_images(model, batch, folder, site.name, generative=generative)
    model.train(training)
    return [path for path in written if path is not None]


def _device(batch: Batch) -> torch.device:
    return next(iter(batch.values())).device


def _draw_images(
    model: Model, batch: Batch, folder: Path, name: str, *, generative: bool
) -> list[Path]:
    x = batch[name]
    columns = math.ceil(math.sqrt(len(x)))

    def save(stem: str, images: Tensor, columns: int) -> Path:
        return save_grid(folder / f"{stem}.png", images, columns)

    written = [save("data", x, columns)]
    rebuilt = reconstructions(model, batch, name)
    # Rows of data, each above the row of its reconstructions.
    rows = torch.stack([x[: 4 * PAIRS], rebuilt[: 4 * PAIRS]], 1).split(PAIRS)
    written.append(
        save("reconstructions", torch.cat([r.transpose(0, 1).flatten(0, 1) for r in rows]), PAIRS)
    )
    if not generative:
        return written
    written.append(save("samples", prior_samples(model, batch, name), columns))
    evidence = infer(model, batch, 1)
    if [evidence.q[latent].dist.event_shape for latent in evidence.latents] == [(2,)]:
        picture = manifold(model, batch, name, evidence.latents[0])
        written.append(save("manifold", picture, MANIFOLD))
    return written
