"""A step is a pure function: several jobs at once are the same jobs one by one."""

from __future__ import annotations

import pytest
import torch
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from torch.testing import assert_close

from tests.fast import some_of
from tests.matrix.frozen import COMPOSITIONS
from vaebench.cli import conf_dir
from vaebench.composition import compose
from vaebench.config.schema import register
from vaebench.distributions import GLOBAL
from vaebench.inference import Replay
from vaebench.objectives.pure import Step, vectorised

SEEDS = range(4)
SEEKS = "posterior=semi_amortised"
"""It climbs a gradient of its own within a step, which torch's transforms of functions refuse."""

PURE = [words for words in COMPOSITIONS if SEEKS not in words]
EXAMPLES = 6
AT = torch.tensor(7)
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


class Job:
    """A composition at a seed, and one step of it.

    Attributes:
        step: model and objective.
        batch: what it sees.
        drawn: its noise, in order.
    """

    def __init__(self, words: str, seed: int) -> None:
        register()
        with initialize_config_dir(str(conf_dir()), version_base=None):
            cfg = hydra_compose("config", [*words.split(), f"seed={seed}", "name=pure"])
        made = compose(cfg)
        self.step = Step(made.model.train(), made.objective.train())
        split = made.split("train")
        generator = torch.Generator().manual_seed(seed)
        batch = split.batch(torch.arange(EXAMPLES), generator)
        self.batch = {n: v.double() if v.is_floating_point() else v for n, v in batch.items()}

    def alone(self, at=AT):
        """Gradients by name, and loss, terms and state, by backpropagation."""
        torch.manual_seed(5)
        noise = Replay(GLOBAL)
        named = dict(self.step.named_parameters())
        loss, others = self.step(self.batch, at, noise)
        gradients = torch.autograd.grad(loss, [*named.values()], materialize_grads=True)
        self.drawn = noise.kept
        return dict(zip(named, gradients, strict=True)), (loss, others)


def stacked(trees):
    """Trees of tensors as one tree of tensors with a first dimension more."""
    return torch.utils._pytree.tree_map(lambda *leaves: torch.stack(leaves), *trees)


@pytest.mark.parametrize("words", some_of(PURE, 8))
def test_four_jobs_at_once_are_the_four_one_by_one(words):
    jobs = [Job(words, seed) for seed in SEEDS]
    each = stacked([job.alone() for job in jobs])
    together = vectorised(jobs[0].step)(
        stacked([dict(job.step.named_parameters()) for job in jobs]),
        stacked([dict(job.step.named_buffers()) for job in jobs]),
        stacked([job.batch for job in jobs]),
        AT.expand(len(jobs)),
        stacked([job.drawn for job in jobs]),
        [],
    )
    assert_close(together, each, **CLOSE)


def test_jobs_may_differ_in_beta_and_in_their_steps():
    words = "model=vae anneal=linear anneal.steps=20"
    steps = torch.tensor([2, 9, 15, 30])
    jobs = [Job(f"{words} objective.beta={beta}", seed=0) for beta in (0.5, 2, 4, 1)]
    each = stacked([job.alone(at) for job, at in zip(jobs, steps, strict=True)])
    weighing = jobs[0].step.objective.regularizers["kl"].weighing
    together = vectorised(jobs[0].step, [(weighing, "beta")])(
        stacked([dict(job.step.named_parameters()) for job in jobs]),
        stacked([dict(job.step.named_buffers()) for job in jobs]),
        stacked([job.batch for job in jobs]),
        steps,
        stacked([job.drawn for job in jobs]),
        [torch.tensor([0.5, 2.0, 4.0, 1.0])],
    )
    assert_close(together, each, **CLOSE)
    assert weighing.beta == 0.5
