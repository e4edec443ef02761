"""Options against the signatures of the classes that read them: types, choices, unknown keys."""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from functools import cache
from typing import Any, Literal

from omegaconf import DictConfig, ListConfig, OmegaConf

from vaebench.errors import Refusal
from vaebench.suggest import did_you_mean, literal, nearest, override, use

HYDRA_KEYS = {"_target_", "_partial_", "_convert_", "_recursive_", "_args_"}


def check_options(cfg: DictConfig) -> None:
    """Refuses what no object reads, what is missing, and values of another type than declared.

    Walks every node of the config that names a `_target_`.
    """
    missing = {str(name) for name in cfg if OmegaConf.is_missing(cfg, name)}
    # `missing_keys` trips over what refers to a missing group.
    for name in sorted(missing or OmegaConf.missing_keys(cfg)):
        raise Refusal(f"{name} must be given")
    for path, node in _targets(cfg, ""):
        _check_node(path, node)


def _targets(node: DictConfig, path: str) -> Iterator[tuple[str, DictConfig]]:
    if "_target_" in node:
        yield path, node
    for key in node:
        if OmegaConf.is_interpolation(node, str(key)):
            continue  # an interpolated node is checked where it is defined
        child = node[key]
        if isinstance(child, DictConfig):
            yield from _targets(child, f"{path}.{key}".lstrip("."))


def _check_node(path: str, node: DictConfig) -> None:
    target = _found(path, node["_target_"])
    parameters, anything = signature(target)
    for name in required(target) - set(node):
        raise Refusal(f"{path}.{name} must be given")
    supplied = positional(target) if node.get("_partial_") else set()
    for key in node:
        if key in HYDRA_KEYS:
            continue
        name = f"{path}.{key}"
        if key in supplied:
            raise Refusal(f"{name} is not to be set: the program supplies it")
        if key not in parameters and not anything:
            hint = _meant(name, node, set(parameters) - supplied)
            raise Refusal(f"{name}: {target.__name__} reads no such option.{hint}")
        if key in parameters:
            check_value(name, node[key], parameters[key])


def _meant(name: str, node: DictConfig, options: set[str]) -> str:
    """The option that was probably meant, with the value that was given."""
    path, _, key = name.rpartition(".")
    found = nearest(key, options)
    if not found:
        return ""
    new = "" if found in node else "+"
    return f" Did you mean {new}{override(f'{path}.{found}', node[key])}?"


def located(target: str) -> Any:
    """What a dotted path names. Hydra's public function logs its own lines before it raises."""
    from hydra._internal.utils import _locate

    return _locate(target)


def _found(path: str, target: str) -> Any:
    try:
        return located(target)
    except Exception as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise Refusal(f"{path}._target_={target} cannot be imported: {reason}") from error


def signature(target: Any) -> tuple[dict[str, Any], bool]:
    """Keyword names with their type hints, and whether any other keyword is accepted."""
    kinds = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters, anything = _parameters(target)
    named = {n: p.annotation for n, p in parameters.items() if p.kind in kinds and n != "self"}
    return named, anything


def required(target: Any) -> set[str]:
    """Keyword-only parameters without a default, which only a config can give."""
    return _bare(target, inspect.Parameter.KEYWORD_ONLY)


def positional(target: Any) -> set[str]:
    """Positional parameters without a default, which the program gives to a partial."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY)
    return _bare(target, *kinds) - {"self"}


def _bare(target: Any, *kinds: Any) -> set[str]:
    found = _parameters(target)[0].items()
    return {n for n, p in found if p.kind in kinds and p.default is p.empty}


@cache
def _parameters(target: Any) -> tuple[dict[str, inspect.Parameter], bool]:
    """Of a function, or of a class's `__init__` and those it passes `**kwargs` to, with hints in
    place of annotations; and whether `**kwargs` go nobody knows where."""
    bases = target.__mro__[:-1] if inspect.isclass(target) else ()
    made_by = [vars(b)["__init__"] for b in bases if "__init__" in vars(b)] if bases else [target]
    found: dict[str, inspect.Parameter] = {}
    anything = False
    for function in made_by:
        own, hints = inspect.signature(function).parameters, _hints(function)
        found = {n: p.replace(annotation=hints.get(n, Any)) for n, p in own.items()} | found
        anything = any(p.kind is p.VAR_KEYWORD for p in own.values())
        if not anything:
            break
    return found, anything and not bases


def _hints(function: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError):
        return {}  # a user's hints that cannot be resolved are not checked


LARGE = 2**32
"""No number of anything."""

PLAIN_VALUES = (int, float, str, list, ListConfig, types.NoneType)

EXPECTED = {bool: "true or false", int: "an integer", float: "a number", str: "a word"}


def check_value(name: str, value: Any, hint: Any) -> None:
    """Refuses a value that is not of its hint; hints beyond plain data are not checked."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    shown = f"{name}={literal(value)}"
    if isinstance(hint, type) and issubclass(hint, Enum):
        origin, arguments = Literal, tuple(hint.__members__)
    if origin is Literal:
        if value not in arguments:
            choices = ", ".join(map(str, arguments))
            hint_text = did_you_mean(str(value), map(str, arguments), f"{name}={{}}")
            raise Refusal(f"{shown}: one of {choices} was expected.{hint_text}")
    elif origin in (typing.Union, types.UnionType):
        if not any(_fits(name, value, a) for a in arguments):
            wanted = " or ".join(EXPECTED[a] for a in arguments if a in EXPECTED) or str(hint)
            raise Refusal(f"{shown}: {wanted} was expected")
    elif origin in (list, Sequence):
        _check_list(name, value, arguments[0])
    elif hint in EXPECTED and not _is(value, hint):
        whole = rounded(value) if hint is int else None
        instead = "" if whole is None else use(override(name, whole))
        raise Refusal(f"{shown}: {EXPECTED[hint]} was expected.{instead}")
    elif _is_object(hint) and isinstance(value, PLAIN_VALUES):
        raise Refusal(f"{shown}: a choice with options of its own stands there, not a value")


def _check_list(name: str, value: Any, hint: Any) -> None:
    if not isinstance(value, ListConfig | list):
        alone = use(override(name, [value])) if _fits(name, value, hint) else ""
        raise Refusal(f"{name}={literal(value)}: a list was expected.{alone}")
    whole = [rounded(item) for item in value] if hint is int else [None]
    if None not in whole and not all(_is(item, int) for item in value):
        instead = use(override(name, whole))
        raise Refusal(f"{name}={literal(value)}: integers were expected.{instead}")
    for i, item in enumerate(value):
        check_value(f"{name}[{i}]", item, hint)


def rounded(value: Any) -> int | None:
    """The integer that a number such as 1e3 or 5.0 was meant to be, if any.

    Not of 0 or less, which options that count do not take.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    whole = not isinstance(value, bool) and 1 <= number < LARGE and number.is_integer()
    return int(number) if whole else None


def _is_object(hint: Any) -> bool:
    """Whether a hint is of what only a config of its own can build."""
    if typing.get_origin(hint) is Callable:
        return True
    return isinstance(hint, type) and hint.__module__.startswith("vaebench.")


def _fits(name: str, value: Any, hint: Any) -> bool:
    try:
        check_value(name, value, hint)
    except Refusal:
        return False
    if isinstance(hint, type) and hint not in EXPECTED:
        return isinstance(value, hint)
    return True


def _is(value: Any, kind: type) -> bool:
    if kind in (int, float) and isinstance(value, bool):
        return False
    if kind is float:
        return isinstance(value, int | float) and not math.isnan(value)
    return isinstance(value, kind)
