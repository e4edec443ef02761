"""What `vaebench` does by default, in plain PyTorch: the script that `command.py` holds it against.

    python benchmarks/bare.py

A VAE on scikit-learn's digits, binarized afresh at each step: the same nets, epochs and optimizer,
validation at each epoch's end, and of the best weights −L₁₀₀ and the terms of the bound on the test
images. No refusals, no history, no checkpoints, no pictures, nothing that another run could use.
"""

from __future__ import annotations

import math

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

HIDDEN, LATENT = 200, 10
BATCH, EPOCHS, LR = 100, 100, 1e-3
VALIDATED, TESTED, K = 200, 400, 100


class VAE(nn.Module):
    """64-200-200-z10 tanh nets, Glorot weights, the data's mean in the last bias."""

    def __init__(self, mean: Tensor) -> None:
        super().__init__()
        self.encoder = tanh_net(len(mean), 2 * LATENT)
        self.decoder = tanh_net(LATENT, len(mean))
        with torch.no_grad():
            self.decoder[-1].bias.copy_(mean.clamp(0.001, 0.999).logit())

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation of q(z | x), `[B, 10]` each."""
        mu, log_sigma = self.encoder(x).chunk(2, -1)
        return mu, log_sigma

    def log_p_x(self, z: Tensor, x: Tensor) -> Tensor:
        """log p(x | z), `[*, B]`."""
        logits = self.decoder(z)
        cost = F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none")
        return -cost.sum(-1)

    def terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """log p(x | z) of one sample, and KL(q ‖ p), each `[B]`."""
        mu, log_sigma = self.encode(x)
        sigma = log_sigma.exp()
        z = mu + sigma * torch.randn_like(mu)
        kl = 0.5 * (mu.square() + sigma.square() - 1 - 2 * log_sigma).sum(-1)
        return self.log_p_x(z, x), kl

    def importance(self, x: Tensor) -> Tensor:
        """L_K, `[B]`."""
        mu, log_sigma = self.encode(x)
        eps = torch.randn(K, *mu.shape)
        z = mu + log_sigma.exp() * eps
        prior_over_q = 0.5 * (eps.square() - z.square()).sum(-1) + log_sigma.sum(-1)
        log_w = self.log_p_x(z, x) + prior_over_q
        return log_w.logsumexp(0) - math.log(K)


def tanh_net(width_in: int, width_out: int) -> nn.Sequential:
    """Two hidden layers of tanh."""
    first, second = nn.Linear(width_in, HIDDEN), nn.Linear(HIDDEN, HIDDEN)
    net = nn.Sequential(first, nn.Tanh(), second, nn.Tanh(), nn.Linear(HIDDEN, width_out))
    for layer in net[::2]:
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    return net


@torch.no_grad()
def bound(model: VAE, x: Tensor) -> tuple[float, float]:
    """The mean of each term of the bound."""
    recon, kl = model.terms(x)
    return recon.mean().item(), kl.mean().item()


def train(model: VAE, grey: Tensor, held_out: Tensor) -> dict[str, Tensor]:
    """Trains on grey images `[N, 64]`; the weights of the best epoch."""
    optimizer = torch.optim.Adam(model.parameters(), lr=LR, fused=True)
    best, kept = -math.inf, {}
    for _ in range(EPOCHS):
        for index in torch.randperm(len(grey)).split(BATCH):
            recon, kl = model.terms(torch.bernoulli(grey[index]))
            optimizer.zero_grad(set_to_none=True)
            (kl - recon).mean().backward()
            optimizer.step()
        recon, kl = bound(model, held_out)
        if recon - kl > best:
            best = recon - kl
            kept = {name: value.clone() for name, value in model.state_dict().items()}
    return kept


def main() -> None:
    """Trains and tests."""
    torch.manual_seed(0)
    grey = torch.from_numpy(load_digits().data / 16).float()
    left = len(grey) - VALIDATED - TESTED
    rows, val, test = grey[torch.randperm(len(grey))].split([left, VALIDATED, TESTED])
    model = VAE(rows.mean(0))
    model.load_state_dict(train(model, rows, torch.bernoulli(val)))
    test = torch.bernoulli(test)
    recon, kl = bound(model, test)
    with torch.no_grad():
        nll = -torch.cat([model.importance(x) for x in test.split(BATCH)]).mean().item()
    print(f"test: -L_{K} {nll:.3f}, bound {recon - kl:.3f}, recon {recon:.3f}, kl {kl:.3f}")


if __name__ == "__main__":
    main()
