"""How far work has come: loops count, and whoever tells people reads the counts by the clock."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

clock = time.monotonic


class Loop:
    """Work of so many rounds; with a total of 0 a heading, whose length nobody knows.

    Args:
        what: it does, for people; without a word it is a part of the work around it.
        total: rounds.
        done: of them, before this process began.
    """

    def __init__(self, what: str = "", total: int = 0, done: int = 0) -> None:
        self.what, self.total, self.done, self.before = what, total, done, done
        self.begun = clock()

    def count(self) -> int:
        """Rounds done."""
        return self.done

    def text(self) -> str:
        """What is being done."""
        return self.what


_loops: list[Loop] = []


def under_way() -> list[Loop]:
    """What is being done, the outermost first."""
    return list(_loops)


def turn_to(loops: Sequence[Loop]) -> None:
    """Something else is under way from now on: what `under_way` told when it was left."""
    _loops[:] = loops


@contextmanager
def doing(loop: Loop | str) -> Iterator[Loop]:
    """While open, this is being done, as a part of whatever was before."""
    loop = Loop(loop) if isinstance(loop, str) else loop
    _loops.append(loop)
    try:
        yield loop
    finally:
        _loops.remove(loop)


def steps(items: Iterable[T], what: str = "", total: int | None = None) -> Iterator[T]:
    """The same items, counted.

    Args:
        items: what a loop goes over.
        what: it does, for people.
        total: how many there are, where the items do not tell.
    """
    if total is None:
        assert isinstance(items, Collection)
        total = len(items)
    with doing(Loop(what, total)) as loop:
        for item in items:
            yield item
            loop.done += 1


def what(loops: Sequence[Loop]) -> str:
    """What is being done, and how much of it is."""
    counted = [loop for loop in loops if loop.total][:1]
    return " · ".join(_told(loop, loops) for loop in loops if loop.text() or loop in counted)


def when(loops: Sequence[Loop]) -> str:
    """How long it has taken, and how long it may still take."""
    outermost = next((loop for loop in loops if loop.total), loops[-1])
    left = seconds_left(loops)
    end = "" if left is None else f" · about {duration(left)} left"
    return f"{duration(clock() - outermost.begun)}{end}"


def _told(loop: Loop, loops: Sequence[Loop]) -> str:
    """A loop's word and share."""
    if not loop.total:
        return loop.text()
    share = f"{100 * fraction(loops[loops.index(loop) :]):.0f} %"
    return f"{loop.text()} · {share}" if loop.text() else share


def fraction(loops: Sequence[Loop]) -> float:
    """How much is done of the outermost loop that counts, what it is in the middle of included."""
    part = 0.0
    for loop in reversed(loops):
        if loop.total:
            part = min(1.0, (loop.count() + part) / loop.total)
    return part


def seconds_left(loops: Sequence[Loop]) -> float | None:
    """At the pace so far; None before there is one."""
    outermost = next((loop for loop in loops if loop.total), None)
    if outermost is None:
        return None
    done = fraction(loops)
    here = done - outermost.before / outermost.total
    return (clock() - outermost.begun) * (1 - done) / here if here > 0 else None


def duration(seconds: float) -> str:
    """For people: `40 s`, `12 min`, `3.5 h`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5970 else f"{seconds / 3600:.1f} h"
