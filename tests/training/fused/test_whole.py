"""What the common step of a stack leaves behind, job by job."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from vaebench.training.fused.whole import whole

JOBS, EXAMPLES = 3, 4
LOSS = torch.tensor([1.0, 2.0, 3.0])
TERMS = {
    "of examples": torch.arange(12.0).view(JOBS, EXAMPLES),
    "of draws": torch.arange(24.0).view(JOBS, 2, EXAMPLES),
    "of a job": torch.tensor([5.0, 6.0, 7.0]),
}


def gradients():
    return {
        "w": torch.ones(JOBS, 2, 5),
        "b": torch.full((JOBS, 9), 2.0),
        "scalar": torch.ones(JOBS),
    }


def test_means_are_over_the_examples_and_draws_of_each_job():
    *_, told, state = whole(lambda: (gradients(), (LOSS, (TERMS, {"of": LOSS}))))()
    means = [[j + 1.0, 1.5 + 4 * j, 3.5 + 8 * j, 5.0 + j] for j in range(JOBS)]
    assert_close(told, torch.tensor(means))
    assert state == {"of": LOSS}


@pytest.mark.parametrize("name", [None, "w", "b", "scalar"])
def test_the_job_whose_loss_or_gradient_is_not_finite_is_told_apart(name):
    loss, found = LOSS.clone(), gradients()
    (loss if name is None else found[name])[1].fill_(torch.nan)
    _, seen, *_ = whole(lambda: (found, (loss, (TERMS, {}))))()
    assert seen.isfinite().tolist() == [True, False, True]
