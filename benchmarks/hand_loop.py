"""A VAE in plain PyTorch: the loop that `mnist_loop.py` holds vaebench against.

Nothing of vaebench is imported here. It is the loop that one writes by hand when nothing but speed
and the right bound matters: data in one resident tensor, closed-form densities, no validation, no
logging, no checkpoints.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PIXELS, HIDDEN, LATENT = 784, 200, 50
BATCH, LR, EPS = 100, 1e-3, 1e-4
IWAE_K = 5
EVAL_ROWS = 1000
"""Decoder rows in one chunk of an evaluation: few enough for a CPU's cache."""


class VAE(nn.Module):
    """784-200-200-z50 tanh nets, Glorot weights, zero biases, the data's mean in the last bias.

    Args:
        mean: mean of the training pixels, `[784]`.
    """

    def __init__(self, mean: Tensor) -> None:
        super().__init__()
        self.encoder = tanh_net(PIXELS, 2 * LATENT)
        self.decoder = tanh_net(LATENT, PIXELS)
        with torch.no_grad():
            self.decoder[-1].bias.copy_(mean.clamp(0.001, 0.999).logit())

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x `[B, 784]` → mean and log standard deviation of q(z | x), each `[B, 50]`."""
        mu, log_sigma = self.encoder(x).chunk(2, -1)
        return mu, log_sigma

    def log_p_x(self, z: Tensor, x: Tensor) -> Tensor:
        """log p(x | z), `[*, B]`."""
        logits = self.decoder(z)
        cost = F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none")
        return -cost.sum(-1)


def tanh_net(width_in: int, width_out: int) -> nn.Sequential:
    """Two hidden layers of tanh."""
    first, second = nn.Linear(width_in, HIDDEN), nn.Linear(HIDDEN, HIDDEN)
    net = nn.Sequential(first, nn.Tanh(), second, nn.Tanh(), nn.Linear(HIDDEN, width_out))
    for layer in net[::2]:
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    return net


def elbo_terms(model: VAE, x: Tensor) -> tuple[Tensor, Tensor]:
    """log p(x | z) of one sample, and KL(q ‖ p) in closed form, each `[B]`."""
    mu, log_sigma = model.encode(x)
    sigma = log_sigma.exp()
    z = mu + sigma * torch.randn_like(mu)
    kl = 0.5 * (mu.square() + sigma.square() - 1 - 2 * log_sigma).sum(-1)
    return model.log_p_x(z, x), kl


def log_weights(
    model: VAE,
    x: Tensor,
    q: tuple[Tensor, Tensor],
    k: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    """log p(x | z) p(z) / q(z | x) of k samples, `[k, B]`; q is what `encode` gave for x."""
    mu, log_sigma = q
    eps = torch.randn(k, *mu.shape, generator=generator, device=mu.device)
    z = mu + log_sigma.exp() * eps
    # The two 2π constants cancel, and (z - μ)/σ is ε.
    prior_over_q = 0.5 * (eps.square() - z.square()).sum(-1) + log_sigma.sum(-1)
    return model.log_p_x(z, x) + prior_over_q


def vae_loss(model: VAE, x: Tensor) -> Tensor:
    """-ELBO with one sample and the closed-form KL."""
    recon, kl = elbo_terms(model, x)
    return (kl - recon).mean()


def iwae_loss(model: VAE, x: Tensor, k: int = IWAE_K) -> Tensor:
    """-L_k."""
    log_w = log_weights(model, x, model.encode(x), k)
    return math.log(k) - log_w.logsumexp(0).mean()


Loss = Callable[[VAE, Tensor], Tensor]
LOSSES: dict[str, Loss] = {"vae": vae_loss, "iwae": iwae_loss}


def train(
    images: Tensor, loss: str | Loss, *, seed: int, steps: int, fused: bool = False
) -> tuple[VAE, float]:
    """Trains on grey images `[N, 784]`, binarized afresh at each step; the model and the seconds."""
    torch.manual_seed(seed)
    model = VAE(images.mean(0).cpu()).to(images.device)
    loss_of = LOSSES[loss] if isinstance(loss, str) else loss
    optimizer = torch.optim.Adam(model.parameters(), lr=LR, eps=EPS, fused=fused or None)
    begun, done = time.perf_counter(), 0
    while done < steps:
        order = torch.randperm(len(images), device=images.device)
        for index in order.split(BATCH)[: steps - done]:
            x = torch.bernoulli(images[index])
            optimizer.zero_grad(set_to_none=True)
            loss_of(model, x).backward()
            optimizer.step()
            done += 1
    if images.is_cuda:
        torch.cuda.synchronize()
    return model, time.perf_counter() - begun


@torch.no_grad()
def log_likelihood(model: VAE, x: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """L_k of each image, `[B]`, with all k log weights kept and one logsumexp over them."""
    q, chunk = model.encode(x), max(1, EVAL_ROWS // len(x))
    sizes = [min(chunk, k - start) for start in range(0, k, chunk)]
    log_w = torch.cat([log_weights(model, x, q, n, generator) for n in sizes])
    return log_w.logsumexp(0) - math.log(k)
