"""What a run is told of the machine, and what it tells of it."""

from __future__ import annotations

import ctypes
import sys

import torch


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


def device_name(device: torch.device) -> str:
    """`cpu`, or the name of the accelerator."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


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
