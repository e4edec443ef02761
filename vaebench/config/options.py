"""What a command line comes to, and what each choice of a group reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


@cache
def _options(path: Path, group: str) -> dict[str, Any]:
    """What a YAML of a group, and those that it builds on, put there."""
    from omegaconf import DictConfig, OmegaConf

    node = OmegaConf.load(path)
    if not isinstance(node, DictConfig):
        return {}
    found = dict[str, Any]()
    for entry in node.pop("defaults", []):
        name = entry.partition("@")[0] if isinstance(entry, str) else ""
        if (base := path.parent / f"{name}.yaml").exists():
            found |= _options(base, group)
    if path.read_text(encoding="utf-8").startswith("# @package _global_"):
        node = node.get(group) or OmegaConf.create()
    own = {str(name): value for name, value in node.items_ex(resolve=False)}
    return found | {name: value for name, value in own.items() if name != "_partial_"}


def idle_class(group: str) -> str:
    """The class of a group's choice that asks for nothing; empty where it names none."""
    name = IDLE[group]
    return _options(conf_dir() / group / f"{name}.yaml", group).get("_target_", "") if name else ""


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


def taken_over(folders: Sequence[Path], words: Sequence[str], new: Sequence[str]) -> list[str]:
    """Words with new ones in the place of those of the same option, else after them, and without
    what the new ones leave nobody to read."""
    over = {option_of(word): word for word in new}
    idle = [word for choice in new for word in unread(folders, choice, words)]
    kept = [over.get(option_of(word), word) for word in words if word not in idle]
    return list(dict.fromkeys([*kept, *over.values()]))
