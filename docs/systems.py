"""Pages of the docs that say what stands elsewhere: the list of choices, and the head of each experiment.

`python docs/systems.py` writes `choices.md`, which is kept with the rest, since a test compares it;
the pages of experiments are written whenever the docs are built.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from vaebench.config.choices import choices, title
from vaebench.paths import conf_dir

HERE = Path(__file__).parent

PICTURES = {
    "cluttered": "glimpses.png",
    "densities": "mnist_components.png",
    "draw_mnist": "draw_canvas.png",
    "outliers": "outliers.png",
    "sentences": "sentences_curves.png",
}
"""What was drawn of an experiment's runs."""

TELLING = ("Published", "Measured", "Differs", "As in the paper", "Paired", "Run as")
"""How sentences begin that say where a number is from: each begins a paragraph."""

GROUP_TITLES = {
    "anneal": "How the weight of a KL, or of log p(x, z), rises",
    "baseline": "What is taken from a score function's signal",
    "callbacks": "Callbacks of PyTorch Lightning",
    "dataset": "Data sets",
    "estimator": "Estimators of the gradient",
    "experiment": "Presets, most of them grids: each has a [page](systems/index.md)",
    "likelihood": "Likelihoods p(x | z)",
    "logger": "Where the history goes",
    "model": "Models: named systems, which set defaults of other groups",
    "nets": "Families of encoders and decoders",
    "objective": "Objectives",
    "optimizer": "Optimizers",
    "posterior": "Posteriors q(z | x)",
    "prior": "Priors p(z)",
    "refine": "What becomes of a posterior's samples",
    "schedule": "Schedules of the learning rate",
    "trainer": "Machines",
    "weight_prior": "Priors of Gaussian weights",
    "weights": "Noise in the nets' weights",
}


def choices_page() -> str:
    """All that `vaebench list` prints, as tables."""
    lines = [
        "# Choices",
        "",
        "What `vaebench list` prints: a choice is one YAML below `conf/`, and what is chosen of each",
        "group either goes together or is refused in one line. This page is written by",
        "`python docs/systems.py`.",
    ]
    for group, titles in choices([conf_dir()]).items():
        lines += [
            "",
            f"## {group}",
            "",
            f"{GROUP_TITLES[group]}.",
            "",
            f"| `{group}=` | |",
            "|---|---|",
        ]
        lines += [f"| `{name}` | {_cell(told)} |" for name, told in titles.items()]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")


def write_pages(folder: Path) -> None:
    """A page for each experiment, and their index; what has not changed is not written again."""
    folder.mkdir(exist_ok=True)
    paths = [p for p in sorted((conf_dir() / "experiment").glob("*.yaml")) if p.stem != "none"]
    pages = {p.stem: system_page(p) for p in paths} | {"index": index(paths)}
    for name, text in pages.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for path in folder.glob("*.md"):
        if path.stem not in pages:
            path.unlink()


def index(paths: list[Path]) -> str:
    """What there is, with its papers."""
    rows = [f"| [{p.stem}]({p.stem}.md) | {_cell(_subject(p))} |" for p in paths]
    entries = [p.stem for p in paths]
    return "\n".join(
        [
            "# Systems, and what came of them",
            "",
            "Each is a preset, `vaebench experiment=NAME`, of ordinary runs. What stands on its page stands",
            "at the head of its YAML: what it is, the command, what was published, what was measured here",
            "and at which commit, and how it differs from the paper. A claim that does not hold is said not to.",
            "",
            "| experiment | |",
            "|---|---|",
            *rows,
            "",
            "```{toctree}",
            ":hidden:",
            "",
            *entries,
            "```",
            "",
        ]
    )


def _subject(path: Path) -> str:
    text = title(path).removeprefix("Grid: ")
    return text[:1].upper() + text[1:]


def system_page(path: Path) -> str:
    """The head of an experiment as prose, and its YAML."""
    name = path.stem
    lines = [f"# {name}", "", f"{_subject(path)}.", ""]
    lines += ["```sh", *_commands(path), "```", ""]
    for block in _blocks(path):
        lines += [block, ""]
    if name in PICTURES:
        lines += [f"![of its runs](../{PICTURES[name]})", ""]
    yaml = "\n".join(
        x for x in path.read_text(encoding="utf-8").splitlines() if not x.startswith("#")
    )
    return "\n".join([*lines, "## Its YAML", "", "```yaml", yaml, "```", ""])


def _head(path: Path) -> list[str]:
    """The comments below the title, without their mark."""
    lines = path.read_text(encoding="utf-8").splitlines()
    head = [x[1:].removeprefix(" ") for x in lines if x.startswith("#")]
    return head[2:]  # @package, title


def _commands(path: Path) -> list[str]:
    lines = (x.strip() for x in _head(path) if x.startswith("  vaebench "))
    return [re.sub(r" {2,}(?!#)", lambda gap: f"{gap[0]}# ", line, count=1) for line in lines]


def _blocks(path: Path) -> Iterator[str]:
    """Paragraphs of prose, and what is set in columns."""
    rest = [x for x in _head(path) if not x.startswith("  vaebench ")]
    for text in re.split(r"\n\s*\n", "\n".join(rest)):
        part: list[str] = []
        columns = False
        for line in text.splitlines():
            if line.startswith("  ") != columns and part:
                yield from _told(part, columns)
                part = []
            columns = line.startswith("  ")
            part.append(line)
        if part:
            yield from _told(part, columns)


def _told(lines: list[str], columns: bool) -> Iterator[str]:
    if columns:
        yield "\n".join(["```text", *lines, "```"])
        return
    prose = " ".join(" ".join(lines).split())
    begins = "|".join(TELLING)
    for sentence in re.split(rf"(?<=[.;:]) (?=(?:{begins})\b)", prose):
        yield re.sub(rf"^({begins})\b", r"**\1**", _cell(sentence).replace("<", "&lt;"))


if __name__ == "__main__":
    (HERE / "choices.md").write_text(choices_page(), encoding="utf-8")
