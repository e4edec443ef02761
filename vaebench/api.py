"""The command for programs and notebooks: `vaebench …`, called from Python.

    >>> import vaebench
    >>> run = vaebench.run(["model=iwae", "k=5"])  # doctest: +SKIP
    >>> run.metrics["test/nll"]  # doctest: +SKIP
    22.833
    >>> run.model.sample(16).shape  # doctest: +SKIP
    torch.Size([16, 1, 8, 8])

Words are those of the command line, and whatever happens is what the command does: it prints how far
it is, writes a run folder, and refuses in one line, here as an exception.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaebench.cli import NOWHERE, carry_out, folders_of, in_a_line, yield_cores
from vaebench.config.groups import leading
from vaebench.config.words import given
from vaebench.errors import Refusal, RunFailed
from vaebench.runs.layout import HISTORY, PICTURES, SUMMARY
from vaebench.runs.write import near

if TYPE_CHECKING:
    from omegaconf import DictConfig
    from pandas import DataFrame

    from vaebench.check import Report
    from vaebench.commands.jobs import Command
    from vaebench.commands.loaded import Loaded
    from vaebench.data import Dataset
    from vaebench.models import Model
    from vaebench.objectives import Objective

SHOWN = {".png": "image/png", ".gif": "image/gif"}
"""Kinds of pictures that a notebook shows."""


@dataclass(frozen=True)
class Trained:
    """A finished run.

    Attributes:
        folder: where everything of it lies.
    """

    folder: Path

    @cached_property
    def summary(self) -> dict[str, Any]:
        """What its summary.json holds: metrics, config, protocol, versions, flat."""
        return json.loads((self.folder / SUMMARY).read_text(encoding="utf-8"))

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each metric, what the run took, and what `vaebench evaluate` measured."""
        from vaebench.runs.find import Run

        return Run(self.folder, self.summary).metrics()

    @property
    def history(self) -> DataFrame:
        """What was logged on the way: a row a step."""
        import pandas

        return pandas.read_csv(self.folder / HISTORY)

    @cached_property
    def model(self) -> Loaded:
        """The trained model, as `vaebench.load` gives it."""
        from vaebench.commands.loaded import load

        return load(self.folder)

    @property
    def pictures(self) -> Pictures:
        """What the run drew, by name."""
        return Pictures(self.folder / PICTURES)

    def __repr__(self) -> str:
        main = ("test/nll", "test/loss")
        told = [f"{name} {self.metrics[name]:.3f}" for name in main if name in self.metrics]
        return f"<{' · '.join([str(self.summary['quantity']), *told[:1], near(self.folder)])}>"


@dataclass(frozen=True)
class Picture:
    """A picture that a notebook shows where it stands last in a cell.

    Attributes:
        path: of its file.
    """

    path: Path

    def _repr_png_(self) -> bytes | None:
        return self.path.read_bytes() if self.path.suffix == ".png" else None

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.path.read_bytes()).decode()
        return f'<img src="data:{SHOWN[self.path.suffix]};base64,{data}" alt="{self.path.stem}">'


class Pictures(Mapping[str, Picture]):
    """The pictures of a folder by name, an animation as `NAME.gif`; a notebook shows all of them."""

    def __init__(self, folder: Path) -> None:
        found = [p for p in sorted(folder.glob("*")) if p.suffix in SHOWN]
        self._found = {p.name.removesuffix(".png"): Picture(p) for p in found}

    def __getitem__(self, name: str) -> Picture:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __repr__(self) -> str:
        return f"<pictures {', '.join(self)}>"

    def _repr_html_(self) -> str:
        shown = (f"<p>{name}</p>{each._repr_html_()}" for name, each in self.items())
        return "".join(shown)


@dataclass(frozen=True)
class Composed:
    """What a run would train.

    Attributes:
        config: every option, resolved.
        choices: what was chosen of each group.
        data: the data set.
        model: with its initial weights.
        objective: of the model.
        report: what the dry run found: quantity, sites, roles of names, notes.
    """

    config: DictConfig
    choices: dict[str, str]
    data: Dataset
    model: Model
    objective: Objective
    report: Report

    def __repr__(self) -> str:
        return f"<{self.report.quantity} · {' '.join(leading(self.choices))}>"


def run(words: Sequence[str] = ()) -> Trained:
    """Trains, tests and draws one run, as `vaebench WORDS` does.

        >>> run(["posterior=iaf", "trainer.max_epochs=20"]).folder  # doctest: +SKIP

    Args:
        words: choices and options, one a string; `--config-dir=DIR` for choices of your own.

    Raises:
        Refusal: a `ValueError`: the choice was wrong, and the line says what to use instead.
        RunFailed: a `RuntimeError`: the run had begun and ended early.
    """
    if _is_grid(words):
        raise Refusal(f"these words make a grid, and vaebench.run trains one run.{_grid_of(words)}")
    folders = []

    def command(cfg: DictConfig, choices: dict[str, str], folder: Path) -> dict[str, Any]:
        from vaebench.commands.jobs import train_job

        folders.append(folder.absolute())
        return train_job(cfg, choices, folder)

    _carry_out(words, command, words)
    return Trained(folders[0])


