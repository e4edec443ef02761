"""Work that pauses where it is to wait for other work."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig

from vaebench import progress
from vaebench.data.seeds import noise_state, set_noise_state

WIDTH = "COLUMNS"
MINE: ContextVar[Strand | None] = ContextVar("MINE", default=None)
"""The strand whose work this thread does."""


class Surroundings:
    """What a run finds around it, and may change while it lasts: where random generators stand, what
    is printed to, what is under way, and which job of the command line it is."""

    def __init__(self) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_initialized() else "cpu")
        self.noise = noise_state(self.device)
        self.streams, self.loops = (sys.stdout, sys.stderr), progress.under_way()
        self.width = os.environ.get(WIDTH)
        self.job: Any = HydraConfig.instance().cfg

    def restore(self) -> None:
        """All of it."""
        set_noise_state(self.device, self.noise)
        sys.stdout, sys.stderr = self.streams
        progress.turn_to(self.loops)
        HydraConfig.instance().cfg = self.job
        os.environ.pop(WIDTH, None)
        if self.width is not None:
            os.environ[WIDTH] = self.width


class Strand:
    """Work in a thread of its own, of which one runs at a time, in surroundings of its own.

    It runs while `resume` lasts, and pauses where it asks for something.

    Args:
        work: to be done.

    Attributes:
        asked: what it waits for; None once the work is done.
        surroundings: where it is to go on, while it waits.
        saves: whether it may write a checkpoint at the end of an epoch, if that is the next.
    """

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        self.asked: Any = None
        self.answer: Any = None
        self.result: Any = None
        self.saves = True
        self.error: BaseException | None = None
        self.turn, self.back = threading.Semaphore(0), threading.Semaphore(0)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.surroundings = Surroundings()
        self.thread.start()

    def resume(self, answer: Any = None) -> None:
        """Goes on until the work asks again, or is done.

        Args:
            answer: to what it asked; an error is raised where it asked.
        """
        outside = Surroundings()
        self.surroundings.restore()
        self.answer, self.asked = answer, None
        self.turn.release()
        self.back.acquire()
        self.surroundings = Surroundings()
        outside.restore()

    def ask(self, asked: Any) -> Any:
        """Called by the work: pauses it until there is an answer."""
        self.asked = asked
        self.back.release()
        self.turn.acquire()
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    def spared(self) -> bool:
        """Whether the end of an epoch may go without a checkpoint."""
        return not self.saves

    def _run(self) -> None:
        MINE.set(self)
        self.turn.acquire()
        try:
            self.result = self.work()
        except BaseException as error:
            self.error = error
        self.back.release()
