"""A training step with each flow against a hand-written one of the same equations.

    python benchmarks/flows.py                 writes results/flows.json
    python benchmarks/flows.py --steps 10      a smoke test

Both sides take steps of a 784-200-200-z50 VAE on the same batch of 100 random bits, with fused Adam:
encode, draw, push through the flow, decode, log p(x, z) - log q(z), backward, update. The hand-written
side is plain PyTorch: no traces, no heads, no checks. Blocks of steps alternate; the figure is the
median of the blocks' ratios. PASS: that is at most 1.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from alternating import Step, alternate, elbo_step
from torch import Tensor, nn
from torch.nn import functional as F

from vaebench.data import Field, Spec, Support
from vaebench.heads import flows as heads
from vaebench.heads.likelihoods import Bernoulli
from vaebench.heads.posteriors import Gaussian
from vaebench.heads.priors import Normal
from vaebench.models import VAE
from vaebench.nets import MLP

LATENT, HIDDEN, BATCH, PIXELS = 50, 200, 100, 784
WIDTH, CONTEXT = 50, 50
LIMIT, BLOCKS = 1.0, 15
COUPLING = {"hidden": [WIDTH], "context": CONTEXT, "activation": "relu"}
MADE = {"hidden": [100, 100], "context": CONTEXT, "activation": "elu"}
POSTERIORS = {
    "gaussian": Gaussian,
    "planar": partial(heads.PlanarFlow, K=10),
    "radial": partial(heads.RadialFlow, K=10),
    "nice": partial(heads.NICE, K=10, **COUPLING),
    "realnvp": partial(heads.RealNVP, K=4, **COUPLING),
    "iaf": partial(heads.IAF, K=2, **MADE),
}


# ------------------------------------------------------------------------------------- vaebench
def ours(posterior: Callable[[Field], nn.Module], x: Tensor) -> Step:
    """A step of vaebench's objective."""
    spec = Spec({"x": Field((1, 28, 28), Support.BINARY, 2, torch.full((1, 28, 28), 0.1))}, 1000)
    model = VAE(
        spec,
        latent_dim=LATENT,
        nets=MLP(
            hidden=[HIDDEN, HIDDEN], activation="tanh", init="glorot", output_bias="data_mean"
        ),
        posterior=posterior,
        prior=Normal,
        likelihood=Bernoulli,
    )
    return elbo_step(model, spec, [{"x": x.view(-1, 1, 28, 28)}], "mc")


