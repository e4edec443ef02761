"""`vaebench study NAME`: measures something that is no training run, into a table and pictures."""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from dataclasses import asdict, fields, make_dataclass
from datetime import datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from vaebench import __version__
from vaebench.commands.heartbeat import Heartbeat
from vaebench.commands.options import read
from vaebench.composition import compose
from vaebench.errors import Refusal
from vaebench.paths import commit
from vaebench.pictures.paper import DPI
from vaebench.progress import doing
from vaebench.runs.layout import STUDY, STUDY_TABLE
from vaebench.runs.write import near, write_json, writing
from vaebench.studies import STUDIES, Findings, ModelStudy, Study
from vaebench.suggest import command_line, did_you_mean, override, use
from vaebench.training.machine import cores

OF_THE_MACHINE = ("data_dir=", "hydra", "trainer=")
"""Begin words that say where a study runs, and nothing of what it measures."""

MAY_BE_ZERO = ("seed", "trained")


def choices_in(arguments: Sequence[str]) -> list[str] | None:
    """The words that compose a study's model, besides its own options; None: it has no model."""
    kind = STUDIES.get(arguments[0]) if arguments else None
    if kind is None or not issubclass(kind, ModelStudy):
        return None
    own = {"out", *(f.name for f in fields(kind))}
    return [word for word in arguments[1:] if word.partition("=")[0] not in own]


def study(
    arguments: Sequence[str], cfg: DictConfig | None = None, words: Sequence[str] = ()
) -> None:
    """Runs a study and keeps what it found in a folder of its own.

    Args:
        arguments: its name and options.
        cfg: of its model, where it has one.
        words: that composed it.

    Raises:
        Refusal: no such study or option, or a folder that cannot be written.
    """
    name = arguments[0] if arguments else ""
    if name not in STUDIES:
        hint = did_you_mean(name, STUDIES, "vaebench study {}")
        told = f"no study {name!r}; " if name else ""
        raise Refusal(f"{told}there are {', '.join(STUDIES)}.{hint}")
    # The study's own options, and where its findings go.
    schema = make_dataclass(STUDIES[name].__name__, [("out", str, "")], bases=(STUDIES[name],))
    options: Any
    other, options = read(f"study {name}", arguments[1:], schema)
    if other:
        raise Refusal(f"vaebench study {name} takes options alone, not {other[0]}")
    _check(options)
    commit()  # as it is when the program is read
    console, begun = Console(), time.perf_counter()
    say = partial(console.print, highlight=False, soft_wrap=True)
    with Heartbeat(console), doing(name):
        found = options.run(say) if cfg is None else options.of(compose(cfg), say)
    show(console, name, found)
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S-%f")
    folder = Path(options.out or f"runs/study/{name}/{stamp}").expanduser()
    about = _about(name, [*arguments[1:], *words]) | {
        "seconds": round(time.perf_counter() - begun, 1)
    }
    with writing(folder):
        written = keep(folder, found, options, about)
    for path in written:
        say(f"written {near(path)}")


def _about(name: str, words: Sequence[str]) -> dict[str, Any]:
    """What study it was, and where; the seed is no part of the command, since studies have several."""
    aside = ("out=", "seed=", *OF_THE_MACHINE)
    return {
        "study": name,
        "command": command_line("study", name, *(w for w in words if not w.startswith(aside))),
        "commit": commit(),
        "machine": cores(),
        "torch": version("torch"),
    }


def _check(options: Study | ModelStudy) -> None:
    for f in fields(options):
        value = getattr(options, f.name)
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, int | float) and f.name not in MAY_BE_ZERO and not number > 0:
                default = use(override(f.name, getattr(type(options)(), f.name)))
                raise Refusal(f"{f.name}={number}: must be positive.{default}")


def show(console: Console, name: str, found: Findings) -> None:
    """The table, each number beside its standard error."""
    columns = [c for c in found.rows[0] if not c.endswith("_se")]
    table = Table(title=name, title_style="bold")
    for column in columns:
        text = isinstance(found.rows[0][column], str)
        table.add_column(column, justify="left" if text else "right", overflow="fold")
    for row in found.rows:
        table.add_row(*(_cell(row, column) for column in columns))
    console.print(table)
    for note in found.notes:
        console.print(note, style="dim", highlight=False, soft_wrap=True)


def _cell(row: dict[str, Any], column: str) -> str:
    value, error = row[column], row.get(f"{column}_se")
    if not isinstance(value, float):
        return str(value)
    numbers = [value] if error is None else [value, error]
    largest = max(map(abs, numbers))
    how = ".4f" if not largest or 1e-3 <= largest < 1e5 else ".3g"
    return " ± ".join(f"{number:{how}}" for number in numbers)


def keep(
    folder: Path, found: Findings, options: Study | ModelStudy, about: dict[str, Any]
) -> list[Path]:
    """table.csv, study.json and the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / STUDY_TABLE, folder / STUDY]
    with written[0].open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(found.rows[0]))
        writer.writeheader()
        writer.writerows(found.rows)
    chosen = {f"option.{name}": value for name, value in asdict(options).items()}
    write_json(written[1], about | {"vaebench": __version__, "notes": found.notes} | chosen)
    for name, figure in found.figures.items():
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=DPI)
        written.append(path)
    return written
