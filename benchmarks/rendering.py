"""How many images a second are rendered, beside how many a step of training consumes.

    python benchmarks/rendering.py                 writes results/rendering.json
    python benchmarks/rendering.py --rounds 1      a smoke test

Seconds are of the CPU, in one thread. A step is one of the small net of 64x64 images that `model=dcign`
has, of 20 images that are there already, forward and backward. Both alternate; the figures are medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from vaebench.data import Chairs, Factors, Heads, Split
from vaebench.heads.likelihoods import Gaussian as GaussianLikelihood
from vaebench.heads.posteriors import Gaussian
from vaebench.heads.priors import Normal
from vaebench.inference import infer
from vaebench.models import VAE
from vaebench.nets import Conv

BATCH, WANTED = 20, 5.0
SPLIT = Split("random", 0.1, 0.1)


def data() -> dict[str, Factors]:
    """Both at their defaults, by name."""
    chairs = {"kinds": ["chair"], "grid": [100, 16, 2], "few": 0, "sides": 4, "transforms": 1.0}
    return {
        "heads": Heads(size=64, grid=[100, 15, 9, 15], data_seed=0, split=SPLIT),
        "chairs": Chairs(size=64, data_seed=0, split=SPLIT, **chairs),
    }


def stepper(of: Factors) -> Callable[[], None]:
    """One step forward and backward."""
    family = {"activation": "relu", "init": "he", "output_bias": "data_mean"}
    shape = {"channels": [48, 24, 24], "hidden": 256, "kernel": 5, "down": "pool", "up": "nearest"}
    likelihood = {"variance": "fixed", "scale": 0.1, "min_scale": 0.0, "link": "identity"}
    model = VAE(
        of.spec,
        latent_dim=16,
        nets=Conv(**shape, **family),
        posterior=Gaussian,
        prior=Normal,
        likelihood=lambda x: GaussianLikelihood(x, **likelihood),
    )
    batch = of.split("train").batch(torch.arange(BATCH), torch.Generator().manual_seed(0))

    def step() -> None:
        (-infer(model, batch, 1).elbo.mean()).backward()

    return step


def renderer(of: Factors) -> Callable[[], None]:
    """A batch made."""
    split, generator = of.split("train"), torch.Generator().manual_seed(0)
    return lambda: split.batch(torch.randint(len(split), (BATCH,), generator=generator), generator)


def images_per_second(run: Callable[[], object], times: int) -> float:
    """Of the CPU's seconds."""
    begun = time.process_time()
    for _ in range(times):
        run()
    return times * BATCH / (time.process_time() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--times", type=int, default=5)
    words = parser.parse_args()
    torch.set_num_threads(1)
    found = {}
    for name, of in data().items():
        runs = {"rendered": renderer(of), "consumed": stepper(of)}
        rates: dict[str, list[float]] = {which: [] for which in runs}
        for _ in range(words.rounds):
            for which, run in runs.items():
                rates[which].append(images_per_second(run, words.times))
        medians = {which: statistics.median(each) for which, each in rates.items()}
        ratio = medians["rendered"] / medians["consumed"]
        found[name] = medians | {"ratio": ratio, "passed": ratio >= WANTED}
        print(name, {k: round(v, 2) for k, v in found[name].items()})
    out = Path(__file__).parent / "results" / "rendering.json"
    out.write_text(json.dumps({"batch": BATCH, "wanted": WANTED} | found, indent=2) + "\n")


if __name__ == "__main__":
    main()
