"""What a run folder holds beside its summary: error.txt, evaluation.json, tables of examples and codes."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vaebench.runs.layout import ERROR, EVALUATION, EXAMPLES, LATENTS, OUTLIERS
from vaebench.runs.write import write_json, write_whole, writing


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


def read_evaluation(folder: Path) -> dict[str, Any]:
    """What `evaluate` measured, by `measure/number`; nothing where there is none that can be read."""
    try:
        found = json.loads((folder / EVALUATION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def add_evaluation(folder: Path, numbers: Mapping[str, Any]) -> Path:
    """Adds to what `evaluate` measured; other measures of earlier calls stay.

    Raises:
        Refusal: the run folder cannot be written.
    """
    path = folder / EVALUATION
    measured = {name.partition("/")[0] for name in numbers}
    known = read_evaluation(folder).items()
    before = {name: value for name, value in known if name.partition("/")[0] not in measured}
    with writing(path):
        write_json(path, dict(sorted((before | dict(numbers)).items())))
    return path


def read_examples(folder: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Metric → its value at each test example; nothing where the run kept none."""
    try:
        with (folder / EXAMPLES).open(encoding="utf-8") as file:
            names = file.readline().strip().split(",")
            table = np.loadtxt(file, delimiter=",", ndmin=2)
    except (OSError, ValueError):
        return {}
    return dict(zip(names, table.T, strict=False))


def write_examples(folder: Path, found: Mapping[str, Sequence[float]]) -> None:
    """What was measured of each test example, in the order of the split: for paired comparisons."""
    if not found:
        (folder / EXAMPLES).unlink(missing_ok=True)
        return
    rows = zip(*found.values(), strict=True)
    lines = [",".join(found), *(",".join(f"{x:.7g}" for x in row) for row in rows)]
    write_whole(folder / EXAMPLES, "\n".join(lines) + "\n")


def write_outliers(folder: Path, sets: Mapping[str, Mapping[str, Sequence[float]]]) -> Path:
    """What each score says of each example, by set, in the order of their splits.

    Raises:
        Refusal: the run folder cannot be written.
    """
    path, lines = folder / OUTLIERS, [",".join(["set", "row", *next(iter(sets.values()))])]
    for name, scores in sets.items():
        rows = enumerate(zip(*scores.values(), strict=True))
        lines += [",".join([name, str(i), *(f"{x:.7g}" for x in row)]) for i, row in rows]
    with writing(path):
        write_whole(path, "\n".join(lines) + "\n")
    return path


def write_latents(folder: Path, table: Mapping[str, np.ndarray[Any, Any]]) -> Path:
    """A table of codes, for `numpy.load`.

    Raises:
        Refusal: it cannot be written.
    """
    return write_arrays(folder / LATENTS, table)


def write_arrays(path: Path, table: Mapping[str, np.ndarray[Any, Any]]) -> Path:
    """Arrays by name, for `numpy.load`.

    Raises:
        Refusal: they cannot be written.
    """
    content = io.BytesIO()
    np.savez_compressed(content, **table)  # type: ignore[arg-type]  # numpy's own option may be a name
    with writing(path):
        write_whole(path, content.getvalue())
    return path
