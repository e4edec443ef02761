"""MNIST and Fashion-MNIST through torchvision, downloaded once and checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from vaebench.data.download import Downloaded
from vaebench.data.images.base import Raw
from vaebench.data.images.files import check_idx, corrupt
from vaebench.errors import DataError

SIZE = (28, 28)
FILES = [
    f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
]


class MNIST(Downloaded):
    """70,000 handwritten digits of 28x28 pixels (LeCun, Bottou, Bengio, Haffner 1998).

    Args:
        data_dir: folder that holds `MNIST/raw/*-ubyte`, or is to receive the download.
    """

    source: ClassVar[str] = "MNIST"
    folder: ClassVar[str] = "MNIST/raw"
    wanted: ClassVar[str] = "its four IDX files"

    @property
    def files(self) -> Mapping[str, str]:
        # The published sums are those of the packed files: what is checked is each header.
        return dict.fromkeys(FILES, "")

    def check(self, path: Path, md5: str) -> None:
        check_idx(path)

    def read(self) -> tuple[Raw, Raw | None]:
        self.obtain()
        with corrupt(self.place):
            parts = [self.open(self.root, train=train) for train in (True, False)]
        for part in parts:
            _check_sizes(part, self.place)
        rest, test = (Raw(p.data.unsqueeze(1), 256, p.targets) for p in parts)
        return rest, test


def _check_sizes(part: Any, raw: Path) -> None:
    """Refuses files that are whole, but not of this data set or of each other."""
    images, labels = tuple(part.data.shape), len(part.targets)
    if images[1:] != SIZE:
        raise DataError(f"{raw} holds images of {images[1:]} pixels; {SIZE} was expected")
    if images[0] != labels:
        raise DataError(f"{raw} holds {images[0]} images and {labels} labels of the same part")


class FashionMNIST(MNIST):
    """70,000 pictures of clothes, 28x28 pixels, in MNIST's format (Xiao, Rasul, Vollgraf 2017)."""

    source: ClassVar[str] = "FashionMNIST"
    folder: ClassVar[str] = "FashionMNIST/raw"
