"""Everything that a GPU has to show, in one command that needs no data and no network.

    python benchmarks/gpu.py                                  on the first CUDA device
    python benchmarks/gpu.py --data-dir DIR                   with MNIST in place of made-up images
    python benchmarks/gpu.py --device cpu --steps 20 --images 1500 --rounds 1    a smoke test
    python benchmarks/gpu.py --parts speed resume auto compositions              those alone

speed: training steps per second of a VAE (k=1) and an IWAE (k=5), 784-200-200-z50, batches of 100, by
the command that a user types: as it is, with `trainer.compile=true`, in bfloat16, and both; beside the
hand-written loop of `hand_loop.py` on the same device, in turn; and the peak memory of each. What a
device lacks is told by the command's own refusal.
resume: a run that was asked to stop in the middle of an epoch and then resumed leaves the weights and
the history of one that never stopped, bit for bit.
auto: without `trainer=…` a run finds the GPU.
compositions: one of each kind trains some steps with finite numbers.

PASS or FAIL is said of all but speed anywhere; of speed on a GPU alone: at least 3 times the steps per
second with a compiled step of what there are without. The exit code is 1 where anything fails.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import hand_loop
import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("speed", "resume", "auto", "compositions")
GRAPH = 3.0
"""Times the steps per second that a compiled step makes of what there are without it, at least."""

MODELS = {"vae": 1, "iwae": hand_loop.IWAE_K}
LOOP, PLAIN, COMPILED = "hand-written loop", "vaebench", "compiled"
VARIANTS = {
    PLAIN: (),
    COMPILED: ("trainer.compile=true",),
    "bfloat16": ("trainer.precision=bfloat16",),
    "compiled, bfloat16": ("trainer.compile=true", "trainer.precision=bfloat16"),
}
NETS = (
    f"model.latent_dim={hand_loop.LATENT}",
    f"nets.hidden=[{hand_loop.HIDDEN},{hand_loop.HIDDEN}]",
    *("nets.activation=tanh", "nets.init=glorot", "nets.output_bias=data_mean"),
    *("likelihood=bernoulli", "dataset.binarize=dynamic"),
    f"optimizer.lr={hand_loop.LR}",
    f"optimizer.eps={hand_loop.EPS}",
    f"trainer.batch_size={hand_loop.BATCH}",
)
QUICK = ("eval.k=5", "eval.examples=50", "logger=csv")
COMPOSITIONS = (
    "model=iwae posterior=iaf",
    "model=draw",
    "model=vae nets=conv",
    "model=sentence_vae dataset=topics",
    "model=hierarchical objective=rws",
    "posterior=bernoulli prior=bernoulli objective=iwae estimator=vimco k=5",
)
STOPPED = ("model=iwae", "trainer.max_epochs=3", "trainer.log_every=5")
STOP_AT = 17
"""A step in the middle of an epoch: the digits have 12 of them."""

STOPS = f"""
import os, signal
import pytorch_lightning as pl

class Stop(pl.Callback):
    def __init__(self):
        self.stops = os.environ.pop("STOP", "")

    def on_train_batch_end(self, trainer, *_):
        if self.stops and trainer.global_step >= {STOP_AT}:
            self.stops = ""
            os.kill(os.getpid(), signal.SIGTERM)
