"""One job of a stack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vaebench.data import Batch
from vaebench.objectives.pure import Step
from vaebench.training.blocks import Blocks, Pending
from vaebench.training.fused.fitness import check, check_draws
from vaebench.training.fused.strand import Strand
from vaebench.training.fused.trial import Draw, Recorder, Trial
from vaebench.training.stepwise import Stepwise, hears

if TYPE_CHECKING:
    from vaebench.training.system import System


@dataclass
class Asked:
    """A run that is about to take a block of steps.

    Attributes:
        blocks: how it would take them alone.
        iterator: of its batches.
    """

    blocks: Blocks
    iterator: Iterator[Any]


@dataclass
class Taken:
    """A block that was taken.

    Attributes:
        steps: of it, that counted.
        undone: the step after these, if it was not finite: what there is to look into.
    """

    steps: int
    undone: Pending | None = None


class Lane:
    """One job of a stack.

    Args:
        strand: its work, which waits for a block of steps.

    Attributes:
        step: its model and objective.
        generator: of its noise, while it is in a block.
        living: whether it still asks for steps; of what no longer does, the results are ignored.
    """

    def __init__(self, strand: Strand) -> None:
        self.strand, self.living = strand, True
        self.system: System = strand.asked.blocks.system
        self.device = self.system.device
        self.step = Step(self.system.model, self.system.objective)
        self.generator = torch.Generator(self.device)
        self.optimizer = self.asked.blocks.optimizer
        check(self.asked.blocks)
        heard = self.asked.blocks.listeners
        self.before_listeners = [c for c in heard if hears(c, Stepwise.before_step)]
        self.after_listeners = [c for c in heard if hears(c, Stepwise.after_step)]
        self.done = self.system.global_step

    @property
    def asked(self) -> Asked:
        """What the job waits for."""
        asked: Asked = self.strand.asked
        return asked

    def tried(self) -> Trial:
        """A step alone, which changes nothing.

        Raises:
            Unfit: its noise comes from where nobody knows it, or turns on rounding.
        """
        loader = self.system.loader
        index = torch.arange(min(loader.batch_size, len(loader.split)))
        batch = loader.split.batch(index, torch.Generator(self.device).manual_seed(0))
        check_draws(self.system, batch, self.recorded())
        noise, named = self.recorded(), dict(self.step.named_parameters())
        loss, (terms, state) = self.step(batch, self.at(), noise)
        found = torch.autograd.grad(loss, [*named.values()], allow_unused=True)
        gradients = {n: g for n, g in zip(named, found, strict=True) if g is not None}
        return Trial(batch, noise.kept, noise.draws, loss.detach(), gradients, ([*terms], [*state]))

    def kind(self, trial: Trial) -> Any:
        """What jobs of a stack have in common."""
        own = [*self.step.named_parameters(), *self.step.named_buffers()]
        tensors: dict[str, Tensor] = {**dict(own), **trial.batch}
        shapes = [(n, tuple(v.shape), str(v.dtype)) for n, v in tensors.items()]
        loader = self.system.loader
        return repr(
            (shapes, trial.draws, trial.names, [*trial.gradients], loader.count, loader.position)
        )

    def draws(self, batch: Batch) -> list[Draw]:
        """What a step on such a batch draws."""
        noise = self.recorded()
        self.step(batch, self.at(), noise)
        return noise.draws

    def recorded(self) -> Recorder:
        """Noise of nobody's."""
        return Recorder(torch.Generator(self.device).manual_seed(0))

    def at(self) -> Tensor:
        """How many steps are done."""
        return torch.tensor(self.system.global_step, device=self.device)

    # ----------------------------------------------------------------- a block
    def left(self) -> int:
        """Steps until somebody is due, or the epoch ends."""
        loader = self.system.loader
        return min(self.asked.blocks.length(), loader.count - loader.position)

    @property
    def is_between_epochs(self) -> bool:
        """Whether an epoch has ended, and the next has not begun."""
        return self.system.loader.position == 0

    def begin(self) -> None:
        """A block: random numbers come from where the job stands."""
        self.generator.set_state(self.strand.surroundings.noise[self.device.type])
        self.done = self.system.global_step

    def advance(self) -> None:
        """The batch of the next step."""
        self.batch: Batch = next(self.asked.iterator)[0]

    def draw(self, draws: Sequence[Draw]) -> None:
        """The noise of the next step."""
        self.before = self.generator.get_state()
        self.noise = [self._drawn(*draw) for draw in draws]

    def _drawn(self, kind: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        draw = torch.randn if kind == "normal" else torch.rand
        return draw(shape, generator=self.generator, dtype=dtype, device=self.device)

    def before_step(self) -> None:
        """Whoever listens to steps hears of the next."""
        for listener in self.before_listeners:
            listener.before_step(self.system.trainer, self.system)

    def accept(self, names: list[str], sums: Tensor, size: int, state: dict[str, Tensor]) -> None:
        """The step counts.

        Args:
            names: of loss and terms.
            sums: of these, over the examples, `[T]`.
            size: how many there are.
            state: of the objective, after it.
        """
        self.system.objective.keep(state)
        self.system.means.add_sums(names, sums, size)
        self.done += 1
        self.asked.blocks.set_count(self.done)
        for listener in self.after_listeners:
            listener.after_step(self.system.trainer, self.system)

    def pending(self, terms: dict[str, Tensor], state: dict[str, Tensor]) -> Pending:
        """The step at hand, which does not count."""
        noise = self.strand.surroundings.noise | {self.device.type: self.before}
        return Pending(self.batch, noise, terms["loss"], terms, state)

    def end(self) -> None:
        """Of a block."""
        self.strand.surroundings.noise[self.device.type] = self.generator.get_state()
