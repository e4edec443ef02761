"""σ and what is made of it, against torch's own."""

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from vaebench.distributions.logistic import cross_entropy, log_sigmoid

LOGITS = torch.cat([torch.linspace(-90, 90, 181), torch.tensor([-1e4, -1e-9, 1e-9, 1e4])])
X = torch.tensor([[0.0], [0.3], [1.0]])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_values_and_slopes_are_those_of_torch(dtype):
    """Far from 0 and at it, in bits and in grey values; a sum of 184 entries in float32."""
    ours, theirs = (LOGITS.to(dtype).expand(3, -1).clone().requires_grad_() for _ in range(2))
    x = X.to(dtype)
    pairs = {
        "cross-entropy": (
            cross_entropy(ours, x),
            F.binary_cross_entropy_with_logits(theirs, x.expand_as(theirs), reduction="none"),
        ),
        "log σ": (log_sigmoid(ours), F.logsigmoid(theirs)),
    }
    close = {"rtol": 2e-6, "atol": 1e-6} if dtype is torch.float32 else {}
    for name, (found, expected) in pairs.items():
        assert_close(found, expected, **close, msg=lambda text, name=name: f"{name}: {text}")
        (slope,) = torch.autograd.grad(found.sum(), ours, retain_graph=True)
        (wanted,) = torch.autograd.grad(expected.sum(), theirs, retain_graph=True)
        assert_close(slope, wanted, **close, msg=lambda text, name=name: f"{name}: {text}")


def test_a_slope_keeps_its_digits_where_the_value_has_none_left():
    """σ(-25) = 1.4e-11, beside which 1 is the same number in float32."""
    far = torch.tensor(-25.0, requires_grad=True)
    (slope,) = torch.autograd.grad(cross_entropy(far, torch.tensor(0.0)), far)
    assert_close(slope, torch.tensor(-25.0).sigmoid(), rtol=1e-5, atol=0)


def test_a_fair_bit_has_half_a_slope():
    fair = torch.zeros((), requires_grad=True)
    (slope,) = torch.autograd.grad(cross_entropy(fair, torch.tensor(1.0)), fair)
    assert slope == -0.5
