"""What Hydra and OmegaConf object to, in one line of our own words."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from vaebench.config.advise import unread_here
from vaebench.config.choices import choices
from vaebench.config.schema import Config, unresolved
from vaebench.config.signatures import check_value
from vaebench.config.words import given, grid, unreadable
from vaebench.errors import Refusal
from vaebench.suggest import command_line, did_you_mean, use


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
        or _misplaced(error, args)
        or _unknown(error, folders, args)
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
    value = typed.get(name, "").partition("=")[2]
    if "Invalid type assigned" in text:
        return f"{name}={value}: options of its own stand there, each set as {name}.NAME=value"
    if not value or "," in value:  # one value of a grid is wrong, not all
        found = re.search(r"[Vv]alue '(.*?)'", text)
        value = found[1] if found else value
    try:
        check_value(name, None if "is not Optional" in text else value, _hint(name))
    except Refusal as refusal:
        return str(refusal)
    return None


def _hint(name: str) -> Any:
    """What an option of the typed schema can be."""
    hint: Any = Config
    for part in name.split("."):
        hint = typing.get_type_hints(hint).get(part, Any)
    return hint


def _misplaced(error: BaseException, args: Sequence[str]) -> str | None:
    """Several values without -m, a group without a choice, an override that adds what is there, or
    takes away what is not."""
    text, typed = _chain(error), given(args)
    if match := re.search(
        r"Ambiguous value for argument '([^']+)'|Sweep parameters '(.+)' requires", text
    ):
        return f"{match[1] or match[2]}: several values make a grid.{use(grid(args))}"
    if match := re.search(r"Missing mandatory value: (\S+)", text):
        return f"{match[1]} must be given"
    if match := re.search(
        r"already at '([^']+)'|(\S+) appears more than once in the final defaults list", text
    ):
        name = match[1] or match[2]
        word = typed.get(name, name)
        return f"{name} is there, and {word} adds a new one.{use(word.lstrip('+'))}"
    if match := re.search(r"Could not delete (?:from config\. )?'([^'=]+)", text):
        word = typed.get(match[1], f"~{match[1]}")
        without = use(command_line(*(arg for arg in args if arg != word)))
        return f"{word}: there is no such thing to take away.{without}"
    return None


def _unknown(error: BaseException, folders: Sequence[Path], args: Sequence[str]) -> str | None:
    """A key or group that nothing reads."""
    match = re.search(
        r"Could not (?:override|append to config\. Nothing to append to) '([^']+)'", _chain(error)
    )
    return unread_here(match[1], folders, args) if match else None


def _chain(error: BaseException) -> str:
    """The messages of an error and of what caused it."""
    texts: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        texts.append(str(cause))
        cause = cause.__cause__
    return "\n".join(texts)
