"""`vaebench compare RUN… | FOLDER`: runs side by side, in the terminal and on a page."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from vaebench.commands.options import no_option
from vaebench.commands.output import near
from vaebench.errors import Refusal
from vaebench.measures.evaluation import NAMES
from vaebench.measures.page import build
from vaebench.measures.runs import Found, Run, differing, find, groups
from vaebench.measures.tables import (
    beside,
    cells,
    header,
    main_metric,
    markdown,
    rows,
    runs_csv,
    said,
    units,
)
from vaebench.suggest import command_line, did_you_mean, override, use
from vaebench.words import doubled, told_twice

OPTIONS = {"baseline": "", "metric": "", "out": "."}
MEASURED = ("test", "evaluation", "val", "train")
PAGE, MARKDOWN, CSV = "compare.html", "compare.md", "compare.csv"


def compare(arguments: Sequence[str]) -> None:
    """Prints a table for each subject and writes the page, Markdown and CSV.

    Raises:
        Refusal: no runs, an unknown option, a baseline that is none of the runs.
    """
    paths, options = _read(arguments)
    found = find(paths)
    if not found.runs:
        raise Refusal("no finished run in " + ", ".join(map(str, paths)) + _told(found.skipped))
    console = Console()
    text = show(found, console, options["metric"], options["baseline"])
    for line in found.skipped:
        console.print(f"skipped {line}", highlight=False, soft_wrap=True)
    out = Path(options["out"]).expanduser()
    title = "vaebench: " + ", ".join(os.path.relpath(path) for path in paths)
    written = {
        PAGE: build(found.runs, found.skipped, title),
        MARKDOWN: text,
        CSV: runs_csv(found.runs),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in written.items():
            (out / name).write_text(content, encoding="utf-8")
    except OSError as error:
        raise Refusal(f"out={out} cannot be written: {error.strerror}") from error
    for name in written:
        console.print(f"written {out / name}", highlight=False, soft_wrap=True)


def _read(arguments: Sequence[str]) -> tuple[list[Path], dict[str, str]]:
    """Folders, and options of the form name=value."""
    options, paths = dict(OPTIONS), []
    for argument in arguments:
        name, is_option, value = argument.partition("=")
        if not is_option or Path(argument).exists():
            paths.append(Path(argument).expanduser())
        elif name in options:
            options[name] = value
        else:
            raise Refusal(no_option("compare", name, value, options))
    if (two := doubled(a for a in arguments if a.partition("=")[0] in options)) is not None:
        raise Refusal(told_twice(two))
    for path in paths:
        if not path.is_dir():
            raise Refusal(f"{path} is no folder")
    if not paths:
        raise Refusal(
            "vaebench compare takes run folders, or folders that hold some. Use vaebench compare runs."
        )
    return paths, options


def _told(skipped: Sequence[str]) -> str:
    return f"; skipped: {'; '.join(skipped[:3])}" if skipped else ""


def show(found: Found, console: Console, metric: str = "", baseline: str = "") -> str:
    """Prints one table for each subject, and returns them as Markdown.

    Raises:
        Refusal: an unknown metric or baseline.
    """
    subjects: dict[tuple[str, ...], list[Run]] = {}
    for run in found.runs:
        subjects.setdefault(run.subject, []).append(run)
    known = {name for run in found.runs for name in run.metrics()}
    if metric and metric not in known:
        raise Refusal(f"no run has {metric!r}{_other_metric(metric, known, found.runs)}")
    if baseline and not _holds(found.runs, baseline):
        folders = [near(run.folder) for run in found.runs]
        hint = did_you_mean(baseline, folders, "baseline={}")
        hint = hint or use(override("baseline", folders[0]))
        raise Refusal(f"baseline={baseline} is none of the runs compared here.{hint}")
    parts = [_subject(runs, console, metric, baseline) for runs in subjects.values()]
    return "\n\n".join(parts) + "\n"


def _other_metric(metric: str, known: Collection[str], runs: Sequence[Run]) -> str:
    """What to say of a metric that no run has: which is meant, or how to get it."""
    first, *within = metric.removeprefix("evaluation/").split("/")
    if first in NAMES and within and not any(n.startswith(f"evaluation/{first}/") for n in known):
        line = command_line("evaluate", near(runs[0].folder), f"measures=[{first}]")
        return f": each is to be evaluated first.{use(line)}"
    tail = metric.rpartition("/")[2]
    alike = sorted((n for n in known if n.rpartition("/")[2] == tail), key=_rank)
    if alike:
        return f".{use(*(override('metric', name) for name in alike[:3]))}"
    hint = did_you_mean(metric, known, "metric={}")
    return f".{hint}" if hint else f"; there are {', '.join(sorted(known, key=_rank)[:12])}"


def _rank(metric: str) -> tuple[int, str]:
    """Of the test before all, and of validation before training."""
    part = metric.partition("/")[0]
    return (MEASURED.index(part) if part in MEASURED else len(MEASURED)), metric


def _subject(runs: list[Run], console: Console, metric: str, baseline: str) -> str:
    members, keys = groups(runs), differing(runs)
    chosen = metric or main_metric(runs)
    base = next((g for g in members if baseline and _holds(g.runs, baseline)), members[0])
    table = rows(members, chosen, base)
    also = beside(runs)
    head, body = said(header(keys, chosen, also), cells(table, keys, base, also))
    title = " · ".join(filter(None, [*runs[0].subject[:2], units(runs)]))
    drawn = Table(title=title, title_style="bold")
    for i, name in enumerate(head):
        justify = "left" if i < len(keys or [""]) else "right"
        # A number may break at its ±, and nowhere else.
        pieces = [p for line in body for p in line[i].split(" ± ")] if justify == "right" else []
        widest = max(map(len, pieces), default=None)
        drawn.add_column(name, justify=justify, overflow="fold", min_width=widest)
    for line in body:
        drawn.add_row(*line)
    console.print(drawn)
    return f"**{title}**\n\n{markdown(head, body)}"


def _holds(runs: Sequence[Run], folder: str) -> bool:
    wanted = Path(folder).expanduser().resolve()
    return any(run.folder.resolve() == wanted for run in runs)
