"""The processes of a run that trains on several devices."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import torch

from vaebench.errors import RunFailed

WORKER = "vaebench.commands.worker"
GRACE_SECONDS = 20.0
READY = b"ready"


@contextlib.contextmanager
def rank_zero(devices: int) -> Iterator[None]:
    """Makes this process the first of several: a Trainer built inside expects the others.

    Lightning's own launcher would run this process's command line again, which in a grid is the
    whole grid. Whatever is set here is undone at the end, for the next job of a grid.
    """
    if devices <= 1:
        yield
        return
    from lightning_fabric.plugins.environments.lightning import find_free_network_port

    before, threads = dict(os.environ), torch.get_num_threads()
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(find_free_network_port())}
    os.environ |= {"NODE_RANK": "0", "LOCAL_RANK": "0"}
    torch.set_num_threads(max(1, threads // devices))
    try:
        yield
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        torch.set_num_threads(threads)
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ |= before


@contextlib.contextmanager
def workers(devices: int, folder: Path, checkpoint: Path | None) -> Iterator[None]:
    """The other processes, each of which composes the run from its folder and trains its part.

    Raises:
        RunFailed: what ended one of them, where that is why this one failed.
    """
    started = [_start(rank, devices, folder, checkpoint) for rank in range(1, devices)]
    try:
        for child, _ in started:
            # A worker that cannot begin would leave this process waiting for its call.
            if child.stdout is None or child.stdout.readline().strip() != READY:
                raise RunFailed("a worker did not begin")
        yield
        for child, _ in started:
            child.wait(GRACE_SECONDS)
    except Exception as error:
        for rank, (child, log) in enumerate(started, 1):
            if line := _last_words(child, log):
                raise RunFailed(f"the process of rank {rank} failed: {line}") from error
        raise
    finally:
        for child, log in started:
            with child, log:  # waits for it, and closes its pipes
                child.kill()


def _start(
    rank: int, devices: int, folder: Path, checkpoint: Path | None
) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by whoever waits for the process
    arguments = [str(folder), *([] if checkpoint is None else [str(checkpoint)])]
    threads = str(max(1, (os.cpu_count() or 1) // devices))
    child = subprocess.Popen(
        [sys.executable, "-m", WORKER, *arguments],
        env={"OMP_NUM_THREADS": threads} | os.environ | {"LOCAL_RANK": str(rank)},
        stdin=subprocess.PIPE,  # its end tells the worker that this process is gone
        stdout=subprocess.PIPE,
        stderr=log,
        start_new_session=True,  # Ctrl-C is for this process, which saves before all stop
    )
    return child, log


def _last_words(child: subprocess.Popen[bytes], log: IO[bytes]) -> str:
    """Why a worker failed; nothing where it did not, or is still there."""
    try:
        if child.wait(GRACE_SECONDS) == 0:
            return ""
    except subprocess.TimeoutExpired:
        return ""
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"exit code {child.returncode}"


def report_ready() -> None:
    """Tells the process that started this one that it is about to train; the last word on stdout."""
    sys.stdout.buffer.write(READY + b"\n")
    sys.stdout.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def leave_with_parent() -> None:
    """Ends this process as soon as the one that started it is gone."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1):
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
