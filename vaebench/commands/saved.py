"""What a run folder says about its run, and the run's model back from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import setup_globals
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console
from yaml import YAMLError

from vaebench.commands.codes import make_codes
from vaebench.commands.heartbeat import Heartbeat
from vaebench.composition import Composition, compose
from vaebench.config.schema import Accelerator, Config
from vaebench.errors import Refusal
from vaebench.measures.base import Subject, evaluating
from vaebench.paths import conf_dir, find_classes
from vaebench.progress import doing
from vaebench.runs.layout import CONFIG, HYDRA, HYDRA_CONFIG, run_folder
from vaebench.training.checkpoints import checkpoint_of, restore
from vaebench.training.machine import device_of, keep_memory

if TYPE_CHECKING:
    from vaebench.training import RunLogger


def load_config(folder: Path) -> tuple[DictConfig, dict[str, str]]:
    """The composed config of a run and its choices, as the run saw them."""
    setup_globals()  # the resolvers that a config may use outside a Hydra run too
    try:
        HydraConfig.instance().cfg = hydra = _read(folder / HYDRA_CONFIG)
        cfg: Any = OmegaConf.merge(OmegaConf.structured(Config), _read(folder / CONFIG))
        for group in [str(name) for name in cfg if OmegaConf.is_missing(cfg, name)]:
            # A run of an older version, which knew no such group: it was as the default is now.
            cfg[group] = _read(conf_dir() / group / f"{_default(group)}.yaml")
    except (OSError, YAMLError, OmegaConfBaseException, TypeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise Refusal(f"{folder / HYDRA} is not of a run of this program: {reason}") from error
    sources = hydra.hydra.runtime.get("config_sources", [])
    find_classes(*(Path(each.path) for each in sources if each.provider == "command-line"))
    choices = hydra.hydra.runtime.choices
    return cfg, {group: choice for group, choice in choices.items() if "/" not in group}


def _read(path: Path) -> Any:
    return OmegaConf.load(path)


def _default(group: str) -> str:
    """What a run chooses of a group unless told otherwise."""
    defaults = _read(conf_dir() / "config.yaml").defaults
    return next(entry[group] for entry in defaults if group in entry)


class Weights(Enum):
    """Which checkpoint of a run."""

    evaluated = "evaluated"  # that of its `eval.checkpoint`
    best = "best"
    last = "last"


class Held(Enum):
    """Which split is looked at."""

    test = "test"
    val = "val"
    train = "train"


@dataclass
class Looking:
    """Options of every command that looks at a finished run."""

    split: Held = Held.test
    seed: int = 0
    weights: Weights = Weights.evaluated
    data_dir: str = ""
    accelerator: Accelerator = Accelerator.auto


@dataclass(frozen=True)
class Saved:
    """A run, composed again, with its trained weights.

    Attributes:
        folder: where it lies.
        cfg: its config.
        composition: data; model and objective in evaluation mode.
        device: where they are.
        checkpoint: the file of its weights.
        step: of training, where they were taken.
    """

    folder: Path
    cfg: DictConfig
    composition: Composition
    device: torch.device
    checkpoint: Path
    step: int


def open_run(
    path: str,
    *,
    data_dir: str = "",
    accelerator: Accelerator = Accelerator.auto,
    weights: Weights = Weights.evaluated,
) -> Saved:
    """A run as it was trained.

    Args:
        path: the run folder.
        data_dir: where data lie now, if they moved.

    Raises:
        Refusal: no run folder, no checkpoint or a corrupt one, data that are not there.
    """
    folder = run_folder(path)
    cfg, _ = load_config(folder)
    if data_dir:
        cfg.data_dir = data_dir
    name = cfg.eval.checkpoint.value if weights is Weights.evaluated else weights.value
    checkpoint, held = checkpoint_of(folder, name)
    make_codes(cfg)
    composition = compose(cfg)
    try:
        restore(composition, held["state_dict"])
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise Refusal(f"{checkpoint} is not of the model in {path}: {reason}") from error
    device = device_of("accelerator", accelerator.value)
    evaluating(composition, device)
    return Saved(folder, cfg, composition, device, checkpoint, held["global_step"])


def open_beside(run: str, saved: Saved, accelerator: Accelerator) -> Saved:
    """Another run, whose choices do not take the place of this one's."""
    chosen = HydraConfig.instance().cfg
    try:
        return open_run(run, data_dir=saved.cfg.data_dir, accelerator=accelerator)
    finally:
        HydraConfig.instance().cfg = chosen


@contextmanager
def looking(path: str, options: Looking) -> Iterator[tuple[Console, Saved, Subject]]:
    """A run, and its model with the examples that the options name; while open, the console tells
    what is under way."""
    keep_memory()
    of = {n: getattr(options, n) for n in ("data_dir", "accelerator", "weights")}
    with Heartbeat(console := Console()):
        with doing("loading"):
            saved = open_run(path, **of)
            seed, step = options.seed, saved.step
            subject = Subject(saved.composition, saved.device, options.split.value, seed, step)
        yield console, saved, subject


def loggers_of(saved: Saved) -> Iterator[RunLogger]:
    """Those of the run that take more after its end; closed after the last."""
    from vaebench.training import RunLogger, build_loggers, close  # with Lightning: for who has any

    loggers = build_loggers(saved.cfg, saved.folder)
    yield from (logger for logger in loggers if isinstance(logger, RunLogger))
    close(loggers)
