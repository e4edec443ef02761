"""Where a classifier looks: the boxes are what its glimpses cover."""

from __future__ import annotations

import sys

import pytest
import torch
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from PIL import Image

from vaebench.cli import conf_dir
from vaebench.composition import compose
from vaebench.config.schema import register
from vaebench.measures.base import Subject
from vaebench.nets.retina import Retina
from vaebench.pictures import View
from vaebench.pictures.glimpses import _crops, glimpses
from vaebench.pictures.paper import Box

MODULE = sys.modules[glimpses.__module__]  # the package has a function of that name
N, G = 4, 3
MODELS = {"draw_classifier": 1, "ram": 2}
"""And how many boxes a glimpse has."""


def test_boxes_of_crops_are_the_edges_of_their_pixels():
    inner, outer = _crops(Retina(4, 2, (8, 8)), torch.zeros(1, 2))
    assert inner == [Box(2.5, 2.5, 6.5, 6.5)]  # pixels 3 to 6
    assert outer == [Box(0.5, 0.5, 8.5, 8.5)]
    ((moved,), _) = _crops(Retina(4, 2, (8, 8)), torch.tensor([[0.5, -0.5]]))
    assert moved == Box(4.5, 0.5, 8.5, 4.5)  # to the right, and up


@pytest.mark.parametrize("model", MODELS)
def test_a_strip_shows_each_glimpse_and_the_animation_all_in_order(model, monkeypatch, tmp_path):
    torch.set_default_dtype(torch.float32)  # what data are made of
    register()
    words = [f"model={model}", f"model.glimpses={G}", "model.hidden=8", "model.read=3"]
    words += ["name=pictures", *(["model.scales=2"] if model == "ram" else [])]
    with initialize_config_dir(str(conf_dir()), version_base=None):
        made = compose(hydra_compose("config", words))
    sheets, layers = [], []
    boxed, save = MODULE.boxed, MODULE.save_sheet
    monkeypatch.setattr(MODULE, "boxed", lambda x, b, c: layers.append(b) or boxed(x, b, c))
    monkeypatch.setattr(MODULE, "save_sheet", lambda *a: sheets.append(a[1:4]) or save(*a))
    view = View(Subject(made, torch.device("cpu")), tmp_path, N)
    _, animation = glimpses(view)
    images, rows, columns = sheets[0]
    assert len(images) == N * G
    assert columns == ["t = 1", "t = 2", "t = 3"]
    assert [row.partition(",")[0] for row in rows] == [str(y) for y in view.batch["y"].tolist()]
    assert [len(each) for each in layers] == [MODELS[model]] * G
    assert all(len(boxes) == N for each in layers for boxes in each)
    with Image.open(animation) as moving:
        assert moving.n_frames == G
