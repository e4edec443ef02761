"""One optimizer of several jobs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from vaebench.training.fused.lane import Lane


class Merged:
    """One optimizer of stacked parameters, `[J, *]`, in place of each job's own.

    An update is entry by entry: where the jobs' options and numbers of steps are the same, the
    update of a stack is that of its parts. Where they are not, or a step of some job does not count,
    each job's own optimizer updates its slices. Between blocks the jobs' own know all.

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
            self.one.state.clear()
            for parameter, slices in self.pairs.values():
                pairs = zip(self.lanes, slices, strict=True)
                states = [lane.optimizer.state.get(part, {}) for lane, part in pairs]
                if any(states):
                    self.one.state[parameter] = _stacked(states, parameter)

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
            for j, (lane, part) in enumerate(zip(self.lanes, slices, strict=True)):
                if state := self.one.state.get(parameter):
                    lane.optimizer.state[part] = _part(state, j, parameter)

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
    return {n: repr(v) for n, v in state.items() if not isinstance(v, Tensor) or not v.ndim}


def _stacked(states: Sequence[Mapping[str, Any]], like: Tensor) -> dict[str, Any]:
    """The state of a stack; of a job that has none, as it no longer trains, that of another."""
    some = next(state for state in states if state)
    found = {}
    for name, value in some.items():
        values = [state.get(name, value) for state in states]
        found[name] = torch.stack(values) if _of_entries(value, like[0]) else deepcopy(value)
    return found


def _part(state: Mapping[str, Any], j: int, like: Tensor) -> dict[str, Any]:
    """The state of a job's slice, on its own."""
    return {n: v[j].clone() if _of_entries(v, like) else deepcopy(v) for n, v in state.items()}


def _of_entries(value: Any, like: Tensor) -> bool:
    """Whether a state has an entry for each of a parameter's."""
    return isinstance(value, Tensor) and value.ndim > 0 and value.shape == like.shape
