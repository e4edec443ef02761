"""What README.md and docs/ show, as it can be run.

- `console`: commands after `$ `, run as they are, and what they print.
- `sh`: commands to choose from, with placeholders: RUN is a run folder.
- `python`: with `>>> `, a doctest; else a program. One page is one session.
- a block whose first line is a comment with a path is a file, which is written there.

A comment `<!-- not run: why -->` before a block excuses it. `python -m tests.docs.pages PAGE…` runs the
console blocks of pages and writes what they print in place of what is shown.
"""

from __future__ import annotations

import contextlib
import glob
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vaebench.cli import main

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [path for path in PAGES if path.parent.name != "systems" and path.name != "results.md"]
"""But for those that are made, of conf/experiment and of docs/results."""

FENCE = re.compile(
    r"(?P<excuse><!-- not run: [^>]+-->\s*\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
COLUMNS = "100"
"""How wide a terminal is whose output is shown."""

RUNNABLE = ("console", "sh", "python", "yaml")
FILE = re.compile(r"# (\S+/\S+\.(?:py|yaml))$")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        kind: its language.
        text: what stands in it.
        excused: whether it says why it is not run.
        line: of the page, where its text begins.
    """

    kind: str
    text: str
    excused: bool
    line: int

    @property
    def file(self) -> str | None:
        """Where it is to be written, if it is a file."""
        found = FILE.match(self.text.partition("\n")[0])
        return found[1] if found else None

    @property
    def commands(self) -> list[str]:
        """Those of an `sh` block, without comments, lines that go on joined."""
        lines = re.sub(r"\s*\\\n\s*", " ", self.text).splitlines()
        return [text for line in lines if (text := re.sub(r"(^|\s)#.*", "", line).strip())]

    @property
    def dialogue(self) -> list[tuple[str, list[str]]]:
        """Those of a `console` block, each with the lines that are shown below it."""
        found: list[tuple[str, list[str]]] = []
        for line in self.text.replace("\\\n> ", "").splitlines():
            if line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            elif found:
                found[-1][1].append(line.rstrip())
        return found


def blocks(path: Path) -> list[Block]:
    """All of a page that can be run or excused."""
    text = path.read_text(encoding="utf-8")
    return [
        Block(m["kind"], m["text"], bool(m["excuse"]), text.count("\n", 0, m.start("text")) + 1)
        for m in FENCE.finditer(text)
        if m["kind"] in RUNNABLE
    ]


def write(block: Block) -> None:
    """Its file, below the current folder."""
    assert block.file is not None
    path = Path(block.file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text.partition("\n")[2], encoding="utf-8")


@dataclass(frozen=True)
class Said:
    """What a command printed."""

    code: int
    text: str


def run(command: str) -> Said:
    """A command as typed: `vaebench` in this process, which spares the imports, all else in a shell."""
    if re.match(r"vaebench\b", command) and not set(command) & set("|;&>"):
        return _in_this_process(arguments(command))
    own = f'vaebench() {{ {shlex.quote(sys.executable)} -m vaebench "$@"; }}\n'
    command = re.sub(r"\bpython\b", shlex.quote(sys.executable), command)
    done = subprocess.run(["bash", "-c", own + command], capture_output=True, text=True)
    return Said(done.returncode, done.stdout + done.stderr)


def arguments(command: str) -> list[str]:
    """Of `vaebench`, as a shell would take them apart."""
    found: list[str] = []
    for word in shlex.split(command, comments=True)[1:]:
        found += sorted(glob.glob(word)) or [word] if "*" in word else [os.path.expanduser(word)]
    return found


def _in_this_process(args: list[str]) -> Said:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = main(args)
    return Said(code, out.getvalue())


# ------------------------------------------------------------------------------------- comparison
ANYTHING = "…"
"""Alone on a line it stands for any lines."""

VARYING = [
    (re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d-\d+"), "STAMP"),
    (re.compile(r"offline-run-\S+"), "OFFLINE"),
    (re.compile(r"\d+(\.\d+)? (ms|s|min|MB|GB)\b"), "MEASURED"),
    (re.compile(r"(sweep/\S+-)[0-9a-f]{6}\b"), r"\1HASH"),
]
"""What differs from run to run and machine to machine."""

NUMBER = re.compile(r"-?\d+\.\d+")
CLOSE = 0.02
"""How far numbers may be from those shown, of their size: machines round otherwise."""


def differs(shown: list[str], printed: str) -> str:
    """The first line that is shown and was not printed; empty where there is none."""
    lines = [line.rstrip() for line in printed.splitlines()]
    at, free = 0, False
    for line in shown:
        if line.strip() == ANYTHING:
            free = True
            continue
        while free and at < len(lines) and not alike(line, lines[at]):
            at += 1
        if at >= len(lines) or not alike(line, lines[at]):
            return line
        at, free = at + 1, False
    rest = [line for line in lines[at:] if line.strip()]
    return "" if free or not rest else f"(nothing) where {rest[0]!r} was printed"


def alike(shown: str, printed: str) -> bool:
    """Whether a line is the other up to what varies, and to how machines round."""
    (words, numbers), (others, found) = _parts(shown), _parts(printed)
    return words == others and all(
        abs(a - b) <= CLOSE * max(1.0, abs(a)) for a, b in zip(numbers, found, strict=True)
    )


def _parts(line: str) -> tuple[str, list[float]]:
    """A line with a mark in place of each number that has a point, widths of columns aside."""
    for pattern, mark in VARYING:
        line = pattern.sub(mark, line)
    numbers = [float(text) for text in NUMBER.findall(line)]
    return " ".join(NUMBER.sub("#", line).split()), numbers


# ---------------------------------------------------------------------------------------- writing
def rewrite(path: Path) -> None:
    """Runs a page's console blocks in an empty folder and puts in what they print; a `…` stays where
    what is around it is printed still."""
    text, before = path.read_text(encoding="utf-8"), Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            for block in blocks(path):
                if block.file:
                    write(block)
                elif block.kind == "console" and not block.excused:
                    text = text.replace(block.text, "".join(_said_again(block)))
        finally:
            os.chdir(before)
    path.write_text(text, encoding="utf-8")


def _said_again(block: Block) -> Iterator[str]:
    for command, shown in block.dialogue:
        yield f"$ {command}\n"
        printed = run(command).text
        same = shown not in ([], [ANYTHING]) and not differs(shown, printed)
        lines = shown if same else [line.rstrip() for line in printed.splitlines()]
        yield from (f"{line}\n" for line in lines)


if __name__ == "__main__":
    os.environ["COLUMNS"] = COLUMNS
    for name in sys.argv[1:]:
        rewrite(Path(name).resolve())
