"""The user's own images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vaebench.data.images.base import Images, Raw
from vaebench.data.images.files import read_folder, read_npz
from vaebench.errors import DataError


class UserImages(Images):
    """A folder of image files (subfolders are classes), or one .npz file.

    Args:
        path: the folder or file. An .npz holds `images` (uint8, or floats in [0, 1]; `[N, H, W]`,
            `[N, H, W, C]` or `[N, C, H, W]`) and perhaps integer `labels`.
        size: `[H, W]` to resize image files to; empty: they have one size already.
    """

    def __init__(self, *, path: str, size: list[int], **protocol: Any) -> None:
        super().__init__(**protocol)
        if len(size) not in (0, 2) or min(size, default=1) < 1:
            raise DataError(f"dataset.size={size}: [H,W] was expected")
        self.path, self.size = Path(path).expanduser(), (size[0], size[1]) if size else None

    def read(self) -> tuple[Raw, Raw | None]:
        if self.path.is_dir():
            return read_folder(self.path, self.size), None
        if not self.path.exists():
            raise DataError(f"dataset.path={self.path}: no such folder or file")
        if self.size is not None:
            raise DataError("dataset.size resizes image files; resize the .npz arrays yourself")
        return read_npz(self.path), None
