"""Options of the commands that look at finished runs: `name=value`, typed by a dataclass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from vaebench.errors import Refusal
from vaebench.suggest import command_line, did_you_mean

T = TypeVar("T")


def read(command: str, arguments: Sequence[str], schema: type[T]) -> tuple[list[str], T]:
    """What is no option, in its order, and the options.

    Raises:
        Refusal: an unknown option, or a value of another type.
    """
    words, given = [], []
    known = OmegaConf.structured(schema)
    for argument in arguments:
        name, is_option, value = argument.partition("=")
        if not is_option or Path(argument).exists():
            words.append(argument)
        elif name not in (names := list(_names(known))):
            hint = did_you_mean(name, names, f"{{}}={value}")
            raise Refusal(f"vaebench {command} has no option {name!r}.{hint}")
        else:
            given.append(argument)
    values = known
    for argument in given:
        try:
            values = OmegaConf.merge(values, OmegaConf.from_dotlist([argument]))
        except (OmegaConfBaseException, YAMLError) as error:
            line = str(error).splitlines()[0]
            raise Refusal(f"vaebench {command}: {argument}: {line}") from error
    if values.get("seed", 0) < 0:
        raise Refusal(f"vaebench {command}: seed={values.seed}: must be at least 0")
    return words, cast(T, OmegaConf.to_object(values))


def _names(node: DictConfig, prefix: str = "") -> Iterator[str]:
    for key in node:
        child: Any = node._get_node(key)
        if isinstance(child, DictConfig):
            yield from _names(child, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


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
