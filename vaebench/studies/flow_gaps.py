"""How much of the inference gap each posterior closes, where the gap is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from vaebench.distributions import Noise
from vaebench.heads.flows import IAF, NICE, PlanarFlow, RadialFlow, RealNVP
from vaebench.heads.posteriors import FullGaussian, Gaussian
from vaebench.inference import Hamiltonian, infer
from vaebench.measures.base import check_known
from vaebench.models import VAE
from vaebench.pictures.paper import new_figure
from vaebench.progress import steps
from vaebench.studies.base import Findings, Say, Study, descents, mean_se
from vaebench.studies.linear import LinearGaussian, correlated

TEST = 2000
NETS: dict[str, Any] = {"hidden": [32], "context": 8, "activation": "elu"}
HAMILTONIAN = partial(Hamiltonian, steps=4, step_size=0.05, hidden=[64], activation="elu")


def _models(length: int) -> dict[str, Callable[[LinearGaussian], VAE]]:
    return {
        "gaussian": lambda p: p.vae(Gaussian),
        "full_gaussian": lambda p: p.vae(FullGaussian),
        "planar": lambda p: p.vae(partial(PlanarFlow, K=length)),
        "radial": lambda p: p.vae(partial(RadialFlow, K=length)),
        "nice": lambda p: p.vae(partial(NICE, K=length, **NETS)),
        "realnvp": lambda p: p.vae(partial(RealNVP, K=length, **NETS)),
        "iaf": lambda p: p.vae(partial(IAF, K=length, gate="doubled", **NETS)),
        "hamiltonian": lambda p: p.vae(Gaussian, HAMILTONIAN),
    }


@dataclass
class FlowGaps(Study):
    """log p(x) - E_q log w after fitting q to a frozen linear-Gaussian model whose posterior is far
    from factorial, beside the exact gap of the best diagonal Gaussian.

    Args:
        posteriors: which; `hamiltonian` is a diagonal Gaussian refined.
        K: length of the flows.
        latent_dim: D.
        dim: width of x.
        noise: σ.
        steps: of Adam.
        batch: examples in each.
        lr: initial step size, which falls to 0 along a half cosine.
    """

    posteriors: list[str] = field(default_factory=lambda: list(_models(1)))
    K: int = 8
    latent_dim: int = 3
    dim: int = 6
    noise: float = 0.5
    steps: int = 2000
    batch: int = 128
    lr: float = 5e-3

    def run(self, say: Say) -> Findings:
        known = _models(self.K)
        check_known("posteriors", self.posteriors, known)
        generator = torch.Generator().manual_seed(self.seed)
        p = correlated(self.latent_dim, self.dim, self.noise, generator)
        x = p.sample(TEST, generator)
        rows: list[dict[str, Any]] = []
        for name in steps(self.posteriors):
            torch.manual_seed(self.seed)
            model = known[name](p)
            self.fit(model, p, generator)
            gap, gap_se = mean_se(self.gap(model, p, x))
            best = p.diagonal_gap
            row = {"posterior": name, "gap": gap, "gap_se": gap_se, "diagonal_gap": best}
            rows.append(row | {"standard_errors_below": (best - gap) / gap_se})
            say(f"{name}: gap {gap:.4f} ± {gap_se:.4f}, best diagonal Gaussian {best:.4f}")
        return Findings(rows, {}, ["gaps in nats, over 2000 test examples of the model's own"])

    def fit(self, model: VAE, p: LinearGaussian, generator: torch.Generator) -> None:
        """q, to fresh samples of x at every step."""
        parameters = [w for w in model.parameters() if w.requires_grad]
        for _ in descents(parameters, self.lr, self.steps):
            evidence = infer(model, {"x": p.sample(self.batch, generator)}, 1)
            (-evidence.elbo.mean()).backward()

    @torch.no_grad()
    def gap(self, model: VAE, p: LinearGaussian, x: Tensor) -> Tensor:
        """log p(x) - E_q log w of each test example, `[TEST]`, by 100 samples of its own."""
        noise = Noise(torch.Generator().manual_seed(self.seed + 1))
        log_w = infer(model, {"x": x}, 100, noise=noise).log_w.double().mean(0)
        return p.log_prob(x) - log_w


@dataclass
class PriorSampling(Study):
    """log p(x) by samples of the prior, and by as many of a diagonal Gaussian posterior, in a
    linear-Gaussian model whose latent grows: in D dimensions a grid of ten points an axis has 10^D.

    Args:
        dims: D of each model.
        samples: S of each estimate.
        examples: of each model.
        noise: σ.
    """

    dims: list[int] = field(default_factory=lambda: [1, 2, 4, 8, 12, 16, 20])
    samples: int = 5000
    examples: int = 50
    noise: float = 0.3

    @torch.no_grad()
    def run(self, say: Say) -> Findings:
        rows: list[dict[str, Any]] = []
        for dim in steps(self.dims):
            generator = torch.Generator().manual_seed(self.seed)
            w = torch.randn(2 * dim, dim, generator=generator)
            p = LinearGaussian(w, self.noise)
            x = p.sample(self.examples, generator)
            exact = p.log_prob(x)
            row: dict[str, Any] = {"D": dim, "exact": exact.mean().item()}
            for name, log_w in self.estimates(p, x, generator).items():
                error, error_se = mean_se(log_w.logsumexp(0) - math.log(len(log_w)) - exact)
                ess = (2 * log_w.logsumexp(0) - (2 * log_w).logsumexp(0)).exp().mean().item()
                row |= {f"{name}_error": error, f"{name}_error_se": error_se, f"{name}_ess": ess}
            rows.append(row)
            told = ", ".join(f"{n} {row[f'{n}_error']:.2f}" for n in ("prior", "posterior"))
            say(f"D={dim}: error of log p(x) in nats: {told}")
        notes = [f"error = estimate - exact log p(x), mean over {self.examples} examples"]
        return Findings(rows, {"prior_sampling": self.drawn(rows)}, notes)

    def estimates(
        self, p: LinearGaussian, x: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """log p(x | z) at prior samples, and log w of the best diagonal Gaussian, `[S, n]`."""
        model, noise = p.vae(Gaussian), Noise(generator)
        z = noise.normal((self.samples, 1, p.w.shape[1]), x)
        prior = model.likelihood(z).log_prob(x)
        posterior = infer(model, {"x": x}, self.samples, noise=noise).log_w
        return {"prior": prior.double(), "posterior": posterior.double()}

    def drawn(self, rows: list[dict[str, Any]]) -> Any:
        """Both errors against D."""
        figure = new_figure(5.2, 3.6)
        axes = figure.subplots()
        shown = ("prior", "prior", "#dd8452"), ("posterior", "best diagonal q", "#4c72b0")
        for name, source, colour in shown:
            label = f"{self.samples} samples of the {source}"
            errors = [row[f"{name}_error"] for row in rows]
            spread = [2 * row[f"{name}_error_se"] for row in rows]
            axes.errorbar(self.dims, errors, spread, color=colour, label=label, marker="o", ms=4)
        axes.axhline(0, color="grey", linewidth=0.8)
        axes.set(xlabel="D, dimensions of z", ylabel="estimate of log p(x) - exact, nats")
        axes.set_yscale("symlog", linthresh=1)
        axes.legend(frameon=False)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        return figure
