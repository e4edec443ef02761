"""What Hydra and OmegaConf object to, in one line of our own words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from vaebench.config.advise import with_readers
from vaebench.config.choices import choices
from vaebench.config.options import options_of
from vaebench.config.schema import unresolved
from vaebench.config.signatures import EXPECTED, rounded
from vaebench.config.words import given, grid, unreadable
from vaebench.suggest import command_line, did_you_mean, override, use

TYPES = {"Integer": int, "Float": float, "bool": bool}


def explain(error: BaseException, folders: Sequence[Path], args: Sequence[str]) -> str | None:
    """One line for a wrong choice or option; None for an error that is not the user's."""
    from hydra.errors import HydraException, MissingConfigException, OverrideParseException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    if isinstance(error, MissingConfigException):
        return _missing_choice(error, folders)
    if isinstance(error, OverrideParseException):
        return unreadable(error.override, choices(folders), args)
    if isinstance(error, OSError):  # a run's own errors never come here
        return f"cannot write the run folder: {error.filename}: {error.strerror}"
    if isinstance(error, YAMLError | UnicodeDecodeError):
        return f"a config is no valid YAML: {error}"
    if isinstance(error, ValueError) and "group override" in str(error):
        return _no_word(folders, args) or str(error)
    if not isinstance(error, HydraException | OmegaConfBaseException):
        return None
    return (
        _bad_value(error, args)
        or _sweep(error, args)
        or _unknown(error, folders, args)
        or _beside(error, args)
        or unresolved(error)
        or _chain(error)
    )


def _missing_choice(error: Any, folders: Sequence[Path]) -> str:
    missing = str(error.missing_cfg_file or "")
    group, _, name = missing.rpartition("/")
    if not group:
        return (
            f"there is no config {name!r} but the one of vaebench, to which --config-dir DIR adds "
            "choices of your own"
        )
    return _no_such(group, name, choices(folders).get(group) or error.options or [])


def _no_such(group: str, name: str, names: Iterable[str]) -> str:
    nothing = name in ("null", "")  # near to no name: the default is what is meant
    hint = "" if nothing else did_you_mean(name, names, f"{group}={{}}")
    return f"{group}={name}: no such choice; there are {', '.join(names)}.{hint}"


def _no_word(folders: Sequence[Path], args: Sequence[str]) -> str | None:
    """A group whose choice is a number or null: Hydra does not say which."""
    found = choices(folders)
    wrong = (
        _no_such(name, value, found[name])
        for name, word in given(args).items()
        if name in found and (value := word.partition("=")[2]) not in found[name]
    )
    return next(wrong, None)


def _bad_value(error: BaseException, args: Sequence[str]) -> str | None:
    """A value that the typed schema refuses."""
    text = _chain(error)
    where = re.search(r"full_key: (\S+)", text)
    if where is None:
        return None
    name = where[1]
    typed = given(args)
    if name not in typed and (inside := next((k for k in typed if k.startswith(f"{name}.")), "")):
        return f"no option {inside!r}"
    shown = typed.get(name, "").partition("=")[2]
    shown = "" if "," in shown else shown  # one value of a grid is wrong, not all
    if match := re.search(
        r"Value '(.*?)' (?:of type '\w+' could not be converted to|is not a valid) (\w+)", text
    ):
        kind = TYPES.get(match[2])
        expected = match[2] if kind is None else EXPECTED.get(kind, match[2])
        told = f"{name}={shown or match[1]}: {expected} was expected"
        whole = rounded(match[1]) if kind is int else None
        return told if whole is None else f"{told}.{use(override(name, whole))}"
    if invalid := re.search(r"Invalid value '(.*?)', expected one of \[(.*?)\]", text):
        names = [n.strip() for n in invalid[2].split(",")]
        hint = did_you_mean(invalid[1], names, f"{name}={{}}")
        return f"{name}={invalid[1]}: one of {', '.join(names)} was expected.{hint}"
    if "is not a ListConfig" in text:
        return f"{name}={shown}: a list was expected.{use(override(name, [shown]))}"
    if "is not Optional" in text:
        return f"{name}={shown or 'null'}: a value was expected"
    if "Invalid type assigned" in text:
        return f"{name}={shown}: options of its own stand there, each set as {name}.NAME=value"
    return None


def _sweep(error: BaseException, args: Sequence[str]) -> str | None:
    """Several values without -m, or a group without a choice."""
    text = _chain(error)
    if match := re.search(
        r"Ambiguous value for argument '([^']+)'|Sweep parameters '(.+)' requires", text
    ):
        return f"{match[1] or match[2]}: several values make a grid.{use(grid(args))}"
    if match := re.search(r"Missing mandatory value: (\S+)", text):
        return f"{match[1]} must be given"
    return None


def _unknown(error: BaseException, folders: Sequence[Path], args: Sequence[str]) -> str | None:
    """A key or group that nothing reads."""
    match = re.search(
        r"Could not (?:override|append to config\. Nothing to append to) '([^']+)'", _chain(error)
    )
    if not match:
        return None
    name = match[1]
    group, _, option = name.partition(".")
    readers = [f"{group}={c}" for c, keys in options_of(folders, group).items() if option in keys]
    if not option or not readers:
        return f"no option {name!r}"
    read = f"{name} is read by {' and '.join(readers)}, not by what was chosen here"
    return f"{read}.{with_readers(name, folders, args)}"


def _beside(error: BaseException, args: Sequence[str]) -> str | None:
    """An override that adds what is there, or takes away what is not."""
    text = _chain(error)
    if match := re.search(r"An item is already at '([^']+)'", text):
        word = given(args).get(match[1], match[1])
        return f"{match[1]} is there, and {word} adds a new one.{use(word.lstrip('+'))}"
    if match := re.search(r"Could not delete (?:from config\. )?'([^'=]+)", text):
        word = given(args).get(match[1], f"~{match[1]}")
        without = use(command_line(*(arg for arg in args if arg != word)))
        return f"{word}: there is no such thing to take away.{without}"
    if match := re.search(r"(\S+) appears more than once in the final defaults list", text):
        word = given(args).get(match[1], match[1])
        return f"{match[1]} is there, and {word} adds a new one.{use(word.lstrip('+'))}"
    return None


def _chain(error: BaseException) -> str:
    """The messages of an error and of what caused it."""
    texts: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        texts.append(str(cause))
        cause = cause.__cause__
    return "\n".join(texts)
