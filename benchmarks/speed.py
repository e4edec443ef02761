"""Steps per second of vaebench's command against a hand-written PyTorch loop, on MNIST.

    python benchmarks/speed.py --data-dir DIR --threads 1                     k = 1, 5 and 50
    python benchmarks/speed.py --data-dir DIR --threads 1 --with compile      the step compiled
    python benchmarks/speed.py --data-dir DIR --threads 1 --with compile bfloat16
    python benchmarks/speed.py --data-dir DIR --k 1 --epochs 1 --rounds 1 --max-steps 20    a smoke test

The two sides are those of `mnist_loop.py`, which also compares what they learn: the loop does nothing
but train, with torch's default Adam; vaebench draws its bar, logs to a file and to wandb (offline),
validates after each epoch, looks at every loss and gradient, and keeps checkpoints, all of which counts.
What compiling took is told apart.

They take turns, and the one that goes first alternates; the figure is the median over the rounds of
their ratio of steps per second. PASS: at least 1.0; compiled 1.2; compiled and in bfloat16 1.7, where
the CPU has such products. The exit code is 1 where one is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import hand_loop
import mnist_loop
import torch
from mnist_loop import TRAINING_IMAGES, processor, verdict
from torch import Tensor

EPOCHS = {1: 6, 5: 3, 50: 1}
"""About half a minute a run."""

OPTIONS = {"compile": "trainer.compile=true", "bfloat16": "trainer.precision=bfloat16"}
AT_LEAST = {(): 1.0, ("compile",): 1.2, ("bfloat16", "compile"): 1.7}


def loop_speed(images: Tensor, k: int, seed: int, steps: int) -> float:
    """Steps per second of the loop."""
    loss = hand_loop.vae_loss if k == 1 else partial(hand_loop.iwae_loss, k=k)
    return steps / hand_loop.train(images, loss, seed=seed, steps=steps)[1]


def our_speed(args: argparse.Namespace, k: int, seed: int, steps: int) -> dict[str, float]:
    """Steps per second of the command, and the seconds that compiling took."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "run")
        words = [OPTIONS[name] for name in args.options]
        model = "vae" if k == 1 else "iwae"
        mnist_loop.command(args, model, seed, folder, k=k, more=words)
        summary = json.loads((folder / "summary.json").read_text())
    found = {"speed": steps / summary["seconds"]}
    if "compile_seconds" in summary:
        found["compile_seconds"] = summary["compile_seconds"]
    return found


def measured(args: argparse.Namespace, images: Tensor, k: int) -> dict[str, Any]:
    """All rounds of one k."""
    args.epochs = args.wanted or EPOCHS[k]
    steps = args.epochs * (TRAINING_IMAGES // hand_loop.BATCH)
    steps = min(steps, args.max_steps) if args.max_steps > 0 else steps
    rounds: list[dict[str, float]] = []
    for seed in range(args.rounds):
        found: dict[str, float] = {}
        for side in ("loop", "ours") if seed % 2 == 0 else ("ours", "loop"):
            if side == "loop":
                found["loop"] = loop_speed(images, k, seed, steps)
            else:
                found |= our_speed(args, k, seed, steps)
        rounds.append(found | {"ratio": found["speed"] / found["loop"]})
        print(f"  k={k} " + ", ".join(f"{n} {v:.2f}" for n, v in rounds[-1].items()), flush=True)
    ratio = statistics.median(found["ratio"] for found in rounds)
    wanted = AT_LEAST.get(args.options, 1.0)
    return {"steps": steps, "rounds": rounds, "ratio": ratio, "pass": ratio >= wanted}


def main() -> int:
    """The exit code is 1 where a figure is missed."""
    args = parse()
    if args.threads:
        torch.set_num_threads(args.threads)
    images = mnist_loop.training_images(args)
    wanted = AT_LEAST.get(args.options, 1.0)
    found = {k: measured(args, images, k) for k in args.ks}
    for k, of in found.items():
        print(
            f"{verdict(of['pass'])}  k={k}: {of['ratio']:.2f} of the loop's speed, at least {wanted}"
        )
    about = {
        "threads": torch.get_num_threads(),
        "processor": processor(),
        "torch": torch.__version__,
    }
    known = json.loads(args.out.read_text()) if args.out.exists() else {}
    known["+".join(args.options) or "plain"] = about | {f"k={k}": of for k, of in found.items()}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(known, indent=1) + "\n")
    return 0 if all(of["pass"] for of in found.values()) else 1


def parse() -> argparse.Namespace:
    """The options."""
    kind = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=kind)
    folder = os.environ.get("VAEBENCH_DATA_DIR", "~/.cache/vaebench")
    out = Path(__file__).parent / "results" / "speed.json"
    parser.add_argument("--data-dir", default=folder, help="holds MNIST/raw (VAEBENCH_DATA_DIR)")
    parser.add_argument("--k", dest="ks", type=int, nargs="+", choices=EPOCHS, default=list(EPOCHS))
    parser.add_argument("--with", dest="options", nargs="*", choices=OPTIONS, default=[])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", dest="wanted", type=int, default=0, help="0: half a minute's")
    parser.add_argument("--max-steps", type=int, default=-1, help="stop early: a smoke test")
    parser.add_argument("--threads", type=int, default=0, help="of both sides; 0: torch's choice")
    parser.add_argument("--out", type=Path, default=out)
    args = parser.parse_args()
    args.device, args.eval_k, args.eval_examples = "cpu", 5, 50
    args.options = tuple(sorted(args.options))
    return args


if __name__ == "__main__":
    sys.exit(main())
