"""What a batch costs that is made at access, beside the training step that it is for.

    python benchmarks/batches.py                 writes results/batches.json
    python benchmarks/batches.py --steps 2       a smoke test

Batches of 100 canvases, drawn afresh: 40x40 with 4 pieces, 100x100 with 8, of MNIST where its files are; and
of 64 sprites of the whole grid, for a VAE with convolutions. The step is that of a model as it is chosen, with its own objective and fused Adam, on a batch that is
there. PASS: generation takes at most 10 % of the step, of sprites 20 %, by the median of the blocks' ratios.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from alternating import Step, alternate
from hydra import compose, initialize_config_dir

from vaebench.cli import HYDRA_VERSION, conf_dir
from vaebench.composition import Composition
from vaebench.composition import compose as build
from vaebench.config.schema import register

BLOCKS = 9
MODELS = ("conv_classifier", "draw_classifier", "ram")
CANVASES = ("dataset.canvas=40 dataset.pieces=4", "dataset.canvas=100 dataset.pieces=8")


@dataclass(frozen=True)
class Case:
    """A composition, and what its batches may cost.

    Attributes:
        words: of the command line.
        batch: examples of one.
        limit: most that making it may take, in steps.
    """

    words: str
    batch: int
    limit: float


CASES = [
    *(Case(f"model={m} dataset=cluttered {c}", 100, 0.1) for m in MODELS for c in CANVASES),
    Case("model=vae nets=conv dataset=sprites", 64, 0.2),
]


def composed(words: str) -> Composition:
    """Data, model and objective as the command has them."""
    with initialize_config_dir(str(conf_dir()), version_base=HYDRA_VERSION):
        return build(compose("config", overrides=["name=cost", *words.split()]))


def pair(made: Composition, size: int) -> tuple[Step, Step]:
    """Making a batch, and a training step on one."""
    train, generator = made.split("train"), torch.Generator().manual_seed(0)
    batch, at = train.batch(torch.arange(size), generator), torch.tensor(0)
    parameters = [*made.model.parameters(), *made.objective.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=True)

    def generate() -> None:
        train.batch(torch.randint(len(train), (size,)), generator)

    def step() -> None:
        optimizer.zero_grad()
        made.objective(made.model, batch, at).loss.backward()
        optimizer.step()

    return generate, step


def main() -> None:
    """Prints a table and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10, help="in a block")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    register()
    limits = {case.words: case.limit for case in CASES}
    pairs = {case.words: pair(composed(case.words), case.batch) for case in CASES}
    found = {}
    for name, timing in alternate(pairs, steps=options.steps, blocks=BLOCKS).items():
        verdict = "PASS" if timing.within(limits[name]) else "FAIL"
        print(f"{name:76} {1e3 * timing.seconds:6.2f} ms  {timing.told()} of a step ({verdict})")
        quartiles = {"ratio": timing.ratio, "low": timing.low, "high": timing.high}
        found[name] = quartiles | {"milliseconds": 1e3 * timing.seconds}
    path = Path(__file__).parent / "results" / "batches.json"
    about = {"threads": options.threads, "steps": options.steps, "blocks": BLOCKS}
    about["torch"] = torch.__version__
    path.write_text(json.dumps({"about": about, "batches": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
