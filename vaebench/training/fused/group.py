"""Jobs that run together: each in a strand of its own, their steps in stacks."""

from __future__ import annotations

import signal
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from vaebench.progress import Loop, clock, doing
from vaebench.training.blocks import Blocks
from vaebench.training.fused.lane import Lane
from vaebench.training.fused.memory import fitting
from vaebench.training.fused.shared import ALONE
from vaebench.training.fused.stack import Stack
from vaebench.training.fused.strand import Strand
from vaebench.training.fused.trial import Trial, Unfit
from vaebench.training.keeper import SIGNALS, Keeper
from vaebench.training.learning_rate import total_steps

AUTO = "auto"
WORTH = 1000
"""Steps from which compiling them pays: it takes as long as it saves in about so many."""

SPACING = 5.0
"""Seconds between checkpoints. All jobs save at the end of an epoch that they have gone through together,
which takes longer than a short epoch itself."""

Say = Callable[[str], None]


class Group:
    """Jobs of which each is done as it would be alone, but for its steps.

    Args:
        works: the jobs.
        width: how many train together at most, or `auto`: as many as memory holds.
        compiles: whether the common steps are compiled, or `auto`: where that pays.
        say: tells people who trains with whom, before anybody does.
    """

    def __init__(
        self, works: Sequence[Callable[[], Any]], width: int | str, compiles: bool | str, say: Say
    ) -> None:
        self.works, self.width, self.compiles, self.say = list(works), width, compiles, say
        self.strands: list[Strand] = []
        self.blocks: list[Blocks] = []  # of those that train now
        self.asked: signal.Signals | None = None

    def run(self) -> list[Any]:
        """What the jobs return.

        Raises:
            BaseException: what ended one of them, once all are at their end.
        """
        left = list(self.works)
        with self._signals():
            while left and self.asked is None:
                strands = self._begun(left)
                self._train([strand for strand in strands if strand.asked])
        for strand in self.strands:
            if strand.error is not None:
                raise strand.error
        return [strand.result for strand in self.strands]

    def _begun(self, left: list[Callable[[], Any]]) -> list[Strand]:
        """The next jobs, which are composed and about to take their first steps."""
        begun: list[Strand] = []
        width = len(left) if self.width == AUTO else int(self.width)
        while left and len([s for s in begun if s.asked]) < width:
            strand = Strand(left.pop(0))
            self.strands.append(strand)
            begun.append(strand)
            strand.resume()
            if strand.asked:
                self.blocks.append(strand.asked.blocks)
            if strand.asked and self.width == AUTO and len([s for s in begun if s.asked]) == 1:
                width = min(width, fitting(strand))
        if self.asked is not None:  # somebody of whom not all had heard yet
            self._note(self.asked, None)
        return begun

    def _train(self, strands: Sequence[Strand]) -> None:
        stacks, lone = self._sorted(strands)
        for stack in stacks:
            together(stack)
        for strand in lone:
            strand.resume(ALONE)
        self.blocks.clear()

    def _sorted(self, strands: Sequence[Strand]) -> tuple[list[Stack], list[Strand]]:
        """Those that train together, and those that train alone, of which it says why."""
        alike: dict[Any, list[tuple[Lane, Trial]]] = defaultdict(list)
        lone: dict[str, list[Strand]] = defaultdict(list)
        for strand in strands:
            try:
                lane = Lane(strand)
                trial = lane.tried()
                alike[lane.kind(trial)].append((lane, trial))
            except Unfit as why:
                lone[str(why)].append(strand)
        stacks = []
        for pairs in alike.values():
            lanes, trials = zip(*pairs, strict=True)
            if len(lanes) == 1:
                lone["no other job has a step of the same shapes and terms"].append(lanes[0].strand)
                continue
            try:
                stacks.append(Stack(lanes, trials, compiles=self._compiles(lanes[0])))
                strands = [lane.strand for lane in lanes]
                self.say(f"{named(strands)} together{stacks[-1].told()}")
            except Unfit as why:
                lone[str(why)].extend(lane.strand for lane in lanes)
        for reason, those in lone.items():
            self.say(f"{named(those)} alone: {reason}")
        return stacks, [strand for those in lone.values() for strand in those]

    def _compiles(self, lane: Lane) -> bool:
        if self.compiles != AUTO:
            return bool(self.compiles)
        trainer = lane.system.trainer
        return total_steps(trainer) - trainer.global_step >= WORTH

    # ----------------------------------------------------------------- signals
    @contextmanager
    def _signals(self) -> Iterator[None]:
        """While open, whoever asks the program to stop asks each job to, after the step at hand."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._note) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = signal.Signals(number)
        keepers = (c for blocks in self.blocks for c in blocks.callbacks if isinstance(c, Keeper))
        for keeper in keepers:
            keeper.note(number, frame)


def together(stack: Stack) -> None:
    """Until none of its jobs asks for steps any more, or one alone."""
    saved, trainer = clock(), stack.lanes[0].system.trainer
    loop = Loop("training together", total_steps(trainer), trainer.global_step)
    while len(stack.living) > 1:
        try:
            with doing(loop):
                taken = stack.take()
        except Exception as error:  # each job's folder is to hold it
            for lane in stack.living:
                lane.strand.resume(error)
            return
        loop.done += max(block.steps for block in taken.values())
        due = clock() - saved >= SPACING and any(lane.is_between_epochs for lane in taken)
        saved = clock() if due else saved
        for lane, block in taken.items():
            lane.strand.saves = due
            lane.strand.resume(block)
            lane.living = lane.strand.asked is not None
    for lane in stack.living:
        lane.strand.saves = True
        lane.strand.resume(ALONE)


def named(strands: Sequence[Strand]) -> str:
    """Jobs by number, and that they train."""
    numbers = [str(strand.surroundings.job.hydra.job.num) for strand in strands]
    several = len(numbers) > 1
    return f"job{'s' if several else ''} {', '.join(numbers)} train{'' if several else 's'}"
