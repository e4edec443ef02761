"""`vaebench new KIND NAME`: class, YAML and test of a part of one's own, which pass at once."""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from vaebench.config.choices import choices
from vaebench.errors import Refusal
from vaebench.paths import conf_dir, templates_dir
from vaebench.runs.write import near, writing
from vaebench.suggest import command_line, did_you_mean, use

CLASS, MODULE = "Template", "template"
"""What stands for the names of the class and of its module in a template."""

INTO = "--into"


def new(arguments: Sequence[str]) -> None:
    """Writes the files, and says how to use and to test them.

    Raises:
        Refusal: an unknown kind, a name that is none or is taken, a file that is there already.
    """
    words, folder = read(arguments)
    if len(words) != 2:
        raise Refusal(
            f"vaebench new takes a kind and a name, not {len(words)} words: "
            "vaebench new posterior laplace"
        )
    kind, name = words
    check_kind(kind)
    check_name(kind, name, folder)
    made = files(kind, name, folder)
    for path in made:
        if path.exists():
            raise Refusal(
                f"{near(path)} is there already: nothing is written over.{_another(kind)}"
            )
    for path, text in made.items():
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        print(f"written {near(path)}")
    code, _, test = made
    print(f"change  {near(code)}, where it says so")
    print(f"train   {command_line('--config-dir', near(folder / 'conf'), f'{kind}={name}')}")
    print(f"test    python -m pytest {near(test)}")


def read(arguments: Sequence[str]) -> tuple[list[str], Path]:
    """The kind and name, and the folder."""
    words, folder, rest = [], "", iter(arguments)
    for word in rest:
        option, is_set, value = word.partition("=")
        if option == INTO:
            folder = value if is_set else next(rest, "")
            if not folder:
                raise Refusal(f"{INTO} needs a folder. Use {INTO} mine.")
        elif word.startswith("-"):
            hint = did_you_mean(word, [INTO], "{} FOLDER")
            raise Refusal(f"vaebench new has no option {word!r}.{hint}")
        else:
            words.append(word)
    return words, Path(folder).expanduser()


def kinds() -> list[str]:
    """The kinds of parts that there is a template for."""
    return sorted(path.stem for path in templates_dir().glob("*.yaml"))


def check_kind(kind: str) -> None:
    """Refuses what there is no template for."""
    if kind not in kinds():
        hint = did_you_mean(kind, kinds(), "vaebench new {} NAME")
        raise Refusal(f"vaebench new {kind}: there are {', '.join(kinds())}.{hint}")


def check_name(kind: str, name: str, folder: Path) -> None:
    """Refuses a name that is no name of a module, or that something else has."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        plain = re.sub(r"\W+", "_", name.lower()).strip("_0123456789") or "mine"
        instead = f"{plain}_{kind}" if keyword.iskeyword(plain) else plain
        raise Refusal(
            f"{name!r} is no name of a module: small letters, digits and _."
            f"{use(command_line('new', kind, instead))}"
        )
    if name in choices([conf_dir()])[kind]:
        raise Refusal(f"{kind}={name} is one of vaebench's own.{_another(kind, name)}")
    if not (folder / f"{name}.py").exists() and find_spec(name) is not None:
        raise Refusal(f"{name} is a module that is installed.{_another(kind, name)}")


def _another(kind: str, name: str = "mine") -> str:
    return use(command_line("new", kind, f"my_{name}"))


def files(kind: str, name: str, folder: Path) -> dict[Path, str]:
    """What is written where: class, choice and test."""
    suffixes = {
        folder / f"{name}.py": ".py",
        folder / "conf" / kind / f"{name}.yaml": ".yaml",
        folder / f"test_{name}.py": "_test.py",
    }
    return {path: filled(kind, suffix, name) for path, suffix in suffixes.items()}


def filled(kind: str, suffix: str, name: str) -> str:
    """A template with the part's own name."""
    text = (templates_dir() / f"{kind}{suffix}").read_text(encoding="utf-8")
    return text.replace(CLASS, class_name(kind, name)).replace(MODULE, name)


def class_name(kind: str, name: str) -> str:
    """`LaplacePosterior`: with its kind, so that it is not called like what it is made of."""
    words = name.split("_")
    return "".join(word.capitalize() for word in [*words, *([] if words[-1] == kind else [kind])])
