"""error.txt: why a run has no result."""

from __future__ import annotations

from pathlib import Path

from vaebench.runs.layout import ERROR


def write_failure(folder: Path, line: str, details: str = "") -> Path:
    """What went wrong, before how; returns where it stands."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ERROR
    path.write_text("\n\n".join(filter(None, [line, details])).rstrip() + "\n", encoding="utf-8")
    return path


def forget_failure(folder: Path) -> None:
    """The run begins again."""
    (folder / ERROR).unlink(missing_ok=True)


def reason_of(folder: Path) -> str:
    """Why a run has no result, in a line."""
    path = folder / ERROR
    if not path.exists():
        return "did not finish"
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[0] if lines else "failed"
