"""A training step with noise in the weights against one without, and against one by hand.

    python benchmarks/weights.py --data-dir DIR           writes results/weights.json
    python benchmarks/weights.py --data-dir DIR --steps 2 --blocks 2     a smoke test

A classifier 784-1000-1000-10 of MNIST, batches of 100, fused Adam, one thread. By hand are the least
that both steps ask for, without autograd and in place: local noise needs a second product for the
variance, its two products backward, σ² of every weight, the fitted prior's divergence, and Adam's step
for twice as many numbers. Blocks of steps alternate. PASS: local takes at most 1.1 of the ratio by hand,
and at most a fifth of a step with weights of each example's own.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from pathlib import Path

import torch
from alternating import Step, Timing, alternate
from torch import Tensor, nn

from vaebench.composition import compose
from vaebench.config.options import config_of
from vaebench.paths import conf_dir

SIZES, BATCH, N = (784, 1000, 1000, 10), 100, 55000
OF_HAND, OF_EACH = 1.1, 0.2


def ours(data_dir: str, *words: str) -> Step:
    """A step of vaebench's."""
    own = ["name=benchmark", f"data_dir={data_dir}", "dataset=mnist", "dataset.binarize=none"]
    made = compose(config_of([conf_dir()], [*own, "nets.hidden=[1000,1000]", *words]))
    model, objective = made.model.train(), made.objective.train()
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    batch, at = made.split("train").batch(torch.arange(BATCH)), torch.tensor(0)

    def step() -> None:
        optimizer.zero_grad()
        objective(model, batch, at).loss.backward()
        optimizer.step()

    return step


class ByHand:
    """Cross-entropy of y given x, its gradient written out.

    Args:
        noisy: whether weights are Gaussian, drawn locally, under a fitted prior.
    """

    def __init__(self, noisy: bool) -> None:
        pairs = [*zip(SIZES[1:], SIZES, strict=False)]
        self.means = [nn.Parameter(torch.randn(o, i) / math.sqrt(i)) for o, i in pairs]
        self.biases = [nn.Parameter(torch.zeros(o)) for o, _ in pairs]
        self.log_sds = [
            nn.Parameter(torch.full((o, i), math.log(0.1 / math.sqrt(i)))) for o, i in pairs
        ]
        parameters = [*self.means, *self.biases, *(self.log_sds if noisy else ())]
        self.optimizer = torch.optim.Adam(parameters, fused=True)
        self.x, self.y = torch.rand(BATCH, SIZES[0]), torch.randint(SIZES[-1], (BATCH,))
        self.step: Step = self.local if noisy else self.point

    @torch.no_grad()
    def point(self) -> None:
        read = [self.x]
        for mean, bias in zip(self.means, self.biases, strict=True):
            read.append(self.activated(torch.addmm(bias, read[-1], mean.T), len(read)))
        slope = self.slope(read.pop())
        for i in (2, 1, 0):
            self.means[i].grad, self.biases[i].grad = slope.T @ read[i], slope.sum(0)
            if i:
                slope = (slope @ self.means[i]).mul_(read[i] > 0)
        self.optimizer.step()

    @torch.no_grad()
    def local(self) -> None:
        read, kept = [self.x], []
        for mean, bias, log_sd in zip(self.means, self.biases, self.log_sds, strict=True):
            variance, squares = log_sd.mul(2).exp_(), read[-1].square()
            deviation = (squares @ variance.T).sqrt_()
            noise = torch.randn_like(deviation)
            kept.append((variance, squares, noise / deviation))
            told = torch.addmm(bias, read[-1], mean.T).addcmul_(deviation, noise)
            read.append(self.activated(told, len(read)))
        slope = self.slope(read.pop())
        for i in (2, 1, 0):
            slope = self.back(i, slope, read[i], *kept[i])
        self.optimizer.step()

    def back(
        self, i: int, slope: Tensor, x: Tensor, variance: Tensor, squares: Tensor, ratio: Tensor
    ) -> Tensor:
        """The gradient of layer i, its divergence's with it, and what goes on to the one before."""
        mean, log_sd = self.means[i], self.log_sds[i]
        of_variance = (slope * ratio).mul_(0.5)
        middle = mean.mean()
        spread = variance.sum() + mean.flatten().dot(mean.flatten()) - mean.numel() * middle**2
        share = float(mean.numel() / spread) / N
        # The divergence itself, for the record, as a run keeps it.
        _ = 0.5 * mean.numel() * (spread / mean.numel()).log() - log_sd.sum()
        self.biases[i].grad = slope.sum(0)
        mean.grad = torch.addmm(mean - middle, slope.T, x, beta=share)
        of_weights = (of_variance.T @ squares).add_(0.5 * share).mul_(variance)
        log_sd.grad = of_weights.mul_(2).sub_(1 / N)
        if not i:
            return slope
        through = (of_variance @ variance).mul_(x)
        return (slope @ mean).add_(through, alpha=2).mul_(x > 0)

    def activated(self, told: Tensor, layer: int) -> Tensor:
        return told.relu_() if layer < len(self.means) else told

    def slope(self, logits: Tensor) -> Tensor:
        """Of the mean cross-entropy."""
        p = logits.softmax(1)
        p[torch.arange(BATCH), self.y] -= 1
        return p.div_(BATCH)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", default=os.environ.get("VAEBENCH_DATA_DIR", ""))
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--blocks", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    local = ours(options.data_dir, "model=bayes_classifier")
    each = ours(options.data_dir, "model=bayes_classifier", "weights.estimator=per_example")
    pairs = {
        "local to point": (local, ours(options.data_dir, "model=classifier")),
        "by hand": (ByHand(noisy=True).step, ByHand(noisy=False).step),
    }
    found = alternate(pairs, steps=options.steps, blocks=options.blocks)
    of_each = {"local to per_example": (local, each)}
    found |= alternate(of_each, steps=1, blocks=max(3, options.blocks // 3))
    tell(found)
    path = Path(__file__).parent / "results" / "weights.json"
    path.write_text(json.dumps({name: vars(timing) for name, timing in found.items()}, indent=1))


def tell(found: dict[str, Timing]) -> None:
    """The ratios, and whether they are within their limits."""
    limits = {"local to point": OF_HAND * found["by hand"].ratio, "local to per_example": OF_EACH}
    for name, timing in found.items():
        verdict = ""
        if name in limits:
            verdict = "  PASS" if timing.within(limits[name]) else "  FAIL"
        print(f"{name:22s} {1e3 * timing.seconds:8.2f} ms   {timing.told()}{verdict}")


if __name__ == "__main__":
    main()
