"""MNIST and Fashion-MNIST through torchvision, downloaded once and checked."""

from __future__ import annotations

import contextlib
import io
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from vaebench.data.base import Images, Raw
from vaebench.data.files import check_idx, corrupt, grey
from vaebench.errors import DataError

DOWNLOAD_TIMEOUT = 30.0
SIZE = (28, 28)
FILES = [
    f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
]


class MNIST(Images):
    """70,000 handwritten digits of 28x28 pixels (LeCun, Bottou, Bengio, Haffner 1998).

    Args:
        data_dir: folder that holds `MNIST/raw/*-ubyte`, or is to receive the download.
    """

    source: ClassVar[str] = "MNIST"

    def __init__(self, *, data_dir: str, **protocol: Any) -> None:
        super().__init__(**protocol)
        self.root = Path(data_dir).expanduser()

    def read(self) -> tuple[Raw, Raw | None]:
        import torchvision

        raw = self.root / self.source / "raw"
        if not all((raw / name).exists() for name in FILES):
            self._download(raw)
        for name in FILES:
            check_idx(raw / name)
        kind = getattr(torchvision.datasets, self.source)
        with corrupt(raw):
            parts = [kind(str(self.root), train=train) for train in (True, False)]
        for part in parts:
            _check_sizes(part, raw)
        rest, test = (Raw(grey(p.data.unsqueeze(1).numpy()), 256, p.targets) for p in parts)
        return rest, test

    def _download(self, raw: Path) -> None:
        """Download into a folder of its own; only what is whole takes its place in `data_dir`."""
        import torchvision

        kind, before = getattr(torchvision.datasets, self.source), socket.getdefaulttimeout()
        socket.setdefaulttimeout(DOWNLOAD_TIMEOUT)
        try:
            with tempfile.TemporaryDirectory() as folder:
                with contextlib.redirect_stdout(io.StringIO()):
                    kind(folder, download=True)
                raw.mkdir(parents=True, exist_ok=True)
                for name in FILES:
                    shutil.move(Path(folder, self.source, "raw", name), raw / name)
        except (OSError, RuntimeError) as error:
            line = f"{self.source} is not in {raw} and could not be downloaded"
            reason = " ".join(str(error).split())[:100]
            hint = "put its four IDX files there, or say where they are with data_dir="
            # What needs no download at all:
            raise DataError(f"{line} ({reason}); {hint}. Use dataset=digits.") from error
        finally:
            socket.setdefaulttimeout(before)


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
