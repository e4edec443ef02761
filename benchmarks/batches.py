"""What a batch of cluttered canvases costs beside the training step that it is for.

    python benchmarks/batches.py                 writes results/batches.json
    python benchmarks/batches.py --steps 2       a smoke test

Batches of 100 canvases, drawn afresh: 40x40 with 4 pieces, 100x100 with 8, of MNIST where its files are.
The step is that of a model as it is chosen, with its own objective and fused Adam, on a batch that is
there. PASS: generation takes at most 10 % of the step, by the median of the blocks' ratios.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from alternating import Step, alternate
from hydra import compose, initialize_config_dir

from vaebench.cli import HYDRA_VERSION, conf_dir
from vaebench.compose import Composition
from vaebench.compose import compose as build
from vaebench.config.schema import register

BATCH, LIMIT, BLOCKS = 100, 0.1, 9
CANVASES = {40: 4, 100: 8}
MODELS = ("conv_classifier", "draw_classifier", "ram")


def composed(model: str, canvas: int) -> Composition:
    """Data, model and objective as the command has them."""
    words = [f"model={model}", "dataset=cluttered", f"dataset.canvas={canvas}", "name=cost"]
    words += [f"dataset.pieces={CANVASES[canvas]}"]
    with initialize_config_dir(str(conf_dir()), version_base=HYDRA_VERSION):
        return build(compose("config", overrides=words))


def pair(made: Composition) -> tuple[Step, Step]:
    """Making a batch, and a training step on one."""
    train, generator = made.split("train"), torch.Generator().manual_seed(0)
    batch, at = train.batch(torch.arange(BATCH), generator), torch.tensor(0)
    parameters = [*made.model.parameters(), *made.objective.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=True)

    def generate() -> None:
        train.batch(torch.randint(len(train), (BATCH,)), generator)

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
    pairs = {f"{m} {c}": pair(composed(m, c)) for m in MODELS for c in CANVASES}
    found = {}
    for name, timing in alternate(pairs, steps=options.steps, blocks=BLOCKS).items():
        verdict = "PASS" if timing.within(LIMIT) else "FAIL"
        print(f"{name:20} {1e3 * timing.seconds:6.2f} ms  {timing.told()} of a step ({verdict})")
        quartiles = {"ratio": timing.ratio, "low": timing.low, "high": timing.high}
        found[name] = quartiles | {"milliseconds": 1e3 * timing.seconds}
    path = Path(__file__).parent / "results" / "batches.json"
    about = {"threads": options.threads, "steps": options.steps, "blocks": BLOCKS}
    about["torch"] = torch.__version__
    path.write_text(json.dumps({"about": about, "cluttered": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
