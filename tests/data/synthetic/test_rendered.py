"""Heads and chairs as data: the same for a seed, factors that do what they are called, views withheld."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from vaebench.data import Chairs, Heads, Loader, Split, Support
from vaebench.data.synthetic.furniture import things
from vaebench.errors import DataError

SPLIT = Split("random", 0.1, 0.1)


def heads(grid=(6, 5, 3, 5), vary=None, seed=0, size=32):
    return Heads(size=size, grid=grid, data_seed=seed, split=SPLIT, vary=vary or {})


def chairs(grid=(12, 8, 2), kinds=("chair", "table", "car"), size=32, **options):
    rest = {"transforms": 1.0, "few": 0, "sides": 4, "data_seed": 0} | options
    return Chairs(size=size, kinds=kinds, grid=grid, split=SPLIT, **rest)


@pytest.mark.parametrize("make", [heads, chairs])
def test_images_are_the_same_for_a_seed_and_others_for_another(make):
    values = torch.tensor([[1, 2, 1, 3], [5, 0, 0, 0]])[:, : len(make().levels)]
    one, again = make().render(values), make().render(values)
    assert torch.equal(one, again)
    other = make(seed=1) if make is heads else make(data_seed=1)
    assert (other.render(values) - one).abs().amax((1, 2, 3)).min() > 0.1
    assert 0 <= one.min() < one.max() <= 1


@pytest.mark.parametrize(
    ("few", "many"),
    [(heads((2, 5, 3, 5)), heads((9, 5, 3, 5))), (chairs((4, 8, 2)), chairs((12, 8, 2)))],
    ids=["heads", "chairs"],
)
def test_the_first_of_more_are_the_same(few, many):
    values = torch.tensor([[0, 1, 1, 1], [1, 2, 0, 2]])[:, : len(few.levels)]
    assert_close(few.render(values), many.render(values))


@pytest.mark.parametrize(("data", "names"), [(heads(), 0), (chairs(), 3)], ids=["heads", "chairs"])
def test_each_factor_changes_the_image_and_a_batch_fits_the_spec(data, names):
    middle = torch.tensor([levels // 2 for levels in data.levels.values()])
    for factor in range(len(middle)):
        other = middle.clone()
        other[factor] = 0
        first, second = data.render(torch.stack([middle, other]))
        assert (first - second).abs().max() > 0.05, [*data.levels][factor]
    batch = data.split("val").batch(torch.arange(5))
    assert {*batch} == {*data.spec.fields}
    assert len(batch) == 1 + names + len(data.levels)
    assert all(field.fits(batch[name]) for name, field in data.spec.fields.items())
    assert data.spec["x"].support is Support.UNIT


def test_heads_turned_and_lit_to_the_other_side_are_mirror_images():
    data = heads()
    values = torch.tensor([[2, 0, 1, 4], [2, 4, 1, 0]])
    one, other = data.render(values)
    assert ((one.flip(-1) - other).abs() < 0.02).float().mean() > 0.98


def test_masks_lie_inside_the_image_under_the_largest_transforms_and_say_where_it_is_not_white():
    data = chairs(grid=(24, 6, 2))
    values = data.values(torch.arange(0, data.size, 5))
    generator = torch.Generator().manual_seed(0)
    transform = torch.randint(0, 2, (len(values), 8), generator=generator).float() * 2 - 1
    image, mask = data.shown(values, transform)
    assert {*mask.unique().tolist()} == {0.0, 1.0}
    edges = mask[..., 0, :], mask[..., -1, :], mask[..., :, 0], mask[..., :, -1]
    assert not any(edge.any() for edge in edges)
    assert mask.mean((1, 2, 3)).min() > 0.03
    assert torch.equal((image < 1).any(1, keepdim=True).float(), mask)


def test_every_second_model_is_the_one_before_with_a_part_more():
    data = chairs(size=64)
    values = torch.tensor([[model, 1, 1] for model in range(12)])
    _, mask = data.shown(values, torch.zeros(12, 8))
    plain, more = mask[::2], mask[1::2]
    assert torch.equal(torch.maximum(plain, more), more)
    image = data.render(values)
    assert ((image[::2] - image[1::2]).abs().amax(1) > 0.05).flatten(1).any(1).all()


def test_tables_with_a_square_top_lie_about_the_middle_of_the_picture():
    """From the top to the feet, but for how far some of these reach below the floor."""
    square = [plain for plain in things(("table",), 40, 0)[::2] if not plain[0].upright]
    for plain in square:
        ends = [(s.centre[1], s.half[0 if s.upright else 1]) for s in plain]
        low, high = min(y - h for y, h in ends), max(y + h for y, h in ends)
        assert abs(low + high) < 0.1 * (high - low)
    assert len(square) > 5


def test_transforms_come_from_the_generator_and_without_one_there_are_none():
    split = chairs().split("train")
    index = torch.arange(6)
    first, again, other = (
        split.batch(index, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)
    )
    assert torch.equal(first["x"], again["x"])
    assert (first["transform"] - other["transform"]).abs().max() > 0.1
    still = split.batch(index)
    assert not still["transform"].any()
    assert torch.equal(still["x"], chairs(transforms=0.0).split("train").batch(index)["x"])


def test_models_of_few_sides_are_trained_on_from_these_alone():
    data = chairs(few=2, sides=2)
    train, withheld = data.split("train"), data.withheld()
    stored = train.columns["x"].stored
    last = stored[stored[:, 0] >= 10]
    assert {*last[:, 1].tolist()} == {0, 4}
    kept = withheld.columns["x"].stored
    assert len(kept) == 2 * 6 * 2
    both = torch.cat([stored, kept])
    assert len(both.unique(dim=0)) == len(both)
    assert len(train) < len(chairs().split("train"))


def test_in_each_batch_one_factor_varies_in_the_ratio_of_its_share():
    shares = {"identity": 3, "azimuth": 1, "light": 1}
    loader = Loader(heads((6, 5, 4, 5), vary=shares).split("train"), 4, shuffle=True)
    counts = dict.fromkeys(loader.split.columns, 0)
    for batch in loader:
        varies = [n for n in counts if n != "x" and (batch[n] != batch[n][0]).any()]
        assert len(varies) == 1
        counts[varies[0]] += 1
    assert counts["elevation"] == 0
    assert abs(counts["azimuth"] - counts["light"]) <= 1
    assert abs(counts["identity"] - 3 * counts["light"]) <= 2


@pytest.mark.parametrize(
    ("make", "options", "told"),
    [
        (
            heads,
            {"vary": {"hue": 1}},
            "dataset.vary={hue:1}: shares from 0 of what has several values, identity, azimuth",
        ),
        (heads, {"vary": {"light": -1}}, "dataset.vary={light:-1}"),
        (heads, {"grid": (3, 2)}, r"dataset.grid=\[3,2\]: at least one value of each of identity"),
        (heads, {"size": 5}, "dataset.size=5: from 16 to 256"),
        (chairs, {"kinds": ()}, "dataset.kinds"),
        (chairs, {"transforms": 2.0}, "dataset.transforms=2.0"),
        (chairs, {"few": 12}, "dataset.few=12"),
        (chairs, {"sides": 9}, "dataset.sides=9"),
    ],
)
def test_what_there_is_not_is_refused(make, options, told):
    with pytest.raises(DataError, match=told):
        make(**options)
