"""The bits that every printed number is measured on: which examples, in what order, drawn how.

A sum that no longer holds means that numbers of before and after cannot be compared: a new protocol
needs new sums, and says so.
"""

import hashlib

import pytest
import torch
from hydra.utils import instantiate

from tests.data.test_real_data import needs
from tests.training.test_system import config
from vaebench.data import Split
from vaebench.data.images.base import Images, Raw
from vaebench.data.images.mnist import FILES

SIZES = {
    "digits": {"val": (200, 1, 8, 8), "test": (400, 1, 8, 8)},
    "mnist": {"val": (5000, 1, 28, 28), "test": (10_000, 1, 28, 28)},
}
DRAWN = {
    ("digits", "val"): "bdda3aeff8ce4427d31dcb422eba3b057d9b53f6ae49c7a04a0b63f2d73364d6",
    ("digits", "test"): "9bad4217adaea321439c07d128acd0b5431cd5b355a5452b96b3522bccf68c11",
    ("mnist", "val"): "5f700a1a7f2b91688a3ba0a99cd1198fffdda58ef051fe8117162d230d65f318",
    ("mnist", "test"): "6488725cc5cbf3c507f62950b2f86d4882cd526ce23eabdadfdb5b2226e85c93",
}
"""SHA-256 of the bits, one byte each, that were drawn once from the grey values."""

STATIC = {
    "digits": "e0fcafa71c0aee863e0b7666218662b318a14a5860943d02f05a6cc1121a91fd",
    "mnist": "fda348eb998ca7b6eb3302116bf2fb82e8c354044428135694ecb8fde298d90d",
}
"""Of the training bits that `dataset.binarize=static` draws once."""

THRESHOLDED = {
    ("digits", "val"): "2368b5e4c899e86729e5176e39c442e364760da6149cc784420c7788828f378c",
    ("digits", "test"): "ccd28e4464ec255e777700048ab4c09473e9109010e6c8e79c3d697573381ce6",
    ("mnist", "val"): "d509ec82dfc4e951bdcb5b4ee37d7436c1ede2780936ec771f10a2f9d84adddf",
    ("mnist", "test"): "89ba780dee8bae72a6e99d565e97bc93a9069e969c7ec81008f4a5cdf9e778a7",
}
"""Of the grey values above 1/2: no draw, so that these change with the split alone."""


def bits(name, part, binarize):
    """All bits of a split of the data set as its YAML has it."""
    overrides = [f"dataset={name}", f"dataset.binarize={binarize}"]
    if name == "mnist":
        overrides.append(f"data_dir={needs(*(f'MNIST/raw/{file}' for file in FILES))}")
    split = instantiate(config(*overrides).dataset).split(part)
    return split.batch(torch.arange(len(split)), torch.Generator().manual_seed(9))["x"]


def checksum(x):
    assert ((x == 0) | (x == 1)).all()
    return hashlib.sha256(x.to(torch.uint8).contiguous().numpy().tobytes()).hexdigest()


@pytest.mark.parametrize("binarize", ["dynamic", "static"])
@pytest.mark.parametrize(("name", "part"), DRAWN)
def test_held_out_bits_are_the_published_ones(name, part, binarize):
    x = bits(name, part, binarize)
    assert tuple(x.shape) == SIZES[name][part]
    assert checksum(x) == DRAWN[name, part]


@pytest.mark.parametrize(("name", "part"), THRESHOLDED)
def test_held_out_examples_are_the_published_ones(name, part):
    assert checksum(bits(name, part, "threshold")) == THRESHOLDED[name, part]


@pytest.mark.parametrize("name", STATIC)
def test_static_training_bits_are_the_published_ones(name):
    assert checksum(bits(name, "train", "static")) == STATIC[name]


class Grey(Images):
    """The same image over and over: what tells the parts apart is their noise."""

    def read(self):
        return Raw(torch.ones(300, 1, 10, 10, dtype=torch.uint8), 3), None


def test_each_split_is_binarized_by_noise_of_its_own():
    data = Grey(split=Split("last", 100, 100), binarize="static")
    drawn = {
        part: data.split(part).batch(torch.arange(100))["x"].flatten()
        for part in ("train", "val", "test")
    }
    for one, other in (("train", "val"), ("val", "test"), ("train", "test")):
        agreeing = (drawn[one] == drawn[other]).double()
        assert abs(agreeing.mean() - 0.5) < 4.5 * 0.5 / len(agreeing) ** 0.5
