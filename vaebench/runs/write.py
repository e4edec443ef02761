"""Writing into a run folder: files whole or not at all."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from vaebench.errors import Refusal


@contextmanager
def writing(what: object) -> Iterator[None]:
    """While open, what cannot be written is a refusal."""
    try:
        yield
    except OSError as error:
        raise Refusal(f"{what} cannot be written: {error.strerror or error}") from error


def write_whole(path: Path, content: str | bytes) -> None:
    """The whole file or none of it."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content.encode() if isinstance(content, str) else content)
    os.replace(part, path)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """The whole file or none of it."""
    values = {name: plain(value) for name, value in content.items()}
    write_whole(path, json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def plain(value: Any) -> Any:
    """JSON has no infinity: it becomes a word."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def near(path: Path) -> str:
    """A path as it is nearest to type."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def config_of(cfg: DictConfig) -> dict[str, Any]:
    """The resolved config as summary.json holds it."""
    config: Any = OmegaConf.to_container(cfg, resolve=True, enum_to_str=True)
    return {name: plain(value) for name, value in flat(config, "config.").items()}


def flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dicts as `a.b.c` keys after a prefix; lists stay lists."""
    found: dict[str, Any] = {}
    for name, value in nested.items():
        key = f"{prefix}{name}"
        found |= flat(value, f"{key}.") if isinstance(value, dict) else {key: value}
    return found
