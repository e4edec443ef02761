"""The protocol of images, on the embedded digits: splits, binarization, dequantization."""

from functools import partial

import pytest
import torch
from sklearn.datasets import load_digits
from torch.testing import assert_close

from tests.theorems import assert_mean
from vaebench.data import Digits, Split, Support
from vaebench.data.access import dequantization
from vaebench.errors import DataError

SIZES = {"train": 1197, "val": 200, "test": 400}


def digits(binarize: str = "dynamic", **options) -> Digits:
    return Digits(split=Split("random", 200, 400), binarize=binarize, **options)


def everything(data: Digits, part: str, seed: int = 0) -> torch.Tensor:
    split = data.split(part)
    return split.batch(torch.arange(len(split)), torch.Generator().manual_seed(seed))["x"]


@pytest.mark.parametrize("part", SIZES)
def test_images_have_the_shape_that_the_spec_declares(part):
    data = digits()
    x = everything(data, part)
    assert x.shape == (SIZES[part], 1, 8, 8)
    assert data.spec["x"].shape == (1, 8, 8)
    assert x.dtype is torch.float32


def test_the_spec_counts_training_examples():
    assert digits().spec.size == SIZES["train"]
    assert digits().protocol["split"]["sizes"] == SIZES


def test_labels_are_the_ten_digits_and_belong_to_their_images():
    data = digits("none")
    assert data.spec["y"].support is Support.LABEL
    assert data.spec["y"].levels == 10
    parts = [data.split(p).batch(torch.arange(SIZES[p])) for p in SIZES]
    x, y = (torch.cat([part[name] for part in parts]) for name in ("x", "y"))
    known = load_digits()
    label = dict(zip((image.tobytes() for image in known.data), known.target, strict=True))
    assert y.tolist() == [label[(16 * image).double().numpy().tobytes()] for image in x]


def test_grey_values_are_the_seventeen_levels():
    x = everything(digits("none"), "train")
    assert digits("none").spec["x"].support is Support.LEVELS
    assert digits("none").spec["x"].levels == 17
    assert sorted((16 * x).unique().tolist()) == list(range(17))


