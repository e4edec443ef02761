"""What to use instead, where a refusal does not say it: it follows from what was typed."""

from __future__ import annotations

import contextlib
import re
import shlex
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaebench.config.choices import choices
from vaebench.config.groups import OWNERS
from vaebench.config.options import config_of, options_of, unread
from vaebench.config.signatures import located, signature
from vaebench.config.words import given
from vaebench.runs.layout import option_of
from vaebench.suggest import (
    SUGGESTION,
    command_line,
    did_you_mean,
    nearest,
    override,
    suggestions,
    use,
)

if TYPE_CHECKING:
    from omegaconf import DictConfig

MANY = 4
"""Choices that read an option, up to which all are suggested."""

NEEDS = {group: f"{owner}.{group}" for group, owner in OWNERS.items()} | {
    "baseline": "objective.estimator",
    "objective": "model.posterior",
}
"""Groups of which no choice may be of use, and the option that tells whether any is."""


def advise(
    line: str, folders: Sequence[Path], args: Sequence[str], words: Sequence[str] | None
) -> str:
    """A refusal with a suggestion, where it lacks one that follows from what was typed.

    After `no option 'name'` the nearest option, with the value that was given; after a value that
    an option does not have, another choice whose option has it; after any other line that begins
    with an option, its default. A choice that is suggested takes no option along that it lacks.

    Args:
        line: of the refusal.
        folders: of the configs.
        args: the whole command line.
        words: those of it that compose a run; None where none does.
    """
    with contextlib.suppress(Exception):  # whatever else is wrong, the line is still true
        if words is not None:
            if not suggestions(line):
                line = _advised(_required(line, folders, words), folders, words, args)
            line = _settled(line, folders, args)
    return line


def _advised(line: str, folders: Sequence[Path], words: Sequence[str], args: Sequence[str]) -> str:
    """The line with what follows from the words that compose a run, of a whole command line."""
    unknown = re.match(r"no option '([^']+)'", line)
    if unknown:
        hint = _meant(unknown[1], folders, words)
    elif group := _group(line, folders):
        line, hint = group
    elif hint := _elsewhere(line, folders, words):
        told = re.sub(r"(\w+)\.\w+=(\S+):.*", r"\2 belongs to another \1", line)
        line = f"{line.rstrip('.')}; {told}"
    else:
        hint = _default(line, folders, words, args)
    return f"{line.rstrip('.')}.{hint}" if hint else line


def _group(line: str, folders: Sequence[Path]) -> tuple[str, str] | None:
    """What to say, and to use, of a value where the choice of a group stands."""
    found = re.match(r"(\w+\.(\w+)=(\S+)): a choice with options of its own", line)
    groups = choices(folders)
    if found is None or found[2] not in groups:
        return None
    word, group, value = found.groups()
    if value == "none" and OWNERS.get(group) == "model":
        return None  # whoever takes a part away from a model that has one would be refused again
    told = f"{word}: {group} is a group of its own"
    if value in groups[group]:
        return told, use(f"{group}={value}")
    return told, did_you_mean(value, groups[group], f"{group}={{}}")


def _meant(name: str, folders: Sequence[Path], args: Sequence[str]) -> str:
    """Of the options that were composed, else of those that another choice reads."""
    typed = given(args)
    wrong = next(k for k in typed if f"{k}.".startswith(f"{name}."))
    _, assigned, value = typed[wrong].partition("=")
    readers = {
        f"{group}.{option}": f"{group}={choice}"
        for group in choices(folders)
        for choice, options in reversed([*options_of(folders, group).items()])
        for option in options
    }
    there = nearest(wrong, _keys(composed(wrong, folders, args)))
    found = there or nearest(wrong, readers)
    if not found or not assigned:
        return ""
    choice = "" if there else f"{readers[found]} "
    return f" Did you mean {choice}{override(found, value)}?"


def _required(line: str, folders: Sequence[Path], args: Sequence[str]) -> str:
    """What has no default is shown by the comment that stands beside it in the choice's YAML."""
    missing = re.fullmatch(r"(\w+)\.(\w+) must be given", line)
    if missing is None:
        return line
    chosen = composed("", folders, args).hydra.runtime.choices[missing[1]]
    for folder in folders:
        path = folder / missing[1] / f"{chosen}.yaml"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if told := re.search(rf"^\s*{missing[2]}: \?\?\? +# *(.+)$", text, re.MULTILINE):
            return f"{line}: {told[1]}"
    return line


def _elsewhere(line: str, folders: Sequence[Path], args: Sequence[str]) -> str:
    """Choices of the same group whose option of that name has the value that was refused."""
    refused = re.match(r"(\w+)\.(\w+)=(\S+): one of .* was expected\.?$", line)
    if refused is None or not fits(refused[1], composed(refused[0], folders, args)):
        return ""
    group, option, value = refused.groups()
    there = [
        f"{group}={choice}"
        for choice, options in options_of(folders, group).items()
        if option in options and value in _values(options, option)
    ]
    return use(*there) if len(there) <= MANY else ""


