"""What a picture shows is what it says it shows."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch.testing import assert_close

from tests.measures.test_evaluation import Given, data, subject
from tests.theorems import (
    BINARY,
    EXAMPLES,
    assert_mean,
    bits_vae,
    classes_vae,
    elbo,
    set_linear,
    wide_ppca,
)
from vaebench.check import Report
from vaebench.composition import Composition
from vaebench.heads.likelihoods import Gaussian as GaussianLikelihood
from vaebench.heads.posteriors import Gaussian
from vaebench.heads.priors import Normal
from vaebench.measures.base import Inapplicable, Subject
from vaebench.models import VAE
from vaebench.nets import MLP
from vaebench.pictures import View, curves, samples
from vaebench.pictures.curves import REACH, window
from vaebench.pictures.journeys import _moved, along, drawn_pairs, linear
from vaebench.pictures.paper import banded, save_bands


@pytest.fixture
def figures(monkeypatch):
    """Figures that were written."""
    made, save = [], Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *a, **k: made.append(self) or save(self, *a, **k)
    )
    return made


@pytest.fixture
def panels(figures, tmp_path):
    """History → the axes of its curves, by title."""

    def drawn(**series):
        figures.clear()
        steps = sorted({step for points in series.values() for step in points})
        rows = [
            {"step": str(step)}
            | {name.replace("_", "/", 1): str(of.get(step, "")) for name, of in series.items()}
            for step in steps
        ]
        curves(tmp_path / "curves.png", rows)
        return {axes.get_title(): axes for axes in figures[0].axes}

    return drawn


def line(axes, part: str):
    return next(found for found in axes.lines if found.get_label() == part)


def rising(n: int, start: float = -28.5, end: float = -23.5) -> dict[int, float]:
    """A history that settles as a run of digits does."""
    return {12 * (i + 1): end + (start - end) * float(np.exp(-i / (0.06 * n))) for i in range(n)}


@pytest.mark.parametrize("epochs", [3, 30, 100])
def test_curves_show_their_beginning_and_their_end(panels, epochs):
    train, val = rising(epochs), rising(epochs, start=-27.5, end=-23.0)
    axes = panels(train_loss=train, val_loss=val)["loss"]
    low, high = axes.get_ylim()
    assert low < min(train.values())
    assert high > max(val.values())
    assert not axes.texts


def test_a_plunge_is_left_off_the_scale_and_named(panels):
    axes = panels(train_loss={**rising(100), 1: -5000.0})["loss"]
    low, high = axes.get_ylim()
    assert low < sorted(rising(100).values())[2]
    assert high - low < 10
    assert [text.get_text() for text in axes.texts] == ["↓ −5000 at step 1"]


def test_a_window_holds_no_more_than_its_reach_of_a_plunge():
    late = torch.linspace(0, 1, 101).tolist()
    points = [(step, value) for step, value in enumerate(late, 100)]
    low, high = window([(60, -1e6), *points, (150, 1e6)])
    assert -1 - 1.2 * REACH < low < 0 < 1 < high < 2 + 1.2 * REACH
    assert window([(0, 3.0), (1, 3.0)]) == (3.0, 3.0)


def test_a_curve_of_one_point_is_seen_and_one_of_none_has_no_name(panels):
    one = panels(train_loss=rising(6), val_loss={72: -23.0})["loss"]
    assert line(one, "val").get_marker() == "o"
    assert line(one, "train").get_marker() == ""
    none = panels(train_loss=rising(6), val_loss={72: float("nan")})["loss"]
    assert [text.get_text() for text in none.get_legend().get_texts()] == ["train"]


def test_where_the_weight_of_the_kl_is_drawn_the_names_do_not_lie_on_it(panels):
    weight = {12 * (i + 1): (i + 1) / 30 for i in range(30)}
    falling = {step: 2 + 30 * float(np.exp(-step / 24)) for step in weight}
    series = {"train_bound": rising(30), "train_kl": falling, "train_kl_weight": weight}
    axes = panels(**series)["kl"]
    beside = next(a for a in axes.figure.axes if "weight" in a.get_ylabel())
    box = axes.get_legend().get_window_extent()
    points = beside.transData.transform(np.array(sorted(weight.items())))
    assert not any(box.contains(*point) for point in points)


@pytest.mark.parametrize("n", [1, 4, 10, 12, 25])
def test_every_example_stands_above_its_own_reconstruction(n):
    x = (torch.arange(n) / n).view(n, 1, 1, 1).expand(n, 1, 8, 8)
    grid, down = banded({"x": x, "rebuilt": 1 - x}, 10)
    columns = min(10, n)
    across = [(i + 0.5) * grid.shape[2] / columns for i in range(columns)]
    shown = [[grid[0, int(y), int(at)].item() for at in across] for y in down]
    above, below = ([v for row in shown[i::2] for v in row][:n] for i in (0, 1))
    assert_close(torch.tensor(above), x[:, 0, 0, 0])
    assert_close(torch.tensor(below), 1 - x[:, 0, 0, 0])
    assert len(down) == 2 * -(-n // 10)


def test_rows_of_bands_are_named(figures, tmp_path):
    images = torch.rand(12, 3, 32, 32)
    save_bands(tmp_path / "bands.png", {"x": images, "E[x | z]": images}, 10, "")
    names = [label.get_text() for label in figures[0].axes[0].get_yticklabels()]
    assert names == ["x", "E[x | z]"] * 2


def view_of(tmp_path, n: int = 512) -> View:
    model = wide_ppca()
    return View(subject(model, data(n)), tmp_path, n)


def test_a_walk_between_draws_begins_and_ends_at_draws_of_the_prior(tmp_path):
    view = view_of(tmp_path)
    a, b, rows = drawn_pairs(view, 256)
    assert rows == list(range(256))
    ends = torch.cat([a["z"], b["z"]])
    assert_mean(ends, 0.0)
    assert_mean(ends.square(), 1.0)
    assert_mean(a["z"] * b["z"], 0.0)
    way = along(linear, a, b, torch.tensor([0.0, 0.5, 1.0]))["z"].unflatten(0, (256, 3))
    assert_close(way.unbind(1), (a["z"], (a["z"] + b["z"]) / 2, b["z"]))


def test_pairs_of_draws_are_no_more_than_asked_for_and_need_two_examples(tmp_path):
    assert len(drawn_pairs(view_of(tmp_path, 7), 5)[2]) == 3
    with pytest.raises(Inapplicable, match="at least two"):
        drawn_pairs(view_of(tmp_path, 1), 5)


def of_classes(n: int) -> Subject:
    """A model under a label, whose images are as grey as their class is great: 0, .25, .5, .75."""
    levels, y = 4, torch.arange(n) % 4
    data = Given(torch.rand(n, 1, 5, 5), y)
    model = VAE(
        data.spec,
        latent_dim=2,
        nets=MLP(hidden=[], activation="tanh", init="glorot", output_bias="zero"),
        posterior=Gaussian,
        prior=Normal,
        likelihood=partial(GaussianLikelihood, variance="fixed", scale=1.0),
        conditions=["y"],
    )
    grey = torch.arange(levels) / levels
    weight = torch.cat([torch.zeros(25, 2), grey.expand(25, levels)], 1)
    set_linear(model.likelihood.net.net[1], weight, torch.zeros(25))
    report = Report("log p(x | y)", {"x": "observed", "y": "condition"}, ("z",))
    made = Composition(data, model, elbo(model, data.spec), report)
    return Subject(made, torch.device("cpu"))


@pytest.mark.parametrize("n", [4, 30])
def test_samples_under_a_label_have_a_row_for_each_class(n, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setitem(
        samples.__globals__, "save_sheet", lambda *args: shown.append(args) or args[0]
    )
    samples(View(of_classes(n), tmp_path, n))
    (_, images, names, columns, _), m = shown[0], min(n, 10)
    assert names == ["y = 0", "y = 1", "y = 2", "y = 3"]
    assert len(columns) == m
    expected = torch.arange(4).repeat_interleave(m) / 4
    assert_close(images, expected.view(-1, 1, 1, 1).expand(4 * m, 1, 5, 5))


# -------------------------------------------------------------------------------------- traversals
def view_of_bits(tmp_path, model) -> View:
    """Of a model of three pixels."""
    return View(subject(SimpleNamespace(vae=model, spec=BINARY), EXAMPLES), tmp_path, 3)


def test_a_traversal_takes_a_variable_through_its_classes_and_leaves_the_others(
    tmp_path, monkeypatch
):
    view = view_of_bits(tmp_path, classes_vae(dim=3, classes=4))
    monkeypatch.setattr(View, "decode", lambda self, z: z["z"])
    found, code = _moved(view, "z", 1, points=11), view.codes["z"][0]
    assert_close(found[:, 4:8], torch.eye(4))
    for rest in (slice(0, 4), slice(8, 12)):
        assert_close(found[:, rest], code[rest].expand(4, -1))


@pytest.mark.parametrize(("of_bits", "low", "high"), [(True, 0, 1), (False, -3, 3)])
def test_a_traversal_takes_a_number_along_its_dimension(tmp_path, monkeypatch, of_bits, low, high):
    view = view_of_bits(tmp_path, bits_vae()) if of_bits else view_of(tmp_path, 3)
    monkeypatch.setattr(View, "decode", lambda self, z: z["z"])
    found, code = _moved(view, "z", 1, points=5), view.codes["z"][0]
    assert_close(found[:, 1], torch.linspace(low, high, 5))
    assert_close(found[:, 0], code[0].expand(5))


def test_each_variable_of_classes_carries_its_own_kl(tmp_path):
    view = view_of_bits(tmp_path, classes_vae(dim=3, classes=4))
    measured, carried = view.divergences()
    assert measured == "KL"
    assert list(carried) == [("z", 0), ("z", 1), ("z", 2)]
    kl = view.recognised.kl().mean().detach()
    assert_close(torch.tensor(sum(carried.values())), kl)


def test_two_classes_are_no_plane(tmp_path):
    view = view_of_bits(tmp_path, classes_vae(dim=1, classes=2))
    with pytest.raises(Inapplicable, match="z is one of two classes"):
        _ = view.plane