@pytest.mark.parametrize("binarize", ["dynamic", "static", "threshold"])
@pytest.mark.parametrize("part", SIZES)
def test_binarized_images_are_bits(binarize, part):
    data = digits(binarize)
    assert data.spec["x"].support is Support.BINARY
    assert set(everything(data, part).unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("binarize", ["dynamic", "static", "threshold"])
@pytest.mark.parametrize("part", ["val", "test"])
def test_held_out_bits_are_the_same_in_every_instance_and_at_every_access(binarize, part):
    torch.manual_seed(1)
    first = everything(digits(binarize), part, seed=1)
    torch.manual_seed(2)
    assert torch.equal(everything(digits(binarize), part, seed=2), first)


def test_held_out_bits_are_the_same_under_dynamic_and_static_binarization():
    for part in ("val", "test"):
        assert torch.equal(everything(digits("dynamic"), part), everything(digits("static"), part))


def test_dynamic_training_bits_differ_between_accesses():
    data = digits("dynamic")
    assert not torch.equal(everything(data, "train", seed=1), everything(data, "train", seed=2))


def test_dynamic_training_bits_are_a_function_of_the_generator():
    first, second = (everything(digits("dynamic"), "train", seed=1) for _ in range(2))
    assert torch.equal(first, second)


def test_static_training_bits_are_equal_between_accesses_and_instances():
    data = digits("static")
    first = everything(data, "train", seed=1)
    assert torch.equal(everything(data, "train", seed=2), first)
    assert torch.equal(everything(digits("static"), "train", seed=3), first)


def test_dynamic_bits_average_to_the_grey_values():
    data = digits("dynamic")
    grey = everything(digits("none"), "train")[:20]
    split, index = data.split("train"), torch.arange(20)
    generator = torch.Generator().manual_seed(0)
    bits = torch.stack([split.batch(index, generator)["x"] for _ in range(2000)])
    inside = (grey > 0) & (grey < 1)
    assert_mean(bits[:, inside], grey[inside].double())
    assert (bits[:, grey == 0] == 0).all()
    assert bits[:, grey == 1].mean() > 0.999


def test_static_bits_are_bernoulli_draws_of_the_grey_values():
    grey = everything(digits("none"), "train").double().flatten()
    bits = everything(digits("static"), "train").double().flatten()
    z = (bits - grey).sum() / (grey * (1 - grey)).sum().sqrt()
    assert abs(z) < 4.5


def test_thresholded_bits_are_the_grey_values_above_one_half():
    grey = everything(digits("none"), "train")
    assert torch.equal(everything(digits("threshold"), "train"), (grey > 0.5).float())


@pytest.mark.parametrize("binarize", ["none", "dynamic", "static", "threshold"])
def test_the_mean_of_the_spec_is_that_of_the_training_examples_alone(binarize):
    data = digits(binarize)
    raw = data.parts["train"].grey()
    expected = (raw > 0.5).float().mean(0) if binarize == "threshold" else raw.mean(0)
    assert_close(data.spec["x"].mean, expected)
    assert not torch.equal(data.spec["x"].mean, data.parts["test"].grey().mean(0))


def test_the_splits_of_two_instances_are_the_same():
    for part in SIZES:
        assert torch.equal(everything(digits("none"), part), everything(digits("none"), part))


def test_dequantized_levels_are_recovered():
    x = everything(digits("none", dequantize=True), "train")
    assert torch.equal((17 * x).floor() / 16, everything(digits("none"), "train"))
    assert digits("none", dequantize=True).spec["x"].support is Support.UNIT
    assert digits("none", dequantize=True).spec["x"].levels == 17


def test_dequantization_noise_is_uniform_within_a_level():
    x = everything(digits("none", dequantize=True), "train").double()
    u = (17 * x) % 1
    assert_mean(u.flatten(), 0.5)
    assert_mean((u.flatten() - 0.5).square(), 1 / 12)


def test_dequantized_training_images_differ_between_accesses_and_held_out_ones_do_not():
    data = digits("none", dequantize=True)
    assert not torch.equal(everything(data, "train", 1), everything(data, "train", 2))
    assert torch.equal(everything(data, "test", 1), everything(data, "test", 2))


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_a_dequantized_value_stays_inside_its_level_and_below_one(levels):
    """A million draws at every few levels: rounding to float32 must not reach the next one."""
    access, generator = partial(dequantization, levels=levels), torch.Generator().manual_seed(0)
    for level in {0, 1, levels // 2, levels - 1}:
        stored = torch.full((1_000_000,), level, dtype=torch.uint8)
        x = access(stored, generator).double()
        assert (x >= level / levels).all()
        assert (x < (level + 1) / levels).all()


@pytest.mark.parametrize("binarize", ["dynamic", "static", "threshold"])
def test_dequantizing_bits_is_refused(binarize):
    with pytest.raises(DataError, match="binarize=none"):
        digits(binarize, dequantize=True)


def test_an_official_split_is_refused_where_there_is_none():
    with pytest.raises(DataError, match="no official split"):
        _ = Digits(split=Split("official", 100), binarize="none").spec


@pytest.mark.parametrize("part", SIZES)
@pytest.mark.parametrize("binarize", ["dynamic", "static", "threshold"])
def test_the_originals_are_the_grey_values_that_bits_were_made_of(binarize, part):
    data = digits(binarize)
    x, grey = everything(data, part), data.originals(part, SIZES[part])["x"]
    assert torch.equal(grey, everything(digits("none"), part))
    if binarize == "threshold":
        assert torch.equal(x, (grey > 0.5).float())
    else:
        assert (x[grey == 0] == 0).all()
        assert_mean((x - grey)[(grey > 0) & (grey < 1)], 0.0)


@pytest.mark.parametrize("dequantize", [False, True])
def test_grey_data_have_no_other_originals(dequantize):
    assert digits("none", dequantize=dequantize).originals("test", 5) == {}


@pytest.mark.parametrize("part", SIZES)
def test_what_is_drawn_of_a_split_once_is_made_once(part):
    data = digits()
    assert data.split(part).columns["x"].stored is data.split(part).columns["x"].stored
