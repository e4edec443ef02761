"""Outliers of `vaebench evaluate`: where they come from, and what is shown and kept of them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from omegaconf import DictConfig, OmegaConf, open_dict
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from vaebench.commands.saved import Saved, open_beside
from vaebench.composition.build import check_batch, instantiate
from vaebench.config.choices import choices
from vaebench.config.explain import explain
from vaebench.config.options import config_of
from vaebench.config.schema import Accelerator
from vaebench.data import Columns, Dataset, Part
from vaebench.errors import Refusal
from vaebench.measures.base import Numbers, Subject
from vaebench.measures.outliers import DATA, IMAGES, OWN, SCORES, Outliers, differ
from vaebench.paths import conf_dir
from vaebench.pictures.outliers import histograms, ranked
from vaebench.progress import doing
from vaebench.runs.layout import PICTURES, option_of
from vaebench.runs.results import write_outliers
from vaebench.runs.write import writing
from vaebench.suggest import did_you_mean, unadvised

PROTOCOL = ("binarize", "dequantize")
"""What is done to grey values of the run's data is done to those of other images."""

EVERY: tuple[Part, ...] = ("train", "val", "test")


def check_sets(options: Outliers) -> None:
    """Looks at the sets that are named before a run is loaded.

    Raises:
        Refusal: there is none of that name.
    """
    known = [*OWN, *choices([conf_dir()])["dataset"]]
    for word in options.of:
        if word not in known and not Path(word).expanduser().exists():
            hint = did_you_mean(word, known, "outliers=[{}]")
            there = f"there are {', '.join(known)}, and folders of images"
            raise Refusal(f"outliers=[{word}]: {there}.{hint}")


def beside(subject: Subject, saved: Saved, options: Outliers, accelerator: Accelerator) -> Subject:
    """The subject with the data sets and the baseline that the options name. Folders are called by
    their last name from here on.

    Raises:
        Refusal: the model cannot read them, two are called alike, or the baseline has other data.
    """
    named = [word for word in dict.fromkeys(options.of) if word not in OWN]
    if options.options and not named:
        raise Refusal("outliers.options are of a data set, and outliers names none")
    taken = [DATA, *OWN]
    for word in named:
        if called(word) in taken:
            told = f"a set is called {called(word)} already: give the folder another name"
            raise Refusal(f"outliers=[{word}]: {told}")
        taken.append(called(word))
    others = {called(word): _examples(word, saved, options) for word in named}
    options.of = list(dict.fromkeys(map(called, options.of)))
    baseline = (
        _baseline(subject, saved, options.baseline, accelerator) if options.baseline else None
    )
    return replace(subject, others=others, baseline=baseline)


def called(word: str) -> str:
    """What a set of outliers is called: of a folder its last name."""
    return Path(word).name if "/" in word else word


def _examples(word: str, saved: Saved, options: Outliers) -> tuple[Columns, ...]:
    """The test split of a data set, or all images of a folder."""
    own = saved.composition
    is_set = word in choices([conf_dir()])["dataset"]
    try:
        with doing(word):
            data: Dataset = instantiate(_composed(word if is_set else "", word, saved, options))
            check_batch(data)
    except Refusal as error:  # what it suggests is of a run's own data
        raise Refusal(f"outliers=[{word}]: {unadvised(str(error))}") from error
    for name, role in own.report.roles.items():
        if role == "extra":
            continue
        if name not in data.spec.fields:
            raise Refusal(f"outliers=[{word}] has no {name}, which the model reads")
        if told := differ(data.spec[name], own.data.spec[name]):
            raise Refusal(f"outliers=[{word}]: its {name} {told}, as the run's is")
    return tuple(data.split(part) for part in (("test",) if is_set else EVERY))


def _composed(choice: str, path: str, saved: Saved, options: Outliers) -> DictConfig:
    """The config of a data set; of a folder of images where there is no choice of it."""
    words = [f"dataset={choice or 'images'}", *options.options]
    try:
        cfg = config_of([conf_dir()], words)
    except Exception as error:
        line = explain(error, [conf_dir()], words)
        raise error if line is None else Refusal(f"outliers.options: {line}") from error
    given, own = {option_of(word) for word in options.options}, saved.cfg.dataset
    with open_dict(cfg):
        cfg.data_dir = saved.cfg.data_dir
        for name in PROTOCOL:
            if name in own and name in cfg.dataset and f"dataset.{name}" not in given:
                cfg.dataset[name] = own[name]
        if not choice:
            folder = Path(path).expanduser()
            cfg.dataset.path = str(folder)
            cfg.dataset.size = _size(saved) if folder.is_dir() else []
    for name in OmegaConf.missing_keys(cfg.dataset):
        raise Refusal(f"outliers.options=[{name}=…] must be given")
    return cfg.dataset