"""


class Command:
    """Runs `vaebench …` on a device, in a folder of its own.

    Args:
        device: `cuda` or `cpu`.
        folder: for runs and whatever they need.
    """

    def __init__(self, device: str, folder: Path) -> None:
        self.trainer = f"trainer={'gpu' if device == 'cuda' else 'cpu'}"
        self.folder, self.count = folder, 0

    def run(self, *words: str, **environment: str) -> tuple[int, str]:
        """The exit code, and the last line that was told."""
        done = subprocess.run(
            [sys.executable, "-m", "vaebench", *words],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, (done.stdout.strip().splitlines() or [""])[-1]

    def train(self, *words: str) -> dict[str, Any] | str:
        """What a run sums up, or why it did not."""
        self.count += 1
        folder = f"run-{self.count}"
        code, last = self.run(*words, f"hydra.run.dir={folder}")
        return last if code else json.loads((self.folder / folder / "summary.json").read_text())


# ------------------------------------------------------------------------ speed
def training_images(args: argparse.Namespace, folder: Path) -> tuple[Tensor, tuple[str, ...]]:
    """Grey images `[N, 784]` on the device, and the words that give them to the command."""
    if args.data_dir:
        import torchvision

        data = torchvision.datasets.MNIST(str(Path(args.data_dir).expanduser()), train=True).data
        words = ("dataset=mnist", "dataset.split.val=5000", f"data_dir={args.data_dir}")
        return (data[:-5000].flatten(1).float() / 255).to(args.device), words
    made = np.random.default_rng(0).integers(0, 256, (args.images, 28, 28), dtype=np.uint8)
    np.savez(folder / "images.npz", x=made)
    held_out = args.images // 12
    words = ("dataset=images", "dataset.path=images.npz")
    words += (f"dataset.split.val={held_out}", f"dataset.split.test={held_out}")
    kept = torch.from_numpy(made[: args.images - 2 * held_out])
    return (kept.flatten(1).float() / 255).to(args.device), words


def speed(args: argparse.Namespace, command: Command) -> dict[str, Any]:
    """Steps per second of each model and variant, in turn, and the memory that each takes."""
    images, words = training_images(args, command.folder)
    found: dict[str, Any] = {}
    for model, k in MODELS.items():
        rows: dict[str, Any] = {name: [] for name in (LOOP, *VARIANTS)}
        hand_loop.train(images, model, seed=0, steps=5)  # the first kernels are loaded
        for seed in range(args.rounds):
            _, seconds = hand_loop.train(images, model, seed=seed, steps=args.steps)
            rows[LOOP].append({"steps_per_second": args.steps / seconds})
            for name, own in VARIANTS.items():
                line = (f"model={model}", f"k={k}", f"seed={seed}", *words, *NETS, *QUICK, *own)
                sizes = (f"trainer.max_steps={args.steps}", "trainer.max_epochs=100000")
                rows[name].append(rate(command.train(*line, *sizes, command.trainer), args.steps))
        found[model] = {name: median(runs) for name, runs in rows.items()}
        for name, run in found[model].items():
            print(f"  {model:5} {name:19} {told(run, found[model][LOOP])}", flush=True)
    return found


def rate(summary: dict[str, Any] | str, steps: int) -> dict[str, Any]:
    """What is told of one run."""
    if isinstance(summary, str):
        return {"not": summary}
    return {
        "steps_per_second": steps / summary["seconds"],
        "peak_memory_mb": summary["peak_memory_mb"],
    }


def median(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Of each number; why there is none, where one of the runs says so."""
    missing = next((run for run in runs if "not" in run), None)
    return missing or {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def told(run: dict[str, Any], loop: dict[str, Any]) -> str:
    """A line of the table."""
    if "not" in run:
        return run["not"]
    ratio = run["steps_per_second"] / loop["steps_per_second"]
    memory = f", {run['peak_memory_mb']:.0f} MiB at most" if "peak_memory_mb" in run else ""
    return f"{run['steps_per_second']:8.1f} steps/s, {ratio:.2f} of the loop's{memory}"


def faster(found: dict[str, Any]) -> dict[str, float]:
    """How many times the steps per second a compiled step makes, by model; nan where it failed."""
    return {
        model: rows[COMPILED].get("steps_per_second", math.nan)
        / rows[PLAIN].get("steps_per_second", math.nan)
        for model, rows in found.items()
    }


# ----------------------------------------------------------------------- resume
def resume(command: Command) -> dict[str, Any]:
    """A run that never stopped against one that did."""
    (command.folder / "callbacks").mkdir(exist_ok=True)
    (command.folder / "callbacks" / "stop.yaml").write_text("# Stops\n_target_: stop.Stop\n")
    (command.folder / "stop.py").write_text(STOPS)
    words = ("--config-dir", ".", "callbacks=stop", *STOPPED, *QUICK, command.trainer)
    whole, parts = (command.folder / name for name in ("whole", "parts"))
    told = [command.run(*words, f"hydra.run.dir={whole}")]
    told.append(command.run(*words, f"hydra.run.dir={parts}", STOP="1"))
    told.append(command.run("resume", str(parts)))
    codes = [code for code, _ in told]
    if codes != [0, 1, 0]:
        return {"exit_codes": codes, "told": [line for _, line in told], "passed": False}
    same = {"weights": same_weights(whole, parts), "history": same_history(whole, parts)}
    return {"stopped": told[1][1], "equal": same, "passed": all(same.values())}


def same_weights(one: Path, other: Path) -> bool:
    """Whether two runs end with the same weights, bit for bit."""
    states = [
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for folder in (one, other)
    ]
    return all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def same_history(one: Path, other: Path) -> bool:
    """Whether two runs tell the same."""
    return (one / "metrics.csv").read_text() == (other / "metrics.csv").read_text()


# ------------------------------------------------------------ auto, compositions
def auto(command: Command) -> dict[str, Any]:
    """Where a run trains that is not told where."""
    summary = command.train("trainer.max_steps=3", *QUICK)
    best = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    found = summary if isinstance(summary, str) else summary["device"]
    return {"device": found, "passed": found == best}


def compositions(args: argparse.Namespace, command: Command) -> dict[str, Any]:
    """The losses of some steps of each, all of them numbers."""
    found = {}
    for line in COMPOSITIONS:
        sizes = (f"trainer.max_steps={args.few}", "trainer.log_every=1", "eval.k=5")
        summary = command.train(*line.split(), *sizes, *QUICK, command.trainer)
        losses = [] if isinstance(summary, str) else history(command)
        good = len(losses) == args.few and all(map(math.isfinite, losses))
        why = summary if isinstance(summary, str) else f"loss {losses[0]:.1f} to {losses[-1]:.1f}"
        found[line] = {"losses": losses, "told": why, "passed": good}
        print(f"  {verdict(good)}  {line}: {why}", flush=True)
    return found


def history(command: Command) -> list[float]:
    """The training losses of the latest run, step by step."""
    with (command.folder / f"run-{command.count}" / "metrics.csv").open() as file:
        return [float(row["train/loss"]) for row in csv.DictReader(file) if row["train/loss"]]


# ----------------------------------------------------------------------- report
def verdict(passed: bool) -> str:
    """In four letters."""
    return "PASS" if passed else "FAIL"


def shown(args: argparse.Namespace, command: Command) -> dict[str, Any]:
    """All parts that were asked for, told as they come."""
    found: dict[str, Any] = {}
    for part in args.parts:
        print(part, flush=True)
        if part == "speed":
            rows = speed(args, command)
            times = faster(rows)
            judged = args.device == "cuda"
            passed = all(ratio >= GRAPH for ratio in times.values()) if judged else None
            found[part] = {"runs": rows, "compiled_over_plain": times, "passed": passed}
            said = ", ".join(f"{model} {ratio:.2f}" for model, ratio in times.items())
            mark = verdict(bool(passed)) if judged else "----"
            print(f"  {mark}  compiled over plain: {said}; on a GPU at least {GRAPH}", flush=True)
        elif part == "compositions":
            rows = compositions(args, command)
            found[part] = {"runs": rows, "passed": all(row["passed"] for row in rows.values())}
        else:
            found[part] = resume(command) if part == "resume" else auto(command)
            about = {name: value for name, value in found[part].items() if name != "passed"}
            print(f"  {verdict(found[part]['passed'])}  {about}", flush=True)
    return found


def about(args: argparse.Namespace) -> dict[str, Any]:
    """What ran where."""
    return {
        "device": torch.cuda.get_device_name() if args.device == "cuda" else "cpu",
        "steps": args.steps,
        "rounds": args.rounds,
        "data": "mnist" if args.data_dir else f"{args.images} made-up images",
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--steps", type=int, default=3000, help="of each run of the speed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--few", type=int, default=5, help="steps of each composition")
    parser.add_argument("--images", type=int, default=60_000, help="that are made up")
    parser.add_argument("--data-dir", default="", help="holds MNIST/raw; empty: made-up images")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/gpu.json")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("there is no CUDA device here; --device cpu is a smoke test")
    return args


def main() -> int:
    """Measures, tells and writes; 1 where anything fails."""
    args = parse()
    with tempfile.TemporaryDirectory() as folder:
        found = shown(args, Command(args.device, Path(folder)))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"about": about(args)} | found, indent=1)
    args.out.write_text(text + "\n", encoding="utf-8")
    return 1 if any(part["passed"] is False for part in found.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
