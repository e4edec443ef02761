"""Options of the commands that look at finished runs: `name=value`, typed by a dataclass."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from vaebench.config.signatures import check_value
from vaebench.config.words import check_once
from vaebench.errors import Refusal
from vaebench.suggest import command_line, did_you_mean, override, suggestions, use

T = TypeVar("T")


def read(command: str, arguments: Sequence[str], schema: type[T]) -> tuple[list[str], T]:
    """What is no option, in its order, and the options.

    Raises:
        Refusal: an unknown option, or a value of another type.
    """
    words, given = [], []
    hints = dict(_hints(schema))
    for argument in arguments:
        name, is_option, value = argument.partition("=")
        if not is_option or Path(argument).exists():
            words.append(argument)
        elif name not in hints:
            raise Refusal(_no_option(command, name, value, hints))
        else:
            given.append(argument)
    check_once(given)
    defaults = values = OmegaConf.structured(schema)
    for argument in given:
        name, _, text = argument.partition("=")
        try:
            values = OmegaConf.merge(values, _parsed(name, text, schema))
        except (OmegaConfBaseException, YAMLError) as error:
            default = OmegaConf.select(defaults, _full(name, schema))
            raise Refusal(_no_value(name, text, hints[name], default)) from error
    if values.get("seed", 0) < 0:
        raise Refusal(f"seed={values.seed}: must be at least 0. Use seed=0.")
    return words, cast(T, OmegaConf.to_object(values))


def _no_option(command: str, name: str, value: str, names: typing.Iterable[str]) -> str:
    """What to say of an option that a command does not have."""
    if not name:
        return f"'={value}' sets nothing: an option is written name=value"
    hint = did_you_mean(name, names, f"{{}}={value}")
    told = f"vaebench {command} has no option {name!r}"
    return f"{told}.{hint}" if hint else f"{told}; it has {', '.join(names)}"


def _hints(schema: type, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Names of options, dotted within a part, and what each can be."""
    for name, hint in typing.get_type_hints(schema).items():
        if is_dataclass(hint):
            part = cast(type, hint)
            own = {f.name: f.metadata.get(BARE) for f in fields(part)}
            for inner, of in _hints(part, f"{prefix}{name}."):
                yield prefix + name if own.get(inner.rpartition(".")[2]) else inner, of
        else:
            yield prefix + name, hint


BARE = "bare"
"""Metadata of a part's field that the part's own name sets: `outliers=[noise]`, and `outliers=noise`."""


def _full(name: str, schema: type) -> str:
    """The dotted name of an option, where a part's own name sets one of its fields."""
    part = typing.get_type_hints(schema).get(name)
    bare = [f.name for f in fields(part) if f.metadata.get(BARE)] if is_dataclass(part) else []
    return f"{name}.{bare[0]}" if bare else name


def _parsed(name: str, text: str, schema: type) -> DictConfig:
    """One option as a config; of a part's own name a single word is a list of one."""
    full = _full(name, schema)
    found = OmegaConf.from_dotlist([f"{full}={text}"])
    if full != name and isinstance(value := OmegaConf.select(found, full), str):
        OmegaConf.update(found, full, [value])
    return found


def _no_value(name: str, text: str, hint: Any, default: Any) -> str:
    """What to say of a value that an option cannot have."""
    instead = use(override(name, default))
    try:
        value = OmegaConf.select(OmegaConf.from_dotlist([f"{name}={text}"]), name)
        check_value(name, value, hint)
    except Refusal as refusal:
        line = str(refusal)
        return line if suggestions(line) else f"{line.rstrip('.')}.{instead}"
    except (OmegaConfBaseException, YAMLError):
        pass
    return f"{name}={text} cannot be read; quote what a shell or YAML would take apart.{instead}"


def one_run(command: str, words: Sequence[str]) -> str:
    """The one run folder that a command takes.

    Raises:
        Refusal: none or several.
    """
    if len(words) != 1:
        told = f"not {len(words)}" if words else "and got none"
        raise Refusal(
            f"vaebench {command} takes one run folder, {told}: {command_line(command)} RUN"
        )
    return words[0]
