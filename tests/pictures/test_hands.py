"""Pictures of hands: how many, of what, and what of them moves."""

from __future__ import annotations

import sys

import pytest
from PIL import Image
from torch.testing import assert_close

from tests.hands import LATENT, hands
from vaebench.measures.base import Inapplicable
from vaebench.pictures import View
from vaebench.pictures.hands import FRAMES, STEPS, skeletons, swaps, walks
from vaebench.pictures.maps import modality_map

MODULE, MAPS = (sys.modules[picture.__module__] for picture in (skeletons, modality_map))
N = 6


def view_of(folder, *words):
    return View(hands(*words), folder, N, mapped=8)


@pytest.mark.parametrize(
    "words",
    [
        ("model=cross_modal", LATENT),
        ("model=dvae", LATENT),
        ("model=dvae", LATENT, "model.parts=[pose]"),
        ("model=classifier", "model.observed=joints"),
    ],
)
def test_skeletons_are_drawn_of_whatever_makes_joints(words, tmp_path):
    (path,) = skeletons(view_of(tmp_path, *words))
    with Image.open(path) as image:
        assert image.width > 2 * image.height


def test_a_walk_is_decoded_to_all_images_from_the_same_codes(monkeypatch, tmp_path):
    sheets, save = [], MODULE.save_sheet
    monkeypatch.setattr(MODULE, "save_sheet", lambda *a: sheets.append(a[1:4]) or save(*a))
    words = ("model=cross_modal", "model.observed=[x,depth,joints]", LATENT)
    _, animation = walks(view_of(tmp_path, *words))
    images, rows, columns = sheets[0]
    assert rows == ["x", "depth"] * 3
    assert len(images) == len(rows) * len(columns) == 6 * STEPS
    depth = images.unflatten(0, (3, 2, STEPS))[:, 1]
    assert_close(depth[:, :, 0], depth[:, :, 1])  # grey
    with Image.open(animation) as moving:
        assert moving.n_frames == 2 * FRAMES - 2


def test_swapped_parts_are_those_of_row_and_column(monkeypatch, tmp_path):
    sheets, save = [], MODULE.save_sheet
    monkeypatch.setattr(MODULE, "save_sheet", lambda *a: sheets.append(a[1]) or save(*a))
    view = view_of(tmp_path, "model=dvae", LATENT)
    assert [path.name for path in swaps(view)] == ["swaps_content.png", "swaps_pose.png"]
    content, pose = (sheet.unflatten(0, (6, 6)) for sheet in sheets)
    assert_close(content[0, 1:], view.images[:5])
    assert_close(content[1:, 0], view.images[:5])
    own = range(1, 6)  # on the diagonal nothing is exchanged
    for i in own:
        assert_close(content[i, i], pose[i, i])
    assert_close(content[1, 2].shape, content[2, 1].shape)
    assert not content[1, 2].equal(content[2, 1])


def test_modalities_are_told_by_colour(monkeypatch, tmp_path):
    monkeypatch.setattr("sklearn.manifold.TSNE.fit_transform", lambda self, z: z[:, :2])
    told, scatter = [], MAPS._scatter
    monkeypatch.setattr(MAPS, "_scatter", lambda *a: told.append(a[1:3]) or scatter(*a))
    (path,) = modality_map(view_of(tmp_path, "model=cross_modal", LATENT))
    ((points, names),) = told
    assert len(points) == 16
    assert [*names] == ["x"] * 8 + ["joints"] * 8
    assert path.exists()


@pytest.mark.parametrize(
    ("picture", "why"), [(walks, "does not make several images"), (swaps, "no latents of pose")]
)
def test_what_cannot_be_drawn_is_said(picture, why, tmp_path):
    with pytest.raises(Inapplicable, match=why):
        picture(view_of(tmp_path, "model=cross_modal", LATENT))
