"""Reading image files, with one clear line for what is missing or broken."""

from __future__ import annotations

import gzip
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaebench.data.images.base import Raw
from vaebench.errors import DataError
from vaebench.suggest import override, use

NPY = b"\x93NUMPY"
"""How a bare array begins."""

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm"}


@contextmanager
def corrupt(path: Path) -> Iterator[None]:
    """Turns whatever a reader raises on a broken file into one line that names it."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # a decoder may raise anything at spoiled bytes
        if isinstance(error, PermissionError):
            raise DataError(f"{path} cannot be read: {error.strerror}") from error
        raise DataError(f"{path} is truncated or corrupt; replace it") from error


def tensor(values: np.ndarray[Any, Any]) -> Tensor:
    """Of the same values, whatever their order in memory."""
    return torch.from_numpy(np.ascontiguousarray(values))


def check_md5(path: Path, published: str) -> None:
    """Refuses a file whose MD5 sum is not the published one."""
    from torchvision.datasets.utils import calculate_md5

    with corrupt(path):
        found = calculate_md5(path)
    if found != published:
        line = f"{path} is truncated or corrupt: {path.stat().st_size} bytes of MD5 sum {found}"
        raise DataError(f"{line}, {published} was expected; replace it")


def check_idx(path: Path) -> None:
    """Refuses an IDX file whose length is not the one that its header promises."""
    opener = gzip.open if path.suffix == ".gz" else open
    with corrupt(path), opener(path, "rb") as file:
        content = file.read()
    if len(content) < 4 or content[:3] != b"\x00\x00\x08":
        raise DataError(f"{path} is corrupt: not an IDX file of bytes; replace it")
    dims = content[3]
    shape = [int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(dims)]
    promised = 4 + 4 * dims + int(np.prod(shape))
    if len(content) != promised:
        line = f"{path} is truncated or corrupt: {len(content)} bytes, its header says {promised}"
        raise DataError(f"{line}; replace it")


def read_npz(path: Path) -> Raw:
    """An .npz file: `images` (or `x`) `[N, H, W]`, `[N, H, W, C]` or `[N, C, H, W]`, perhaps `labels` (or `y`)."""
    _check_npz(path)
    with corrupt(path), path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        x = _array(arrays, ("images", "x"), path)
        y = _array(arrays, ("labels", "y"), path)
        names = list(arrays)
    if x is None:
        raise DataError(f"{path} holds {names}; an array named images or x is needed")
    return raw_images(x, None if y is None else _labels(y, len(x), path), str(path))


def _check_npz(path: Path) -> None:
    """Refuses a file that is of another kind, rather than spoiled."""
    if path.suffix.lower() == ".npz":
        return
    with corrupt(path), path.open("rb") as file:
        begins = file.read(len(NPY))
    if begins == NPY:
        raise DataError(f"{path} holds a bare array; save it as images in an .npz file")
    if path.suffix.lower() in IMAGE_SUFFIXES:
        folder = use(override("dataset.path", path.parent))
        raise DataError(f"{path} is one image; name the folder of all.{folder}")
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path} is neither a folder of image files nor an .npz file")


def _array(
    arrays: Mapping[str, np.ndarray[Any, Any]], names: Sequence[str], path: Path
) -> np.ndarray[Any, Any] | None:
    """The array of either name, or None."""
    name = next((name for name in names if name in arrays), None)
    try:
        return None if name is None else arrays[name]
    except ValueError as error:  # of a zip without a fault: NumPy refuses to unpickle
        if "pickle" not in str(error):
            raise
        line = f"{path}: {name} is an array of objects, not of numbers of one shape"
        raise DataError(line) from error


def _labels(y: np.ndarray[Any, Any], size: int, path: Path) -> Tensor:
    if y.shape != (size,):
        raise DataError(f"{path}: labels have shape {y.shape}, {(size,)} was expected")
    if not np.issubdtype(y.dtype, np.integer) or (size and y.min() < 0):
        raise DataError(f"{path}: labels are to be integers from 0, not {y.dtype} like {y[:1]}")
    return torch.from_numpy(y.astype(np.int64))


def raw_images(x: np.ndarray[Any, Any], y: Tensor | None, source: str) -> Raw:
    """Arrays of images as `Raw`: uint8 means 256 grey levels, bool two, floats lie in [0, 1]."""
    x = _channels_first(x, source)
    if x.dtype == np.bool_:
        return Raw(tensor(x).byte(), 2, y)
    if x.dtype == np.uint8 and x.max() <= 1:
        raise DataError(f"{source}: uint8 images of 0 and 1 alone; store bool, or 0 and 255")
    if x.dtype == np.uint8:
        return Raw(tensor(x), 256, y)
    if not np.issubdtype(x.dtype, np.floating):
        raise DataError(f"{source}: images are {x.dtype}; uint8, or floats in [0, 1], are needed")
    if not np.isfinite(x).all():
        raise DataError(f"{source}: images hold nan or infinity; all values must be finite")
    if not (x.min() >= 0 and x.max() <= 1):
        span = f"from {x.min():.3g} to {x.max():.3g}"
        raise DataError(f"{source}: images are floats {span}; scale them to [0, 1]")
    return Raw(tensor(x).float(), 0, y)


def _channels_first(x: np.ndarray[Any, Any], source: str) -> np.ndarray[Any, Any]:
    """Images as `[N, C, H, W]` with C = 1 or 3."""
    if not x.size:
        raise DataError(f"{source} holds no images: their shape is {x.shape}")
    if x.ndim == 3:
        return x[:, None]
    if x.ndim == 4 and x.shape[-1] in (1, 3) and x.shape[1] not in (1, 3):
        return np.moveaxis(x, -1, 1)
    if x.ndim != 4 or x.shape[1] not in (1, 3):
        raise DataError(
            f"{source}: images have shape {x.shape}; [N, H, W], or 1 or 3 channels, are needed"
        )
    return x


def read_folder(path: Path, size: tuple[int, int] | None) -> Raw:
    """A folder of image files; the names of subfolders, if any, are the labels."""
    files = sorted(f for f in path.rglob("*") if f.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise DataError(f"{path} holds no image files ({', '.join(sorted(IMAGE_SUFFIXES))})")
    read = [_read_image(file, size) for file in files]
    arrays = [array for array, _ in read]
    for file, array in zip(files, arrays, strict=True):
        if array.shape[:2] != arrays[0].shape[:2]:
            line = f"{file} is {array.shape[:2]} pixels, {files[0]} is {arrays[0].shape[:2]}"
            height, width = arrays[0].shape[:2]
            instead = f"Use dataset.size=[{height},{width}]."
            raise DataError(f"{line}; dataset.size=[H,W] resizes them. {instead}")
    kinds = Counter(chain.from_iterable(kind for _, kind in read))
    if all((a == a[..., :1]).all() for a in arrays):
        arrays, kinds[GREY] = [a[..., :1] for a in arrays], 0
    classes = sorted({f.parent.name for f in files if f.parent != path})
    labelled = all(f.parent.parent == path for f in files) and len(classes) > 1
    y = torch.tensor([classes.index(f.parent.name) for f in files]) if labelled else None
    raw = raw_images(np.moveaxis(np.stack(arrays), -1, 1), y, str(path))
    told = [f"{n} of {len(files)} image files {what}" for what, n in kinds.items() if n]
    return replace(raw, notes=tuple(told))


GREY = "are grey: their red, green and blue are the same here"
TRANSPARENT = "have transparent pixels, which lie on white here"
FRAMES = "have several frames, of which the first is read"
OTHER = "are neither grey nor RGB, and are converted to RGB"


def _read_image(path: Path, size: tuple[int, int] | None) -> tuple[np.ndarray[Any, Any], list[str]]:
    """Its colours `[H, W, 3]`, and what it takes to make them of the file."""
    from PIL import Image

    with corrupt(path), Image.open(path) as image:
        if image.mode.startswith(("I", "F")):
            raise DataError(
                f"{path} has more than 8 bits a channel; save an .npz of floats instead"
            )
        kind = [GREY] if image.mode in ("1", "L", "LA") else []
        if image.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA"):
            kind.append(OTHER)
        if getattr(image, "is_animated", False):
            kind.append(FRAMES)
        if image.has_transparency_data:
            shown = image.convert("RGBA")
            if shown.getchannel("A").getextrema()[0] < 255:  # type: ignore[operator] # one band
                kind.append(TRANSPARENT)
            white = Image.new("RGBA", shown.size, "white")
            colours = Image.alpha_composite(white, shown).convert("RGB")
        else:
            colours = image.convert("RGB")
        if size is not None:
            colours = colours.resize((size[1], size[0]), Image.Resampling.LANCZOS)
        return np.asarray(colours), kind
