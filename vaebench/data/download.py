"""Public data sets: their files come through torchvision, once, and whole or not at all."""

from __future__ import annotations

import contextlib
import io
import shutil
import socket
import tempfile
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any, ClassVar

from vaebench.data.base import FromFiles
from vaebench.data.images.base import Images
from vaebench.data.images.files import check_md5
from vaebench.errors import DataError

DOWNLOAD_TIMEOUT = 30.0


class Downloaded(Images, FromFiles):
    """Images whose files torchvision downloads.

    Args:
        data_dir: folder that holds `folder` with the files, or is to receive the download.

    Attributes:
        source: name of torchvision's class.
        folder: where the files lie in `data_dir`.
    """

    source: ClassVar[str]
    folder: ClassVar[str]
    downloads: ClassVar[bool] = True

    def __init__(self, *, data_dir: str, **protocol: Any) -> None:
        super().__init__(**protocol)
        self.root = Path(data_dir).expanduser()

    @property
    def place(self) -> Path:
        return self.root / self.folder

    @property
    def is_there(self) -> bool:
        return all((self.place / name).exists() for name in self.files)

    @property
    def kind(self) -> Any:
        """torchvision's class."""
        import torchvision

        return getattr(torchvision.datasets, self.source)

    @property
    @abstractmethod
    def files(self) -> Mapping[str, str]:
        """Names of the files, each with its published MD5 sum."""

    def check(self, path: Path, md5: str) -> None:
        """Refuses a file that is not as it was published."""
        check_md5(path, md5)

    def open(self, root: Path, *, train: bool, download: bool = False) -> Any:
        """torchvision's own training or test set."""
        return self.kind(str(root), train=train, download=download)

    def obtain(self) -> None:
        """Downloads the files if one of them is missing, and checks each."""
        if not self.is_there:
            self._download()
        for name, md5 in self.files.items():
            self.check(self.place / name, md5)

    def _download(self) -> None:
        """Download into a folder of its own; only what is whole takes its place in `data_dir`."""
        try:
            with tempfile.TemporaryDirectory() as folder, _patience(DOWNLOAD_TIMEOUT):
                with contextlib.redirect_stdout(io.StringIO()):
                    for train in (True, False):
                        self.open(Path(folder), train=train, download=True)
                self._place(Path(folder, self.folder))
        except (OSError, RuntimeError, HTTPException) as error:
            line = f"{self.source} is not in {self.place} and could not be downloaded"
            cause = getattr(error, "reason", error)  # what urllib wraps
            reason = " ".join(str(getattr(cause, "strerror", None) or cause).split())[:100]
            hint = f"put {self.wanted} there, or say where they are with data_dir="
            # What needs no download at all:
            raise DataError(f"{line} ({reason}); {hint}. Use dataset=digits.") from error

    def _place(self, folder: Path) -> None:
        """Moves the files to `place`, where each appears at once.

        From another disk a move is a copy, which may break off: it ends beside the place first.
        """
        self.place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.place) as near:
            moved = [Path(shutil.move(folder / name, near)) for name in self.files]
            for path in moved:
                path.replace(self.place / path.name)


@contextlib.contextmanager
def _patience(seconds: float) -> Iterator[None]:
    """How long a silent connection is waited for."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
