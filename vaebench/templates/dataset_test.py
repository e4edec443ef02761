"""The data are what they are said to be, and a model trains on them."""

from pathlib import Path

import torch

import vaebench

CHOSEN = [f"--config-dir={Path(__file__).parent / 'conf'}", "dataset=template"]


def test_each_row_is_of_one_colour():
    data = vaebench.compose(CHOSEN).data
    x = data.split("train").batch(torch.arange(100))["x"]
    assert x.shape == (100, 1, 8, 8)
    assert (x == x[..., :1]).all()
    assert 0.4 < x.mean() < 0.6


def test_no_example_is_in_two_splits():
    data = vaebench.compose(CHOSEN).data
    sizes = {part: len(data.split(part)) for part in ("train", "val", "test")}
    assert sizes == {"train": 1600, "val": 200, "test": 200}


def test_it_goes_with_a_model():
    made = vaebench.compose([*CHOSEN, "nets=conv"])
    batch = made.data.split("train").first(20).batch(torch.arange(20))
    assert made.objective(made.model, batch, torch.tensor(0)).loss.isfinite()
