"""`vaebench sample RUN`: pictures from a finished run."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tests.commands.conftest import QUICK
from vaebench.commands.train import drawn_of

DRAWN = True
RUNS = {
    "run": [*QUICK, "logger=csv"],
    "flat": ["model.latent_dim=2", *QUICK, "logger=csv"],
    "auto": ["model=autoencoder", *QUICK, "logger=csv"],
    "made": ["model=made", *QUICK, "logger=csv"],
    "draw": ["model=draw", "model.T=4", "model.hidden=8", *QUICK, "logger=csv"],
    "whole": ["model=draw", "model.attention=false", "model.T=2", *QUICK, "logger=csv"],
    "cvae": ["model=cvae", "model.latent_dim=2", *QUICK, "logger=csv"],
    "vector": ["dataset=ppca", "trainer.max_epochs=1", "logger=none"],
}


def pixels(path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))


def said_of(done, picture: str) -> list[str]:
    return [line for line in done.out.splitlines() if line.startswith(picture)]


def test_a_model_under_conditions_draws_what_others_do(here, copied):
    folder = copied("cvae")
    done = here("sample", "cvae", "n=12")
    assert done.code == 0, done
    drawn = {path.stem for path in (folder / "pictures").glob("*.png")}
    assert drawn >= {"reconstructions", "samples", "manifold", "interpolations", "traversals"}
    assert drawn >= {"prior_walk", "arithmetic", "pca"}


def test_every_picture_that_applies_is_drawn_and_named(here, copied):
    folder = copied("run")
    for path in (folder / "pictures").glob("*"):
        path.unlink()
    done = here("sample", "run", "n=12")
    assert done.code == 0, done
    names = {path.name for path in (folder / "pictures").iterdir()}
    expected = {"data", "reconstructions", "samples", "interpolations", "traversals"}
    expected |= {"prior_walk", "arithmetic", "pca", "tsne"}
    moving = {f"{n}.gif" for n in ("interpolations", "prior_walk", "traversals")}
    assert names == {f"{n}.png" for n in expected} | moving
    assert "does not apply: one latent of two dimensions is needed" in said_of(done, "manifold")[0]
    for name in names:
        assert f"run/pictures/{name}" in done.out


def test_a_two_dimensional_latent_has_a_manifold(here, copied):
    copied("flat")
    assert here("sample", "flat", "pictures=[manifold]", "n=4", "out=here").code == 0


def test_animations_move(here, copied):
    folder = copied("run")
    assert here("sample", "run", "pictures=[traversals,interpolations]", "n=8").code == 0
    for name in ("traversals.gif", "interpolations.gif"):
        with Image.open(folder / "pictures" / name) as image:
            assert image.n_frames > 20
            first = np.asarray(image.convert("L")).copy()
            image.seek(image.n_frames // 2)
            assert (np.asarray(image.convert("L")) != first).any()


@pytest.mark.matrix
def test_a_canvas_is_shown_at_every_step_with_where_it_was_read_and_written(here, copied):
    folder = copied("draw") / "pictures"
    assert {"canvas.png", "canvas.gif", "strokes.png"} <= {path.name for path in folder.iterdir()}
    with Image.open(folder / "canvas.gif") as image:
        assert image.n_frames == 4
    assert here("sample", "draw", "pictures=[filters]").code == 0
    for name, colours in {"canvas": 2, "strokes": 1, "filters": 1}.items():
        with Image.open(folder / f"{name}.png") as image:
            shown = np.asarray(image.convert("RGB")).reshape(-1, 3)
        found = [np.all(shown == colour, 1).any() for colour in ((46, 160, 67), (214, 39, 40))]
        assert sum(found) == colours, name


@pytest.mark.matrix
def test_without_attention_the_canvas_has_no_boxes(here, copied):
    folder = copied("whole") / "pictures"
    for name in ("canvas", "strokes"):
        with Image.open(folder / f"{name}.png") as image:
            channels = np.asarray(image.convert("RGB")).astype(int)
        assert (channels[..., 0] == channels[..., 1]).all()
    done = here("sample", "whole", "pictures=[filters]")
    assert done.code == 2
    assert "there is no grid of filters" in done.err


def test_a_model_that_paints_nothing_has_no_canvas(here, copied):
    copied("run")
    done = here("sample", "run", "pictures=[canvas]")
    assert done.code == 2
    assert "model=vae paints no canvas" in done.err


def test_a_seed_fixes_the_samples_and_another_changes_them(here, copied, tmp_path):
    copied("run")
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        line = ["pictures=[samples,prior_walk]", "n=9", f"seed={seed}", f"out={out}"]
        assert here("sample", "run", *line).code == 0
    for name in ("samples", "prior_walk"):
        a, b, c = (pixels(tmp_path / out / f"{name}.png") for out in "abc")
        assert (a == b).all()
        assert (a != c).any()


@pytest.mark.matrix
def test_an_autoencoder_has_no_samples_and_says_so_in_a_line(here, copied):
    copied("auto")
    done = here("sample", "auto", "n=12")
    assert done.code == 0
    for picture in ("samples", "prior_walk"):
        assert "trained on reconstruction alone" in said_of(done, picture)[0]
    assert said_of(done, "traversals")[0].endswith("traversals.png")


def test_trained_on_reconstruction_alone_a_run_leaves_a_map_of_its_codes(trained):
    assert (trained("auto") / "pictures" / "tsne.png").exists()
    assert not (trained("run") / "pictures" / "tsne.png").exists()  # it would delay every run


@pytest.mark.parametrize(
    ("bound", "labelled", "width", "mapped"),
    [
        (False, True, 3, True),
        (True, True, 3, False),
        (False, False, 3, False),
        (False, True, 2, False),
    ],
)
def test_a_map_needs_labels_and_more_than_two_dimensions(bound, labelled, width, mapped):
    objective = SimpleNamespace(has_bound=bound)
    composition = SimpleNamespace(objective=objective)
    subject = SimpleNamespace(composition=composition, label="y" if labelled else None)
    view = SimpleNamespace(subject=subject, width=width)
    assert ("tsne" in drawn_of(view)) == mapped


def test_bits_are_shown_below_the_grey_values_that_they_were_drawn_from(here, copied):
    """17 levels in data.png, which as bits alone would be black, white and what lies between."""
    folder = copied("run") / "pictures"
    assert len(np.unique(pixels(folder / "data.png")[60:80, 80:400])) > 10


def test_a_model_without_latents_has_samples_alone(here, copied):
    folder = copied("made")
    done = here("sample", "made", "n=4")
    assert done.code == 0
    for picture in ("traversals", "prior_walk"):
        assert "no latents" in said_of(done, picture)[0]
    assert set(np.unique(pixels(folder / "pictures" / "samples.png"))) <= {0, 153, 255}


@pytest.mark.matrix
def test_vectors_are_drawn_as_a_map(here, copied):
    folder = copied("vector")
    done = here("sample", "vector", "n=20")
    assert done.code == 0
    for picture in ("data", "prior_walk"):
        assert "x of shape [8] is no image" in said_of(done, picture)[0]
    assert pixels(folder / "pictures" / "samples.png").std() > 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("run pictures=[tsme]", "Did you mean pictures=[tsne]?"),
        ("run pictures=[manifold]", "pictures=[manifold] does not apply"),
        ("run n=0", "n=0: must be at least 1"),
        ("run seed=-1", "seed=-1"),
        ("run piktures=[pca]", "Did you mean pictures=[pca]?"),
        ("nowhere", "is no run folder"),
        ("", "takes one run folder"),
    ],
)
def test_a_wrong_line_is_refused_in_one_line(here, copied, line, said):
    copied("run")
    here("--version")  # what a first run printed is read here
    done = here("sample", *line.split())
    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert said in done.err
