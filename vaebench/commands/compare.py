"""`vaebench compare RUN… | FOLDER`: runs side by side, in the terminal and on a page."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from vaebench.commands import terminal
from vaebench.commands.options import read
from vaebench.errors import Refusal
from vaebench.runs.find import Found, Run, find
from vaebench.runs.groups import Group, also_differ, by_subject, columns, groups
from vaebench.runs.metrics import reading_order
from vaebench.runs.page import build
from vaebench.runs.tables import (
    EXAMPLES,
    Lost,
    Row,
    beside_metric,
    cells,
    header,
    lost_cells,
    main_metric,
    markdown,
    of_examples,
    rows,
    runs_csv,
    said,
    units,
)
from vaebench.runs.write import near, writing
from vaebench.suggest import command_line, did_you_mean, override, use


@dataclass
class Options:
    """Of `vaebench compare`."""

    baseline: str = ""
    metric: str = ""
    out: str = "."
    port: int = 0


FOLLOW = "--follow"
ASKED = "eval.examples"
"""What `EXAMPLES` says in numbers that count: it has 0 for all of them."""

PAGE, MARKDOWN, CSV = "compare.html", "compare.md", "compare.csv"


def compare(arguments: Sequence[str]) -> None:
    """Prints a table for each subject and writes the page, Markdown and CSV; or serves the page while
    runs train.

    Raises:
        Refusal: no runs, an unknown option, a baseline that is none of the runs.
    """
    following = FOLLOW in arguments
    words, options = read("compare", [a for a in arguments if a != FOLLOW], Options)
    paths = [Path(word).expanduser() for word in words]
    check_folders(paths)
    title = "vaebench: " + ", ".join(os.path.relpath(path) for path in paths)
    if following:
        _follow(paths, title, options)
    elif options.port:
        raise Refusal(f"port={options.port} is where a page is served. Use {FOLLOW}, or no port.")
    else:
        _write(paths, title, options)


def _follow(paths: Sequence[Path], title: str, options: Options) -> None:
    """Serves the page, in which metric and baseline are chosen."""
    from vaebench.commands.follow import follow

    for name in ("metric", "baseline", "out"):
        if getattr(options, name) != getattr(Options, name):
            raise Refusal(
                f"{name}= is of the page that is written; with {FOLLOW} it is chosen there."
            )
    follow(paths, title, options.port)


def _write(paths: Sequence[Path], title: str, options: Options) -> None:
    """The table, and the page beside its Markdown and CSV."""
    found = finished(paths)
    console = Console()
    text = show(found, console, options.metric, options.baseline)
    for line in found.skipped:
        console.print(f"skipped {line}", highlight=False, soft_wrap=True)
    out = Path(options.out).expanduser()
    written = {
        PAGE: build(found.runs, found.skipped, title, out),
        MARKDOWN: text,
        CSV: runs_csv(found.runs),
    }
    with writing(f"out={out}"):
        out.mkdir(parents=True, exist_ok=True)
        for name, content in written.items():
            (out / name).write_text(content, encoding="utf-8")
    for name in written:
        console.print(f"written {out / name}", highlight=False, soft_wrap=True)


def check_folders(paths: Sequence[Path]) -> None:
    """Refuses none, and what is no folder."""
    for path in paths:
        if not path.is_dir():
            raise Refusal(f"{path} is no folder")
    if not paths:
        raise Refusal(
            "vaebench compare takes run folders, or folders that hold some. Use vaebench compare runs."
        )


def finished(paths: Sequence[Path]) -> Found:
    """The runs of some folders, at least one.

    Raises:
        Refusal: no folders, or no runs in them.
    """
    check_folders(paths)
    found = find(paths)
    if not found.runs:
        skipped = f"; skipped: {'; '.join(found.skipped[:3])}" if found.skipped else ""
        raise Refusal(f"no finished run in {', '.join(map(str, paths))}{skipped}")
    return found


def show(
    found: Found,
    console: Console,
    metric: str = "",
    baseline: str = "",
    swept: Sequence[str] = (),
    lost: Sequence[Lost] = (),
) -> str:
    """Prints one table for each subject, and returns them as Markdown.

    Args:
        found: the runs.
        console: where to print.
        metric: to compare by; the main one unless given.
        baseline: the folder of a run of the baseline.
        swept: options that have a column whether or not these runs differ in them.
        lost: cells of the grid without a result.

    Raises:
        Refusal: an unknown metric or baseline.
    """
    check(found, metric, baseline)
    subjects = by_subject(found.runs)
    inside = lost if len(subjects) == 1 else []
    parts = [_subject(runs, console, metric, baseline, swept, inside) for runs in subjects]
    if lost and not inside:
        parts.append(_lost(lost, console, swept))
    return "\n\n".join(parts) + "\n"


def check(found: Found, metric: str, baseline: str) -> None:
    """Refuses a metric that no run has, and a baseline that is none of the runs."""
    known = {name for run in found.runs for name in run.metrics()}
    if metric and metric not in known:
        raise Refusal(f"no run has {metric!r}{_other_metric(metric, known, found.runs)}")
    if baseline and not _holds(found.runs, baseline):
        folders = [near(run.folder) for run in found.runs]
        hint = did_you_mean(baseline, folders, "baseline={}")
        hint = hint or use(override("baseline", folders[0]))
        raise Refusal(f"baseline={baseline} is none of the runs compared here.{hint}")


def _other_metric(metric: str, known: Collection[str], runs: Sequence[Run]) -> str:
    """What to say of a metric that no run has: which is meant, or how to get it."""
    from vaebench.measures.evaluation import NAMES  # torch: not for who only reads folders

    first, *within = metric.removeprefix("evaluation/").split("/")
    if first in NAMES and within and not any(n.startswith(f"evaluation/{first}/") for n in known):
        line = command_line("evaluate", near(runs[0].folder), f"measures=[{first}]")
        return f": each is to be evaluated first.{use(line)}"
    tail = metric.rpartition("/")[2]
    alike = sorted((n for n in known if n.rpartition("/")[2] == tail), key=reading_order)
    if alike:
        return f".{use(*(override('metric', name) for name in alike[:3]))}"
    hint = did_you_mean(metric, known, "metric={}")
    return f".{hint}" if hint else f"; there are {', '.join(sorted(known, key=reading_order)[:12])}"


def beside_baseline(
    runs: Sequence[Run], metric: str, baseline: str
) -> tuple[str, Group, list[Row]]:
    """The metric by which runs of one subject are compared, the group that the others are compared
    to, and the groups, best first."""
    members, chosen = groups(runs), metric or main_metric(runs)
    base = next((g for g in members if baseline and _holds(g.runs, baseline)), members[0])
    return chosen, base, rows(members, chosen, base)


def _subject(
    runs: list[Run],
    console: Console,
    metric: str,
    baseline: str,
    swept: Sequence[str],
    lost: Sequence[Lost],
) -> str:
    chosen, base, found = beside_baseline(runs, metric, baseline)
    also = beside_metric(runs, chosen)
    shown = [*swept, *(name for name in columns(runs) if name not in swept)]
    keys = [name for name in shown if EXAMPLES not in also or name != ASKED]
    head = header(keys, chosen, also)
    body = cells(found, keys, chosen, base, also)
    body += [lost_cells(one, keys, len(head)) for one in lost]
    title = [*runs[0].subject[:2], of_examples(runs, chosen), units(runs)]
    return _told_table(
        console, title, said(head, body), len(keys or [""]), also_differ(runs, shown)
    )


def _lost(lost: Sequence[Lost], console: Console, swept: Sequence[str]) -> str:
    """Cells without a result have no subject either: a table of their own beside several."""
    head = [*(swept or ["runs"]), "n", "no result"]
    body = [lost_cells(one, swept, len(head)) for one in lost]
    return _told_table(console, ["no result"], said(head, body), len(swept or [""]), "")


def _told_table(
    console: Console,
    title: Sequence[str],
    table: tuple[Sequence[str], Sequence[Sequence[str]]],
    options: int,
    below: str,
) -> str:
    """Prints a table and what stands below it; returns both as Markdown."""
    head, body = table
    heading = " · ".join(filter(None, title))
    found = terminal.columns(head, body, options)
    if not terminal.fits(found, console.width) and options > 1:
        labels = [" ".join(map("{}={}".format, head[:options], line)) for line in body]
        found = [terminal.Column("runs", labels, False), *found[options:]]
    console.print(terminal.drawn(found, heading, console.width))
    if below:
        console.print(below, highlight=False, soft_wrap=True)
    return "\n\n".join(filter(None, [f"**{heading}**", markdown(head, body), below]))


def _holds(runs: Sequence[Run], folder: str) -> bool:
    wanted = Path(folder).expanduser().resolve()
    return any(run.folder.resolve() == wanted for run in runs)
