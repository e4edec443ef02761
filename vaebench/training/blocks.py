"""Steps of the optimizer, several in one of Lightning's batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vaebench.data import Batch
from vaebench.data.seeds import noise_state
from vaebench.training.snapshot import Snapshot
from vaebench.training.stepwise import NEVER, Stepwise, hears_batches

if TYPE_CHECKING:
    from vaebench.training.system import System

AUTO = "auto"


def waits(device: torch.device) -> bool:
    """Whether to look at a number is to wait for all that the device has still to do."""
    return device.type != "cpu"


@dataclass
class Pending:
    """A step whose update nobody has looked at yet.

    Attributes:
        batch: its examples.
        noise: where the generators stood before it.
        loss: scalar.
        terms: the objective's.
        state: of the objective, after it.
    """

    batch: Batch
    noise: dict[str, Tensor]
    loss: Tensor
    terms: dict[str, Tensor]
    state: dict[str, Tensor]


class Blocks:
    """Takes a run's steps in blocks, so that what Lightning does for a batch is paid once for many.

    A block ends with the step after which somebody is due: a log, a checkpoint, the end of the epoch
    or of the run, a signal. It is one step where several processes train, which agree after each,
    and where a callback of the user's listens to batches.

    A step's loss and gradients are looked at before the optimizer uses them. Where a look would wait
    for the device, a block is a transaction instead: what there was to see is gathered on the device
    and read at the end; if a step was not finite, the block is taken back, and taken again with a
    look at each step, as is the next one.

    Args:
        system: what is trained.
        most: steps of a block at most, or `auto`.
    """

    def __init__(self, system: System, most: int | str) -> None:
        self.system, self.trainer = system, system.trainer
        self.optimizer = system.trainer.optimizers[0]
        self.parameters = list(system.parameters())  # the walk costs more than the look
        self.callbacks: list[Any] = system.trainer.callbacks  # type: ignore[attr-defined]
        self.listeners = [c for c in self.callbacks if isinstance(c, Stepwise)]
        self.heard = system.trainer.world_size > 1 or any(map(hears_batches, self.callbacks))
        self.most = (1 if self.heard else NEVER) if most == AUTO else int(most)
        self.waits = waits(system.device)
        self.careful = False
        loop = system.trainer.fit_loop.epoch_loop
        self.batches, self.count = loop.batch_progress, loop.manual_optimization.optim_step_progress

    def take(self, iterator: Iterator[Any]) -> None:
        """The next block.

        Args:
            iterator: Lightning's: a batch, and two numbers of no interest.
        """
        length, undone = self.length(), self.system.undone
        batches = (batch for batch, *_ in islice(iterator, length))
        if self.waits and length > 1 and not self.careful:
            done = self._transaction(batches)
        else:
            done = self._steps(batches, self._looked_at)
        self.careful = self.system.undone > undone
        self.batches.increment_by(done - 1)  # Lightning counts one itself

    def length(self) -> int:
        """Steps until somebody is due; the epoch may end before."""
        now = self.trainer.global_step
        due = [listener.due(self.trainer, self.system) for listener in self.listeners]
        if self.trainer.max_steps > 0:
            due.append(self.trainer.max_steps)
        return max(1, min(self.most, *(step - now for step in due)))

    def _transaction(self, batches: Iterable[Batch]) -> int:
        before = Snapshot(self.system, self.optimizer, self.listeners)
        self.seen = torch.zeros((), device=self.system.device)
        done = self._steps(batches, self._trusted)
        if math.isfinite(self.seen.item()):
            return done
        before.restore()
        self.set_count(before.step)
        again = islice(iter(self.system.loader), done)
        return self._steps(again, self._looked_at, through=True)

    def _steps(
        self, batches: Iterable[Batch], take: Callable[[Batch], None], through: bool = False
    ) -> int:
        """How many steps were taken: those of all batches, or, unless they are to be gone through,
        until a signal."""
        first = self.trainer.global_step
        for batch in batches:
            for listener in self.listeners:
                listener.before_step(self.trainer, self.system)
            take(batch)
            self.set_count(self.trainer.global_step + 1)
            for listener in self.listeners:
                listener.after_step(self.trainer, self.system)
            if self.system.interrupted and not through:
                break
        return self.trainer.global_step - first

    def set_count(self, step: int) -> None:
        """`trainer.global_step`."""
        self.count.total.ready = self.count.total.completed = step

    def _looked_at(self, batch: Batch) -> None:
        pending = self._gradients(batch)
        finite = math.isfinite(self._sum(pending).item())
        if self.trainer.strategy.reduce_boolean_decision(finite):
            self._update(pending)
            return
        self._undo()

    def _undo(self) -> None:
        """The step at hand does not count."""
        for listener in self.listeners:
            listener.not_finite(self.trainer, self.system)
        self.system.undone += 1

    def leave_out(self, pending: Pending) -> None:
        """A step that was taken elsewhere, and was not finite."""
        self.system.pending = pending
        self._undo()
        self.set_count(self.trainer.global_step + 1)
        for listener in self.listeners:
            listener.after_step(self.trainer, self.system)

    def _trusted(self, batch: Batch) -> None:
        pending = self._gradients(batch)
        self.seen += 0 * self._sum(pending)
        self._update(pending)

    def _gradients(self, batch: Batch) -> Pending:
        """The step at hand, whose gradients are those of the parameters."""
        system = self.system
        if self.heard:
            self._tell("on_before_zero_grad")
        self.optimizer.zero_grad()
        noise = noise_state(system.device)
        loss, terms, state = system.step(batch, system.at())
        system.pending = Pending(batch, noise, loss.detach(), terms, state)
        if system.loader.share != 1:
            loss = loss * system.loader.share
        if self.heard:
            system.manual_backward(loss)  # averages over processes, and tells of it
        else:
            loss.backward()
        return system.pending

    def _sum(self, pending: Pending) -> Tensor:
        """A number that is finite if the loss and all gradients are; on the device."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        return torch.stack([pending.loss, *torch._foreach_norm(gradients)]).sum()

    def _update(self, pending: Pending) -> None:
        """The step at hand counts."""
        if self.heard:
            self._tell("on_before_optimizer_step")
        self.system.clip(self.optimizer)
        self.optimizer.step()
        self.system.accept(pending)

    def _tell(self, hook: str) -> None:
        for callback in self.callbacks:
            getattr(callback, hook)(self.trainer, self.system, self.optimizer)
