"""One optimizer of a stack against each job's own."""

from __future__ import annotations

from copy import deepcopy
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from vaebench.training.fused.merged import Merged

JOBS, STEPS = 3, 6
KINDS = {
    "adam": partial(torch.optim.Adam, fused=True, weight_decay=0.1),
    "adamw": partial(torch.optim.AdamW, fused=True),
    "adamax": torch.optim.Adamax,
    "adagrad": torch.optim.Adagrad,
    "rmsprop": partial(torch.optim.RMSprop, momentum=0.9),
    "sgd": partial(torch.optim.SGD, momentum=0.9, nesterov=True),
    "plain sgd": torch.optim.SGD,
}
SHAPES = {"w": (4, 2), "b": (4,), "unused": (2,)}
USED = ("w", "b")


def lanes_of(kind, rates, clip_norm=0.0):
    """Jobs whose parameters are slices of a stack, which comes with them."""
    torch.manual_seed(0)
    stacked = {name: torch.randn(JOBS, *shape) for name, shape in SHAPES.items()}
    own = {name: [nn.Parameter(part) for part in value] for name, value in stacked.items()}
    for name, parameters in own.items():
        for j, parameter in enumerate(parameters):
            parameter.data = stacked[name][j]

    def clip(optimizer):
        if clip_norm:
            for group in optimizer.param_groups:
                nn.utils.clip_grad_norm_(group["params"], clip_norm)

    lanes = []
    for j, rate in enumerate(rates):
        optimizer = kind([{"params": [own[name][j] for name in SHAPES]}], lr=rate)
        system = SimpleNamespace(
            optimizer=lambda groups: kind(groups, lr=1.0), clip_norm=clip_norm, clip=clip
        )
        lanes.append(SimpleNamespace(optimizer=optimizer, living=True, system=system))
    return lanes, own, stacked


def run(kind, rates, good, clip_norm=0.0, schedule=lambda step: 1.0, between=lambda lanes: None):
    """The parameters after some steps: of the stack, and of each job alone."""
    lanes, own, stacked = lanes_of(kind, rates, clip_norm)
    alone = [deepcopy({name: own[name][j] for name in SHAPES}) for j in range(JOBS)]
    solo = [
        kind([{"params": list(one.values())}], lr=r) for one, r in zip(alone, rates, strict=True)
    ]
    merged = Merged(lanes, own, stacked, USED)
    for step in range(STEPS):
        if step % 2 == 0:  # blocks of two
            merged.begin()
        gradients = {name: torch.randn(JOBS, *shape) for name, shape in SHAPES.items()}
        for j in range(JOBS):
            for optimizer in (lanes[j].optimizer, solo[j]):
                optimizer.param_groups[0]["lr"] = rates[j] * schedule(step)
            if good(step, j):
                for name in USED:
                    alone[j][name].grad = gradients[name][j].clone()
                lanes[j].system.clip(solo[j])
                solo[j].step()
            else:
                gradients["w"][j] = torch.nan
        merged.step(gradients, [good(step, j) for j in range(JOBS)])
        if step % 2:
            merged.end()
            between(lanes)
    return lanes, stacked, alone, solo


def always(step, j):
    return True


def same(lanes, stacked, alone, solo):
    for j in range(JOBS):
        for name in SHAPES:
            torch.testing.assert_close(stacked[name][j], alone[j][name].data, msg=name)
        found, own = lanes[j].optimizer.state_dict(), solo[j].state_dict()
        torch.testing.assert_close(found["state"], own["state"])


@pytest.mark.parametrize("name", KINDS)
def test_the_update_of_a_stack_is_that_of_its_parts(name):
    same(*run(KINDS[name], [0.1] * JOBS, always, schedule=lambda step: 1 / (1 + step)))


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_each_job_has_its_own_rate(name):
    same(*run(KINDS[name], [0.1, 0.01, 0.2], always))


def test_a_step_that_does_not_count_leaves_one_job_as_it_was():
    same(*run(KINDS["adam"], [0.1] * JOBS, lambda step, j: (step, j) != (3, 1)))


def test_parameters_without_dimensions_are_each_jobs_own(monkeypatch):
    monkeypatch.setitem(SHAPES, "b", ())
    same(*run(KINDS["adam"], [0.1] * JOBS, always))


def test_gradients_are_clipped_job_by_job():
    same(*run(KINDS["adam"], [0.1] * JOBS, always, clip_norm=0.5))


def test_what_the_jobs_own_know_of_entries_are_parts_of_the_stack():
    lanes, *_ = run(KINDS["adam"], [0.1] * JOBS, always)
    moments = [[state["exp_avg"] for state in lane.optimizer.state.values()] for lane in lanes]
    for parts in zip(*moments, strict=True):
        assert len({part.untyped_storage().data_ptr() for part in parts}) == 1
        assert len({part.data_ptr() for part in parts}) == JOBS


def test_what_comes_from_a_checkpoint_is_taken_over():
    def reload(lanes):
        state = deepcopy(lanes[1].optimizer.state_dict())
        lanes[1].optimizer.load_state_dict(state)

    same(*run(KINDS["adam"], [0.1] * JOBS, always, between=reload))


def test_where_nobody_clips_the_jobs_are_not_handed_their_gradients():
    lanes, own, stacked = lanes_of(KINDS["adam"], [0.1] * JOBS)
    merged = Merged(lanes, own, stacked, USED)
    merged.begin()
    merged.step({name: torch.ones_like(stacked[name]) for name in USED}, [True] * JOBS)
    assert all(part.grad is None for slices in own.values() for part in slices)
