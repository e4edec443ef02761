"""The matrix: every combination of what can be chosen, read from the config folders themselves.

A new YAML joins by existing; so does a value of a `Literal` option of an objective.
"""

from __future__ import annotations

import itertools
import math
import random
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from allpairspy import AllPairs
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from vaebench.config.choices import choices
from vaebench.config.groups import COMPOSED
from vaebench.config.signatures import signature

AXES = tuple(reversed(COMPOSED))
"""Groups that decide whether a composition makes sense. The model comes last: while it only sets
defaults of the others, neighbouring cells compose to the same config, and only one need run."""

NEEDS_FILES = {"data_dir", "path", "run", "grid", "examples"}
"""A data set with one of these options reads files that a test does not have: MNIST, Fashion-MNIST,
Frey faces, one's own images and arrays, a run's codes; or it renders images of 64x64. It differs from
the embedded one in nothing that a cell is about."""

SMALL = {
    "hidden": lambda now: 16 if isinstance(now, int) else [16],
    "channels": lambda now: [2, 3],
    "embedding": lambda now: 4,
    "components": lambda now: 3,
    "classes": lambda now: 3,
    "layers": lambda now: [3, 2],
    "M": lambda now: min(now, 2),
    "T": lambda now: 2,
    "glimpses": lambda now: 2,
    "scales": lambda now: 2,
    "blocks": lambda now: 1,
    "steps": lambda now: min(now, 5),
    # Steps are long here: of a Hamiltonian refinement under a Gaussian likelihood they end in nan for
    # some seeds without noise in weights, and for most with as much as the default.
    "alpha": lambda now: min(now, 0.005),
    # Zeros that all of a step have in common would leave a layer of one input nothing to read in both
    # steps, with a chance of rate².
    "rate": lambda now: min(now, 0.001) if now < 1 else now,
}
"""What makes a choice tiny, by the name of its option."""

MADE_UP = ("dataset.size=4000", "dataset.split.test=2000")
"""For data whose number is an option: few, but a mean over the test examples is precise."""

SUPPORTS = (
    ("dataset.binarize=dynamic",),
    ("dataset.binarize=none",),
    ("dataset.binarize=none", "dataset.dequantize=true"),
)
"""Data with an option `binarize` can be binary, grey levels or floats in [0, 1]."""

SWITCHED_ON = 0.001

RELATIVES = {
    "beta_vae": "beta",
    "beta_tcvae": "total_correlation",
    "factor_vae": "discriminator",
    "dip_vae": "moments",
    "info_vae": "mmd",
}
"""Models that are the VAE on another objective, which stands for them: an ELBO and what it is less."""

APART = (*RELATIVES, "chairs", "cross_modal", "dcign", "dvae")
"""Those, and models of data that no cell has: several factors or modalities, an image with
a mask."""


@dataclass(frozen=True)
class Variant:
    """One value of an axis: a choice and its options.

    Attributes:
        options: overrides that make it another than the plain choice.
        small: overrides that make it tiny.
        target: name of the class behind it; empty where the YAML builds on another's.
        preset: whether it only chooses of other groups: where those are typed, it is another choice by
            another name.
    """

    group: str
    name: str
    options: tuple[str, ...] = ()
    small: tuple[str, ...] = field(default=(), compare=False)
    target: str = field(default="", compare=False)
    preset: bool = field(default=False, compare=False)

    @property
    def overrides(self) -> tuple[str, ...]:
        return (f"{self.group}={self.name}", *self.small, *self.options)

    def __str__(self) -> str:
        return ",".join([self.name, *(o.partition(".")[2] for o in self.options)])


@dataclass(frozen=True)
class Cell:
    """One variant of each axis, in their order.

    Attributes:
        extra: overrides of no axis, such as `k=1`.
    """

    variants: tuple[Variant, ...]
    extra: tuple[str, ...] = ()

    @property
    def overrides(self) -> tuple[str, ...]:
        """The command line."""
        return (*itertools.chain(*(v.overrides for v in self.variants)), *self.extra)

    def __str__(self) -> str:
        return " ".join(self.overrides)

    @property
    def id(self) -> str:
        return "-".join(map(str, self.variants))


