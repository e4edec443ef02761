"""Small made-up files in the layout of public data sets, which torchvision then takes for theirs."""

from __future__ import annotations

import hashlib
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import torchvision
from PIL import Image
from scipy.io import savemat

BATCH, TEST = 12, 20
"""Images in each of CIFAR-10's five training batches, and in any test set of colour images."""
TRAIN = 5 * BATCH
ALPHABETS, DRAWERS = {"images_background": ("Greek", "Latin"), "images_evaluation": ("Tengwar",)}, 5


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def pictures(n: int, seed: int = 0) -> np.ndarray:
    """Colour images `[n, 3, 32, 32]`."""
    return np.random.default_rng([n, seed]).integers(0, 256, (n, 3, 32, 32), dtype=np.uint8)


def labels(n: int) -> np.ndarray:
    return np.arange(n) % 10


def write_cifar10(root: Path, patch, train: np.ndarray, test: np.ndarray) -> Path:
    """The seven files, whose MD5 sums torchvision then expects."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    parts = {f"data_batch_{i + 1}": x for i, x in enumerate(np.split(train, 5))}
    for name, x in (parts | {"test_batch": test}).items():
        batch = {"data": x.reshape(len(x), -1), "labels": labels(len(x)).tolist()}
        (folder / name).write_bytes(pickle.dumps(batch))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": [*"abcdefghij"]}))
    kind = torchvision.datasets.CIFAR10
    patch.setattr(kind, "train_list", [[name, md5(folder / name)] for name in parts])
    patch.setattr(kind, "test_list", [["test_batch", md5(folder / "test_batch")]])
    patch.setitem(kind.meta, "md5", md5(folder / "batches.meta"))
    return folder


def write_svhn(root: Path, patch, train: np.ndarray, test: np.ndarray) -> Path:
    """Both files, in which a 0 is labelled 10."""
    folder = root / "SVHN"
    folder.mkdir(parents=True)
    for part, x in (("train", train), ("test", test)):
        path, y = folder / f"{part}_32x32.mat", labels(len(x))
        savemat(path, {"X": x.transpose(2, 3, 1, 0), "y": np.where(y == 0, 10, y)[:, None]})
        url, name, _ = torchvision.datasets.SVHN.split_list[part]
        patch.setitem(torchvision.datasets.SVHN.split_list, part, [url, name, md5(path)])
    return folder


def drawing(alphabet: int, character: int, drawer: int) -> Image.Image:
    """A black rectangle on white, in one bit a pixel, of a place and size that tell whose it is."""
    paper = np.ones((105, 105), bool)
    paper[15 * alphabet : 60, 15 * character : 15 * (2 + character + drawer)] = False
    return Image.fromarray(paper)


def write_omniglot(root: Path, patch) -> Path:
    """Both zips, of three characters an alphabet."""
    folder = root / "omniglot-py"
    folder.mkdir(parents=True)
    for part, alphabets in ALPHABETS.items():
        with zipfile.ZipFile(folder / f"{part}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            _draw(archive, part, alphabets)
        sums = torchvision.datasets.Omniglot.zips_md5
        patch.setitem(sums, part, md5(folder / f"{part}.zip"))
    return folder


def _draw(archive: zipfile.ZipFile, part: str, alphabets: tuple[str, ...]) -> None:
    names = [(a, c, d) for a in range(len(alphabets)) for c in range(3) for d in range(DRAWERS)]
    archive.writestr("__MACOSX/._0001_01.png", b"no image")
    for a, c, d in names:
        png = io.BytesIO()
        drawing(a, c, d).save(png, "PNG")
        name = f"{part}/{alphabets[a]}/character{c + 1:02}/{3 * a + c + 1:04}_{d + 1:02}.png"
        archive.writestr(name, png.getvalue())
