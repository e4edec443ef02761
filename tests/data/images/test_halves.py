"""Halves of images: two modalities of one thing."""

from __future__ import annotations

import pytest
import torch

from vaebench.data import Digits, Split

SPLIT = Split("random", 200, 400)


@pytest.mark.parametrize("binarize", ["none", "threshold", "dynamic", "static"])
@pytest.mark.parametrize("part", ["train", "test"])
def test_halves_are_rows_of_the_same_image(binarize, part):
    data = Digits(split=SPLIT, binarize=binarize, halves=True)
    batch = data.split(part).batch(torch.arange(5))
    assert torch.equal(torch.cat([batch["top"], batch["bottom"]], -2), batch["x"])
    fields = data.spec.fields
    assert [*fields] == ["x", "top", "bottom", "y"]
    for name in ("top", "bottom"):
        assert fields[name].fits(batch[name])
        assert fields[name].support is fields["x"].support
    halves = torch.cat([fields[n].mean for n in ("top", "bottom")], -2)
    assert torch.equal(halves, fields["x"].mean)
    assert data.protocol["halves"] is True


def test_without_them_a_batch_is_as_it_was():
    data = Digits(split=SPLIT, binarize="none")
    assert [*data.split("test").batch(torch.arange(2))] == ["x", "y"]
    assert "halves" not in data.protocol