class Matrix:
    """All cells of some config folders.

    Args:
        folders: in the order in which they win: a user's own before the package's.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        found = choices(folders)
        self.groups, self.found = set(found), found
        self.axes: dict[str, list[Variant]] = {}
        for group in AXES:
            each = [_variants(group, name, _read(folders, group, name)) for name in found[group]]
            self.axes[group] = [*itertools.chain(*each)]

    def __len__(self) -> int:
        return math.prod(map(len, self.axes.values()))

    def product(self) -> Iterator[Cell]:
        """Every cell."""
        return map(Cell, itertools.product(*self.axes.values()))

    def some(self, count: int, seed: int) -> list[Cell]:
        """Different cells, drawn at random: of hundreds of thousands nobody waits for all."""
        drawn = random.Random(seed)
        numbers = sorted(drawn.sample(range(len(self)), min(count, len(self))))
        return [self._cell(number) for number in numbers]

    def _cell(self, number: int) -> Cell:
        """Number so many of the product."""
        chosen: list[Variant] = []
        for axis in reversed(self.axes.values()):
            number, place = divmod(number, len(axis))
            chosen.append(axis[place])
        return Cell(tuple(reversed(chosen)))

    def pairwise(
        self,
        *,
        plain: tuple[str, ...] = (),
        only: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
        **fixed: str,
    ) -> list[Cell]:
        """Few cells in which any two variants of any two axes still meet, but for presets, which a
        cell, whose axes are all typed, leaves nothing to say.

        Args:
            plain: axes whose choices come without further options.
            only: axes of some choices alone.
            **fixed: axes of one choice alone.
        """
        axes = {
            group: [
                v
                for v in axis
                if not v.preset
                and (group not in plain or not v.options)
                and v.name in only.get(group, (v.name,))
            ]
            for group, axis in self.axes.items()
        }
        free = {g: [self.plain(g, fixed[g])] if g in fixed else a for g, a in axes.items()}
        return [Cell(tuple(row)) for row in AllPairs([*free.values()])]

    def plain(self, group: str, name: str) -> Variant:
        """A choice as it is without further options.

        Raises:
            KeyError: there is no such choice.
        """
        for variant in self.axes[group]:
            if variant.name == name:
                return variant
        raise KeyError(f"{group}={name}")

    def leaves_out(self, override: str) -> bool:
        """Whether it is a choice that no cell has: data that are read from files, or are large."""
        group, _, name = override.partition("=")
        chosen = {v.name for v in self.axes.get(group, ())}
        return group in self.axes and name in self.found[group] and name not in chosen

    def using(self, cell: Cell, override: str) -> Cell:
        """The cell with an override taken over into its command line, as a user would.

        Another choice of an axis takes the old one's options away with it.
        """
        key, _, value = override.lstrip("+").partition("=")
        group = key.partition(".")[0]
        old = next((v for v in cell.variants if v.group == group), None)
        if old is None:
            return replace(cell, extra=_with(cell.extra, override))
        if key == group:
            new = self.plain(group, value)
        else:
            new = replace(old, options=_with(old.options, override))
        return replace(cell, variants=tuple(new if v is old else v for v in cell.variants))


def _with(overrides: tuple[str, ...], override: str) -> tuple[str, ...]:
    """Overrides with one more, in the place of an older one of the same option."""
    key = override.partition("=")[0]
    return (*(o for o in overrides if o.partition("=")[0] != key), override)


def _read(folders: Sequence[Path], group: str, name: str) -> DictConfig:
    """A YAML as it stands."""
    path = next(p for f in folders if (p := f / group / f"{name}.yaml").is_file())
    return OmegaConf.load(path)


def _variants(group: str, name: str, whole: DictConfig) -> Iterator[Variant]:
    """A choice and what it can be made into."""
    node = whole.get(group, whole)
    plain: dict[str, Any] = OmegaConf.to_container(node, resolve=False)
    if group == "dataset" and plain.keys() & NEEDS_FILES:
        return
    small = tuple(_small(group, plain))
    if group == "model" and isinstance(plain.get("latent_dim"), int):
        small += ("model.latent_dim=3",)  # where the data do not suggest it
    if group == "dataset" and isinstance(plain.get("size"), int):
        small += MADE_UP
    target = node.get("_target_", "")
    options: Sequence[tuple[str, ...]] = [()]
    if group == "objective" and target:  # those of one class are tried at one of its YAMLs
        options = [(), *_literals(plain, get_object(target))]
    elif group == "dataset" and "binarize" in plain:
        options = SUPPORTS
    preset = node is whole and any(_overrides(entry) for entry in whole.get("defaults", ()))
    for each in options:
        yield Variant(group, name, each, small, target.rpartition(".")[2], preset and not target)


def _overrides(entry: Any) -> bool:
    """Whether an entry of a list of defaults chooses of another group."""
    return not isinstance(entry, str) and any(str(key).startswith("override /") for key in entry)


def _small(path: str, plain: Mapping[str, Any]) -> Iterator[str]:
    """What makes a choice tiny, and each choice of its own parts that stands in it."""
    for option, shrink in SMALL.items():
        if option in plain:
            yield f"{path}.{option}={shrink(plain[option])}".replace(" ", "")
    for option, value in plain.items():
        if isinstance(value, dict) and "_target_" in value:
            yield from _small(f"{path}.{option}", value)


def _literals(plain: dict[str, Any], target: Any) -> Iterator[tuple[str, ...]]:
    """Every other value of every `Literal` option of an objective.

    An option that details another, as free_bits_per does free_bits, acts only where that is set.
    """
    for option, hint in signature(target)[0].items():
        if typing.get_origin(hint) is not Literal:
            continue
        switches = [o for o in plain if option.startswith(f"{o}_") and plain[o] == 0]
        on = [f"objective.{o}={SWITCHED_ON}" for o in switches]
        add = "" if option in plain else "+"
        for value in typing.get_args(hint):
            if on or value != plain.get(option):
                yield (*on, f"{add}objective.{option}={value}")
