"""`vaebench …`: composes, trains, tests, draws and reports one run."""

from __future__ import annotations

import contextlib
import os
import platform
import traceback
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from vaebench import __version__
from vaebench.commands.heartbeat import Heartbeat
from vaebench.commands.told import config_tree, refusing
from vaebench.composition import Composition
from vaebench.errors import RunFailed
from vaebench.measures.base import Subject
from vaebench.paths import commit
from vaebench.pictures import View, curves, draw
from vaebench.progress import doing
from vaebench.runs.history import read_rows
from vaebench.runs.layout import BEGUN, CURVES, HISTORY, LAST, PICTURES, SUMMARY
from vaebench.runs.metrics import telling_order, written
from vaebench.runs.results import forget_failure, write_examples, write_failure
from vaebench.runs.write import config_of, flat, near, write_json
from vaebench.training import History, Result, RunLogger, Wandb, build_loggers, close, fit, prepare
from vaebench.training.checkpoints import Stopped, step_of
from vaebench.training.machine import cores
from vaebench.training.processes import rank_zero, workers

IMAGES = (
    "data",
    "reconstructions",
    "samples",
    "manifold",
    "classes",
    "styles",
    "components",
    "canvas",
    "strokes",
)
DRAWN = (*IMAGES, "sentences", "paraphrases", "homotopies")
"""What every run draws; `vaebench sample` draws more."""

MAPPED = 400  # codes of a map: a second or two

SHOWN_IN_PICTURES = 64
PACKAGES = ("torch", "pytorch-lightning", "hydra-core", "omegaconf", "wandb", "torchvision")


def train(
    cfg: DictConfig, choices: dict[str, str], folder: Path, resume_from: Path | None = None
) -> dict[str, Any]:
    """One run in its own folder; returns what summary.json holds.

    Args:
        cfg: the composed config.
        choices: group → choice, for people.
        folder: the run folder.
        resume_from: a checkpoint of this run to continue from.

    Raises:
        Refusal: before anything is trained or written.
        RunFailed: what went wrong in a run that had begun.
    """
    commit()  # as it is when the program is read
    with rank_zero(cfg.trainer.devices), Heartbeat(console := Console()):
        with doing("composing"):
            with refusing():
                composition, system, trainer = prepare(cfg, folder, console)
                trainer.loggers = loggers = build_loggers(cfg, folder)
            forget_failure(folder)
            for logger in loggers:
                if isinstance(logger, History):
                    logger.rewind(0 if resume_from is None else step_of(resume_from))
            console.print(config_tree(cfg, choices, composition))
        with ending(folder, loggers):
            write_json(folder / BEGUN, known_before(cfg, choices, composition) | whereabouts())
            options: Any = OmegaConf.to_container(cfg, resolve=True, enum_to_str=True)
            for logger in loggers:
                logger.log_hyperparams(options)
            with workers(cfg.trainer.devices, folder, resume_from):
                result = fit(cfg, system, trainer, resume_from)
            write_examples(folder, {n: v.tolist() for n, v in result.tested.examples.items()})
            pictures = draw_run(result, loggers, folder)
            summary = summarise(cfg, choices, result)
            for logger in loggers:
                if isinstance(logger, RunLogger):
                    logger.conclude(summary)
            write_json(folder / SUMMARY, summary)
        report(console, cfg, result)
        where(console, result, loggers, folder, pictures)
        return summary


@contextlib.contextmanager
def ending(folder: Path, loggers: list[Any]) -> Iterator[None]:
    """However a run that has begun ends: what went wrong is left in its folder, the loggers closed."""
    try:
        yield
    except Stopped:
        raise
    except (Exception, KeyboardInterrupt, SystemExit) as error:  # Lightning exits on Ctrl-C
        raise failure(error, folder) from error
    finally:
        close(loggers)


def draw_run(result: Result, loggers: list[Any], folder: Path) -> list[Path]:
    """Pictures of the evaluated weights, in the run folder and in the loggers."""
    result.system.model.eval()
    subject = Subject(result.system.composition, result.system.device)
    view = View(subject, folder / PICTURES, SHOWN_IN_PICTURES, mapped=MAPPED)
    found = [drawn for _, drawn in draw(view, drawn_of(view)) if not isinstance(drawn, str)]
    pictures = [path for drawn in found for path in drawn]
    if path := curves(folder / CURVES, read_rows(folder / HISTORY)):
        pictures.append(path)
    for logger in loggers:
        if isinstance(logger, RunLogger):
            logger.show(pictures)
    return pictures


def drawn_of(view: View) -> tuple[str, ...]:
    """What a run draws. Trained on reconstruction alone it has no samples to be judged by, but a map
    of its codes, where they have labels and need one; it would delay every other run."""
    subject = view.subject
    mapped = subject.label is not None and not subject.composition.objective.has_bound
    return (*DRAWN, "tsne") if mapped and view.width > 2 else DRAWN


