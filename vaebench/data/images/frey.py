"""Frey faces: frames of one video."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from vaebench.data.base import FromFiles
from vaebench.data.images.base import Images, Raw
from vaebench.data.images.files import corrupt, raw_images, read_npz
from vaebench.errors import DataError


def _read_mat(path: Path) -> Raw:
    from scipy.io import loadmat

    with corrupt(path):
        frames = loadmat(path)["ff"].T.reshape(-1, 28, 20)
    return raw_images(frames.astype("uint8"), None, str(path))


READERS: dict[str, Callable[[Path], Raw]] = {
    "freyfaces.npz": read_npz,
    "frey_rawface.mat": _read_mat,
}
"""What each of the files is read by, of which one is enough."""


class FreyFaces(Images, FromFiles):
    """1965 frames of Brendan Frey's face, 28x20 pixels, 256 grey levels (Roweis, Saul 2000).

    Args:
        data_dir: folder that holds `freyfaces/freyfaces.npz` (key `images`, uint8 [1965, 28, 20])
            or the original `frey_rawface.mat` (key `ff`, [560, 1965]).
    """

    wanted: ClassVar[str] = " or ".join(READERS)

    def __init__(self, *, data_dir: str, **protocol: Any) -> None:
        super().__init__(**protocol)
        self.root = Path(data_dir).expanduser()

    def read(self) -> tuple[Raw, Raw | None]:
        for path in self._paths:
            if path.exists():
                return _shaped(READERS[path.name](path), path), None
        raise DataError(
            f"Frey faces are not in {self.root}: put {self.wanted} there "
            "(or in its folder freyfaces), or say where they are with data_dir=. Use dataset=digits."
        )

    @property
    def _paths(self) -> list[Path]:
        """Where the file may lie, the likeliest first."""
        return [self.root / folder / name for name in READERS for folder in (".", "freyfaces")]

    @property
    def place(self) -> Path:
        there = (path.parent for path in self._paths if path.exists())
        return next(there, self.root / "freyfaces")

    @property
    def is_there(self) -> bool:
        return any(path.exists() for path in self._paths)

    @property
    def notes(self) -> list[str]:
        if self.held_out.kind != "random":
            return []
        return [
            "a random split of one video: test frames have near-copies in the training set "
            "(dataset.split.kind=last holds out the end of the video)"
        ]


def _shaped(raw: Raw, path: Path) -> Raw:
    if raw.x.shape[1:] != (1, 28, 20):
        raise DataError(f"{path}: frames of {tuple(raw.x.shape[1:])}, (1, 28, 20) was expected")
    return raw
