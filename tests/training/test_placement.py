"""A block of steps is where the weights are, whatever is done about their gradients."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from tests.fast import some_of
from tests.objectives.test_placement import DEVICE, PLACED, placed
from tests.objectives.test_pure import EXAMPLES
from tests.training.test_system import config
from vaebench.composition import compose
from vaebench.training import System, blocks, build_system
from vaebench.training.blocks import Blocks
from vaebench.training.watch import Averaging

STEPS = 3
OPTIONS = ("trainer.average=0.9", "trainer.clip_norm=1", "optimizer=adam")


@pytest.mark.parametrize("words", some_of(PLACED, 12))
def test_a_block_mixes_no_devices(monkeypatch, words):
    """But for backpropagation itself, which asks a driver: gradients appear where weights are."""
    cfg = config(*words.split(), *OPTIONS)
    system = build_system(cfg, composition := compose(cfg))
    rows = composition.split("train").batch(torch.arange(EXAMPLES))
    monkeypatch.setattr(blocks, "noise_state", lambda device: {})
    monkeypatch.setattr(Tensor, "backward", lambda loss: _differentiate(system))
    monkeypatch.setattr(System, "device", torch.device(DEVICE))
    with FakeTensorMode():
        _place(system)
        optimizer = system.configure_optimizers()
        block = _block(system, optimizer)
        batch = {name: placed(value) for name, value in rows.items()}
        assert block._steps([batch] * STEPS, block._trusted) == STEPS
    assert block.seen.device.type == DEVICE
    assert system.means.total.device.type == DEVICE
    held = [v for state in optimizer.state.values() for v in state.values()]
    held += [*system.parameters(), *system.buffers()]
    assert {v.device.type for v in held if isinstance(v, Tensor)} == {DEVICE}


def _place(system):
    """Pretended weights and buffers in the place of the real ones."""
    for module in system.modules():
        for name, value in module._parameters.items():
            if value is not None:
                fake = nn.Parameter(placed(value), value.requires_grad)
                module._parameters[name] = fake
        for name, value in module._buffers.items():
            if value is not None:
                module._buffers[name] = placed(value)


def _differentiate(system):
    for p in system.parameters():
        p.grad = torch.empty_like(p)


def _block(system, optimizer):
    """Of a trainer that has as much of one as a block asks for."""
    progress = SimpleNamespace(total=SimpleNamespace(ready=0, completed=0))
    loop = SimpleNamespace(
        batch_progress=None, manual_optimization=SimpleNamespace(optim_step_progress=progress)
    )

    class Trainer(SimpleNamespace):
        @property
        def global_step(self):
            return progress.total.completed

    system._trainer = Trainer(
        optimizers=[optimizer],
        callbacks=[Averaging()],
        world_size=1,
        fit_loop=SimpleNamespace(epoch_loop=loop),
    )
    system.loader = SimpleNamespace(share=1)
    made = Blocks(system, "auto")
    made.seen = torch.zeros((), device=DEVICE)
    return made
