"""Flows fitted to the four 2-D energies of the paper that introduced them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from vaebench.data import Field
from vaebench.distributions import Noise
from vaebench.distributions.flows import Flow, Planar, Radial
from vaebench.errors import Refusal
from vaebench.heads.flows import IAF, NICE, FlowHead, PlanarFlow, RadialFlow, RealNVP
from vaebench.measures.base import check_known
from vaebench.pictures.paper import new_figure
from vaebench.progress import steps
from vaebench.studies.base import Findings, Say, Study, descents, mean_se

BOX = 4.0
WALL = 0.1
"""Width of the walls of the box, outside of which the energy grows as a square."""

GRID = 400
DRAWS = 200_000
PANEL = 80  # bins of a drawn density along each axis
NETS: dict[str, Any] = {"hidden": [24], "context": 1, "activation": "elu"}
FAMILIES: dict[str, Callable[..., FlowHead]] = {
    "planar": PlanarFlow,
    "radial": RadialFlow,
    "nice": lambda latent, **o: NICE(latent, **o, **NETS),
    "realnvp": lambda latent, **o: RealNVP(latent, **o, **NETS),
    "iaf": lambda latent, **o: IAF(latent, **o, **NETS, gate="doubled"),
}


def _bump(distance: Tensor, width: float) -> Tensor:
    """log of a Gaussian's shape."""
    return -0.5 * (distance / width).square()


def energy(number: int, z: Tensor) -> Tensor:
    """U_1 … U_4 at z `[*, 2]`, inside soft walls around [-4, 4]² (Rezende, Mohamed 2015, table 1)."""
    z1, z2 = z.unbind(-1)
    w1 = torch.sin(2 * math.pi * z1 / 4)
    match number:
        case 1:
            sides = torch.logaddexp(_bump(z1 - 2, 0.6), _bump(z1 + 2, 0.6))
            u = -_bump(z.norm(dim=-1) - 2, 0.4) - sides
        case 2:
            u = -_bump(z2 - w1, 0.4)
        case 3:
            w2 = 3 * torch.exp(_bump(z1 - 1, 0.6))
            u = -torch.logaddexp(_bump(z2 - w1, 0.35), _bump(z2 - w1 + w2, 0.35))
        case 4:
            w3 = 3 * torch.sigmoid((z1 - 1) / 0.3)
            u = -torch.logaddexp(_bump(z2 - w1, 0.4), _bump(z2 - w1 + w3, 0.35))
        case _:
            raise Refusal(f"energies=[{number}]: there are 1, 2, 3 and 4")
    return u + 0.5 * ((z.abs() - BOX).relu() / WALL).square().sum(-1)


def log_normaliser(number: int) -> float:
    """log ∫ e^{-U}, on a grid that reaches beyond the walls."""
    axis = torch.linspace(-BOX - 8 * WALL, BOX + 8 * WALL, 2 * GRID, dtype=torch.float64)
    cell = (axis[1] - axis[0]).item() ** 2
    u = energy(number, torch.cartesian_prod(axis, axis))
    return (-u).logsumexp(0).item() + math.log(cell)


class Fitted(nn.Module):
    """A flow of z without any x: what an encoder would emit are learned constants."""

    def __init__(self, head: FlowHead) -> None:
        super().__init__()
        self.head = head
        self.params = nn.Parameter(0.5 * torch.randn(head.param_shape))
        with torch.no_grad():
            self.params[:4] = 0

    def forward(self) -> Flow:
        return self.head(self.params)


