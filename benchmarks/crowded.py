"""Runs beside each other on the same cores, each with as many threads as there are cores.

    python benchmarks/crowded.py --data-dir DIR              writes results/crowded.json
    python benchmarks/crowded.py --data-dir DIR --steps 30 --rounds 1      a smoke test

One run of the real command (VAE on MNIST, 784-200-200-z50, batch 100), and two at once, in turn; no
number of threads is given. Threads that spin while they wait for each other take the cores from those
that have work: a run loses many times its share. PASS: beside another one a run needs at most 1.5 of
the CPU seconds that it needs alone, and has at least 0.4 of the steps/s, where its share is a half;
the medians over rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from mnist_loop import processor, verdict

MOST_CPU, LEAST_SHARE, TOGETHER = 1.5, 0.4, 2
RUN = ("model=vae", "dataset=mnist", "nets.hidden=[200,200]", "model.latent_dim=50")
LITTLE_ELSE = ("trainer.batch_size=100", "logger=csv", "eval.measures=[terms]", "eval.examples=100")


def runs(args: argparse.Namespace, count: int) -> tuple[float, float]:
    """CPU seconds and steps/s of so many runs at once, the mean over them."""
    env = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    command = [sys.executable, "-m", "vaebench", *RUN, *LITTLE_ELSE]
    command += [f"data_dir={args.data_dir}", f"trainer.max_steps={args.steps}"]
    spent = _children()
    with tempfile.TemporaryDirectory() as folder:
        begun = [
            subprocess.Popen(
                [*command, f"hydra.run.dir={folder}/{i}"], env=env, stdout=subprocess.DEVNULL
            )
            for i in range(count)
        ]
        if any(each.wait() for each in begun):
            raise SystemExit("a run failed")
        told = [json.loads(Path(folder, str(i), "summary.json").read_text()) for i in range(count)]
    rate = statistics.mean(args.steps / summary["seconds"] for summary in told)
    return (_children() - spent) / count, rate


def _children() -> float:
    """CPU seconds of all processes that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def main() -> int:
    """The exit code is 1 where a figure is missed."""
    kind = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=kind)
    folder = os.environ.get("VAEBENCH_DATA_DIR", "~/.cache/vaebench")
    out = Path(__file__).parent / "results" / "crowded.json"
    parser.add_argument("--data-dir", default=folder, help="holds MNIST/raw (VAEBENCH_DATA_DIR)")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=out)
    args = parser.parse_args()
    rounds = [(runs(args, 1), runs(args, TOGETHER)) for _ in range(args.rounds)]
    cpu = statistics.median(both[0] / alone[0] for alone, both in rounds)
    share = statistics.median(both[1] / alone[1] for alone, both in rounds)
    cpu_passes, share_passes = cpu <= MOST_CPU, share >= LEAST_SHARE
    about = {"steps": args.steps, "cores": os.cpu_count(), "processor": processor()}
    policy = os.environ.get("OMP_WAIT_POLICY", "the command's own")
    found = {"about": about | {"waiting": policy}, "cpu": cpu, "share": share}
    found["rounds"] = [
        {"alone": dict(zip(("cpu_seconds", "steps_per_second"), alone, strict=True))}
        | {"together": dict(zip(("cpu_seconds", "steps_per_second"), both, strict=True))}
        for alone, both in rounds
    ]
    args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{verdict(cpu_passes)}  {cpu:.2f} of the CPU seconds alone, at most {MOST_CPU}")
    print(f"{verdict(share_passes)}  {share:.2f} of the steps/s alone, at least {LEAST_SHARE}")
    return 0 if cpu_passes and share_passes else 1


if __name__ == "__main__":
    raise SystemExit(main())
