"""What a command takes as a whole, in CPU seconds: instant answers, a dry run, a run from start to end.

    python benchmarks/command.py                  writes results/command.json
    python benchmarks/command.py --rounds 2       a smoke test
    python benchmarks/command.py --tree CHECKOUT  of another version of vaebench

Each command is a fresh process in an empty folder, on one thread; its user and system seconds are
counted, those of the processes that it starts among them, since those are the same however busy the
machine is. Each is held against a yardstick that is measured in turn with it: a number of seconds, or a
program that imports what it must import, or does the same by hand (`bare.py`). The default run is timed
until its first word and its first step as well, by the clock. Every median is of all rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = sys.executable
VAEBENCH = (PYTHON, "-m", "vaebench")
YARDSTICKS = {
    "import torch, sklearn.datasets": (PYTHON, "-c", "import torch, sklearn.datasets"),
    "bare.py": (PYTHON, str(ROOT / "benchmarks" / "bare.py")),
}
CASES: dict[str, tuple[tuple[str, ...], str | float, float]] = {
    "vaebench --help": ((*VAEBENCH, "--help"), 1.0, 1.0),
    "vaebench list": ((*VAEBENCH, "list"), 1.0, 1.0),
    "vaebench k=0": ((*VAEBENCH, "k=0"), 1.0, 1.0),
    "vaebench check": ((*VAEBENCH, "check"), "import torch, sklearn.datasets", 1.25),
    "vaebench": (VAEBENCH, "bare.py", 1.5),
}
"""Command → its words, its yardstick (one second, or a program), and how many of it at most."""

WORD, STEP = "first word", "first step"
FIRST_STEP = """
import time
import pytorch_lightning as pl

class First(pl.Callback):
    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == 1:
            open("first_step", "w").write(str(time.time()))
"""


def cpu_seconds(words: tuple[str, ...], tree: Path) -> float:
    """User and system seconds of a fresh process and all that it starts."""
    environment = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(words, cwd=folder, env=environment, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def firsts(tree: Path) -> dict[str, float]:
    """Seconds by the clock until a default run's first word, and until its first step is done."""
    environment = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "callbacks").mkdir()
        (folder / "callbacks" / "first.yaml").write_text("# Notes a step\n_target_: first.First\n")
        (folder / "first.py").write_text(FIRST_STEP)
        words = (*VAEBENCH, "--config-dir", ".", "callbacks=first", "trainer.max_epochs=1")
        begun = time.time()
        run = subprocess.Popen(
            words, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert run.stdout is not None
        run.stdout.readline()
        word = time.time() - begun
        run.stdout.read()
        run.wait()
        return {WORD: word, STEP: float((folder / "first_step").read_text()) - begun}


def measured(tree: Path, rounds: int) -> dict[str, list[float]]:
    """Seconds by name, the programs in turn."""
    programs = YARDSTICKS | {name: words for name, (words, _, _) in CASES.items()}
    found: dict[str, list[float]] = {name: [] for name in (*programs, WORD, STEP)}
    for number in range(rounds):
        for name, words in programs.items():
            found[name].append(cpu_seconds(words, tree))
        for name, seconds in firsts(tree).items():
            found[name].append(seconds)
        print(f"round {number + 1} of {rounds}", flush=True)
    return found


def judged(found: dict[str, list[float]]) -> list[dict[str, object]]:
    """A line of the table for each command: its median, that of its yardstick, the median ratio."""
    lines = []
    for name, (_, yardstick, most) in CASES.items():
        own = found[name]
        other = [yardstick] * len(own) if isinstance(yardstick, float) else found[yardstick]
        ratio = statistics.median(a / b for a, b in zip(own, other, strict=True))
        line = {"command": name, "seconds": statistics.median(own), "yardstick": yardstick}
        line |= {"of_it": statistics.median(other), "ratio": ratio, "most": most}
        lines.append(line | {"passed": ratio <= most})
    return lines


def main() -> int:
    """Measures, tells and writes; 1 where a figure is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tree", type=Path, default=ROOT, help="a checkout to measure")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/command.json")
    options = parser.parse_args()
    found = measured(options.tree.resolve(), options.rounds)
    lines = judged(found)
    for line in lines:
        verdict = "PASS" if line["passed"] else "FAIL"
        against = line["yardstick"] if isinstance(line["yardstick"], str) else "second"
        print(
            f"{verdict}  {line['command']:16} {line['seconds']:6.2f} CPU s, {line['ratio']:.2f} of "
            f"{line['of_it']:.2f} ({against}), at most {line['most']}"
        )
    for name in (WORD, STEP):
        print(f"      {name} of a run after {statistics.median(found[name]):.2f} s by the clock")
    about = {"python": platform.python_version(), "torch": version("torch")}
    about |= {"processors": os.cpu_count(), "threads": 1, "rounds": options.rounds}
    about |= {"load": os.getloadavg()[0]}  # beyond the processors it costs CPU seconds as well
    options.out.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"about": about, "commands": lines, "seconds": found}, indent=1)
    options.out.write_text(text + "\n", encoding="utf-8")
    return 0 if all(line["passed"] for line in lines) else 1


if __name__ == "__main__":
    raise SystemExit(main())
