"""CIFAR-10 and SVHN through torchvision, downloaded once and checked: whole images or patches."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from vaebench.data.download import Downloaded
from vaebench.data.images.base import Raw
from vaebench.data.images.files import corrupt, tensor
from vaebench.data.protocol import HELD_OUT_SEED
from vaebench.errors import DataError

SIDE = 32

Array = np.ndarray[Any, Any]


class Colour(Downloaded):
    """Colour images of 32x32 pixels, `[3, 32, 32]`, 256 levels each of red, green and blue.

    Args:
        patch: side of a square patch to take from each image in its place; 0: whole images. There
            is one patch for each image, at a place drawn at random with a fixed seed: the same in
            every epoch and every run, whatever the run's own seed.
    """

    def __init__(self, *, patch: int = 0, **options: Any) -> None:
        super().__init__(**options)
        if not 0 <= patch <= SIDE:
            raise DataError(
                f"dataset.patch={patch}: between 1 and {SIDE}, or 0 for whole images. "
                "Use dataset.patch=0."
            )
        self.patch = patch

    @abstractmethod
    def arrays(self, part: Any) -> tuple[Array, Any]:
        """Bytes `[N, 3, 32, 32]` and labels `[N]` of torchvision's training or test set."""

    def read(self) -> tuple[Raw, Raw | None]:
        self.obtain()
        return self._part(train=True), self._part(train=False)

    def _part(self, *, train: bool) -> Raw:
        with corrupt(self.place):
            images, labels = self.arrays(self.open(self.root, train=train))
        if self.patch:  # the two sets at places of their own
            images = patches(images, self.patch, seed=HELD_OUT_SEED + train)
        return Raw(tensor(images), 256, torch.as_tensor(labels))

    @property
    def protocol(self) -> dict[str, Any]:
        return super().protocol | {"patch": self.patch}

    @property
    def notes(self) -> list[str]:
        size = f"{self.patch}x{self.patch}"
        note = f"the data are patches: {size} pixels at one random place of each image"
        return [note] if self.patch else []


def patches(images: Array, size: int, seed: int) -> Array:
    """One square of each image at a random place, `[N, C, H, W]` → `[N, C, size, size]`."""
    places = torch.Generator().manual_seed(seed)
    rows, columns = (
        (torch.randint(side - size + 1, (len(images), 1), generator=places) + torch.arange(size))
        for side in images.shape[-2:]
    )
    which = np.arange(len(images))[:, None, None]
    cut = images[which, :, rows.numpy()[:, :, None], columns.numpy()[:, None, :]]
    return np.moveaxis(cut, -1, 1)


class CIFAR10(Colour):
    """60,000 photographs of ten kinds of things, 32x32 pixels (Krizhevsky 2009).

    Args:
        data_dir: folder that holds `cifar-10-batches-py`, or is to receive the download.
    """

    source: ClassVar[str] = "CIFAR10"
    folder: ClassVar[str] = "cifar-10-batches-py"
    wanted: ClassVar[str] = "the seven files of cifar-10-python.tar.gz"

    @property
    def files(self) -> Mapping[str, str]:
        names = {self.kind.meta["filename"]: self.kind.meta["md5"]}
        return dict(self.kind.train_list + self.kind.test_list) | names

    def arrays(self, part: Any) -> tuple[Array, Any]:
        return np.moveaxis(part.data, -1, 1), part.targets


class SVHN(Colour):
    """99,289 digits cut out of photographs of house numbers, 32x32 pixels.

    The 531,131 easier ones of the file `extra_32x32.mat` are not used.

    Args:
        data_dir: folder that holds `SVHN/train_32x32.mat` and `SVHN/test_32x32.mat`, or is to
            receive the download.

    References:
        Reading Digits in Natural Images with Unsupervised Feature Learning (Netzer, Wang, Coates,
        Bissacco, Wu, Ng 2011)
    """

    source: ClassVar[str] = "SVHN"
    folder: ClassVar[str] = "SVHN"
    wanted: ClassVar[str] = "train_32x32.mat and test_32x32.mat"

    @property
    def files(self) -> Mapping[str, str]:
        return dict(self.kind.split_list[part][1:] for part in ("train", "test"))

    def open(self, root: Path, *, train: bool, download: bool = False) -> Any:
        part = "train" if train else "test"
        return self.kind(str(root / self.folder), split=part, download=download)

    def arrays(self, part: Any) -> tuple[Array, Any]:
        return part.data, part.labels
