"""Pictures of runs, small enough to lie inside a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from PIL import Image

from vaebench.runs.find import Run
from vaebench.runs.layout import CURVES, PICTURES

ROOM = 4_000_000
"""Bytes of all pictures together, before base64; what comes later is left out, and said so."""

SIDE = 360
DATA_URL = "data:image/png;base64,"


def pictures(runs: Iterable[Run], room: int = ROOM) -> tuple[dict[Path, dict[str, str]], int]:
    """Folder → name → data URL, while there is room; and how many runs had none.

    Args:
        runs: those first whose pictures matter most.
        room: in bytes.
    """
    found: dict[Path, dict[str, str]] = {}
    left_out = 0
    for run in runs:
        drawn = sorted((run.folder / PICTURES).glob("*.png"))
        drawn = [path for path in drawn if path != run.folder / CURVES]
        named = {p.stem: shrunk(p, p.stat().st_mtime_ns) for p in drawn} if room > 0 else {}
        room -= sum(map(len, named.values()))
        if room < 0:
            left_out += bool(drawn)
            continue
        urls = {n: DATA_URL + base64.b64encode(png).decode() for n, png in named.items() if png}
        found |= {run.folder: urls} if urls else {}
    return found, left_out


@lru_cache(maxsize=1000)
def shrunk(path: Path, changed: int) -> bytes:
    """A picture of at most `SIDE` pixels a side; nothing where it cannot be read.

    Args:
        path: of the file.
        changed: when that was, for a page that is gathered again and again.
    """
    try:
        with Image.open(path) as image:
            image.load()
            small = image.convert("RGB")
    except (OSError, SyntaxError):  # Pillow's word for a file of which half is there
        return b""
    small.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    small.quantize(64).save(out, format="PNG", optimize=True)
    return out.getvalue()
