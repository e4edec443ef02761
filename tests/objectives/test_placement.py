"""Everything of a step is on the device of its weights, though nobody tells it which that is."""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from tests.fast import some_of
from tests.matrix.frozen import COMPOSITIONS
from tests.objectives.test_pure import Job
from vaebench.distributions import GLOBAL

DEVICE = "cuda"
NEEDS_A_DEVICE = ("hamiltonian", "optimal", "pixel_rnn", "semi_amortised", "topics")
"""Gradients within a step, and the recurrent nets of a GPU, ask a driver."""
PLACED = [words for words in COMPOSITIONS if not any(name in words for name in NEEDS_A_DEVICE)]


@pytest.mark.parametrize("words", some_of(PLACED, 8))
def test_a_step_mixes_no_devices(words):
    """On pretended tensors, which know their shapes and their device alone, and raise where two
    devices meet."""
    job = Job(words, 0)
    named = [*job.step.named_parameters(), *job.step.named_buffers()]
    with FakeTensorMode():
        held = {name: placed(value) for name, value in named}
        batch = {name: placed(value) for name, value in job.batch.items()}
        given = (batch, torch.tensor(7), GLOBAL)  # the step number stays where it is counted
        loss, (terms, state) = torch.func.functional_call(job.step, held, given)
    for name, value in {"loss": loss, **terms, **state}.items():
        assert value.device.type == DEVICE, name


def placed(value):
    """A pretended tensor like this one, on the device."""
    made = torch.empty(value.shape, dtype=value.dtype, device=DEVICE)
    return made.requires_grad_(value.requires_grad)
