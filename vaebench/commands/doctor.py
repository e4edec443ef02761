"""`vaebench doctor`: versions, devices, data, loggers and disk in one screen, for a bug report."""

from __future__ import annotations

import os
import platform
import re
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import torch
from hydra.core.utils import setup_globals
from omegaconf import DictConfig, OmegaConf
from packaging.requirements import Requirement

from vaebench import __version__
from vaebench.commands.check import size
from vaebench.commands.options import read
from vaebench.composition import instantiate
from vaebench.data.base import FromFiles
from vaebench.errors import Refusal
from vaebench.paths import conf_dir
from vaebench.training.account import mode_by_account
from vaebench.training.cost import memory_of
from vaebench.training.machine import device_name, device_of

WIDTH, HEADING = 100, 12
"""Columns of the screen, and of what stands before each line."""

TELLING = re.compile(r"VAEBENCH_|OMP_|WANDB_(?!API_KEY)|CUDA_|HYDRA_|SLURM_JOB_ID$|PYTHONPATH$")
"""Environment variables that change what a run does; a key is nobody else's business."""


@dataclass
class Options:
    """Of `vaebench doctor`."""

    data_dir: str = ""  # not given: what a run would take


def doctor(arguments: Sequence[str]) -> None:
    """Prints what a bug report needs, and asks no network.

    Raises:
        Refusal: an unknown option.
    """
    words, options = read("doctor", arguments, Options)
    if words:
        raise Refusal(f"vaebench doctor takes data_dir=DIR alone, not {words[0]}")
    root = config(options.data_dir)
    for heading, text in (
        ("vaebench", f"{__version__} in {Path(__file__).parents[1]}, configs in {conf_dir()}"),
        ("system", f"Python {platform.python_version()} on {platform.platform()}"),
        ("packages", ", ".join(packages(""))),
        *(("extra", f"{extra}: {', '.join(packages(extra))}") for extra in extras()),
        ("devices", "; ".join(devices())),
        ("data_dir", told_folder(Path(root.data_dir).expanduser())),
        *(("", line) for line in data_sets(root)),
        ("loggers", f"wandb {mode_by_account()} unless told otherwise, csv"),
        ("runs", told_folder(Path("runs"))),
        ("environment", ", ".join(environment()) or "nothing that vaebench reads"),
    ):
        print(entry(heading, text))


def entry(heading: str, text: str) -> str:
    """A heading and what stands beside it, in as many lines as it needs."""
    room = textwrap.TextWrapper(
        WIDTH,
        initial_indent=heading.ljust(HEADING),
        subsequent_indent=" " * HEADING,
        break_on_hyphens=False,
    )
    return room.fill(text)


def requirements() -> list[Requirement]:
    """What the package asks for; nothing where it was not installed."""
    try:
        return [Requirement(text) for text in requires("vaebench") or ()]
    except PackageNotFoundError:
        return []


def extras() -> list[str]:
    """Those that programs may need: not what only its developers do."""
    found = dict.fromkeys(map(extra_of, requirements()))
    return [name for name in found if name not in ("", "dev", "docs")]


def packages(extra: str) -> Iterator[str]:
    """The packages that an extra needs, or every run, each with its version or what is wrong."""
    return (told_package(needed) for needed in requirements() if extra_of(needed) == extra)


def extra_of(needed: Requirement) -> str:
    """The extra that asks for a package; empty where every run does."""
    found = re.search(r"extra == ['\"](\w+)['\"]", str(needed.marker))
    return found[1] if found else ""


def told_package(needed: Requirement) -> str:
    """`torch 2.9.1`, and what was asked for where it is not that."""
    try:
        found = version(needed.name)
    except PackageNotFoundError:
        return f"{needed.name} is not installed"
    fits = needed.specifier.contains(found, prereleases=True)
    return f"{needed.name} {found}" + ("" if fits else f" (not {needed.specifier})")


def devices() -> Iterator[str]:
    """What there is to train on, and what a run would take."""
    cpu = torch.device("cpu")
    threads = f"{torch.get_num_threads()} of {os.cpu_count()} cores"
    yield f"cpu ({threads}, {size(memory_of(cpu))})"
    for index in range(torch.cuda.device_count()):
        gpu = torch.device("cuda", index)
        yield f"{device_name(gpu)} ({size(memory_of(gpu))}, CUDA {torch.version.cuda})"
    if torch.backends.mps.is_available():
        yield "mps"
    yield f"trainer=auto takes {device_name(device_of('accelerator', 'auto'))}"


def config(data_dir: str) -> DictConfig:
    """Where a run would look for data, and what their configs refer to."""
    setup_globals()
    root: DictConfig = OmegaConf.load(conf_dir() / "config.yaml")  # type: ignore[assignment]
    return OmegaConf.create({"data_dir": data_dir or root.data_dir, "seed": 0, "suggested": {}})


def data_sets(root: DictConfig) -> Iterator[str]:
    """Of each data set that is read from files whether these are there."""
    for path in sorted((conf_dir() / "dataset").glob("*.yaml")):
        found = OmegaConf.load(path)
        if "data_dir" not in found.dataset:
            continue
        merged = OmegaConf.merge(root, {"dataset": found.dataset})
        data = instantiate(merged.dataset)  # which reads no file yet
        if isinstance(data, FromFiles):
            yield f"{path.stem}: {told_files(path.stem, data)}"


def told_files(name: str, data: FromFiles) -> str:
    """Where a data set's files are, or how they come there."""
    if data.is_there:
        return f"there, in {data.place}"
    if data.downloads:
        return f"not there; vaebench dataset={name} downloads it"
    return f"not there; put {data.wanted} into {data.place}"


def told_folder(folder: Path) -> str:
    """A folder, and whether and how much can be written there."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    writable = "" if os.access(there, os.W_OK) else ", which cannot be written"
    made = "" if folder.exists() else ", which is not there yet"
    return f"{folder}{made}{writable}, {size(shutil.disk_usage(there).free)} free"


def environment() -> Iterator[str]:
    """The variables that are set."""
    for name, value in sorted(os.environ.items()):
        if TELLING.match(name):
            yield f"{name}={value}"
