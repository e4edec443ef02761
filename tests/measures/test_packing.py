"""Bits of examples that are packed without loss."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from vaebench.data import Field, Support
from vaebench.measures.packing import packed


@pytest.mark.parametrize(
    "field",
    [
        Field((1, 9, 7), Support.BINARY, 2),
        Field((1, 9, 7), Support.LEVELS, 17),
        Field((3, 9, 7), Support.LEVELS, 256),
        Field((1, 9, 7), Support.UNIT, 256),
        Field((3, 9, 7), Support.UNIT),
    ],
)
def test_a_png_holds_the_very_image(field, monkeypatch):
    files: list[bytes] = []
    real = Image.Image.save
    monkeypatch.setattr(
        Image.Image,
        "save",
        lambda self, file, *a, **kw: (real(self, file, *a, **kw), files.append(file.getvalue())),
    )
    x = field.example(2, torch.Generator().manual_seed(0))
    sizes = packed(x, field)
    assert sizes.tolist() == [8 * len(file) for file in files]
    levels = field.levels or 256
    for one, file in zip(x, files, strict=True):
        with Image.open(io.BytesIO(file)) as image:
            read = torch.from_numpy(np.array(image)).long()
        read = read.unsqueeze(0) if field.shape[0] == 1 else read.permute(2, 0, 1)
        inside = one * levels - 0.5 if field.support is Support.UNIT else one * (levels - 1)
        assert (read - inside).abs().max() <= 0.5 + 1e-5


@pytest.mark.parametrize("shape", [(1, 16, 16), (256,)])
@pytest.mark.parametrize("support", [Support.BINARY, Support.LEVELS])
def test_what_is_simple_takes_fewer_bits(shape, support):
    field = Field(shape, support, 2 if support is Support.BINARY else 17)
    blank, noise = torch.zeros(1, *shape), field.example(1, torch.Generator().manual_seed(0))
    assert 1.5 * packed(blank, field) < packed(noise, field)
