"""What k costs: a training step of an IWAE against the number of samples.

    python benchmarks/cost_of_k.py                 writes results/cost_of_k.json
    python benchmarks/cost_of_k.py --steps 5       a smoke test

Steps of a 784-200-200-z50 model on the same batch of 100 random bits, with fused Adam: the pathwise
estimator, and `one_of_k`, which goes backward through one sample alone. Blocks of the different k
alternate; the figures are medians of blocks. Linear means that time = a + b k fits: R² of the line.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
import torch

from vaebench.data import Field, Spec, Support
from vaebench.heads.likelihoods import Bernoulli
from vaebench.heads.posteriors import Gaussian
from vaebench.heads.priors import Normal
from vaebench.inference import outline
from vaebench.models import VAE
from vaebench.nets import MLP
from vaebench.objectives import IWAE
from vaebench.objectives.anneal import Constant
from vaebench.objectives.estimators import ESTIMATORS

KS, BLOCKS, BATCH = (1, 5, 10, 20, 50), 7, 100
COMPARED = ("pathwise", "one_of_k")


class Stepper:
    """Training steps of one estimator at one k."""

    def __init__(self, estimator: str, k: int) -> None:
        mean = torch.full((1, 28, 28), 0.1)
        spec = Spec({"x": Field((1, 28, 28), Support.BINARY, 2, mean)}, 1000)
        family = {"activation": "tanh", "init": "glorot", "output_bias": "data_mean"}
        self.model = VAE(
            spec,
            latent_dim=50,
            nets=MLP(hidden=[200, 200], **family),
            posterior=Gaussian,
            prior=Normal,
            likelihood=Bernoulli,
        )
        options = {"beta": 1.0, "anneal": Constant()}
        options["estimator"] = ESTIMATORS[estimator]
        self.objective = IWAE(self.model, outline(self.model, spec), k=k, **options)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3, fused=True)
        self.batch = spec.example(BATCH)

    def milliseconds(self, steps: int) -> float:
        """Of one step, mean over a block."""
        begun = time.perf_counter()
        for _ in range(steps):
            self.optimizer.zero_grad()
            self.objective(self.model, self.batch, torch.tensor(0)).loss.backward()
            self.optimizer.step()
        return (time.perf_counter() - begun) / steps * 1e3


def line(times: dict[int, float]) -> dict[str, float]:
    """The least-squares line through step times, and how much of their variance it leaves out."""
    k, ms = np.array(list(times)), np.array(list(times.values()))
    slope, start = np.polyfit(k, ms, 1)
    left = ((ms - start - slope * k) ** 2).sum() / ((ms - ms.mean()) ** 2).sum()
    return {"ms_at_0": float(start), "ms_per_sample": float(slope), "r2": float(1 - left)}


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10, help="in a block")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    steppers = {(e, k): Stepper(e, k) for e in COMPARED for k in KS}
    blocks: dict[tuple[str, int], list[float]] = {key: [] for key in steppers}
    for block in range(BLOCKS + 1):
        for key, stepper in steppers.items():
            found = stepper.milliseconds(options.steps)
            if block:  # the first one warms up
                blocks[key].append(found)
    result = {"steps": options.steps, "threads": options.threads, "torch": torch.__version__}
    for estimator in COMPARED:
        times = {k: statistics.median(blocks[estimator, k]) for k in KS}
        result[estimator] = {"ms": times} | line(times)
        told = ", ".join(f"k={k} {ms:.1f} ms" for k, ms in times.items())
        fit = result[estimator]
        print(
            f"{estimator}: {told}; {fit['ms_at_0']:.1f} + {fit['ms_per_sample']:.2f} k, R² {fit['r2']:.4f}"
        )
    path = Path(__file__).parent / "results" / "cost_of_k.json"
    path.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
