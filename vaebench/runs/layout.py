"""The run folder: the name of every file and folder in it, each as a path below it."""

from __future__ import annotations

import re
from pathlib import Path

from vaebench.errors import Refusal

SUMMARY = "summary.json"
"""Final metrics, config, versions: written last, so that a run which has one is finished."""

BEGUN = "begun.json"
"""What of the summary is known before the first step, and which process takes it."""

HISTORY = "metrics.csv"
CLOCK = "clock.csv"
"""When the steps of the history were taken, and how many there are to be."""

EXAMPLES = "examples.csv"
"""What was measured of each test example, in the order of the split."""

ERROR = "error.txt"
"""Why there is no summary: a line, and the traceback below it."""

EVALUATION = "evaluation.json"
OUTLIERS = "outliers.csv"
"""Scores of each example of a split and of sets of outliers."""

LATENTS = "latents.npz"
CODES = "codes"
"""Parameters of q(z | x) of each split, for `dataset=codes`."""

PICTURES = "pictures"
CURVES = f"{PICTURES}/curves.png"

CHECKPOINTS = "checkpoints"
LAST = f"{CHECKPOINTS}/last.ckpt"
PREVIOUS = f"{CHECKPOINTS}/previous.ckpt"
BEST = f"{CHECKPOINTS}/best.ckpt"

HYDRA = ".hydra"
CONFIG = f"{HYDRA}/config.yaml"
HYDRA_CONFIG = f"{HYDRA}/hydra.yaml"
OVERRIDES = f"{HYDRA}/overrides.yaml"

WANDB_ID = "wandb/run_id"
WANDB_OFFLINE = "wandb/offline-run-*"
TENSORBOARD = "tensorboard"

GRID = "grid.json"
"""In the folder of a grid, beside those of its runs."""

STUDY, STUDY_TABLE = "study.json", "table.csv"
"""In the folder of a study: what it was, and what it found."""

WEIGHTS = {"best": BEST, "last": LAST}
"""By the value of `eval.checkpoint`."""


def option_of(word: str) -> str:
    """The option or group that an override sets, as in `OVERRIDES`."""
    return re.split("[=@]", word.lstrip("+~"))[0]


def codes_of(folder: Path, part: str) -> Path:
    """Where the codes of a split are."""
    return folder / CODES / f"{part}.npz"


def holds_run(folder: Path) -> bool:
    """Whether a run has left anything here that another would overwrite."""
    return any((folder / name).exists() for name in (SUMMARY, HISTORY, CHECKPOINTS))


def run_folder(path: str) -> Path:
    """A run folder that the user named.

    Raises:
        Refusal: where it is none.
    """
    folder = Path(path).expanduser()
    if not (folder / CONFIG).exists():
        raise Refusal(f"{path} is no run folder: it holds no {CONFIG}")
    return folder.resolve()
