"""Omniglot through torchvision, downloaded once and checked, at the size that VAEs are trained on."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np

from vaebench.data.download import Downloaded
from vaebench.data.images.base import Raw
from vaebench.data.images.files import corrupt, tensor

Array = np.ndarray[Any, Any]

DRAWN, SIDE = 105, 28
PARTS = ("images_background", "images_evaluation")


class Omniglot(Downloaded):
    """32,460 characters of 50 alphabets, drawn by 20 people each (Lake, Salakhutdinov, Tenenbaum 2015).

    The split is the official one: the 19,280 drawings of 30 "background" alphabets train, the 13,180
    of 20 "evaluation" alphabets test. Drawings of 105x105 black-on-white pixels become 28x28 grey
    ones, white on black, each the average of the area that it covers, in 256 levels.

    These are not the files of Burda, Grosse, Salakhutdinov (2016), who split 24,345 and 8,070
    drawings otherwise: results are not comparable with theirs. There are no labels, since the
    training and the test set share no character.

    Args:
        data_dir: folder that holds `omniglot-py/images_background.zip` and
            `omniglot-py/images_evaluation.zip`, or is to receive the download.
    """

    source: ClassVar[str] = "Omniglot"
    folder: ClassVar[str] = "omniglot-py"
    wanted: ClassVar[str] = " and ".join(f"{part}.zip" for part in PARTS)

    @property
    def files(self) -> Mapping[str, str]:
        return {f"{part}.zip": self.kind.zips_md5[part] for part in PARTS}

    def open(self, root: Path, *, train: bool, download: bool = False) -> Any:
        return self.kind(str(root), background=train, download=download)

    def read(self) -> tuple[Raw, Raw | None]:
        self.obtain()
        rest, test = (Raw(tensor(_read(self.place / name)), 256) for name in self.files)
        return rest, test

    @property
    def notes(self) -> list[str]:
        return [
            "Omniglot's official split, averaged to 28x28 pixels: other files than those of Burda "
            "et al. (2016), whose nats do not compare; the test alphabets are not trained on"
        ]


def _read(path: Path) -> Array:
    """The drawings of a zip as bytes `[N, 1, 28, 28]`; unpacked files would be in no fixed order."""
    cover = covered(DRAWN, SIDE)
    with corrupt(path), zipfile.ZipFile(path) as archive:
        names = [n for n in archive.namelist() if n.startswith(path.stem) and n.endswith(".png")]
        drawings = (_ink(archive, name) for name in sorted(names, key=_by_drawer))
        averages = np.stack([cover @ ink @ cover.T for ink in drawings])
    return (255 * averages[:, None]).round().astype(np.uint8)


def _by_drawer(name: str) -> tuple[str, str]:
    """Sorts `…/0709_01.png` by its drawer 01 first.

    The end of the training set, which validates, then holds characters of each alphabet.
    """
    return PurePosixPath(name).stem.rpartition("_")[2], name


def _ink(archive: zipfile.ZipFile, name: str) -> Array:
    """One drawing, 1 where there is ink."""
    from PIL import Image

    with archive.open(name) as file, Image.open(file) as image:
        return 1 - np.asarray(image.convert("L"), np.float32) / 255


def covered(pixels: int, size: int) -> Array:
    """What share of each of `size` equal intervals each of `pixels` fills, `[size, pixels]`."""
    edges = np.arange(size + 1)[:, None] * pixels / size
    left, right = np.arange(pixels), np.arange(pixels) + 1
    overlap = np.minimum(edges[1:], right) - np.maximum(edges[:-1], left)
    return (overlap.clip(0) * size / pixels).astype(np.float32)
