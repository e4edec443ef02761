"""A grid of 16 digits runs, one after the other and with joblib's workers.

    python benchmarks/grid.py [--workers 2]

Both are the command that a user types, the whole process timed, `logger=csv`. PASS: the workers take
at most 0.65 of the serial time (on as many cores).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time

GRID = ["-m", "model=vae,iwae", "k=1,5", "seed=1,2,3,4", "logger=csv"]
MAX_RATIO = 0.65


def seconds(folder: str, *more: str) -> float:
    """Of one call of the command."""
    begun = time.monotonic()
    command = [sys.executable, "-m", "vaebench", *GRID, *more]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begun


def main() -> int:
    """The exit code is 1 where the figure is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    workers = parser.parse_args().workers
    parallel = ["hydra/launcher=joblib", f"hydra.launcher.n_jobs={workers}"]
    with tempfile.TemporaryDirectory() as folder:
        serial = seconds(folder, "hydra.sweep.dir=serial")
        together = seconds(folder, "hydra.sweep.dir=joblib", *parallel)
    ratio = together / serial
    print(
        f"16 runs on {os.cpu_count()} cores: serial {serial:.1f} s, {workers} workers {together:.1f} s"
    )
    print(f"{'PASS' if ratio <= MAX_RATIO else 'FAIL'}  ratio {ratio:.2f}, at most {MAX_RATIO}")
    return 0 if ratio <= MAX_RATIO else 1


if __name__ == "__main__":
    raise SystemExit(main())
