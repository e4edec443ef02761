"""What starting takes: peak memory and seconds to the first step, of data as large as CIFAR-10.

    python benchmarks/start.py                    writes results/start.json
    python benchmarks/start.py --before CHECKOUT  another version of vaebench as well
    python benchmarks/start.py --images 2000      a smoke test

Made-up bytes `[N, 3, 32, 32]`, N = 50,000, in files of their own: an .npz for `dataset=images` and
`dataset=arrays`, in memory and mapped, and the batches of CIFAR-10 (with 10,000 test images more) for
`dataset=cifar10`. Each start is a fresh process of the real command on one thread, which ends after the
first step. What a few images take to start is the bare program's; memory is told beyond that, as a
multiple of the files' bytes. PASS: at most 2.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
FEW, MOST = 1000, 2.0
COMMON = ("likelihood=gaussian_amortised", "trainer.max_steps=2", "logger=none", "trainer=cpu")
BYTES = ("dataset.binarize=none", "dataset.dequantize=true")
CASES = {
    "cifar10": ("dataset=cifar10", "dataset.split.val=0.1"),
    "images": ("dataset=images", *BYTES),
    "arrays in memory": ("dataset=arrays",),
    "arrays mapped": ("dataset=arrays", "dataset.memory=1KB"),
}
MEASURE = """
import json, os, resource, time
import pytorch_lightning as pl

class First(pl.Callback):
    def on_train_batch_end(self, *_):
        status = dict(line.split(":", 1) for line in open("/proc/self/status"))
        begun = float(open("/proc/self/stat").read().rpartition(")")[2].split()[19])
        seconds = time.clock_gettime(time.CLOCK_BOOTTIME) - begun / os.sysconf("SC_CLK_TCK")
        own = int(status["RssAnon"].split()[0]) / 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print("MEASURED", json.dumps({"seconds": seconds, "peak_mib": peak, "own_mib": own}), flush=True)
        os._exit(0)
"""
COMMAND = """
import json, sys
import torchvision
from pathlib import Path
sums = json.loads(Path("sums.json").read_text())
kind = torchvision.datasets.CIFAR10
kind.train_list = [[n, sums.get(n, s)] for n, s in kind.train_list]
kind.test_list = [[n, sums.get(n, s)] for n, s in kind.test_list]
kind.meta = kind.meta | {"md5": sums["batches.meta"]}
from vaebench.cli import main
sys.exit(main(sys.argv[1:]))
"""


def write(folder: Path, images: int) -> int:
    """The files of all cases; the bytes of the images of CIFAR-10's batches."""
    (folder / "callbacks").mkdir(parents=True)
    (folder / "callbacks" / "first.yaml").write_text(
        "# Measures the first step\n_target_: first.First\n"
    )
    (folder / "first.py").write_text(MEASURE)
    (folder / "command.py").write_text(COMMAND)
    made = np.random.default_rng(0).integers(0, 256, (images, 3, 32, 32), dtype=np.uint8)
    np.savez(folder / "own.npz", x=made)
    batches = folder / "cifar-10-batches-py"
    batches.mkdir()
    parts = {f"data_batch_{i + 1}": part for i, part in enumerate(np.split(made, 5))}
    parts["test_batch"] = made[: images // 5]
    for name, part in parts.items():
        batch = {"data": part.reshape(len(part), -1), "labels": [0] * len(part)}
        (batches / name).write_bytes(pickle.dumps(batch))
    (batches / "batches.meta").write_bytes(pickle.dumps({"label_names": ["thing"]}))
    sums = {p.name: hashlib.md5(p.read_bytes()).hexdigest() for p in batches.iterdir()}
    (folder / "sums.json").write_text(json.dumps(sums))
    return made.nbytes


def start(tree: Path, folder: Path, words: tuple[str, ...]) -> dict[str, float]:
    """Seconds and MiB of one start."""
    where = f"data_dir={folder}" if "dataset=cifar10" in words else f"dataset.path={folder}/own.npz"
    environment = os.environ | {"PYTHONPATH": f"{tree}:{folder}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [
            sys.executable,
            "command.py",
            "--config-dir",
            ".",
            *words,
            where,
            *COMMON,
            "callbacks=first",
        ],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    for line in done.stdout.splitlines():
        if line.startswith("MEASURED"):
            return json.loads(line.partition(" ")[2])
    raise SystemExit(f"{' '.join(words)}: {done.stdout}{done.stderr}")


def measured(tree: Path, few: Path, many: Path, size: int, cases: list[str]) -> dict[str, object]:
    """Each case's start, and its memory beyond the bare program's in multiples of the files."""
    found = {}
    for case in cases:
        bare, whole = (start(tree, folder, CASES[case]) for folder in (few, many))
        files = size * 1.2 if case == "cifar10" else size
        beyond = (whole["peak_mib"] - bare["peak_mib"]) * 2**20 / files
        found[case] = {"bare": bare, "whole": whole, "files_mib": files / 2**20, "beyond": beyond}
        print(
            f"{tree.name} {case}: {beyond:.2f} times the files, {whole['seconds']:.1f} s",
            flush=True,
        )
    return found


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=50_000, help="N, a multiple of 5")
    parser.add_argument("--before", type=Path, help="a checkout of another version")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        few, many = Path(name, "few"), Path(name, "many")
        write(few, FEW)
        size = write(many, options.images)
        result: dict[str, object] = {"images": options.images}
        if options.before:
            old = [case for case in CASES if not case.startswith("arrays")]
            result["before"] = measured(options.before.resolve(), few, many, size, old)
        after = measured(ROOT, few, many, size, list(CASES))
    passed = all(case["beyond"] <= MOST for case in after.values())
    result |= {"after": after, "passed": passed}
    path = ROOT / "benchmarks" / "results" / "start.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    print("PASS" if passed else "FAIL")


if __name__ == "__main__":
    main()
