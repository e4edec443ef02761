"""Grids that train as one vectorised model, against the same grids job after job.

    python benchmarks/fused.py                      writes results/fused.json
    python benchmarks/fused.py --rounds 1 --quick   a smoke test

Both are the command that a user types, `logger=csv`, in turn; what is compared is the whole command by the
clock, its CPU seconds, and training alone: the sum of the runs' own seconds, and, of jobs that trained
together, the longest of them, compilation and validation included. Memory is the peak of the process: of a
grid of one job after the other that of one job, since what a job leaves is freed.

A stack saves what a step costs beside its products, which are the same in both: their part of a single run's
step is the least that the ratio of training can come to on one core. On several, each of so many processes
(`--jobs 2`) trains its part of the stack. PASS: 16 seeds of the digits VAE train in at most 0.17
of the time, start-up included in 0.2; 8 learning rates of the MNIST VAE in 0.6.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

SEEDS = "seed=" + ",".join(map(str, range(16)))
RATES = "optimizer.lr=1e-4,2e-4,3e-4,5e-4,7e-4,1e-3,1.5e-3,2e-3"
MNIST = (RATES, "dataset=mnist", "trainer.max_epochs=2", "eval.examples=100", "eval.k=10")


@dataclass(frozen=True)
class Case:
    """A grid.

    Attributes:
        name: for people.
        words: of it.
        jobs: how many there are.
        most: of the training time, and of the whole command's.
    """

    name: str
    words: tuple[str, ...]
    jobs: int
    most: tuple[float, float]


CASES = {
    "digits": Case("16 seeds, digits", (SEEDS,), 16, (0.17, 0.2)),
    "small": Case(
        "16 seeds, digits, one layer of 50", (SEEDS, "nets.hidden=[50]"), 16, (0.17, 0.2)
    ),
    "mnist": Case("8 learning rates, MNIST", MNIST, 8, (0.6, 0.6)),
}


@dataclass(frozen=True)
class Cost:
    """Of one call of the command: seconds by the clock, of the CPU and of training; MiB."""

    clock: float
    cpu: float
    training: float
    peak: float


def cost(words: tuple[str, ...], folder: Path, threads: int, processes: int) -> Cost:
    """Of a grid in a folder of its own, in so many processes of stacks; 0: one job after the other."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    line = [
        sys.executable,
        "-m",
        "vaebench",
        "-m",
        *words,
        "logger=csv",
        f"hydra.sweep.dir={folder}",
    ]
    if processes:
        line += ["hydra/launcher=fused", f"hydra.launcher.n_jobs={processes}"]
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL, env=environment)
    clock, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = [json.loads(path.read_text()) for path in folder.glob("*/summary.json")]
    seconds = [one["seconds"] for one in found]
    training = max(seconds) if processes else sum(seconds)
    return Cost(clock, cpu, training, max(one["peak_memory_mb"] for one in found))


def measured(
    case: Case, threads: int, jobs: list[int], rounds: int, more: tuple[str, ...]
) -> list[dict[str, object]]:
    """All ways in turn, and the medians of the ratios to one job after the other."""
    found: dict[int, list[Cost]] = {n: [] for n in (0, *jobs)}
    for _ in range(rounds):
        for n, costs in found.items():
            with tempfile.TemporaryDirectory() as folder:
                costs.append(cost((*case.words, *more), Path(folder) / "grid", threads, n))
    return [told(case, threads, n, found[0], found[n]) for n in jobs]


def told(
    case: Case, threads: int, processes: int, plain: list[Cost], fused: list[Cost]
) -> dict[str, object]:
    """The ratios of a way, of memory for each job."""
    ratio = {
        name: statistics.median(
            getattr(f, name) / getattr(p, name) for f, p in zip(fused, plain, strict=True)
        )
        for name in ("training", "clock", "cpu", "peak")
    }
    ratio["peak"] /= case.jobs / processes
    passed = ratio["training"] <= case.most[0] and ratio["clock"] <= case.most[1]
    line = ", ".join(f"{name} {value:.2f}" for name, value in ratio.items())
    name = f"{case.name}, {threads} threads, {processes} processes"
    print(f"{'PASS' if passed else 'FAIL'}  {name}: {line}", flush=True)
    each = {"plain": [asdict(c) for c in plain], "fused": [asdict(c) for c in fused]}
    about = {"case": case.name, "threads": threads, "processes": processes}
    return about | {"most": case.most, "passed": passed, "ratio": ratio} | each


def main() -> int:
    """The exit code is 1 where a figure is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--cases", nargs="+", default=["digits", "small", "mnist"])
    parser.add_argument("--quick", action="store_true", help="two epochs, and no file")
    options = parser.parse_args()
    more = ("trainer.max_epochs=2", "trainer.max_steps=20") if options.quick else ()
    found = list[dict[str, object]]()
    for name in options.cases:
        found += measured(CASES[name], options.threads, options.jobs, options.rounds, more)
        if not options.quick:
            write(found, options.rounds)
    return 0 if all(one["passed"] for one in found) else 1


def write(found: list[dict[str, object]], rounds: int) -> None:
    """What is known so far, and how busy the machine is."""
    about = {"processors": os.cpu_count(), "rounds": rounds, "load": os.getloadavg()[2]}
    path = Path(__file__).parent / "results" / "fused.json"
    path.write_text(json.dumps({"about": about, "grids": found}, indent=1) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
