"""Run folders that no training made: hundreds of them in a second."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

MODELS, KS, RATES = ("vae", "iwae"), (1, 5, 50), (1e-3, 3e-3)
STEPS = np.arange(100, 30_100, 100)


def make_runs(folder: Path, runs: int, **shape: Any) -> None:
    """`runs` folders: models × k × learning rates × as many seeds as it takes.

    Args:
        folder: of all of them.
        runs: how many.
        shape: of each, as `make_run` has it.
    """
    noise = np.random.default_rng(0)
    kinds = list(itertools.product(MODELS, KS, RATES))
    for number in range(runs):
        seed, kind = divmod(number, len(kinds))
        model, k, rate = kinds[kind]
        of = {"model": model, "k": k, "rate": rate, "seed": seed, "noise": noise}
        make_run(folder / str(number), nll=90 + kind + noise.normal(0, 0.3), **of, **shape)


def make_search(folder: Path, runs: int, **shape: Any) -> None:
    """`runs` folders, each of another learning rate: a search, in which no run has a second seed."""
    noise = np.random.default_rng(0)
    for number in range(runs):
        rate = float(f"{10 ** noise.uniform(-4, -2):.3g}")
        nll = 90 + 3 * abs(np.log10(rate) + 3) + noise.normal(0, 0.3)
        of = {"model": MODELS[number % 2], "k": KS[number % 3], "rate": rate, "seed": 0}
        make_run(folder / str(number), nll=nll, noise=noise, **of, **shape)


def make_run(
    folder: Path,
    *,
    model: str,
    k: int,
    rate: float,
    seed: int,
    nll: float,
    noise: np.random.Generator,
    rows: int = len(STEPS),
    full: bool = False,
    examples: int = 0,
    asleep: int | None = None,
) -> None:
    """One finished run.

    Args:
        folder: of it, which is not there yet.
        model: its choice, as k, rate and seed are.
        nll: what it comes to.
        noise: of all that is random.
        rows: of its history.
        full: with all columns that a run has, and its clock.
        examples: so many have a value of their own.
        asleep: the row from which no latent unit is active.
    """
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
    steps = STEPS[:rows]
    bound = -nll - 50 * np.exp(-steps / 3000) + noise.normal(0, 0.2, rows)
    table = {"step": steps, "train/loss": -bound, "train/bound": bound}
    table |= {"val/bound": bound - 0.5, "val/loss": -bound + 0.5}
    if full:
        kl = 20 + noise.normal(0, 0.2, rows)
        active = np.full(rows, 20)
        active[rows if asleep is None else asleep :] = 0
        for part in ("train", "val"):
            table |= {f"{part}/kl": kl, f"{part}/recon": table[f"{part}/bound"] + kl}
        table["val/active_units"] = active
        clock = [f"{step},{step / 50:.3f},{step / 600:.6g},{steps[-1]}" for step in steps]
        (folder / "clock.csv").write_text("\n".join(["step,seconds,epoch,of", *clock]) + "\n")
    lines = "\n".join(
        ",".join(f"{x:.7g}" for x in row) for row in zip(*table.values(), strict=True)
    )
    (folder / "metrics.csv").write_text(f"{','.join(table)}\n{lines}\n")
    if examples:
        each = np.random.default_rng(7).normal(0, 10, examples) + noise.normal(nll, 1, examples)
        (folder / "examples.csv").write_text("\n".join(["test/nll", *map(str, each)]) + "\n")
    (folder / "pictures").mkdir()
    pixels = noise.integers(0, 255, (80, 80), dtype=np.uint8)
    for name in ("samples", "reconstructions"):
        Image.fromarray(pixels).resize((400, 400), 0).save(folder / "pictures" / f"{name}.png")
