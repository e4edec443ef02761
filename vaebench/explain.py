"""What Hydra objects to, in one line, and what to use instead of a wrong word."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaebench.commands.listing import choices
from vaebench.suggest import command_line, did_you_mean, nearest, override, suggestions, use

if TYPE_CHECKING:
    from omegaconf import DictConfig

TYPES = {"Integer": "an integer", "Float": "a number", "bool": "true or false"}


def explain(error: BaseException, folders: Sequence[Path], args: Sequence[str]) -> str | None:
    """One line for a wrong choice or option; None for an error that is not the user's."""
    from hydra.errors import HydraException, MissingConfigException, OverrideParseException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    if isinstance(error, MissingConfigException):
        return _missing_choice(error, folders)
    if isinstance(error, OverrideParseException):
        return _unreadable(error.override, folders, args)
    if isinstance(error, OSError):  # a run's own errors never come here
        return f"cannot write the run folder: {error.filename}: {error.strerror}"
    if isinstance(error, YAMLError | UnicodeDecodeError):
        return f"a config is no valid YAML: {error}"
    if isinstance(error, ValueError) and "group override" in str(error):
        return _no_word(folders, args) or str(error)
    if not isinstance(error, HydraException | OmegaConfBaseException):
        return None
    return _bad_value(error) or _sweep(error, args) or _unknown(error, folders) or _chain(error)


def advise(line: str, folders: Sequence[Path], args: Sequence[str]) -> str:
    """A refusal with a suggestion, where it lacks one that follows from what was typed.

    After `no option 'name'` the nearest option, with the value that was given; after any other
    line that begins with an option, its default.
    """
    if suggestions(line):
        return line
    hint = ""
    with contextlib.suppress(Exception):  # whatever else is wrong, the line is still true
        unknown = re.match(r"no option '([^']+)'", line)
        hint = _meant(unknown[1], folders, args) if unknown else _default(line, folders, args)
    return f"{line.rstrip('.')}.{hint}" if hint else line


def _meant(name: str, folders: Sequence[Path], args: Sequence[str]) -> str:
    """Of the options that were composed, else of those that another choice reads."""
    given = _given(args)
    key = next(k for k in given if f"{k}.".startswith(f"{name}."))
    _, assigned, value = given[key].partition("=")
    readers = {
        f"{group}.{option}": f"{group}={choice}"
        for group in choices(folders)
        for choice, options in reversed([*_options(folders, group)])
        for option in options
    }
    composed = nearest(key, _keys(_composed(key, folders, args)))
    found = composed or nearest(key, readers)
    if not found or not assigned:
        return ""
    choice = "" if composed else f"{readers[found]} "
    return f" Did you mean {choice}{override(found, value)}?"


def _default(line: str, folders: Sequence[Path], args: Sequence[str]) -> str:
    from omegaconf import DictConfig, OmegaConf

    given = _given(args)
    key = _culprit(line, given)
    if key is None:
        return ""
    cfg = _composed(key, folders, args)
    value = cfg.hydra.runtime.choices.get(key) or OmegaConf.select(cfg, key)
    if value is None or isinstance(value, DictConfig) or override(key, value) == given[key]:
        return ""
    return use(override(key, value))


def _culprit(line: str, given: dict[str, str]) -> str | None:
    """Which override a line is about: the option that it begins with, or the only one within it
    (`optimizer: …`), or beside it (`dataset.dim=1` makes `dataset.latent_dim=2: …`)."""
    begin = re.match(r"([\w.]+)(=?)", line)
    if begin is None or begin[1] in given:
        return begin and begin[1]
    beside = begin[1].rpartition(".")[0] if begin[2] else ""
    for node in filter(None, (begin[1], beside)):
        within = [key for key in given if key.startswith(f"{node}.")]
        if len(within) == 1:
            return within[0]
    return None


def _given(args: Sequence[str]) -> dict[str, str]:
    """The overrides of a command line: key → word."""
    words = [a for a in args if not a.startswith("-") and ("=" in a or a.startswith("~"))]
    return {re.split("[=@]", word.lstrip("+~"))[0]: word for word in words}


