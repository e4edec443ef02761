"""The user's own images: what is read, and one line for what cannot be."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from vaebench.data import Raw, Split, Support, UserImages
from vaebench.errors import DataError

N = 20
SPLIT = Split("last", 4, 4)


def images(path: Path, **options) -> UserImages:
    defaults = {"size": [], "split": SPLIT, "binarize": "none"}
    return UserImages(path=str(path), **(defaults | options))


def read(path: Path, **options) -> Raw:
    """All examples in their order."""
    parts = images(path, **options).parts.values()
    y = None if any(p.y is None for p in parts) else torch.cat([p.y for p in parts])
    parts = list(images(path, **options).parts.values())
    return Raw(torch.cat([p.grey() for p in parts]), parts[0].levels, y)


def refusal(path: Path, **options) -> str:
    """The one line that refuses these data."""
    with pytest.raises(DataError) as refused:
        _ = images(path, **options).parts
    line = str(refused.value)
    assert "\n" not in line
    return line


def bytes_(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def npz(folder: Path, **arrays: np.ndarray) -> Path:
    np.savez(folder / "own.npz", **arrays)
    return folder / "own.npz"


# ------------------------------------------------------------------------------------ .npz files
LAYOUTS = {
    "N,H,W": ((N, 6, 5), lambda a: a[:, None]),
    "N,H,W,1": ((N, 6, 5, 1), lambda a: np.moveaxis(a, -1, 1)),
    "N,H,W,3": ((N, 6, 5, 3), lambda a: np.moveaxis(a, -1, 1)),
    "N,1,H,W": ((N, 1, 6, 5), lambda a: a),
    "N,3,H,W": ((N, 3, 6, 5), lambda a: a),
    "N,3,3,3": ((N, 3, 3, 3), lambda a: a),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_bytes_in_any_layout_become_256_levels_with_channels_first(tmp_path, layout):
    shape, channels_first = LAYOUTS[layout]
    raw = read(npz(tmp_path, images=bytes_(*shape)))
    assert raw.levels == 256
    assert_close(raw.x, torch.from_numpy(channels_first(bytes_(*shape)) / 255).float())


def test_bytes_have_levels_and_floats_have_none(tmp_path):
    spec = images(npz(tmp_path, images=bytes_(N, 6, 5))).spec
    assert (spec["x"].support, spec["x"].levels) == (Support.LEVELS, 256)
    spec = images(npz(tmp_path, images=bytes_(N, 6, 5) / 255)).spec
    assert (spec["x"].support, spec["x"].levels) == (Support.UNIT, 0)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_are_read_as_they_are(tmp_path, dtype):
    x = np.random.default_rng(0).random((N, 6, 5)).astype(dtype)
    raw = read(npz(tmp_path, images=x))
    assert raw.x.dtype is torch.float32
    assert_close(raw.x, torch.from_numpy(x[:, None].astype(np.float32)))


def test_labels_are_read_where_there_are_some(tmp_path):
    labels = np.arange(N) % 3
    path = npz(tmp_path, images=bytes_(N, 6, 5), labels=labels.astype(np.uint8))
    assert read(path).y.tolist() == labels.tolist()
    field = images(path).spec["y"]
    assert field.levels == 3
    assert_close(field.mean, torch.tensor([4.0, 4, 4]) / 12, msg="shares of the training split")
    assert "y" not in images(npz(tmp_path, images=bytes_(N, 6, 5))).spec.fields


def test_a_class_that_training_examples_lack_is_one_all_the_same(tmp_path):
    labels = np.array([0, 1] * (N // 2 - 1) + [1, 5])
    field = images(npz(tmp_path, images=bytes_(N, 6, 5), labels=labels)).spec["y"]
    assert field.levels == 6
    assert_close(field.mean, torch.tensor([0.5, 0.5, 0, 0, 0, 0]))


def test_the_short_names_x_and_y_do_as_well(tmp_path):
    raw = read(npz(tmp_path, x=bytes_(N, 6, 5), y=np.arange(N)))
    assert raw.x.shape == (N, 1, 6, 5)
    assert raw.y.tolist() == list(range(N))


NOT_IMAGES = {
    "no images": ({"pictures": bytes_(N, 6, 5)}, "images or x"),
    "vectors": ({"images": bytes_(N, 30)}, r"\(20, 30\)"),
    "videos": ({"images": bytes_(N, 2, 3, 6, 5)}, r"\(20, 2, 3, 6, 5\)"),
    "above one": ({"images": bytes_(N, 6, 5).astype(float)}, "scale them to"),
    "below zero": ({"images": bytes_(N, 6, 5) / 255 - 0.5}, "scale them to"),
    "not finite": ({"images": np.full((N, 6, 5), np.nan)}, "hold nan or infinity"),
    "integers": ({"images": bytes_(N, 6, 5).astype(np.int64)}, "int64"),
    "objects": ({"images": bytes_(N, 6, 5).astype(object)}, "an array of objects, not of numbers"),
    "too few labels": ({"images": bytes_(N, 6, 5), "labels": np.arange(N - 1)}, r"\(19,\)"),
    "wide labels": ({"images": bytes_(N, 6, 5), "labels": np.zeros((N, 2))}, r"\(20, 2\)"),
    "names as labels": ({"images": bytes_(N, 6, 5), "labels": np.array(["a"] * N)}, "labels"),
    "fractions as labels": ({"images": bytes_(N, 6, 5), "labels": np.linspace(0, 1, N)}, "labels"),
    "negative labels": ({"images": bytes_(N, 6, 5), "labels": -np.arange(N)}, "labels"),
    "no bytes": ({"images": bytes_(0, 6, 5)}, "own.npz"),
    "no floats": ({"images": np.zeros((0, 6, 5))}, "own.npz"),
}


@pytest.mark.parametrize("case", NOT_IMAGES)
def test_arrays_that_are_no_images_are_refused_in_one_line(tmp_path, case):
    arrays, named = NOT_IMAGES[case]
    path = npz(tmp_path, **arrays)
    line = refusal(path)
    assert str(path) in line
    assert re.search(named, line)


@pytest.mark.parametrize("keep", [0, 0.1, 0.5, 0.99])
def test_a_truncated_npz_is_refused_by_name(tmp_path, keep):
    path = npz(tmp_path, images=bytes_(N, 6, 5))
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    assert str(path) in refusal(path)


@pytest.mark.parametrize("at", [60, 140, 300])
def test_an_npz_with_spoiled_bytes_is_refused_by_name(tmp_path, at):
    path = tmp_path / "own.npz"
    np.savez_compressed(path, images=bytes_(N, 6, 5))
    content = bytearray(path.read_bytes())
    content[at : at + 8] = bytes(255 - byte for byte in content[at : at + 8])
    path.write_bytes(content)
    assert str(path) in refusal(path)


def test_a_bare_npy_is_refused_by_name(tmp_path):
    np.save(tmp_path / "own.npy", bytes_(N, 6, 5))
    assert "own.npy" in refusal(tmp_path / "own.npy")


def test_a_file_of_another_kind_is_refused_by_name(tmp_path):
    (tmp_path / "notes.txt").write_text("no images here")
    line = refusal(tmp_path / "notes.txt")
    assert line.endswith("notes.txt is neither a folder of image files nor an .npz file")


def test_one_picture_alone_is_answered_with_its_folder(tmp_path):
    Image.fromarray(bytes_(6, 5)).save(tmp_path / "own.png")
    assert f"Use dataset.path={tmp_path}." in refusal(tmp_path / "own.png")


def test_a_path_that_does_not_exist_is_refused_by_name(tmp_path):
    assert "nowhere" in refusal(tmp_path / "nowhere")


def test_resizing_arrays_is_refused(tmp_path):
    path = npz(tmp_path, images=bytes_(N, 6, 5))
    assert "dataset.size" in refusal(path, size=[3, 3])


def test_too_few_images_to_split_are_refused(tmp_path):
    assert "too few" in refusal(npz(tmp_path, images=bytes_(8, 6, 5)))


# --------------------------------------------------------------------------- folders of pictures
def folder(root: Path, pictures: np.ndarray, classes: tuple[str, ...] = ("",)) -> Path:
    """Writes picture i as a PNG into the folder of class i mod C."""
    for i, picture in enumerate(pictures):
        place = root / classes[i % len(classes)]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(place / f"{i:03}.png")
    return root


def test_a_folder_of_grey_pictures_has_one_channel(tmp_path):
    raw = read(folder(tmp_path, bytes_(N, 6, 5)))
    assert raw.levels == 256
    assert_close(raw.x, torch.from_numpy(bytes_(N, 1, 6, 5) / 255).float())


def test_a_folder_of_colour_pictures_has_three_channels(tmp_path):
    raw = read(folder(tmp_path, bytes_(N, 6, 5, 3)))
    expected = np.moveaxis(bytes_(N, 6, 5, 3), -1, 1) / 255
    assert_close(raw.x, torch.from_numpy(expected).float())


@pytest.mark.parametrize("height", [1, 3])
def test_flat_pictures_are_not_taken_for_channels(tmp_path, height):
    raw = read(folder(tmp_path, bytes_(N, height, 5)))
    assert_close(raw.x, torch.from_numpy(bytes_(N, 1, height, 5) / 255).float())


def test_subfolders_are_classes_in_the_order_of_their_names(tmp_path):
    pictures = bytes_(N, 6, 5)
    path = folder(tmp_path, pictures, ("wasp", "ant"))
    raw = read(path)
    assert raw.y.tolist() == [0] * 10 + [1] * 10
    ants_first = np.concatenate([pictures[1::2], pictures[0::2]])[:, None]
    assert_close(raw.x, torch.from_numpy(ants_first / 255).float())
    assert images(path).spec["y"].levels == 2


def test_files_that_are_no_pictures_are_passed_over(tmp_path):
    path = folder(tmp_path, bytes_(N, 6, 5))
    (path / "notes.txt").write_text("no picture")
    assert len(read(path).x) == N


def test_pictures_of_unlike_sizes_are_resized_or_refused(tmp_path):
    path = folder(tmp_path, bytes_(N, 6, 5))
    Image.fromarray(bytes_(7, 9)).save(path / "large.png")
    assert "large.png" in refusal(path)
    assert "dataset.size=[H,W]" in refusal(path)
    assert read(path, size=[4, 3]).x.shape == (N + 1, 1, 4, 3)


def test_a_folder_without_pictures_is_refused(tmp_path):
    assert "no image files" in refusal(tmp_path)


@pytest.mark.parametrize("keep", [0, 0.3, 0.7])
def test_a_truncated_picture_is_refused_by_name(tmp_path, keep):
    path = folder(tmp_path, bytes_(N, 40, 40))
    broken = path / "007.png"
    content = broken.read_bytes()
    broken.write_bytes(content[: int(keep * len(content))])
    assert str(broken) in refusal(path)


@pytest.mark.parametrize("size", [[3], [0, 3], [3, 3, 3]], ids=str)
def test_a_size_that_is_none_is_refused(tmp_path, size):
    with pytest.raises(DataError, match=r"dataset\.size"):
        images(tmp_path, size=size)


# ------------------------------------------------------------------ pictures of unlike kinds: notes
def saved(root: Path, *pictures: Image.Image) -> Path:
    """A folder of N pictures, the given ones in turn."""
    for i in range(N):
        pictures[i % len(pictures)].save(root / f"{i:03}.png")
    return root


def picture(mode: str, alpha: int = 255) -> Image.Image:
    """Of random colours, all equally transparent."""
    pixels = bytes_(6, 5, 4)
    pixels[..., 3] = alpha
    shown = Image.fromarray(pixels)
    return shown if mode == "RGBA" else shown.convert(mode)


def test_transparent_pixels_lie_on_white_and_a_note_says_so(tmp_path):
    path = saved(tmp_path, picture("RGBA", alpha=0), picture("RGB"))
    note = "10 of 20 image files have transparent pixels, which lie on white here"
    assert images(path).notes == [note]
    assert (read(path).x[::2] == 1).all()
    assert_close(
        read(path).x[1], torch.from_numpy(np.array(picture("RGB")) / 255).float().permute(2, 0, 1)
    )


def test_half_transparent_pixels_are_half_white(tmp_path):
    colours = np.array(picture("RGB")).astype(float)
    expected = torch.from_numpy(np.moveaxis((colours + 255) / 2 / 255, -1, 0)).float()
    found = read(saved(tmp_path, picture("RGBA", alpha=128))).x[0]
    assert_close(found, expected, atol=2 / 255, rtol=0)


def test_grey_pictures_among_colours_are_noted(tmp_path):
    path = saved(tmp_path, picture("L"), picture("RGB"), picture("RGB"), picture("RGB"))
    (note,) = images(path).notes
    assert note.startswith("5 of 20 image files are grey")
    grey = read(path).x[0]
    assert_close(grey, grey[:1].expand(3, -1, -1))


def test_several_frames_and_other_colours_are_noted(tmp_path):
    frames = [Image.fromarray(bytes_(2, 6, 5)[i]) for i in range(2)]
    for i in range(N):
        frames[0].save(tmp_path / f"{i:03}.gif", save_all=True, append_images=frames[1:])
    assert images(tmp_path).notes == [
        "20 of 20 image files have several frames, of which the first is read"
    ]
    picture("CMYK").save(tmp_path / "last.jpg")
    assert "1 of 21 image files are neither grey nor RGB, and are converted to RGB" in (
        images(tmp_path).notes
    )


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1"])
def test_opaque_pictures_of_one_kind_need_no_note(tmp_path, recwarn, mode):
    assert images(saved(tmp_path, picture(mode))).notes == []
    assert list(recwarn) == []


# --------------------------------------------------------------------------------------- protocol
@pytest.mark.parametrize("binarize", ["dynamic", "static", "threshold"])
def test_own_pictures_follow_the_protocol_of_all_images(tmp_path, binarize):
    data = images(npz(tmp_path, images=bytes_(N, 6, 5)), binarize=binarize)
    assert data.split("train").batch(torch.arange(12))["x"].unique().tolist() == [0, 1]


def test_dequantizing_continuous_values_is_refused(tmp_path):
    data = images(npz(tmp_path, images=bytes_(N, 6, 5) / 255), dequantize=True)
    with pytest.raises(DataError, match="continuous already"):
        _ = data.spec
