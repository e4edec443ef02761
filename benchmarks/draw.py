"""A training step of DRAW against a hand-written one of the same equations, and its cost in T.

    python benchmarks/draw.py                 writes results/draw.json
    python benchmarks/draw.py --steps 2       a smoke test

Both sides take steps on the same batch of 100 random 28x28 images: LSTMs of 256, z of 32, patches of
5x5, T of 5, 10 and 20, with fused Adam, with attention and without. The hand-written side is plain
PyTorch: no traces, no heads, no checks. PASS: vaebench's step takes at most the hand-written one's time
by the median of the blocks' ratios, and a step of painting costs at T = 20 at most 1.15
of what it does at T = 5.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from alternating import Step, alternate, elbo_step
from torch import Tensor, nn
from torch.nn import functional as F

from vaebench.data import Field, Spec, Support
from vaebench.heads.likelihoods import Bernoulli
from vaebench.heads.posteriors import Gaussian
from vaebench.heads.priors import Normal
from vaebench.models import DRAW

SIDE, LATENT, HIDDEN, BATCH, PATCH = 28, 32, 256, 100, 5
LENGTHS, LIMIT, GROWTH, BLOCKS = (5, 10, 20), 1.0, 1.15, 9


# ------------------------------------------------------------------------------------- vaebench
def ours(x: Tensor, length: int, n: int) -> Step:
    """A step of vaebench's objective."""
    mean = torch.full((1, SIDE, SIDE), 0.1)
    spec = Spec({"x": Field((1, SIDE, SIDE), Support.BINARY, 2, mean)}, 1000)
    model = DRAW(
        spec,
        T=length,
        latent_dim=LATENT,
        hidden=HIDDEN,
        attention=n > 0,
        read=n,
        write=n,
        posterior=Gaussian,
        prior=Normal,
        likelihood=Bernoulli,
    )
    return elbo_step(model, spec, [{"x": x.unsqueeze(1)}], "analytic")


# --------------------------------------------------------------------------------- by hand
class ByHand(nn.Module):
    """DRAW in plain PyTorch, for x `[B, 28, 28]`."""

    def __init__(self, length: int, n: int) -> None:
        super().__init__()
        self.length, self.n = length, n
        seen = 2 * (n * n if n else SIDE * SIDE)
        self.encoder = nn.LSTMCell(seen + HIDDEN, HIDDEN)
        self.decoder = nn.LSTMCell(LATENT, HIDDEN)
        self.q = nn.Linear(HIDDEN, 2 * LATENT)
        self.look, self.aim = nn.Linear(HIDDEN, 5), nn.Linear(HIDDEN, 5)
        self.emit = nn.Linear(HIDDEN, n * n if n else SIDE * SIDE, bias=n > 0)
        self.first = nn.Parameter(torch.zeros(4, HIDDEN))
        self.canvas = nn.Parameter(torch.zeros(SIDE, SIDE))

    def filters(self, p: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """F_X, F_Y `[B, n, 28]` and γ `[B, 1, 1]`."""
        g = (SIDE + 1) / 2 * (p[:, :2] + 1)
        delta = (SIDE - 1) / (self.n - 1) * p[:, 3].exp()
        sd = (0.5 * p[:, 2]).exp()[:, None, None]
        steps = torch.arange(self.n) - self.n / 2 + 0.5
        mu = g[:, :, None] + delta[:, None, None] * steps
        d = (torch.arange(1, SIDE + 1) - mu[..., None]) / sd[..., None]
        f = torch.softmax(-0.5 * d * d, -1)
        return f[:, 0], f[:, 1], p[:, 4].exp()[:, None, None]

    def forward(self, x: Tensor) -> Tensor:
        """-ELBO."""
        size = len(x)
        he, ce, hd, cd = self.first[:, None].expand(-1, size, -1)
        canvas, kl = self.canvas.expand(size, SIDE, SIDE), 0.0
        for _ in range(self.length):
            error = x - torch.sigmoid(canvas)
            if self.n:
                fx, fy, gamma = self.filters(self.look(hd))
                both = torch.stack([x, error], 1)
                seen = gamma[:, None] * (fy[:, None] @ both @ fx.mT[:, None])
            else:
                seen = torch.stack([x, error], 1)
            he, ce = self.encoder(torch.cat([seen.flatten(1), hd], 1), (he, ce))
            mu, log_sd = self.q(he).chunk(2, -1)
            sd = log_sd.exp()
            z = mu + sd * torch.randn_like(mu)
            kl = kl + 0.5 * (mu * mu + sd * sd - 1 - 2 * log_sd).sum(-1)
            hd, cd = self.decoder(z, (hd, cd))
            stroke = self.emit(hd)
            if self.n:
                fx, fy, gamma = self.filters(self.aim(hd))
                stroke = fy.mT @ (stroke.view(size, self.n, self.n) / gamma) @ fx
            canvas = canvas + stroke.view(size, SIDE, SIDE)
        cost = F.binary_cross_entropy_with_logits(canvas, x, reduction="none")
        return (cost.sum((1, 2)) + kl).mean()


def theirs(x: Tensor, length: int, n: int) -> Step:
    """A hand-written step."""
    model = ByHand(length, n)
    trained = [p for name, p in model.named_parameters() if n or name[:4] not in ("look", "aim.")]
    optimizer = torch.optim.Adam(trained, lr=1e-3, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        model(x).backward()
        optimizer.step()

    return step


def main() -> None:
    """Prints a table and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=5, help="in a block")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    x = (torch.rand(BATCH, SIDE, SIDE) < 0.2).float()
    found = {}
    for name, n in {"attention": PATCH, "whole": 0}.items():
        pairs = {str(t): (ours(x, t, n), theirs(x, t, n)) for t in LENGTHS}
        taken = alternate(pairs, steps=options.steps, blocks=BLOCKS)
        first, last = LENGTHS[0], LENGTHS[-1]
        growth = taken[str(last)].seconds / last / (taken[str(first)].seconds / first)
        found[name] = {
            "by_hand": {t: timing.ratio for t, timing in taken.items()},
            "quartiles": {t: (timing.low, timing.high) for t, timing in taken.items()},
            "milliseconds": {t: 1e3 * timing.seconds for t, timing in taken.items()},
            "growth": growth,
        }
        for t, timing in taken.items():
            verdict = "PASS" if timing.within(LIMIT) else "FAIL"
            print(
                f"{name:10} T={t:3} {1e3 * timing.seconds:7.1f} ms  {timing.told()} of the "
                f"hand-written step ({verdict})"
            )
        verdict = "PASS" if growth <= GROWTH else "FAIL"
        print(f"{name:10} a step at T={last} costs {growth:.2f} of one at T={first} ({verdict})")
    path = Path(__file__).parent / "results" / "draw.json"
    about = {"threads": options.threads, "steps": options.steps, "blocks": BLOCKS}
    about["torch"] = torch.__version__
    path.write_text(json.dumps({"about": about, "draw": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
