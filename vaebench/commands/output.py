"""What the commands leave behind: files, whole or not at all, and closed loggers."""

from __future__ import annotations

import contextlib
import json
import math
import os
from pathlib import Path
from typing import Any

from vaebench.training import Concluding


def write_json(path: Path, content: dict[str, Any]) -> None:
    """The whole file or none of it."""
    part = path.with_name(path.name + ".part")
    values = {name: plain(value) for name, value in content.items()}
    text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False)
    part.write_text(text + "\n", encoding="utf-8")
    os.replace(part, path)


def plain(value: Any) -> Any:
    """JSON has no infinity: it becomes a word."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def close(loggers: list[Any]) -> None:
    """Without it the next job of a sweep would write into this one's wandb run."""
    for logger in loggers:
        if isinstance(logger, Concluding):
            with contextlib.suppress(Exception):  # a full disk: the run's own error says more
                logger.finish()


def near(path: Path) -> str:
    """A path as it is nearest to type."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
