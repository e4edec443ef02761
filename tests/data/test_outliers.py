"""Outliers that are made of examples: what stays the same in them, and what does not."""

from __future__ import annotations

import pytest
import torch

from tests.theorems import assert_mean, z_scores
from vaebench.data import Column, Digits, Field, InMemorySplit, Split, Support
from vaebench.data.outliers import CHANGES
from vaebench.errors import DataError

IMAGE = Field((1, 4, 4), Support.LEVELS, 17)
COLOURS = Field((3, 4, 4), Support.UNIT)


def made(
    kind: str, field: Field, x: torch.Tensor, train: torch.Tensor | None = None, seed: int = 0
):
    split = InMemorySplit({"x": Column(x if train is None else train)})
    return CHANGES[kind]("x", field, split)(x, torch.Generator().manual_seed(seed))


def examples(field: Field, n: int = 6) -> torch.Tensor:
    return field.example(n, torch.Generator().manual_seed(1))


def test_four_turns_are_none_and_one_moves_the_upper_right_corner_to_the_upper_left():
    x = examples(COLOURS)
    turned = made("rotated", COLOURS, x)
    assert torch.equal(turned[..., 0, 0], x[..., 0, -1])
    for _ in range(3):
        turned = made("rotated", COLOURS, turned)
    assert torch.equal(turned, x)


def test_inverted_twice_is_what_it_was():
    x = examples(IMAGE)
    assert torch.equal(made("inverted", IMAGE, x), 1 - x)
    assert torch.allclose(made("inverted", IMAGE, made("inverted", IMAGE, x)), x)


@pytest.mark.parametrize("field", [IMAGE, COLOURS, Field((16,))])
def test_the_permutation_is_one_and_the_same_of_all_images_channels_and_calls(field):
    pixels = 16
    numbered = torch.arange(pixels).float().view(field.shape[-2:] if len(field.shape) == 3 else -1)
    x = torch.stack([(n + 1) * numbered.expand(field.shape) for n in range(5)])
    moved = made("shuffled", field, x)
    order = moved[0].reshape(-1, pixels)[0]
    assert order.sort().values.tolist() == list(range(pixels))
    assert order.tolist() != list(range(pixels))
    for n, one in enumerate(moved):
        assert all(torch.equal(row, (n + 1) * order) for row in one.reshape(-1, pixels))
    assert torch.equal(made("shuffled", field, x[:2], seed=9), moved[:2])


def test_noise_has_each_entrys_marginal_and_no_correlation():
    """Two entries that are always alike, one that is 1 in a tenth of the training examples."""
    base = (torch.arange(1000) % 10 == 0).float()
    train = torch.stack([base, base, 1 - base], 1)
    noise = made("noise", Field((3,), Support.BINARY, 2), torch.zeros(20000, 3), train)
    assert_mean(noise.double(), torch.tensor([0.1, 0.1, 0.9], dtype=torch.float64))
    centred = noise.double() - torch.tensor([0.1, 0.1, 0.9])
    assert z_scores(centred[:, 0] * centred[:, 1], 0.0).abs() < 4.5
    assert {*noise.unique().tolist()} == {0, 1}


def test_noise_is_of_training_examples_from_end_to_end():
    """5000 that lie evenly over a split whose first half is another."""
    train = (torch.arange(30000) >= 15000).float().unsqueeze(1)
    noise = made("noise", Field((1,)), torch.zeros(5000, 1), train)
    assert_mean(noise.double(), 0.5)


def test_noise_follows_its_generator():
    data = Digits(split=Split("random", 200, 400), binarize="dynamic")
    change = CHANGES["noise"]("x", data.spec["x"], data.split("train"))
    x = torch.zeros(3, 1, 8, 8)
    first, same, other = (change(x, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("kind", "field", "told"),
    [
        (
            "rotated",
            Field((1, 28, 20), Support.BINARY, 2),
            r"x of shape \[1, 28, 20\] is no square",
        ),
        ("rotated", Field((16,)), "no square image"),
        ("inverted", Field((3,)), "x is real numbers, which have no inverse"),
        ("shuffled", Field((5,), Support.TOKENS, 9), "x is tokens"),
        ("noise", Field((4,), Support.ONE_HOT, 2), "x is classes"),
    ],
)
def test_what_cannot_be_made_is_refused(kind, field, told):
    with pytest.raises(DataError, match=told):
        made(kind, field, torch.zeros(1, *field.shape))
