"""Layers with noise in their weights, and many draws of what they give."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vaebench.distributions import Noise
from vaebench.nets.weights import WeightNoise, gaussian

ESTIMATORS = ("local", "per_example", "shared")


def noises(net: nn.Module) -> list[WeightNoise]:
    """Of all layers of a net."""
    return [m for m in net.modules() if isinstance(m, WeightNoise)]


def gaussian_of_sd(net: nn.Module, sd: float, estimator: str) -> nn.Module:
    """A net whose weights have this deviation."""
    gaussian(net, relative_sd=1.0, estimator=estimator)
    with torch.no_grad():
        for noise in noises(net):
            noise.log_sd.fill_(sd).log_()
    return net


def draws(net: nn.Module, *given: Tensor, count: int = 3000) -> Tensor:
    """What it gives in so many steps, `[count, *]`."""
    found, source = [], Noise()
    for _ in range(count):
        for noise in noises(net):
            noise.draw(source)
        found.append(net(*given).detach())
    for noise in noises(net):
        noise.forget()
    return torch.stack(found)


def products(found: Tensor, mean: Tensor) -> Tensor:
    """Of the deviations of any two numbers of a draw: their mean is the covariance, `[count, n, n]`."""
    deviation = (found - mean.detach()).flatten(1)
    return deviation.unsqueeze(2) * deviation.unsqueeze(1)