def summarise(cfg: DictConfig, choices: dict[str, str], result: Result) -> dict[str, Any]:
    """summary.json: flat, so that a table of runs is a list of these."""
    composition = result.system.composition
    notes = [*composition.report.notes, *result.system.notes, *result.tested.notes]
    taken = {
        "notes": " | ".join(notes),
        "device": result.device,
        "machine": cores(),
        "seconds": round(result.seconds, 3),
        "peak_memory_mb": round(result.peak_memory_mb, 1),
    }
    if result.system.compile_seconds is not None:
        taken["compile_seconds"] = round(result.system.compile_seconds, 3)
    return dict(sorted(result.metrics.items())) | taken | known_before(cfg, choices, composition)


def known_before(
    cfg: DictConfig, choices: dict[str, str], composition: Composition
) -> dict[str, Any]:
    """What summary.json holds and is known before the first step."""
    about = {
        "quantity": composition.report.quantity,
        "seed": cfg.seed,
        "parameters": sum(p.numel() for p in composition.model.parameters()),
    }
    versions = {"vaebench": __version__, "commit": commit(), "python": platform.python_version()}
    versions |= {name: version(name) for name in PACKAGES}
    return (
        about
        | flat(composition.data.protocol, "protocol.")
        | flat(versions, "versions.")
        | flat(choices, "choices.")
        | config_of(cfg)
    )


def whereabouts() -> dict[str, Any]:
    """Of the process, for who wants to know whether it still lives."""
    return {"process": os.getpid(), "host": platform.node()}


def failure(error: BaseException, folder: Path) -> RunFailed:
    """One line on what went wrong and what is left; the traceback goes to the run folder."""
    what = f"{type(error).__name__}: {error}" if isinstance(error, Exception) else "interrupted"
    what = str(error) if isinstance(error, RunFailed) else what
    last = folder / LAST
    left = f"the last checkpoint is {last}" if last.exists() else "no checkpoint yet"
    line = " ".join(f"the run failed: {what}; {left}".split())
    try:
        path = write_failure(folder, line, "".join(traceback.format_exception(error)))
        line += f"; the traceback is in {path}"
    except OSError:
        pass  # a full disk: the error itself says more
    return RunFailed(line)


def report(console: Console, cfg: DictConfig, result: Result) -> None:
    """The numbers of the test, those of every run first, each beside its standard error."""
    composition = result.system.composition
    metrics = {n: v for n, v in result.metrics.items() if n.startswith("test/")}
    errors = {n.removesuffix("_se"): v for n, v in metrics.items() if n.endswith("_se")}
    what = composition.report.quantity if composition.objective.has_bound else "reconstruction"
    title = f"test split, {what}, nats{_of_examples(cfg, composition)}"
    table = Table(title=title, title_style="bold")
    table.add_column("metric")
    table.add_column("value", justify="right")
    shown = [n for n in metrics if not n.endswith("_se") and "_kl/" not in n]
    for name in sorted(shown, key=lambda n: (n.rpartition("/")[0], telling_order(n))):
        error = f" ± {errors[name]:.3f}" if name in errors else ""
        exact = not composition.objective.needs_latents
        table.add_row(_named(name, cfg, exact), written(name, metrics[name]) + error)
    if shown:
        console.print(table)
    for note in result.tested.notes:
        console.print(note, style="dim", highlight=False, soft_wrap=True)


def where(
    console: Console, result: Result, loggers: list[Any], folder: Path, pictures: list[Path]
) -> None:
    """How long it took, and where everything is."""
    console.print(f"{result.seconds:.1f} s of training on {result.device}", highlight=False)
    console.print(f"run folder  {near(folder)}", highlight=False, soft_wrap=True)
    for path in pictures:
        console.print(f"picture     {near(path)}", highlight=False, soft_wrap=True)
    for logger in loggers:
        if isinstance(logger, Wandb) and (run := logger.offline_run):
            line = f"to upload   wandb sync {near(run)}"
            console.print(line, highlight=False, soft_wrap=True)


def _named(name: str, cfg: DictConfig, exact: bool) -> str:
    """A metric's name; of the likelihood with what it is."""
    if name != "test/nll":
        return name
    nets = cfg.eval.weight_samples
    if exact:
        return f"{name}, by {nets} nets" if nets else f"{name}, exact"
    return f"{name} = -L_{cfg.eval.k}" + (f", by {nets} nets" if nets else "")


def _of_examples(cfg: DictConfig, composition: Composition) -> str:
    """A line on how many test examples its numbers are of, where that is not all of them."""
    n, all_of_them = cfg.eval.examples, len(composition.data.split("test"))
    return f"\n{n} of {all_of_them} examples" if 0 < n < all_of_them else ""
