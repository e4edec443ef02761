"""What a command line comes to, and what each choice of a group reads."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaebench.config.groups import GROUPS
from vaebench.config.words import given
from vaebench.paths import conf_dir
from vaebench.runs.layout import option_of

if TYPE_CHECKING:
    from omegaconf import DictConfig

IDLE = {group.name: group.idle for group in GROUPS}


def config_of(
    folders: Sequence[Path], words: Sequence[str], *, with_hydra: bool = False
) -> DictConfig:
    """What a command line comes to, perhaps with Hydra's own part.

    Args:
        folders: of the configs, the package's last.
        words: the overrides.
    """
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    from vaebench.config.schema import register

    register()
    extra = ",".join(f"file://{folder.absolute()}" for folder in folders[:-1])
    own = [f"hydra.searchpath=[{extra}]"] if extra else []
    running, GlobalHydra.instance().hydra = GlobalHydra.instance().hydra, None
    try:
        with initialize_config_dir(str(folders[-1]), version_base=None):
            return compose("config", [*own, *words], return_hydra_config=with_hydra)
    finally:
        GlobalHydra.instance().hydra = running


def options_of(folders: Sequence[Path], group: str) -> dict[str, dict[str, Any]]:
    """Each choice of a group with its class and options."""
    found: dict[str, dict[str, Any]] = {}
    for folder in reversed(folders):
        for path in sorted((folder / group).glob("*.yaml")):
            found.setdefault(path.stem, _options(path, group))
    return found


def _options(path: Path, group: str) -> dict[str, Any]:
    node = _contents(path, group)[0].get(group)
    items = node.items_ex(resolve=False) if node else ()
    return {str(name): value for name, value in items if name != "_partial_"}


def idle_class(group: str) -> str:
    """The class of a group's choice that asks for nothing; empty where it names none."""
    name = IDLE[group]
    options = _options(conf_dir() / group / f"{name}.yaml", group) if name else {}
    return str(options.get("_target_", ""))


def unread(folders: Sequence[Path], word: str, others: Iterable[str]) -> list[str]:
    """Overrides of options that the choice of a word `group=choice` does not read, or reads as
    something else: a width where it has a list of them."""
    group, _, choice = word.partition("=")
    read = options_of(folders, group).get(choice, {})

    def fits(name: str, value: str) -> bool:
        several = isinstance(read.get(name), Sequence) and not isinstance(read[name], str)
        return name in read and several == value.startswith("[")

    return [
        other
        for name, other in given(others).items()
        if name.startswith(f"{group}.") and not fits(name.split(".")[1], other.partition("=")[2])
    ]


def with_choice(
    cfg: DictConfig, folders: Sequence[Path], now: str, word: str, words: Sequence[str]
) -> DictConfig:
    """A config with an override taken over: near enough to what Hydra makes of it, at a tenth of the
    time; but for choices that bring along choices of groups that nobody typed, or leave options of
    other groups behind, which Hydra composes.

    Args:
        now: what was chosen of the group so far.
        word: `group=choice`, or an option.
        words: all overrides, this one among them.
    """
    from omegaconf import OmegaConf, open_dict

    group, _, choice = word.partition("=")
    typed = given(words)
    found = {option_of(word): _value(word)}
    if group in IDLE:
        paths = (_found(folders, group, name) for name in (now, choice))
        (old, left), (root, taken) = (_contents(path, group) for path in paths)
        if (left | taken) - typed.keys() or old.keys() - root.keys():
            return config_of(folders, words)
        found = {name: value for name, value in root.items() if name == group or name not in typed}
        found |= {
            name: _value(other) for name, other in typed.items() if name.startswith(f"{group}.")
        }
    new = copy.deepcopy(cfg)
    with open_dict(new):
        for name, value in found.items():
            OmegaConf.update(new, name, value, merge=False, force_add=True)
    return new


@cache
def _value(word: str) -> Any:
    """What an override sets, as Hydra reads it: `{a:1}` is a mapping, which it is not in YAML."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    return OverridesParser.create().parse_override(word).value()


@cache
def _contents(path: Path, group: str) -> tuple[dict[str, Any], frozenset[str]]:
    """What a YAML of a group and those that it builds on put into the config: its own node, and each
    option of other groups; and the groups of which it brings choices along, where nobody typed any."""
    from omegaconf import DictConfig, OmegaConf

    node = OmegaConf.load(path)
    if not isinstance(node, DictConfig):
        return {}, frozenset()
    found, brought = dict[str, Any](), frozenset[str]()
    for entry in node.pop("defaults", []):
        name = entry.partition("@")[0] if isinstance(entry, str) else path.stem
        base = path.with_name(f"{name}.yaml")
        builds = base != path and base.exists()
        more, further = _contents(base, group) if builds else ({}, _brought(entry))
        found, brought = found | more, brought | further
    whole = path.read_text(encoding="utf-8").startswith("# @package _global_")
    own: dict[str, Any] = dict(_nodes(node, group)) if whole else {group: node}
    if group in found and group in own:
        own[group] = OmegaConf.merge(found[group], own[group])
    return found | own, brought


def _nodes(whole: DictConfig, group: str) -> Iterator[tuple[str, Any]]:
    """The node of a group, and each option of all others."""
    from omegaconf import DictConfig

    for name, value in whole.items_ex(resolve=False):
        if isinstance(value, DictConfig) and name != group:
            yield from ((f"{name}.{option}", v) for option, v in value.items_ex(resolve=False))
        else:
            yield str(name), value


def _brought(entry: str | Mapping[str, Any]) -> frozenset[str]:
    """The groups of an entry `override /group: choice` of a list of defaults; any other entry is
    called as nothing on a command line is."""
    names = [entry] if isinstance(entry, str) else [str(name) for name in entry]
    return frozenset(name.removeprefix("override /") for name in names)


def _found(folders: Sequence[Path], group: str, choice: str) -> Path:
    return next(p for folder in folders if (p := folder / group / f"{choice}.yaml").is_file())
