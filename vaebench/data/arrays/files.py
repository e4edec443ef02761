"""Arrays in files: the members of an .npz, or the .npy files of a folder, read whole or mapped."""

from __future__ import annotations

import math
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from vaebench.data.access import Access
from vaebench.data.images.files import NPY, corrupt
from vaebench.data.spec import Batch
from vaebench.errors import DataError
from vaebench.suggest import override, use

LOCAL_HEADER, LENGTHS_AT = 30, 26
"""Bytes of what stands before a member of a zip, less its name and extra field, whose lengths are at
the end of it."""

KINDS = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
TORCH: dict[np.dtype[Any], torch.dtype] = {np.dtype(kind): getattr(torch, kind) for kind in KINDS}
"""Types of numbers that torch computes with; others become the widest of their kind."""

WIDEST = {"u": np.dtype(np.int64), "i": np.dtype(np.int64), "f": np.dtype(np.float64)}


@dataclass(frozen=True)
class StoredArray:
    """An array in a file.

    Attributes:
        path: the file.
        member: its name in a zip; empty of an .npy.
        shape: `[N, *]`.
        dtype: of its numbers.
        start: where they begin in the file; None where they are packed.
        rowwise: whether they are stored row by row.
    """

    path: Path
    member: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    start: int | None
    rowwise: bool

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def nbytes(self) -> int:
        """Bytes of all of its numbers."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def is_mappable(self) -> bool:
        """Whether its rows can be read from the file, one by one and as they are."""
        return self.dtype in TORCH and self.rowwise and self.start is not None

    @property
    def has_numbers(self) -> bool:
        """Whether each of its rows is a number, or an array of numbers of one shape."""
        return self.dtype.kind in "biuf" and len(self.shape) > 0

    def read(self) -> Tensor:
        """All of it, `[N, *]`, in memory."""
        with corrupt(self.path), _opened(self.path, self.member) as stream:
            values = np.lib.format.read_array(stream, allow_pickle=False)
        native = self.dtype.newbyteorder("=")
        known = native if native in TORCH else WIDEST[self.dtype.kind]
        return torch.from_numpy(np.ascontiguousarray(values, known))

    def mapped(self) -> Tensor:
        """The bytes of each of its rows, `[N, n]`, which the system reads where they are looked at."""
        shape = (self.shape[0], self.nbytes // self.shape[0])
        with corrupt(self.path):
            # Copied on write, which nobody does: torch warns of what cannot be written.
            return torch.from_numpy(
                np.memmap(self.path, np.uint8, "c", offset=self.start or 0, shape=shape)
            )

    def of_bytes(
        self, rows: Tensor, generator: torch.Generator | None, *, access: Access
    ) -> Tensor | Batch:
        """An access to mapped rows `[B, n]`, as another has them as numbers.

        A file puts numbers at any address; rows that were taken from it are where a processor wants
        them.
        """
        numbers = rows.view(TORCH[self.dtype]).view(len(rows), *self.shape[1:])
        return access(numbers, generator)


def stored_arrays(path: Path) -> dict[str, StoredArray]:
    """The arrays of an .npz file, or of a folder of .npy files, by name.

    Raises:
        DataError: there is no such file, it is of another kind or corrupt, or holds none.
    """
    if not path.exists():
        raise DataError(f"dataset.path={path}: no such file or folder")
    if path.is_dir():
        found = {file.stem: _array(file, "", 0) for file in sorted(path.glob("*.npy"))}
    else:
        _check_kind(path)
        with corrupt(path), zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        found = {
            info.filename.removesuffix(".npy"): _array(path, info.filename, _begin(path, info))
            for info in infos
        }
    if not found:
        raise DataError(f"{path} holds no {'.npy files' if path.is_dir() else 'arrays'}")
    return found


def _check_kind(path: Path) -> None:
    """Refuses a file that is of another kind, rather than spoiled."""
    with corrupt(path), path.open("rb") as file:
        begins = file.read(len(NPY))
    if begins == NPY:
        raise DataError(
            f"{path} is one array; name the folder of all.{use(override('dataset.path', path.parent))}"
        )
    if path.suffix.lower() != ".npz" and not zipfile.is_zipfile(path):
        raise DataError(f"{path} is neither an .npz file nor a folder of .npy files")


def _begin(path: Path, info: zipfile.ZipInfo) -> int | None:
    """Where a member's own bytes begin in a zip; None where they are packed."""
    if info.compress_type != zipfile.ZIP_STORED:
        return None
    with corrupt(path), path.open("rb") as file:
        file.seek(info.header_offset)
        lengths = struct.unpack_from("<HH", file.read(LOCAL_HEADER), LENGTHS_AT)
    return info.header_offset + LOCAL_HEADER + sum(lengths)


def _array(path: Path, member: str, begin: int | None) -> StoredArray:
    """What its header says of an array."""
    header = np.lib.format
    with corrupt(path), _opened(path, member) as stream:
        first = header.read_magic(stream) == (1, 0)
        read = header.read_array_header_1_0 if first else header.read_array_header_2_0
        shape, by_columns, dtype = read(stream)
        start = None if begin is None else begin + stream.tell()
    return StoredArray(path, member, shape, dtype, start, not by_columns or len(shape) < 2)


@contextmanager
def _opened(path: Path, member: str) -> Iterator[IO[bytes]]:
    """A stream that begins with an array's header."""
    if not member:
        with path.open("rb") as file:
            yield file
        return
    with zipfile.ZipFile(path) as archive, archive.open(member) as stream:
        yield stream