def grid(words: Sequence[str]) -> list[Trained]:
    """Trains every cell of a grid, as `vaebench -m WORDS` does, and returns the runs that finished.

    Those that did not are named, with the reason, on standard error; the same words again run them.

        >>> compare(grid(["model=vae,iwae", "seed=1,2,3"]))  # doctest: +SKIP

    Args:
        words: choices and options, `model=vae,iwae` for several; or an `experiment=…`.

    Raises:
        Refusal: an option of some job is wrong, before the first one starts.
    """
    from vaebench.commands.jobs import train_job
    from vaebench.config.gate import Grid

    _carry_out(words, train_job, words if _is_grid(words) else ["-m", *words])
    if Grid.jobs:
        folders = [cell.folder for cell in Grid.jobs]
    else:  # a search decided on them as it went
        assert Grid.folder is not None
        folders = sorted(path.parent for path in Grid.folder.rglob(SUMMARY))
    return [Trained(folder) for folder in folders if (folder / SUMMARY).exists()]


def compose(words: Sequence[str] = ()) -> Composed:
    """Composes and dry-runs what `vaebench WORDS` would train, and trains and writes nothing.

        >>> compose(["posterior=iaf", "prior=vamp"]).report.quantity
        'log p(x)'

    Raises:
        Refusal: the choices are wrong, or do not go together.
    """
    found: list[Composed] = []

    def command(cfg: DictConfig, choices: dict[str, str], folder: Path) -> None:
        from omegaconf import OmegaConf

        from vaebench.commands.codes import make_codes
        from vaebench.commands.jobs import check_early
        from vaebench.commands.told import refusing
        from vaebench.composition import compose

        check_early(cfg)
        make_codes(cfg)
        with refusing():
            made = compose(cfg)
        OmegaConf.resolve(cfg)
        found.append(Composed(cfg, choices, made.data, made.model, made.objective, made.report))

    _carry_out(words, command, [*words, *NOWHERE])
    return found[0]


def compare(
    runs: str | Path | Trained | Sequence[str | Path | Trained],
    *,
    metric: str = "",
    baseline: str | Path | Trained = "",
) -> DataFrame:
    """Runs side by side, as `vaebench compare RUN…` tells them: a row for runs that differ by their
    seed alone, best first.

    Columns are `quantity`, `dataset`, the options that differ, `n`, `metric`, its `mean` and `sd` over
    seeds, the `difference` to the baseline with its standard `error` over test examples, and `p` of
    the test paired by seed.

    Args:
        runs: runs, run folders, or folders that hold some.
        metric: to compare by; the main one unless given.
        baseline: a run of those that all others are compared to; the first unless given.

    Raises:
        Refusal: no finished run, no such metric or baseline.
    """
    import pandas

    from vaebench.commands.compare import beside_baseline, check, finished
    from vaebench.runs.groups import by_subject, columns

    each = [runs] if isinstance(runs, str | Path | Trained) else runs
    found = finished([Path(_folder_of(one)).expanduser() for one in each])
    base = str(_folder_of(baseline))
    check(found, metric, base)
    lines: list[dict[str, Any]] = []
    for alike in by_subject(found.runs):
        chosen, _, rows = beside_baseline(alike, metric, base)
        about = dict(zip(("quantity", "dataset"), alike[0].subject, strict=False))
        for row in rows:
            options = {name: row.group.options.get(name) for name in columns(alike)}
            numbers = {n: getattr(row, n) for n in ("mean", "sd", "difference", "error", "p")}
            lines.append(about | options | {"n": row.n, "metric": chosen} | numbers)
    return pandas.DataFrame(lines)


def _carry_out(words: Sequence[str], command: Command, of_hydra: Sequence[str]) -> None:
    """As the command line does, with what it would print of an error as the exception's."""
    _check_strings(words)
    yield_cores()
    try:
        carry_out(words, command, of_hydra)
    except Refusal as error:
        raise Refusal(in_a_line(error, words)) from error
    except RunFailed as error:
        raise RunFailed(in_a_line(error, words)) from error


def _check_strings(words: Sequence[str]) -> None:
    if isinstance(words, str):
        raise Refusal(f"words are a list of strings, not one string: {words.split()}")


def _is_grid(words: Sequence[str]) -> bool:
    """Whether they are of a grid: by `-m`, or by an experiment that is one."""
    _check_strings(words)
    if {"-m", "--multirun"} & set(words):
        return True
    from vaebench.config.options import config_of

    with contextlib.suppress(Exception):  # whatever is wrong with them is told in a line later
        cfg = config_of(folders_of(words), [*given(words).values()], with_hydra=True)
        return cfg.hydra.mode is not None and cfg.hydra.mode.name == "MULTIRUN"
    return False


def _grid_of(words: Sequence[str]) -> str:
    kept = [word for word in words if word not in ("-m", "--multirun")]
    return f" Use vaebench.grid({kept})."


def _folder_of(one: str | Path | Trained) -> str | Path:
    return one.folder if isinstance(one, Trained) else one