def _values(options: dict[str, Any], option: str) -> tuple[Any, ...]:
    """What an option can be, where its class says so."""
    target = located(options["_target_"]) if "_target_" in options else None
    return typing.get_args(signature(target)[0].get(option)) if target else ()


def _default(line: str, folders: Sequence[Path], words: Sequence[str], args: Sequence[str]) -> str:
    """The default of what a line is about; of options of their own, the command line without it."""
    from omegaconf import DictConfig, OmegaConf

    typed = given(words)
    name = _culprit(line, typed)
    if name is None:
        return ""
    cfg = composed(name, folders, words)
    value = cfg.hydra.runtime.choices.get(name) or OmegaConf.select(cfg, name)
    if isinstance(value, DictConfig):
        return use(command_line(*(arg for arg in args if arg != typed[name])))
    if value is None or override(name, value) == typed[name]:
        return ""
    return use(override(name, value))


def _culprit(line: str, typed: dict[str, str]) -> str | None:
    """Which override a line is about: the option that it begins with, or the only one within it
    (`optimizer: …`), or beside it (`dataset.dim=1` makes `dataset.latent_dim=2: …`)."""
    begin = re.match(r"([\w./]+)(=?)", line)
    if begin is None or begin[1] in typed:
        return begin and begin[1]
    beside = begin[1].rpartition(".")[0] if begin[2] else ""
    for node in filter(None, (begin[1], beside)):
        within = [name for name in typed if name.startswith(f"{node}.")]
        if len(within) == 1:
            return within[0]
    return None


def composed(name: str, folders: Sequence[Path], args: Sequence[str]) -> DictConfig:
    """What a command line comes to without its override of a name: where defaults are looked up.

    Without any override, where others are wrong as well.
    """
    kept = [word for k, word in given(args).items() if k != name]
    with contextlib.suppress(Exception):
        return config_of(folders, kept, with_hydra=True)
    return config_of(folders, [], with_hydra=True)


def _keys(cfg: DictConfig) -> Iterator[str]:
    """Every option; `suggested` is for data sets, and what follows a root option is set there."""
    from omegaconf import DictConfig

    def walk(node: Any, prefix: str) -> Iterator[str]:
        for name, child in node.items_ex(resolve=False):
            follows = prefix and str(child) == f"${{{name}}}"
            if name.startswith("_") or name in ("hydra", "suggested") or follows:
                continue
            yield prefix + name
            if isinstance(child, DictConfig):
                yield from walk(child, f"{prefix}{name}.")

    yield from walk(cfg, "")


def fits(group: str, cfg: DictConfig) -> bool:
    """Whether the model and objective that were chosen have a use for any choice of a group."""
    owner, _, part = NEEDS.get(group, "").partition(".")
    return not owner or part in cfg[owner]


def unread_here(name: str, folders: Sequence[Path], args: Sequence[str]) -> str:
    """What to say, and to use, of an option that no choice made here reads: a choice that does, or
    the command line without it, where it asks for nothing, or where no choice is any nearer."""
    group, _, option = name.partition(".")
    readers = [f"{group}={c}" for c, keys in options_of(folders, group).items() if option in keys]
    if not readers:
        return f"no option {name!r}"
    if name not in given(args):  # a part of a grid's own
        told = f"{name} is read by {' and '.join(readers)}, and {group} is another one here"
        return f"{told}.{use(command_line(*(a for a in args if option_of(a) != group)))}"
    cfg, word = composed(name, folders, args), given(args)[name]
    off = word.partition("=")[2] in ("0", "0.0", "false", "none", "null", "")
    if off or len(readers) > MANY or not fits(group, cfg):
        instead = [command_line(*(arg for arg in args if arg != word))]
    elif group == "baseline" and "baseline" not in cfg.estimator:
        instead = [f"{reader} estimator=score" for reader in readers]
    else:
        instead = readers
    told = f"{name} is read by {' and '.join(readers)}, not by what was chosen here"
    return f"{told}.{use(*instead)}"


def _settled(line: str, folders: Sequence[Path], args: Sequence[str]) -> str:
    """Suggests a whole command line in place of a choice that does not read all that was typed."""
    found, match = suggestions(line), SUGGESTION.match(line)
    if match is None:
        return line
    new = [_whole(suggestion, folders, args) for suggestion in found]
    return f"{line[: match.start(1)]}{' or '.join(dict.fromkeys(new))}{line[-1]}"


def _whole(suggestion: str, folders: Sequence[Path], args: Sequence[str]) -> str:
    words, groups = shlex.split(suggestion), choices(folders)
    idle = []
    for group, word in given(words).items() if words[0] != "vaebench" else ():
        idle += unread(folders, word, args) if group in groups else []
    if not idle:
        return suggestion
    over = {option_of(word): word for word in words}
    kept = [
        over.pop(option_of(arg)) if option_of(arg) in over else arg
        for arg in args
        if arg not in idle
    ]
    return command_line(*kept, *over.values())