@dataclass
class FlowEnergies(Study):
    """KL(q ‖ p) of flows q fitted to p(z) ∝ e^{-U(z)} by gradient descent on it, tempered at first:
    β_t rises from 0.01 to 1 over the first half.

    Args:
        energies: which of U_1 … U_4.
        flows: which families.
        lengths: K of each.
        steps: of Adam.
        batch: samples in each.
        lr: initial step size, which falls to 0 along a half cosine.

    References:
        Variational Inference with Normalizing Flows (Rezende, Mohamed 2015), section 6.1
    """

    energies: list[int] = field(default_factory=lambda: [1, 2, 3, 4])
    flows: list[str] = field(default_factory=lambda: ["planar", "radial", "nice", "iaf"])
    lengths: list[int] = field(default_factory=lambda: [2, 8, 32])
    steps: int = 3000
    batch: int = 256
    lr: float = 5e-3

    def run(self, say: Say) -> Findings:
        check_known("flows", self.flows, FAMILIES)
        rows, densities = [], {}
        for number in steps(self.energies):
            log_z = log_normaliser(number)
            for name in steps(self.flows):
                for length in steps(self.lengths):
                    q = self.fit(number, name, length)
                    z, log_q = _draw(q, DRAWS, self.seed)
                    kl, kl_se = mean_se(log_q + energy(number, z) + log_z)
                    rows.append({"energy": f"U{number}", "flow": name, "K": length})
                    rows[-1] |= {"kl": kl, "kl_se": kl_se}
                    densities[number, name, length] = _histogram(z)
                    say(f"U{number} {name} K={length}: KL {kl:.3f} ± {kl_se:.3f}")
        figures = {f"flow_energies_{name}": self.drawn(name, densities) for name in self.flows}
        figures["flow_steps"] = steps_figure()
        return Findings(rows, figures, ["kl is KL(q ‖ p) in nats, p normalised on a grid"])

    def fit(self, number: int, name: str, length: int) -> Fitted:
        """A flow fitted to an energy."""
        torch.manual_seed(self.seed)
        q = Fitted(FAMILIES[name](Field((2,)), K=length))
        for step in descents([*q.parameters()], self.lr, self.steps):
            z, score = q().rsample_and_log_prob((self.batch,), Noise())
            beta = min(1.0, 0.01 + 2 * step / self.steps)
            (score() + beta * energy(number, z)).mean().backward()
        return q

    def drawn(self, name: str, densities: dict[tuple[int, str, int], Tensor]) -> Any:
        """Each target beside the densities of one family, shortest flow first."""
        columns = 1 + len(self.lengths)
        figure = new_figure(2.1 * columns, 2.2 * len(self.energies))
        panels = figure.subplots(len(self.energies), columns, squeeze=False)
        for row, number in zip(panels, self.energies, strict=True):
            found = [densities[number, name, length] for length in self.lengths]
            titles = [f"$U_{number}$", *(f"{name}, K={length}" for length in self.lengths)]
            for axes, title, density in zip(row, titles, [_target(number), *found], strict=True):
                _panel(axes, density, title)
        return figure


@torch.no_grad()
def _draw(q: Fitted, n: int, seed: int) -> tuple[Tensor, Tensor]:
    noise = Noise(torch.Generator().manual_seed(seed + 1))
    z, score = q().rsample_and_log_prob((n,), noise)
    return z, score()


def _histogram(z: Tensor) -> Tensor:
    """Share of draws in each bin of the box, first coordinate across."""
    edges = torch.linspace(-BOX, BOX, PANEL + 1)
    counts, _ = torch.histogramdd(z.double(), [edges.double()] * 2)
    return counts.T / len(z)


def _target(number: int) -> Tensor:
    centres = torch.linspace(-BOX, BOX, PANEL + 1)[:-1] + BOX / PANEL
    u = energy(number, torch.cartesian_prod(centres, centres)).view(PANEL, PANEL)
    return (-u).flatten().softmax(0).view(PANEL, PANEL).T


def _panel(axes: Any, density: Tensor, title: str) -> None:
    axes.imshow(density.numpy(), origin="lower", extent=(-BOX, BOX, -BOX, BOX), cmap="magma")
    axes.set_title(title, fontsize=9)
    axes.set(xticks=[], yticks=[])


def steps_figure() -> Any:
    """What one planar and one radial step, contracting and expanding, do to a sphere: N(0, I)."""
    z = torch.randn(DRAWS, 2, generator=torch.Generator().manual_seed(0))
    one, line = torch.ones(()), torch.tensor([1.0, 0.0])
    shown = {
        "N(0, I)": z,
        "planar, expanding": Planar(2.0 * line, 2.0 * line, 0 * one)(z)[0],
        "planar, contracting": Planar(-1.5 * line, line, 0 * one)(z)[0],
        "radial, expanding": Radial(torch.zeros(2), one, 1.5 * one)(z)[0],
        "radial, contracting": Radial(torch.zeros(2), one, -0.7 * one)(z)[0],
    }
    figure = new_figure(2.2 * len(shown), 2.5)
    for axes, (title, points) in zip(figure.subplots(1, len(shown)), shown.items(), strict=True):
        _panel(axes, _histogram(points), title)
    return figure
