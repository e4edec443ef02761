"""Run folders that no training made: hundreds of them in a second."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
from PIL import Image

MODELS, KS, RATES = ("vae", "iwae"), (1, 5, 50), (1e-3, 3e-3)
STEPS = np.arange(100, 30_100, 100)


def make_runs(folder: Path, runs: int) -> None:
    """`runs` folders: models × k × learning rates × as many seeds as it takes."""
    noise = np.random.default_rng(0)
    kinds = list(itertools.product(MODELS, KS, RATES))
    for number in range(runs):
        seed, kind = divmod(number, len(kinds))
        model, k, rate = kinds[kind]
        nll = 90 + kind + noise.normal(0, 0.3)
        make_run(folder / str(number), model=model, k=k, rate=rate, seed=seed, nll=nll, noise=noise)


def make_run(
    folder: Path,
    *,
    model: str,
    k: int,
    rate: float,
    seed: int,
    nll: float,
    noise: np.random.Generator,
) -> None:
    """One finished run."""
    folder.mkdir(parents=True)
    summary = {
        "quantity": "log p(x)",
        "seed": seed,
        "seconds": 60.0 + noise.random(),
        "parameters": 400_000,
        "test/nll": nll,
        "test/nll_se": 0.8,
        "test/bound": -nll - 1,
        "test/active_units": int(noise.integers(10, 30)),
        "protocol.binarize": "dynamic",
        "versions.vaebench": "0.1.0",
        "choices.model": model,
        "choices.objective": {"vae": "elbo", "iwae": "iwae"}[model],
        "choices.dataset": "mnist",
        "config.seed": seed,
        "config.k": k,
        "config.optimizer.lr": rate,
        "config.optimizer._target_": "torch.optim.Adam",
    }
    (folder / "summary.json").write_text(json.dumps(summary))
    bound = -nll - 50 * np.exp(-STEPS / 3000) + noise.normal(0, 0.2, len(STEPS))
    columns = [STEPS, -bound, bound, bound - 0.5, -bound + 0.5]
    head = "step,train/loss,train/bound,val/bound,val/loss"
    rows = "\n".join(",".join(f"{x:.7g}" for x in row) for row in zip(*columns, strict=True))
    (folder / "metrics.csv").write_text(f"{head}\n{rows}\n")
    (folder / "pictures").mkdir()
    pixels = noise.integers(0, 255, (80, 80), dtype=np.uint8)
    for name in ("samples", "reconstructions"):
        Image.fromarray(pixels).resize((400, 400), 0).save(folder / "pictures" / f"{name}.png")
