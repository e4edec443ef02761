"""What starts beside the first steps of training."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


class Beside:
    """Something that takes a while to start, in a thread of its own, and what it is to do then.

    Only the thread that made it asks it anything; so nothing is locked.

    Args:
        start: what takes a while.

    Attributes:
        waiting: calls that it is to answer, in order, once it has started.
    """

    def __init__(self, start: Callable[[], None]) -> None:
        self.waiting: list[Callable[[], None]] = []
        pool = ThreadPoolExecutor(1)
        self._start = pool.submit(start)
        pool.shutdown(wait=False)

    def is_over(self) -> bool:
        """Whether it has started, or failed to."""
        return self._start.done()

    def started(self) -> None:
        """Waits until it has; raises what it failed with."""
        self._start.result()

    def catch_up(self) -> None:
        """Answers what is waiting. Calls may come back here: those after them are not theirs."""
        calls, self.waiting = self.waiting, []
        for call in calls:
            call()
