"""`vaebench report FOLDER…`: keeps what runs measured in small files, and writes the page of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from vaebench.commands.options import read
from vaebench.errors import Refusal
from vaebench.runs.find import find
from vaebench.runs.layout import STUDY
from vaebench.runs.report import record
from vaebench.runs.report.page import page
from vaebench.runs.report.published import systems
from vaebench.runs.report.record import Result
from vaebench.runs.write import near, write_whole, writing
from vaebench.suggest import command_line


@dataclass
class Options:
    """Of `vaebench report`."""

    into: str = "docs/results"
    commit: str = ""


def report(arguments: Sequence[str]) -> None:
    """Adds what is in some folders to the result files of `into`, and writes `into`.md from all of them.

    Raises:
        Refusal: no runs in a folder, a file that cannot be read, a claim of what no row has.
    """
    words, options = read("report", arguments, Options)
    into = Path(options.into).expanduser()
    console = Console()
    with writing(f"into={into}"):
        into.mkdir(parents=True, exist_ok=True)
        if words:
            add([Path(word).expanduser() for word in words], into, options.commit, console)
        text = written(into)
        write_whole(path := into.with_name(f"{into.name}.md"), text)
    console.print(f"written {near(path)}", highlight=False, soft_wrap=True)


def written(into: Path) -> str:
    """The page of the result files of a folder.

    Raises:
        Refusal: there is none, or one cannot be read.
    """
    paths = sorted(into.glob("*.json"))
    results = {path.stem: record.read_result(path) for path in paths}
    known = systems(into)
    if not results and not known:
        raise Refusal(f"no results in {near(into)}. Use {command_line('report', 'runs')}.")
    own = [] if into == Path(Options.into) else [f"into={into}"]
    return page(known, results, command_line("report", *own), into.name)


def add(folders: Sequence[Path], into: Path, commit: str, console: Console) -> None:
    """What the runs and studies of some folders measured, into the files of their experiments.

    Raises:
        Refusal: no folder, or nothing finished in it.
    """
    for folder in folders:
        if not folder.is_dir():
            raise Refusal(f"{folder} is no folder")
    found = find(folders)
    studies = [record.study(p.parent) for folder in folders for p in sorted(folder.rglob(STUDY))]
    skipped = [*found.skipped, *(line for line in studies if isinstance(line, str))]
    more = [*record.gathered(found.runs, commit), *(s for s in studies if isinstance(s, Result))]
    if not more:
        told = f"; skipped: {'; '.join(skipped[:3])}" if skipped else ""
        raise Refusal(f"no finished run or study in {', '.join(map(str, folders))}{told}")
    for result in more:
        path = into / f"{result.name}.json"
        before = record.read_result(path) if path.exists() else Result(result.name, result.command)
        whole, lines = record.merged(before, result)
        record.write_result(path, whole)
        runs = sum(len(row.runs) for row in result.rows)
        lines.append(f"written {near(path)}: {len(result.rows)} rows, {runs} runs")
        for line in lines:
            console.print(line, highlight=False, soft_wrap=True)
    for line in skipped:
        console.print(f"skipped {line}", highlight=False, soft_wrap=True)
