"""The jobs of a grid: what is left to do of each, and which came to nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from vaebench import __version__
from vaebench.errors import Refusal
from vaebench.runs.find import DATA_DIRS, NOT_A_CHOICE, Run, find, section, words_of
from vaebench.runs.layout import HYDRA, option_of
from vaebench.runs.results import reason_of, write_failure
from vaebench.runs.tables import Lost
from vaebench.runs.write import config_of

REFUSED = "refused: "


@dataclass(frozen=True)
class Cell:
    """A job of a grid.

    Attributes:
        name: for people, e.g. `job 3 (k=5)`.
        folder: of its run.
        words: its overrides, what the grid chose for it among them.
        digest: of its composed config.
    """

    name: str
    folder: Path
    words: tuple[str, ...]
    digest: str = ""


def finished(cfg: DictConfig, folder: Path) -> dict[str, Any] | None:
    """The summary of a job that an earlier call of the same command has finished.

    Raises:
        Refusal: the folder holds a run of other options.
    """
    summary = summary_in(folder)
    if summary is None:
        return None
    before = section(summary, "config.")
    for name, value in section(config_of(cfg), "config.").items():
        if name not in DATA_DIRS and before.get(name) != value:
            raise Refusal(
                f"{folder} holds a run with {name}={before.get(name)}, not {value}. "
                f"Use hydra.sweep.dir={folder.parent}-2."
            )
    return summary


def summary_in(folder: Path) -> dict[str, Any] | None:
    """The summary of the run of this folder; one that cannot be read is no result either."""
    return next((run.summary for run in find([folder]).runs if run.folder == folder), None)


def already(folder: Path, summary: Mapping[str, Any]) -> str:
    """Word of a job that an earlier call has finished, and of the version that it was."""
    version = summary["versions.vaebench"]
    by = "" if version == __version__ else f", by vaebench {version}: this is {__version__}"
    return f"finished already in {os.path.relpath(folder)}{by}"


def note_refusal(folder: Path, line: str) -> None:
    """Leaves word of a job that never began; its process may not be the one that reports."""
    write_failure(folder, f"{REFUSED}{line}")


def cells_in(grid: Path) -> list[Cell]:
    """The jobs that a search has left in its folder."""
    folders = sorted(path.parent for path in grid.glob(f"*/{HYDRA}"))
    return [Cell(f"job {f.name}", f, tuple(words_of(f))) for f in folders]


def swept(cells: Sequence[Cell]) -> list[str]:
    """The options that a grid varies, but for what makes no other experiment."""
    values: dict[str, set[str]] = {}
    for cell in cells:
        for word in cell.words:
            values.setdefault(option_of(word), set()).add(word)
    return [name for name, words in values.items() if len(words) > 1 and name not in NOT_A_CHOICE]


def lost(cells: Sequence[Cell], runs: Sequence[Run]) -> list[Lost]:
    """The cells without a result, those that differ by their seed alone together."""
    done, keys = {run.folder for run in runs}, swept(cells)
    several = len({seed for cell in cells if (seed := chosen(cell).get("seed"))}) > 1
    found = dict[tuple[str, ...], Lost]()
    for cell in cells:
        if cell.folder not in done:
            options, reason = chosen(cell), _told(reason_of(cell.folder))
            values = {key: options.get(key, "–") for key in keys}
            one = found.setdefault((*values.values(), reason), Lost(values, reason))
            if several and "seed" in options:
                one.seeds.append(options["seed"])
    return [*found.values()]


def chosen(cell: Cell) -> dict[str, str]:
    """Option → its value, as a table shows it: `lr=1e-3` is 0.001."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create().parse_overrides(list(cell.words))
    return {p.key_or_group.lstrip("+~"): str(p.value()) for p in parsed}


def _told(reason: str) -> str:
    """A reason as a table has room for: what went wrong, and not what is left."""
    return reason.replace("the run failed: ", "failed: ", 1).partition("; ")[0]
