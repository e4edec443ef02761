"""Values of several fields as one: what a net of several contexts reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

from vaebench.data import Field, Support
from vaebench.errors import Incompatible

Fields = Mapping[str, Field]


def side_by_side(parts: Iterable[Tensor], dims: int = 1) -> Tensor:
    """Joined along the first of their last dimensions, leading dimensions broadcast.

    Args:
        parts: `[*, n_i, *rest]` each.
        dims: how many dimensions n_i and the rest are.
    """
    parts = list(parts)
    if len(parts) == 1:
        return parts[0]  # not a copy of it
    lead = torch.broadcast_shapes(*(p.shape[:-dims] for p in parts))
    return torch.cat([p.expand(*lead, *p.shape[-dims:]) for p in parts], -dims)


def width(field: Field) -> int:
    """Numbers that one example of a field is as a vector."""
    return field.numel * (field.levels if field.support is Support.LABEL else 1)


def vector(value: Tensor, field: Field) -> Tensor:
    """Values `[*, *shape]` of a field as vectors `[*, width]`, labels one-hot."""
    lead = value.shape[: value.ndim - len(field.shape)]
    if field.support is Support.LABEL:
        classes = torch.arange(field.levels, device=value.device)
        value = (value.unsqueeze(-1) == classes).to(torch.get_default_dtype())
    return value.reshape(*lead, width(field))


def check_numbers(fields: Fields, part: str, options: tuple[str, ...] = ()) -> None:
    """Refuses tokens, for a part that reads numbers.

    Raises:
        Incompatible: one of the fields holds tokens.
    """
    for name, field in fields.items():
        if field.support is Support.TOKENS:
            which = "" if len(fields) == 1 else f"{name} "
            why = f"this {part} reads numbers; the data {which}are tokens."
            raise Incompatible(why, part, options=options)


class Join(nn.Module, ABC):
    """Values of fields, in their order → one tensor; leading dimensions broadcast.

    Attributes:
        fields: what is joined; no tokens.
        field: what they are together.
    """

    field: Field

    def __init__(self, fields: Fields) -> None:
        super().__init__()
        self.fields = tuple(fields.values())

    @abstractmethod
    def forward(self, *values: Tensor) -> Tensor:
        """`[*, *shape]` of each field → `[*, *field.shape]`."""


class Vectors(Join):
    """Everything flattened, labels one-hot, one beside the other: `[*, Σ width]`."""

    def __init__(self, fields: Fields) -> None:
        super().__init__(fields)
        self.field = Field((sum(map(width, self.fields)),))

    def forward(self, *values: Tensor) -> Tensor:
        return side_by_side(map(vector, values, self.fields))


class Planes(Join):
    """Images `[C_i, H, W]` one above the other, and each number of whatever is no image as a plane of
    its own, of which all entries are the same: `[*, Σ C_i + Σ width, H, W]`.

    Raises:
        Incompatible: there is no image, or they are not of one height and width.
    """

    def __init__(self, fields: Fields) -> None:
        super().__init__(fields)
        sizes = {name: f.shape[1:] for name, f in fields.items() if len(f.shape) == 3}
        if not sizes:
            raise Incompatible(
                "this nets: convolutions need images [C, H, W]; there is none among the data "
                f"{', '.join(fields)}.",
                "nets",
            )
        if len({*sizes.values()}) > 1:
            told = ", ".join(f"{h} × {w} of {name}" for name, (h, w) in sizes.items())
            raise Incompatible(
                f"this nets reads images of one height and width side by side; the data are {told}.",
                "nets",
            )
        self.size = next(iter(sizes.values()))
        channels = (f.shape[0] if len(f.shape) == 3 else width(f) for f in self.fields)
        self.field = Field((sum(channels), *self.size))

    def forward(self, *values: Tensor) -> Tensor:
        return side_by_side(map(self._planes, values, self.fields), 3)

    def _planes(self, value: Tensor, field: Field) -> Tensor:
        if len(field.shape) == 3:
            return value
        flat = vector(value, field)
        return flat[..., None, None].expand(*flat.shape, *self.size)


class Joined(nn.Module):
    """A net of several contexts behind their join."""

    def __init__(self, join: Join, net: nn.Module) -> None:
        super().__init__()
        self.join, self.net = join, net

    def forward(self, *contexts: Tensor) -> Tensor:
        return self.net(self.join(*contexts))


def reading(
    fields: Fields, join: Callable[[Fields], Join], build: Callable[[Field], nn.Module]
) -> nn.Module:
    """A net of some fields: of one alone without a join, unless it holds labels.

    Args:
        join: of several.
        build: the net of what is read in the end.
    """
    (first, *others) = fields.values()
    if not others and first.support is not Support.LABEL:
        return build(first)
    joined = join(fields)
    return Joined(joined, build(joined.field))