def _size(saved: Saved) -> list[int]:
    """Height and width of the run's images; empty where it has none."""
    shapes = (f.shape for f in saved.composition.data.spec.fields.values())
    return next((list(shape[1:]) for shape in shapes if len(shape) == 3), [])


def _baseline(subject: Subject, saved: Saved, run: str, accelerator: Accelerator) -> Subject:
    """The run whose log p(x) that of this one is compared to."""
    other = open_beside(run, saved, accelerator)
    found, own = other.composition, saved.composition
    if not found.objective.has_bound or found.report.quantity != own.report.quantity:
        of = found.report.quantity if found.objective.has_bound else "reconstruction alone"
        told = f"{of}, and this run of {own.report.quantity}"
        raise Refusal(f"outliers.baseline={run} is of {told}: there is no ratio")
    for name in subject.roles[1]:
        if told := differ(found.data.spec[name], own.data.spec[name]):
            raise Refusal(f"outliers.baseline={run}: its {name} {told}, as this run's is")
    return Subject(found, other.device, subject.part, subject.seed, other.step)


# ---------------------------------------------------------------------------------- what is shown
UNITS = {
    "nll": "−log p(x), nats",
    "kl": "KL(q(z|x) ‖ p(z)), nats",
    "recon": "−E log p(x|z), nats",
    "typicality": "|−log p(x) − H|, nats",
    "ratio": "log p_baseline(x) − log p(x), nats",
    "complexity": "−log₂ p(x) − packed size, bits",
    "entropy": "entropy of p(y|x), nats",
}
NUMBERS = ("auroc", "aupr", "fpr95")
WIDEST = 100
"""Columns that the table may take whatever the terminal has."""

SURE = 2
"""Standard errors by which an AUROC is below a half before it is said to be."""


def show_outliers(
    console: Console, numbers: Numbers, notes: dict[str, str], seconds: float
) -> None:
    """A line for each set of outliers and score; then which scores err, and which are left out."""
    k, n = (f"{name}={numbers[name]:.0f}" for name in ("k", "examples"))
    title = f"outliers · {k} · {n} · {seconds:.1f} s"
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    table.show_edge, table.padding = False, 0
    for column in ("outliers", "score"):
        table.add_column(column, no_wrap=True)
    for column in ("data", "theirs", *(f"{name.upper()} ±" for name in NUMBERS), ""):
        table.add_column(column, justify="right", no_wrap=True)
    rows = {name.removesuffix("/auroc"): name for name in numbers if name.endswith("/auroc")}
    likelier = [row for row, name in rows.items() if is_below_half(numbers, name)]
    shown = ""
    for row in rows:
        each, score = row.split("/")
        if shown not in ("", each):
            table.add_section()
        mark, style = ("←", "yellow") if row in likelier else ("", "")
        cells = _cells(numbers, each, score)
        table.add_row("" if each == shown else each, score, *cells, mark, style=style)
        shown = each
    console.print(table, width=max(console.width, WIDEST), crop=False)
    say = partial(console.print, highlight=False, markup=False, soft_wrap=True)
    if likelier:
        told = "AUROC below ½: these outliers look more like the data than the data do"
        say(f"← {told}, by this score", style="yellow")
    say("errors of AUROC by DeLong, of AUPR and FPR95 by bootstrap", style="dim")
    for score, reason in notes.items():
        say(f"{score}: left out: {reason}", style="dim")


def is_below_half(numbers: Numbers, name: str) -> bool:
    """Whether an AUROC is below a half by more than two standard errors."""
    return numbers[name] + SURE * numbers.get(f"{name}_se", 0.0) < 0.5


def _cells(numbers: Numbers, each: str, score: str) -> list[str]:
    """The score's mean of the data and of the outliers, and how well it tells them."""
    means = (numbers[f"{of}/{score}/mean"] for of in (DATA, each))
    found = (f"{each}/{score}/{name}" for name in NUMBERS)
    told = (f"{numbers[n]:.3f} ± {numbers.get(f'{n}_se', 0.0):.3f}" for n in found)
    return [*(f"{mean:.1f}" for mean in means), *told]


def keep_outliers(folder: Path, subject: Subject) -> list[Path]:
    """Writes the scores of each example, and pictures of them; returns the files.

    Raises:
        Refusal: they cannot be written.
    """
    scores = [name for name in SCORES if name in subject.sets[DATA]]
    table = {each: {s: found[s].tolist() for s in scores} for each, found in subject.sets.items()}
    written, pictures = [write_outliers(folder, table)], folder / PICTURES
    with writing(pictures):
        pictures.mkdir(exist_ok=True)
        titles = {score: UNITS[score] for score in scores}
        written.append(histograms(pictures / "outliers.png", subject.sets, titles))
        if IMAGES in subject.sets[DATA]:
            title = f"by {UNITS[scores[0]]}: data in blue, outliers in red"
            path = pictures / "outliers_ranked.png"
            written.append(ranked(path, subject.sets, scores[0], title))
    return written