# --------------------------------------------------------------------------------- by hand
class Diagonal(nn.Module):
    """No flow."""

    size = 0

    def forward(self, z: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        return z, z.new_zeros(len(z))


class PlanarByHand(nn.Module):
    """K planar flows."""

    size = 10 * (2 * LATENT + 1)

    def forward(self, z: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        total: Tensor | float = 0.0
        for part in h.chunk(10, -1):
            u, w, b = part[:, :LATENT], part[:, LATENT:-1], part[:, -1]
            norm = (w * w).sum(-1, keepdim=True) + 1e-12
            u = 0.1 * u + math.log(math.e - 1) * w / norm
            wu = (w * u).sum(-1, keepdim=True)
            stretch = F.softplus(wu)
            u = u + (stretch - 1 - wu) * w / norm
            t = torch.tanh((w * z).sum(-1) + b)
            z = z + u * t.unsqueeze(-1)
            total = total + torch.log(t * t + (1 - t * t) * stretch.squeeze(-1))
        return z, total


class RadialByHand(nn.Module):
    """K radial flows."""

    size = 10 * (LATENT + 2)

    def forward(self, z: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        total: Tensor | float = 0.0
        for part in h.chunk(10, -1):
            a, b = part[:, -2], part[:, -1]
            alpha = F.softplus(a)
            beta = F.softplus(0.1 * b + a) - alpha
            shift = z - part[:, :LATENT]
            r = ((shift * shift).sum(-1) + 1e-12).sqrt()
            s = beta / (alpha + r)
            z = z + s.unsqueeze(-1) * shift
            total = total + (LATENT - 1) * torch.log1p(s)
            total = total + torch.log1p(s * alpha / (alpha + r))
        return z, total


class CouplingByHand(nn.Module):
    """K couplings, affine or additive with a scaling."""

    def __init__(self, length: int, affine: bool) -> None:
        super().__init__()
        self.affine, self.half = affine, LATENT // 2
        self.size = length * CONTEXT + (0 if affine else LATENT)
        outputs = (2 if affine else 1) * self.half
        self.nets = nn.ModuleList(
            nn.ModuleList(
                [
                    nn.Linear(self.half, WIDTH),
                    nn.Linear(CONTEXT, WIDTH, bias=False),
                    nn.Linear(WIDTH, outputs),
                    nn.Linear(CONTEXT, outputs, bias=False),
                ]
            )
            for _ in range(length)
        )
        self.orders = [torch.randperm(LATENT) for _ in range(length)]
        self.backs = [order.argsort() for order in self.orders]

    def forward(self, z: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        total = z.new_zeros(len(z))
        parts = h.split(CONTEXT, -1)
        for net, order, back, c in zip(self.nets, self.orders, self.backs, parts, strict=False):
            z = z[:, order]
            a, b = z[:, : self.half], z[:, self.half :]
            out = net[2](F.relu(net[0](a) + net[1](c))) + net[3](c)
            if self.affine:
                t, s = out.chunk(2, -1)
                s = 2 * torch.tanh(s / 2)
                b, total = b * s.exp() + t, total + s.sum(-1)
            else:
                b = b + out
            z = torch.cat([a, b], -1)[:, back]
        if not self.affine:
            s = 0.1 * parts[-1]
            z, total = z * s.exp(), s.sum(-1)
        return z, total


class IAFByHand(nn.Module):
    """Two MADEs with two hidden layers."""

    size = 2 * CONTEXT

    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.ModuleList()
        self.masks: list[list[Tensor]] = []
        for k in range(2):
            order = torch.arange(LATENT) if k == 0 else torch.arange(LATENT).flip(0)
            inner = torch.arange(100) % (LATENT - 1)
            self.masks.append(
                [
                    (inner[:, None] >= order).float(),
                    (inner[:, None] >= inner).float(),
                    (order[:, None] > inner).float().repeat(2, 1),
                ]
            )
            layers = [nn.Linear(LATENT, 100), nn.Linear(100, 100), nn.Linear(100, 2 * LATENT)]
            layers += [nn.Linear(CONTEXT, 100, bias=False), nn.Linear(CONTEXT, 2 * LATENT, False)]
            self.steps.append(nn.ModuleList(layers))

    def forward(self, z: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        total: Tensor | float = 0.0
        for layers, masks, c in zip(self.steps, self.masks, h.chunk(2, -1), strict=True):
            y = F.linear(z, layers[0].weight * masks[0], layers[0].bias) + layers[3](c)
            y = F.linear(F.elu(y), layers[1].weight * masks[1], layers[1].bias)
            y = F.linear(F.elu(y), layers[2].weight * masks[2], layers[2].bias) + layers[4](c)
            m, s = y.chunk(2, -1)
            gate = torch.sigmoid(s)
            z, total = gate * z + (1 - gate) * m, total + F.logsigmoid(s).sum(-1)
        return z, total


BY_HAND: dict[str, Callable[[], nn.Module]] = {
    "gaussian": Diagonal,
    "planar": PlanarByHand,
    "radial": RadialByHand,
    "nice": partial(CouplingByHand, 10, False),
    "realnvp": partial(CouplingByHand, 4, True),
    "iaf": IAFByHand,
}


def theirs(flow: nn.Module, x: Tensor) -> Step:
    """A hand-written step."""
    tanh = nn.Tanh
    encoder = nn.Sequential(
        nn.Linear(PIXELS, HIDDEN),
        tanh(),
        nn.Linear(HIDDEN, HIDDEN),
        tanh(),
        nn.Linear(HIDDEN, 2 * LATENT + flow.size),
    )
    decoder = nn.Sequential(
        nn.Linear(LATENT, HIDDEN),
        tanh(),
        nn.Linear(HIDDEN, HIDDEN),
        tanh(),
        nn.Linear(HIDDEN, PIXELS),
    )
    parameters = [*encoder.parameters(), *decoder.parameters(), *flow.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        out = encoder(x)
        mu, log_sd, h = out[:, :LATENT], out[:, LATENT : 2 * LATENT], out[:, 2 * LATENT :]
        eps = torch.randn_like(mu)
        z, log_det = flow(mu + log_sd.exp() * eps, h)
        log_q = -0.5 * (eps * eps).sum(-1) - log_sd.sum(-1) - log_det
        log_p = -0.5 * (z * z).sum(-1)
        logits = decoder(z)
        recon = -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)
        (log_q - log_p - recon).mean().backward()
        optimizer.step()

    return step


def main() -> None:
    """Prints a table and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=60, help="in a block")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    x = (torch.rand(BATCH, PIXELS) < 0.2).float()
    pairs = {n: (ours(p, x), theirs(BY_HAND[n](), x)) for n, p in POSTERIORS.items()}
    taken = alternate(pairs, steps=options.steps, blocks=BLOCKS)
    found = {}
    for name, timing in taken.items():
        found[name] = row = {
            "milliseconds": 1e3 * timing.seconds,
            "by_hand": timing.ratio,
            "quartiles": (timing.low, timing.high),
            "diagonal": timing.seconds / taken["gaussian"].seconds,
        }
        verdict = "PASS" if timing.within(LIMIT) else "FAIL"
        print(
            f"{name:10} {row['milliseconds']:6.2f} ms  {timing.told()} of the hand-written step "
            f"({verdict})  {row['diagonal']:.2f} of the diagonal step"
        )
    path = Path(__file__).parent / "results" / "flows.json"
    about = {"threads": options.threads, "steps": options.steps, "blocks": BLOCKS}
    about["torch"] = torch.__version__
    path.write_text(json.dumps({"about": about, "steps": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
