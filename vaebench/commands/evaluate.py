"""`vaebench evaluate RUN`: what a finished run's model is worth, beyond its own test."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from vaebench import __version__
from vaebench.commands.options import one_run, read
from vaebench.commands.outliers import beside, check_sets, keep_outliers, show_outliers
from vaebench.commands.saved import Looking, Saved, loggers_of, looking, open_beside
from vaebench.config.schema import Accelerator
from vaebench.errors import Refusal
from vaebench.measures.base import Numbers, Subject
from vaebench.measures.disentanglement import CEILING
from vaebench.measures.evaluation import (
    NAMES,
    SETTINGS,
    Measures,
    check_nets,
    latent_table,
    measure,
    select,
)
from vaebench.measures.likelihood import ENOUGH
from vaebench.measures.outliers import differ
from vaebench.progress import doing
from vaebench.runs.layout import EVALUATION
from vaebench.runs.results import add_evaluation, write_latents
from vaebench.runs.write import near


@dataclass
class Options(Measures, Looking):
    """Of `vaebench evaluate`."""

    measures: list[str] = field(default_factory=list)  # none named: all
    latents: bool = False


def evaluate(arguments: Sequence[str]) -> None:
    """Measures, prints, and keeps the numbers in the run folder and in the run's logger.

    Raises:
        Refusal: an unknown option, no such run, a measure asked for by name that does not apply.
    """
    words, options = read("evaluate", arguments, Options)
    path = one_run("evaluate", words)
    asked = _asked(options)
    names = select(asked or NAMES, options)
    with looking(path, options) as (console, saved, subject):
        check_nets(options.weight_samples, saved.composition, names, "weight_samples")
        subject = _with_others(subject, saved, options, asked)
        say = partial(console.print, highlight=False, markup=False, soft_wrap=True)
        of = {"split": options.split.value, "checkpoint": saved.checkpoint.name}
        say(f"{saved.composition.report.quantity} · {of['split']} split · {of['checkpoint']}")
        about = of | {"seed": options.seed, "vaebench": __version__}
        measured: dict[str, Any] = {}
        written: list[Path] = []
        begun = time.monotonic()
        for name, found in measure(options, names, subject):
            seconds = time.monotonic() - begun
            if not isinstance(found, str):
                kept = found | about | {"seconds": round(seconds, 2)}
                if name == OUTLIERS:
                    written = _show_outliers(console, saved, subject, found, seconds)
                    kept |= {f"{s}/does_not_apply": why for s, why in subject.notes.items()}
                else:
                    show(console, name, found, seconds)
            elif asked:
                named = name in options.measures
                raise Refusal(f"measures=[{name}] does not apply: {found}" if named else found)
            else:
                say(f"{name}: does not apply: {found}", style="dim")
                kept = {"does_not_apply": found}
            numbers = {f"{name}/{key}": value for key, value in kept.items()}
            add_evaluation(saved.folder, numbers)  # at once: a later measure may not end well
            measured |= numbers
            begun = time.monotonic()
        for file in (saved.folder / EVALUATION, *written):
            say(f"written {near(file)}")
        tell_loggers(saved, measured, [file for file in written if file.suffix == ".png"])
        if options.latents:
            with doing("latents"):
                table = latent_table(subject)
            say(f"written {near(write_latents(saved.folder, table))}")


def _with_others(subject: Subject, saved: Saved, options: Options, asked: Sequence[str]) -> Subject:
    """The subject with the data sets and runs that it is compared to."""
    if OUTLIERS in asked:
        subject = beside(subject, saved, options.outliers, options.accelerator)
    return replace(subject, peers=_peers(subject, saved, options.udr.others, options.accelerator))


def _peers(
    subject: Subject, saved: Saved, runs: Sequence[str], accelerator: Accelerator
) -> tuple[Subject, ...]:
    """The other runs that `udr.others` names.

    Raises:
        Refusal: one is of other data.
    """
    peers = []
    for run in runs:
        other = open_beside(run, saved, accelerator)
        for name in subject.roles[1]:
            there = other.composition.data.spec.fields.get(name)
            if there is None or differ(there, saved.composition.data.spec[name]):
                raise Refusal(f"udr.others=[{run}] is not of this run's {name}")
        peers.append(Subject(other.composition, other.device, subject.part, subject.seed))
    return tuple(peers)


OUTLIERS = "outliers"
"""The measure that has a table and files of its own."""


def _asked(options: Options) -> list[str]:
    """Measures that are named; outliers name theirs, too."""
    if not options.outliers.of:
        return [*options.measures]
    check_sets(options.outliers)
    return list(dict.fromkeys([*options.measures, OUTLIERS]))


def _show_outliers(
    console: Console, saved: Saved, subject: Subject, numbers: Numbers, seconds: float
) -> list[Path]:
    """Their table; returns the files that are written."""
    show_outliers(console, numbers, subject.notes, seconds)
    return keep_outliers(saved.folder, subject)


ERRORS = {"_se": "± over examples", "_mc_se": "± Monte Carlo", CEILING: "true factors"}


def show(console: Console, name: str, numbers: Numbers, seconds: float) -> None:
    """One measure's numbers, each beside its standard errors and the most that it could be."""
    settings = [f"{key}={numbers[key]:.0f}" for key in SETTINGS if key in numbers]
    title = " · ".join([name, *settings, f"{seconds:.1f} s"])
    table = Table(title=title, title_justify="left", title_style="bold", min_width=len(title))
    suffixes = [s for s in ERRORS if any(f"{key}{s}" in numbers for key in numbers)]
    for column in ("", "value", *(ERRORS[s] for s in suffixes)):
        table.add_column(column, justify="right" if column else "left")
    for key, value in numbers.items():
        if key in SETTINGS or key.endswith(("_se", CEILING)) or key.startswith("kl/"):
            continue
        errors = [numbers.get(f"{key}{suffix}") for suffix in suffixes]
        table.add_row(key, written_as(value), *("" if e is None else f"{e:.3f}" for e in errors))
    console.print(table)
    if few := numbers.get("ess_few"):
        told = (
            f"{few} of {numbers['examples']} examples have fewer than {ENOUGH} effective samples: L_k "
            "may lie well below log p(x), by more than a Monte Carlo error would say, so there is none"
        )
        console.print(told, style="yellow", highlight=False, soft_wrap=True)


def written_as(value: float) -> str:
    """Whole numbers as such, all others with three digits."""
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.3f}"


def tell_loggers(saved: Saved, numbers: dict[str, Any], pictures: list[Path]) -> None:
    """The same numbers and pictures for the run's loggers."""
    figures = {f"evaluation/{n}": v for n, v in numbers.items() if isinstance(v, int | float)}
    for logger in loggers_of(saved):
        logger.evaluated(figures, saved.step)
        if pictures:
            logger.show(pictures)
