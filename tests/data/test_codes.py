"""Codes of a run as data: draws of its q, afresh in training and once of what is held out."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch

from tests.theorems import assert_mean
from vaebench.data import Codes
from vaebench.errors import DataError

D, SIZES = 2, {"train": 40, "val": 6, "test": 8}
SUMMARY = {
    "quantity": "log p(x)",
    "seed": 3,
    "versions.vaebench": "0",
    "choices.model": "vae",
    "choices.dataset": "digits",
    "protocol.binarize": "dynamic",
    "config.seed": 3,
    "config.model.latent_dim": 2,
}


@pytest.fixture
def made(tmp_path):
    """A run folder, and what it says of q: `loc`, `log_scale`, `y`."""
    (tmp_path / "codes").mkdir()
    (tmp_path / "summary.json").write_text(json.dumps(SUMMARY))
    generator, tables = np.random.default_rng(0), {}
    for part, size in SIZES.items():
        shape = (size, D)
        loc, scale = (generator.normal(size=shape).astype(np.float32) for _ in range(2))
        tables[part] = {"loc": loc, "log_scale": scale - 1, "y": np.arange(size) % 4}
        np.savez(tmp_path / "codes" / f"{part}.npz", **tables[part])
    return tmp_path, tables


def everything(data, part, generator=None):
    split = data.split(part)
    return split.batch(torch.arange(len(split)), generator)


def test_training_codes_are_draws_of_q_and_other_ones_at_each_access(made):
    folder, tables = made
    data, table = Codes(run=str(folder)), tables["train"]
    torch.manual_seed(0)
    draws = torch.stack([everything(data, "train")["x"] for _ in range(2000)])
    eps = (draws - torch.from_numpy(table["loc"])) / torch.from_numpy(table["log_scale"]).exp()
    assert_mean(eps.flatten(1), 0.0)
    assert_mean(eps.flatten(1).square(), 1.0)
    assert not torch.equal(draws[0], draws[1])


def test_held_out_codes_are_means_or_drawn_once(made):
    folder, tables = made
    for part in ("val", "test"):
        loc = torch.from_numpy(tables[part]["loc"])
        plain = Codes(run=str(folder))
        assert torch.equal(everything(plain, part)["x"], loc)
        assert "E[z | x]" in plain.notes[0]
        drawn = Codes(run=str(folder), held_out="draw")
        assert not drawn.notes
        first, second = (everything(drawn, part)["x"] for _ in range(2))
        assert torch.equal(first, second)
        assert (first - torch.from_numpy(tables[part]["loc"])).abs().min() > 0


def test_labels_come_along_and_as_many_are_known_as_are_to_be(made):
    folder, tables = made
    data = Codes(run=str(folder), labels=8, label_seed=1)
    batch = everything(data, "train")
    assert batch["y"].tolist() == tables["train"]["y"].tolist()
    assert torch.bincount(batch["y"][batch["labelled"] == 1]).tolist() == [2] * 4
    assert not everything(data, "test")["labelled"].any()
    assert (data.spec.size, data.spec["x"].shape, data.spec["y"].levels) == (40, (D,), 4)
    few = Codes(run=str(folder), labels=8, label_seed=1, unlabelled="drop")
    known = batch["labelled"].nonzero().squeeze(1)
    generators = [torch.Generator().manual_seed(0) for _ in range(2)]
    ours = everything(few, "train", generators[0])
    theirs = data.split("train").batch(known, generators[1])
    assert few.spec.size == 8
    assert torch.equal(ours["x"], theirs["x"])
    assert torch.equal(ours["y"], theirs["y"])


def test_the_protocol_is_that_of_the_data_and_tells_the_model_whatever_its_seed(made):
    folder, _ = made
    first = Codes(run=str(folder)).protocol
    assert first["binarize"] == "dynamic"
    assert first["codes"].startswith("vae of digits ")
    (folder / "summary.json").write_text(json.dumps(SUMMARY | {"seed": 4, "config.seed": 4}))
    assert Codes(run=str(folder)).protocol == first
    (folder / "summary.json").write_text(json.dumps(SUMMARY | {"config.model.latent_dim": 5}))
    assert Codes(run=str(folder)).protocol != first


@pytest.mark.parametrize(
    ("gone", "told"), [("codes/val.npz", "there is no"), ("summary.json", "dataset.run=")]
)
def test_what_is_not_there_is_named(made, gone, told):
    folder, _ = made
    (folder / gone).unlink()
    data = Codes(run=str(folder))
    with pytest.raises(DataError, match=re.escape(told)):
        _ = data.spec, data.protocol


def test_a_spoiled_file_is_named(made):
    folder, _ = made
    (folder / "codes" / "test.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match=r"test\.npz is truncated or corrupt"):
        _ = Codes(run=str(folder)).spec
