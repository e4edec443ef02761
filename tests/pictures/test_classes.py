"""Samples of each class, and the style of each example in every class."""

from __future__ import annotations

import sys

import pytest
import torch
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from torch.testing import assert_close

from vaebench.cli import conf_dir
from vaebench.composition import compose
from vaebench.config.schema import register
from vaebench.inference import encode
from vaebench.measures.base import Inapplicable, Subject
from vaebench.pictures import View
from vaebench.pictures.classes import classes, components, styles

MODULE = sys.modules[classes.__module__]  # the package has a function of that name
N, SHAPE = 4, (1, 8, 8)


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Words and a picture → the view, the sheet's images `[rows, columns, C, H, W]`, its names."""
    torch.set_default_dtype(torch.float32)  # what data are made of

    def draw(picture, *words):
        register()
        with initialize_config_dir(str(conf_dir()), version_base=None):
            small = ["nets.hidden=[8]", "model.latent_dim=3", "name=pictures"]
            made = compose(hydra_compose("config", [*words, *small]))
        sheets = []

        def kept(path, images, rows, columns, title):
            sheets.append((images.unflatten(0, (len(rows), len(columns))), rows, columns))
            return path

        monkeypatch.setattr(MODULE, "save_sheet", kept)
        view = View(Subject(made, torch.device("cpu")), tmp_path, N)
        made.model.eval()
        assert len(picture(view)) == 1
        return (view, *sheets[0])

    return draw


def mean_at(view, z, value):
    """E[x | z, c] by the decoder itself."""
    model = view.subject.model
    return model.likelihood(z, value.expand(len(z), *value.shape)).mean.detach()


def test_a_row_has_the_style_of_an_example_and_a_column_a_class(drawn):
    view, images, rows, columns = drawn(styles, "model=m2")
    assert (len(rows), columns) == (N, ["x", *map(str, range(10))])
    assert_close(images[:, 0], view.images)
    z = encode(view.subject.model, view.batch)["z"]
    for c, value in enumerate(torch.eye(10)):
        assert_close(images[:, c + 1], mean_at(view, z, value).view(N, *SHAPE))
    assert (images[:, 1] - images[:, 2]).abs().max() > 1e-3


def test_under_a_label_a_style_is_that_of_the_examples_own_label(drawn):
    view, images, _, _ = drawn(styles, "model=cvae")
    z = encode(view.subject.model, view.batch)["z"]
    for c in (0, 7):
        expected = mean_at(view, z, torch.tensor(c))
        assert_close(images[:, c + 1], expected.view(N, *SHAPE))


@pytest.mark.parametrize("model", ["m2", "cvae"])
def test_each_class_has_a_row_of_samples_of_the_same_styles(drawn, model):
    view, images, rows, _ = drawn(classes, f"model={model}")
    assert [row.split(" = ")[1] for row in rows] == [*map(str, range(10))]
    z = view.noise.normal((1, 10, 3), torch.zeros(()))[0]
    values = torch.eye(10) if model == "m2" else torch.arange(10)
    for c in (0, 9):
        assert_close(images[c], mean_at(view, z, values[c]).view(10, *SHAPE))


@pytest.mark.parametrize("words", [["model=vae"], ["posterior=categorical", "model=vae"]])
def test_without_a_class_beside_a_style_there_is_neither(drawn, words):
    for picture in (classes, styles):
        with pytest.raises(Inapplicable, match="no latent is a class beside a style"):
            drawn(picture, *words)


def test_the_components_of_a_mixture_are_their_means_the_weightiest_first(monkeypatch, tmp_path):
    torch.set_default_dtype(torch.float32)
    register()
    with initialize_config_dir(str(conf_dir()), version_base=None):
        words = ["model=bernoulli_mixture", "model.components=3", "name=pictures"]
        made = compose(hydra_compose("config", words))
    with torch.no_grad():
        made.model.logits.copy_(torch.tensor([0.0, 2.0, 1.0]))
    kept = []
    monkeypatch.setattr(MODULE, "save_grid", lambda path, images, columns: kept.append(images))
    components(View(Subject(made, torch.device("cpu")), tmp_path, N))
    assert_close(kept[0], made.model.params[[1, 2, 0]].sigmoid().detach())