def _composed(key: str, folders: Sequence[Path], args: Sequence[str]) -> DictConfig:
    """What a command line comes to without its override of a key: where defaults are looked up.

    Without any override, where others are wrong as well.
    """
    from hydra import compose, initialize_config_dir

    from vaebench.schema import register

    register()
    extra = ",".join(f"file://{folder.absolute()}" for folder in folders[:-1])
    own = [f"hydra.searchpath=[{extra}]"] if extra else []
    kept = [word for k, word in _given(args).items() if k != key]
    with initialize_config_dir(str(folders[-1]), version_base=None):
        with contextlib.suppress(Exception):
            return compose("config", [*own, *kept], return_hydra_config=True)
        return compose("config", own, return_hydra_config=True)


def _keys(cfg: DictConfig) -> Iterator[str]:
    """Every option; `suggested` is for data sets, and what follows a root option is set there."""
    from omegaconf import DictConfig, OmegaConf

    def walk(node: DictConfig, prefix: str) -> Iterator[str]:
        for key, child in node.items_ex(resolve=False):
            follows = prefix and key in cfg and OmegaConf.is_interpolation(node, key)
            if key.startswith("_") or key in ("hydra", "suggested") or follows:
                continue
            yield prefix + key
            if isinstance(child, DictConfig):
                yield from walk(child, f"{prefix}{key}.")

    yield from walk(cfg, "")


def _missing_choice(error: Any, folders: Sequence[Path]) -> str:
    group, _, name = str(error.missing_cfg_file or "").rpartition("/")
    return _no_such(group, name, folders) or " ".join(str(error).split())


def _no_such(group: str, name: str, folders: Sequence[Path]) -> str | None:
    names = [choice.name for choice in choices(folders).get(group, [])]
    hint = did_you_mean(name, names, f"{group}={{}}")
    there = f"no such choice; there are {', '.join(names)}"
    return f"{group}={name}: {there}.{hint}" if names else None


def _no_word(folders: Sequence[Path], args: Sequence[str]) -> str | None:
    """A group whose choice is a number or null: Hydra does not say which."""
    found = choices(folders)
    wrong = (
        _no_such(key, value, folders)
        for key, word in _given(args).items()
        if (value := word.partition("=")[2]) not in {c.name for c in found.get(key, [])}
    )
    return next(filter(None, wrong), None)


def _unreadable(word: str, folders: Sequence[Path], args: Sequence[str]) -> str:
    if "=" in word:
        return f"cannot read the override {word!r}; quote what a shell or YAML would take apart"
    found, rest = choices(folders), args[1:]
    meant = {c.name: f"{group}={c.name}" for group in reversed(found) for c in found[group]}
    meant |= {group: command_line("list", group) for group in found}
    if args[0] == word:
        names = [arg for arg in rest if arg not in _given(rest).values()]
        meant |= {name: command_line(name, *rest) for name in ("check", "compare", "train")}
        meant |= {name: command_line(name, *names) for name in ("list", "resume")}
    near = nearest(word, meant)
    hint = f" Did you mean {meant[near]}?" if near else ""
    return f"{word!r} is neither a command nor an option of the form name=value.{hint}"


def _bad_value(error: BaseException) -> str | None:
    """A value that the typed schema refuses."""
    text = _chain(error)
    match = re.search(
        r"Value '(.*?)' (?:of type '\w+' could not be converted to|is not a valid) (\w+)", text
    )
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


def _sweep(error: BaseException, args: Sequence[str]) -> str | None:
    """Several values without -m, or a group without a choice."""
    text = _chain(error)
    if match := re.search(r"Ambiguous value for argument '([^']+)'", text):
        words = args[1:] if args[0] == "check" else args
        return f"{match[1]}: several values make a grid.{use(command_line('-m', *words))}"
    if match := re.search(r"Missing mandatory value: (\S+)", text):
        return f"{match[1]} must be given"
    return None


MANY = 4
"""Readers of an option up to which all are suggested."""


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
        read = f"{key} is read by {' and '.join(readers)}, not by what was chosen here"
        return f"{read}.{use(*readers) if len(readers) <= MANY else ''}"
    return f"no option {key!r}"


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


def _chain(error: BaseException) -> str:
    """The messages of an error and of what caused it."""
    texts, cause = [], error
    while cause is not None:
        texts.append(str(cause))
        cause = cause.__cause__
    return "\n".join(texts)
