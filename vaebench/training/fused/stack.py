"""Jobs that take their steps together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from vaebench.data import Batch
from vaebench.inference import batch_size
from vaebench.objectives.pure import vectorised
from vaebench.training.fused.fitness import kinks
from vaebench.training.fused.lane import Lane, Taken
from vaebench.training.fused.merged import Merged
from vaebench.training.fused.numbers import differing
from vaebench.training.fused.trial import Draw, Trial, Unfit
from vaebench.training.fused.whole import Whole, compiled, whole

CLOSE = 1e-3
"""Part of the largest entry by which a gradient in the stack may differ from the job's own."""


class Stack:
    """Jobs whose parameters are slices of common tensors, `[J, *]`, and whose steps are one.

    A job that no longer asks for steps stays as a lane whose results are ignored: the others need
    not be compiled anew.

    Args:
        lanes: the jobs.
        trials: a step of each alone.
        compiles: whether the common step is compiled, for complete batches.

    Raises:
        Unfit: they cannot be vectorised.
    """

    def __init__(self, lanes: Sequence[Lane], trials: Sequence[Trial], *, compiles: bool) -> None:
        self.lanes = list(lanes)
        steps = [lane.step for lane in lanes]
        self.names = ["loss", *trials[0].names[0]]
        self.numbers = differing(steps)
        self.parameters = _tied([dict(step.named_parameters()) for step in steps])
        self.buffers = _tied([dict(step.named_buffers()) for step in steps])
        named = [dict(step.named_parameters()) for step in steps]
        own = {name: [one[name] for one in named] for name in self.parameters}
        self.optimizer = Merged(self.lanes, own, self.parameters, trials[0].gradients)
        self.draws: dict[Any, list[Draw]] = {}
        places = [number.place for number in self.numbers]
        self.plain = self.run = whole(vectorised(steps[0], places))
        self.size, self.note = lanes[0].system.batch_size, ""
        batch, noise = _stacked([t.batch for t in trials]), _each([t.noise for t in trials])
        self._hold_against(trials, batch, noise)
        if compiles:
            self._compile(batch, noise)
        self._tell()

    @property
    def living(self) -> list[Lane]:
        """Those that still ask for steps."""
        return [lane for lane in self.lanes if lane.living]

    def told(self) -> str:
        """What they differ in beside weights and data, and whether they are compiled."""
        names = ", ".join(dict.fromkeys(number.place[1] for number in self.numbers))
        own = f", each with its own {names}" if names else ""
        return own + self.note + kinks(self.lanes[0].system)

    def _tell(self) -> None:
        """Whoever reads a job's summary is to know whose seconds these are."""
        note = (
            f"trained together with {len(self.lanes) - 1} other jobs; the seconds are those of all"
        )
        for lane in self.lanes:
            if note not in lane.system.notes:
                lane.system.notes.append(note)

    @torch.no_grad()
    def _compile(self, batch: Batch, noise: Sequence[Tensor]) -> None:
        """The common step, before the first of them; it stays as it is where torch cannot."""
        run = compiled(self.plain)
        try:
            self._call(run, batch, noise)
        except Exception as error:
            self.note = f", not compiled ({type(error).__name__}: {_line(error)})"
        else:
            self.run, self.note = run, ", compiled"

    @torch.no_grad()
    def _hold_against(self, trials: Sequence[Trial], batch: Batch, noise: Sequence[Tensor]) -> None:
        """Each job's step in the stack against its step alone.

        Raises:
            Unfit: they differ, or torch cannot vectorise them.
        """
        try:
            gradients, _, told, _ = self._call(self.plain, batch, noise)
        except Exception as error:
            what = f"{type(error).__name__}: {_line(error)}"
            raise Unfit(f"torch cannot vectorise it ({what})") from error
        for j, trial in enumerate(trials):
            pairs = [(told[j, 0], trial.loss)]
            pairs += [(gradients[name][j], own) for name, own in trial.gradients.items()]
            if not all(_close(*pair) for pair in pairs):
                raise Unfit("its step in the stack is not its step alone")

    def _call(self, run: Whole, batch: Batch, noise: Sequence[Tensor]) -> Any:
        at = torch.tensor([lane.done for lane in self.lanes], device=self.lanes[0].device)
        numbers = [number.at(at) for number in self.numbers]
        return run(self.parameters, self.buffers, batch, at, noise, numbers)

    # ----------------------------------------------------------------- a block
    def take(self) -> dict[Lane, Taken]:
        """The next block of all; a step of anybody's that is not finite ends it."""
        self.lanes[0].step.train()  # whose modules run for all, whether it still trains or not
        for lane in self.living:
            lane.begin()
        self.optimizer.begin()
        taken = {lane: Taken(0) for lane in self.living}
        for _ in range(min(lane.left() for lane in self.living)):
            self._step(taken)
            interrupted = any(lane.system.interrupted for lane in taken)
            if interrupted or any(block.undone for block in taken.values()):
                break
        self.optimizer.end()
        for lane in taken:
            lane.end()
        return taken

    @torch.no_grad()
    def _step(self, taken: dict[Lane, Taken]) -> None:
        for lane in taken:
            lane.before_step()
            lane.advance()
            lane.draw(self._draws_of(lane))
        some = next(iter(taken))  # in place of those that ask for nothing
        given = [lane if lane in taken else some for lane in self.lanes]
        size = batch_size(some.batch)
        run = self.run if size == self.size else self.plain
        batch, noise = _stacked([one.batch for one in given]), _each([one.noise for one in given])
        gradients, seen, told, state = self._call(run, batch, noise)
        finite = zip(self.lanes, seen.isfinite().tolist(), strict=True)
        good = [lane in taken and fine for lane, fine in finite]
        self.optimizer.step(gradients, good)
        sums = told * size
        for j, lane in enumerate(self.lanes):
            here = {name: value[j] for name, value in state.items()}
            if good[j]:
                lane.accept(self.names, sums[j], size, here)
                taken[lane].steps += 1
            elif lane in taken:
                terms = dict(zip(self.names, told[j], strict=True))
                taken[lane].undone = lane.pending(terms, here)

    def _draws_of(self, lane: Lane) -> list[Draw]:
        shapes = tuple(value.shape for value in lane.batch.values())
        if shapes not in self.draws:
            self.draws[shapes] = lane.draws(lane.batch)
        return self.draws[shapes]


def _tied(jobs: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The tensors of all jobs in one, of which each job's are slices from now on."""
    stacked = {}
    for name in jobs[0]:
        own = [job[name] for job in jobs]
        stacked[name] = torch.stack([one.detach() for one in own])
        for one, part in zip(own, stacked[name], strict=True):
            one.data = part
    return stacked


def _stacked(batches: Sequence[Batch]) -> Batch:
    return {name: torch.stack([batch[name] for batch in batches]) for name in batches[0]}


def _each(noise: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """The jobs' first draws as one, and so on."""
    return [torch.stack(draws) for draws in zip(*noise, strict=True)]


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]


def _close(found: Tensor, own: Tensor) -> bool:
    return bool((found - own).abs().max() <= CLOSE * own.abs().max() + 1e-6)
