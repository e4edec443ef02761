"""What Hydra objects to, in one line with a suggestion."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vaebench.commands.listing import choices
from vaebench.suggest import did_you_mean

TYPES = {"Integer": "an integer", "Float": "a number", "Boolean": "true or false"}


def explain(error: BaseException, folders: Sequence[Path]) -> str | None:
    """One line for a wrong choice or option; None for an error that is not the user's."""
    from hydra.errors import HydraException, MissingConfigException, OverrideParseException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    if isinstance(error, MissingConfigException):
        return _missing_choice(error, folders)
    if isinstance(error, OverrideParseException):
        return _unreadable(error.override, folders)
    if isinstance(error, OSError):  # a run's own errors never come here
        return f"cannot write the run folder: {error.filename}: {error.strerror}"
    if isinstance(error, YAMLError | UnicodeDecodeError):
        return f"a config is no valid YAML: {error}"
    if isinstance(error, ValueError) and "group override" in str(error):
        return str(error)
    if not isinstance(error, HydraException | OmegaConfBaseException):
        return None
    return _bad_value(error) or _sweep(error) or _unknown(error, folders) or _chain(error)


def _missing_choice(error: Any, folders: Sequence[Path]) -> str:
    wanted = str(error.missing_cfg_file or "")
    group, _, name = wanted.rpartition("/")
    found = choices(folders).get(group)
    if found is None:
        return " ".join(str(error).split())
    names = [choice.name for choice in found]
    hint = did_you_mean(name, names, f"{group}={{}}")
    return f"{group}={name}: no such choice; there are {', '.join(names)}.{hint}"


COMMANDS = ("check", "list", "resume", "train")


def _unreadable(override: str, folders: Sequence[Path]) -> str:
    if "=" in override:
        return f"cannot read the override {override!r}; quote what a shell or YAML would take apart"
    groups = [f"{group}=…" for group in choices(folders)]
    hint = did_you_mean(override, [*COMMANDS, *groups])
    return f"{override!r} is neither a command nor an option of the form name=value.{hint}"


def _bad_value(error: BaseException) -> str | None:
    """A value that the typed schema refuses."""
    text = _chain(error)
    match = re.search(r"Value '(.*?)' of type '\w+' could not be converted to (\w+)", text)
    invalid = re.search(r"Invalid value '(.*?)', expected one of \[(.*?)\]", text)
    key = re.search(r"full_key: (\S+)", text)
    if not key or not (match or invalid):
        return None
    if match:
        return f"{key[1]}={match[1]}: {TYPES.get(match[2], match[2])} was expected"
    assert invalid is not None
    names = [n.strip() for n in invalid[2].split(",")]
    hint = did_you_mean(invalid[1], names, f"{key[1]}={{}}")
    return f"{key[1]}={invalid[1]}: one of {', '.join(names)} was expected.{hint}"


def _sweep(error: BaseException) -> str | None:
    """Several values without -m, or a group without a choice."""
    text = _chain(error)
    if match := re.search(r"Ambiguous value for argument '([^']+)'", text):
        return f"{match[1]}: several values make a grid; use vaebench -m {match[1]}"
    if match := re.search(r"Missing mandatory value: (\S+)", text):
        return f"{match[1]} must be given: {match[1]}=…"
    return None


def _unknown(error: BaseException, folders: Sequence[Path]) -> str | None:
    """A key or group that nothing reads."""
    text = _chain(error)
    match = re.search(
        r"Could not (?:override|append to config\. Nothing to append to) '([^']+)'", text
    )
    if not match:
        return None
    key = match[1]
    group, _, option = key.partition(".")
    readers = [f"{group}={name}" for name, keys in _options(folders, group) if option in keys]
    if option and readers:
        return f"{key} is read by {' and '.join(readers)}, not by what was chosen here"
    found = choices(folders)
    options = {
        o for g in found for _, keys in _options(folders, g) for o in (f"{g}.{k}" for k in keys)
    }
    known = sorted({*found, *_root_keys(), *options})
    return f"no option {key!r}.{did_you_mean(key, known, '{}=…')}"


def _options(folders: Sequence[Path], group: str) -> Iterator[tuple[str, set[str]]]:
    """Each choice of a group with the options in its YAML."""
    from omegaconf import DictConfig, OmegaConf

    for folder in folders:
        for path in sorted((folder / group).glob("*.yaml")):
            node = OmegaConf.load(path)
            if isinstance(node, DictConfig) and group in node:
                node = node[group]
            keys = {str(k) for k in node} if isinstance(node, DictConfig) else set()
            yield path.stem, {k for k in keys if not k.startswith("_")} - {"defaults"}


def _root_keys() -> set[str]:
    """Options of no group; `suggested` is for data sets, not for users."""
    from omegaconf import DictConfig, OmegaConf

    from vaebench.schema import Config

    keys: set[str] = set()
    root = OmegaConf.structured(Config)
    for name, node in root.items_ex(resolve=False):
        keys |= {name} | ({f"{name}.{k}" for k in node} if isinstance(node, DictConfig) else set())
    return {k for k in keys if not k.startswith("suggested")}


def _chain(error: BaseException) -> str:
    """The messages of an error and of what caused it."""
    texts, cause = [], error
    while cause is not None:
        texts.append(str(cause))
        cause = cause.__cause__
    return "\n".join(texts)
