"""What a grid was composed to, kept in its folder: the same command again need not compose it to
know that it is finished.

The record holds for one composition only: the same words, the same YAMLs and program, the same
environment where a YAML asks for it. Whether a job is finished is read from its own summary.json,
whose config must be the recorded one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from vaebench.runs.find import DATA_DIRS, section
from vaebench.runs.grid import Cell, summary_in
from vaebench.runs.layout import GRID
from vaebench.runs.write import write_whole

PACKAGE = Path(__file__).parents[1]
ENVIRONMENT = re.compile(r"oc\.env:(\w+)")
DATA_DIR = "VAEBENCH_DATA_DIR"
"""Says where data lie, which makes no other run."""


def remembered(config: DictConfig) -> list[Cell]:
    """The jobs that the same command has composed before; none where anything changed since."""
    folder = _folder(config)
    try:
        record = json.loads((folder / GRID).read_text(encoding="utf-8"))
        if record["key"] != key(config):
            return []
        return [
            Cell(**job | {"folder": folder / job["folder"], "words": tuple(job["words"])})
            for job in record["jobs"]
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def remember(config: DictConfig, cells: Sequence[Cell]) -> None:
    """Leaves them for the next call."""
    folder = _folder(config)
    jobs = [asdict(c) | {"folder": os.path.relpath(c.folder, folder)} for c in cells]
    with contextlib.suppress(OSError):  # the jobs themselves will say so
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / GRID, json.dumps({"key": key(config), "jobs": jobs}, indent=1))


def result(cell: Cell) -> dict[str, Any] | None:
    """The summary of a remembered job that is finished, of the config that was remembered."""
    summary = summary_in(cell.folder)
    return summary if summary is not None and digest(summary) == cell.digest else None


def digest(summary: Mapping[str, Any]) -> str:
    """Of a config, flat as in summary.json."""
    config = {n: v for n, v in section(summary, "config.").items() if n not in DATA_DIRS}
    return _hash([json.dumps(config, sort_keys=True, default=str)])


def key(config: DictConfig) -> str:
    """Of all that a grid's configs are composed from."""
    sources = [Path(s.path) for s in config.hydra.runtime.config_sources if s.schema == "file"]
    yamls = [_text(path) for folder in sources for path in sorted(folder.rglob("*.yaml"))]
    program = [_text(path) for path in sorted(PACKAGE.rglob("*.py"))]
    names = sorted({name for text in yamls for name in ENVIRONMENT.findall(text)} - {DATA_DIR})
    environment = [f"{name}={os.environ.get(name)}" for name in names]
    words = [*config.hydra.overrides.task, "", *config.hydra.overrides.hydra]
    return _hash([*words, *yamls, *program, *environment])


def _hash(texts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _folder(config: DictConfig) -> Path:
    return Path(config.hydra.sweep.dir).absolute()
