"""What a run is told of the machine, and what it tells of it."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import sys
import time
from functools import cache
from pathlib import Path

import torch

from vaebench.errors import Refusal
from vaebench.training.rejected import NONE_HERE


def keep_memory() -> None:
    """glibc: keep freed memory instead of returning it, which costs page faults at every step."""
    if not sys.platform.startswith("linux"):
        return
    m_trim_threshold, m_mmap_threshold, large = -1, -3, 2**30
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(m_mmap_threshold, large)
        libc.mallopt(m_trim_threshold, large)
    except (OSError, AttributeError):
        return  # another C library: nothing to tune


def device_of(option: str, accelerator: str) -> torch.device:
    """The device that an accelerator's name stands for on this machine, as Lightning has it.

    Args:
        option: which names it.
        accelerator: `auto`, `cpu`, `gpu` or `mps`.

    Raises:
        Refusal: where the machine lacks it.
    """
    there = {"mps": torch.backends.mps.is_available(), "cuda": torch.cuda.is_available()}
    wanted = {"cpu": [], "mps": ["mps"]}.get(accelerator, [*there])
    found = next((kind for kind in wanted if there[kind]), "")
    if not found and accelerator in ("gpu", "mps"):
        raise Refusal(f"{option}={accelerator}: {NONE_HERE}. Use {option}=auto.")
    return torch.device(found, 0) if found else torch.device("cpu")


SLOWER = 1.5
"""Times that a product in bfloat16 takes of one in float32 from which it is none of the machine's own:
those that have it need less than float32's, those that take it apart several times as much."""


@cache
def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether products in bfloat16 are a device's own, tried once. A CPU that lacks them trains several
    times slower than in float32."""
    return device.type != "cpu" or _seconds(torch.bfloat16) < SLOWER * _seconds(torch.float32)


def _seconds(dtype: torch.dtype, size: int = 256, trials: int = 5) -> float:
    """Of a product of two matrices, at best."""
    x, spent = torch.ones(size, size, dtype=dtype), []
    for _ in range(trials):
        begun = time.perf_counter()
        x @ x
        spent.append(time.perf_counter() - begun)
    return min(spent)


def device_name(device: torch.device) -> str:
    """`cpu`, or the name of the accelerator."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def cores() -> str:
    """The CPU, and how many of its cores a run's products use: `AMD EPYC, 1 thread on 2 cores`."""
    try:
        told = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:  # no Linux
        told = None
    name = told[1].strip() if told else platform.processor() or platform.machine()
    threads = torch.get_num_threads()
    return f"{name}, {threads} thread{'s' * (threads > 1)} on {os.cpu_count()} cores"


def peak_memory(device: torch.device) -> float:
    """Peak memory in MiB; 0 where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
