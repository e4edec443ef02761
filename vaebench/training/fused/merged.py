"""One optimizer of several jobs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vaebench.training.fused.lane import Lane
from vaebench.training.keeper import kept


class Merged:
    """One optimizer of stacked parameters, `[J, *]`, in place of each job's own.

    An update is entry by entry: where the jobs' options and numbers of steps are the same, the
    update of a stack is that of its parts. Where they are not, or a step of some job does not count,
    each job's own optimizer updates its slices. What it knows of entries, such as moments, is stacked
    as the parameters are; what else it knows, such as counts, the jobs' own know between blocks.

    Args:
        lanes: the jobs.
        own: of each parameter, the jobs' slices, by name.
        stacked: the parameters, by name.
        used: names of those on which the loss depends; others have no gradient, rather than one of 0.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        own: Mapping[str, Sequence[Tensor]],
        stacked: Mapping[str, Tensor],
        used: Collection[str],
    ) -> None:
        self.lanes, self.used = lanes, used
        self.pairs = {name: (nn.Parameter(stacked[name]), slices) for name, slices in own.items()}
        first = {slices[0]: parameter for parameter, slices in self.pairs.values()}
        groups = lanes[0].optimizer.param_groups
        made = [{**group, "params": [first[p] for p in group["params"]]} for group in groups]
        self.one = lanes[0].system.optimizer(made)
        # Of a parameter without dimensions nobody could tell entries of the state from counts.
        self.stacks = all(value.ndim > 1 for value in stacked.values())
        self.clips = lanes[0].system.clip_norm > 0
        self.open = False

    def begin(self) -> None:
        """Takes over from those that still ask for steps, where they are alike."""
        self.living = [lane for lane in self.lanes if lane.living]
        self.open = self.stacks and self._alike()
        if self.open:
            for parameter, slices in self.pairs.values():
                pairs = zip(self.lanes, slices, strict=True)
                known = [(lane.optimizer.state.get(part, {}), lane.living) for lane, part in pairs]
                if some := next((state for state, living in known if state and living), None):
                    self._take_over(parameter, some, [state for state, _ in known])

    def step(self, gradients: Mapping[str, Tensor], good: Sequence[bool]) -> None:
        """Of all jobs whose step counts.

        Args:
            gradients: by name, `[J, *]`.
            good: whose does.
        """
        counts = all(fine or not lane.living for lane, fine in zip(self.lanes, good, strict=True))
        if self.open and not (counts and self._at_one_rate()):
            self.end()
        if not self.open or self.clips:
            self._hand_out(gradients, good)
        if self.open:
            for name, (parameter, _) in self.pairs.items():
                parameter.grad = gradients[name] if name in self.used else None
            self.one.step()
            return
        for lane, fine in zip(self.lanes, good, strict=True):
            if fine:
                lane.optimizer.step()

    def end(self) -> None:
        """Hands over to the jobs' own."""
        if not self.open:
            return
        self.open = False
        for parameter, slices in self.pairs.values():
            if known := self.one.state.get(parameter):
                for j, (lane, part) in enumerate(zip(self.lanes, slices, strict=True)):
                    _hand_back(known, parameter, j, lane.optimizer.state[part])

    def _take_over(
        self, parameter: Tensor, some: Mapping[str, Any], states: Sequence[Mapping[str, Any]]
    ) -> None:
        """The stack knows what the jobs' own do; of one that does not say, what another's does."""
        known = self.one.state[parameter]
        for name, value in some.items():
            if not _of_entries(value, parameter[0]):
                known[name] = kept(value)
            elif not _are_parts(known.get(name), [state.get(name) for state in states]):
                # The jobs' own are new, or come from a checkpoint.
                known[name] = torch.stack([state.get(name, value) for state in states])

    def _hand_out(self, gradients: Mapping[str, Tensor], good: Sequence[bool]) -> None:
        for name in self.used:
            _, slices = self.pairs[name]
            for part, found, fine in zip(slices, gradients[name].unbind(), good, strict=True):
                part.grad = found if fine else None
        for lane, fine in zip(self.lanes, good, strict=True):
            if fine:
                lane.system.clip(lane.optimizer)

    def _alike(self) -> bool:
        """Whether options, but for rates, and numbers of steps are the same."""
        options = {
            repr([_options(group) for group in lane.optimizer.param_groups]) for lane in self.living
        }
        return len(options) == 1 and self._at_one_rate() and self._are_as_far()

    def _at_one_rate(self) -> bool:
        """Whether all are, which is then that of the stack."""
        rates = [[group["lr"] for group in lane.optimizer.param_groups] for lane in self.living]
        for group, rate in zip(self.one.param_groups, rates[0], strict=True):
            group["lr"] = rate
        return all(other == rates[0] for other in rates[1:])

    def _are_as_far(self) -> bool:
        told = {
            repr([_counts(state) for state in lane.optimizer.state.values()])
            for lane in self.living
        }
        return len(told) == 1


def _options(group: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in group.items() if name not in ("params", "lr")}


def _counts(state: Mapping[str, Any]) -> dict[str, Any]:
    """What an optimizer knows of a parameter that is no tensor of its entries."""
    single = {n: v for n, v in state.items() if not isinstance(v, Tensor) or not v.ndim}
    return {n: v.item() if isinstance(v, Tensor) else v for n, v in single.items()}


def _hand_back(known: Mapping[str, Any], parameter: Tensor, j: int, state: dict[str, Any]) -> None:
    """A job's own knows what the stack does: of entries as part of the same tensors."""
    for name, value in known.items():
        if not _of_entries(value, parameter):
            state[name] = kept(value)
        elif not _is_part(value, j, state.get(name)):
            state[name] = value[j]


def _are_parts(value: Tensor | None, parts: Sequence[Any]) -> bool:
    return value is not None and all(_is_part(value, j, part) for j, part in enumerate(parts))


def _is_part(value: Tensor, j: int, part: Any) -> bool:
    """Whether it is the j-th slice of a stack, rather than a copy."""
    return isinstance(part, Tensor) and part.data_ptr() == value[j].data_ptr()


def _of_entries(value: Any, like: Tensor) -> bool:
    """Whether a state has an entry for each of a parameter's."""
    return isinstance(value, Tensor) and value.ndim > 0 and value.shape == like.shape
