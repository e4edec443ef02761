"""What a program gives to a loaded model: as tensors, or refused in a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from vaebench.data import EOS, PAD, Field, Support
from vaebench.errors import Refusal
from vaebench.suggest import did_you_mean

WHOLE = (Support.TOKENS, Support.LABEL)


def by_name(
    values: Any, fields: Mapping[str, Field], others: Mapping[str, Field]
) -> dict[str, Any]:
    """Values by name; those of a single name need none.

    Args:
        fields: what is looked for.
        others: what may stand beside it in a dict, and is of no use here.

    Raises:
        Refusal: a name is missing or unknown.
    """
    if not isinstance(values, Mapping):
        if len(fields) != 1:
            raise Refusal(f"a dict with {', '.join(fields)} is needed")
        return {next(iter(fields)): values}
    for name in values:
        if name not in fields and name not in others:
            hint = did_you_mean(name, fields)
            raise Refusal(f"{name!r} is unknown; a dict with {', '.join(fields)} is needed.{hint}")
    return {name: values[name] for name in fields if name in values}


def as_batch(
    values: Mapping[str, Any], fields: Mapping[str, Field], device: torch.device
) -> dict[str, Tensor]:
    """A batch of them, `[B, *shape]` each, on the device.

    Raises:
        Refusal: no values of their fields, or not of as many examples as each other.
    """
    found = {name: as_tensor(name, value, fields[name]) for name, value in values.items()}
    sizes = {name: len(value) for name, value in found.items()}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{size} of {name}" for name, size in sizes.items())
        raise Refusal(f"examples that belong together differ in number: {told}")
    return {name: value.to(device) for name, value in found.items()}


def as_tensor(name: str, value: Any, field: Field) -> Tensor:
    """Values `[B, *shape]` of a field, of the type that a model asks for.

    Raises:
        Refusal: another shape, type or range.
    """
    try:
        tensor = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        hint = ", which tokens() makes of text" if field.support is Support.TOKENS else ""
        kind = type(value).__name__
        raise Refusal(f"{name} is a {kind}: an array or a tensor is needed{hint}") from error
    check_shape(name, tensor, field)
    if field.support in WHOLE:
        check_whole(name, tensor, field)
        return tensor.long()
    if tensor.is_complex():
        raise Refusal(f"{name} is {written(tensor.dtype)}: real numbers are needed")
    tensor = tensor.to(torch.get_default_dtype())  # numpy's floats are of another precision
    check_range(name, tensor, field)
    return tensor


def check_shape(name: str, tensor: Tensor, field: Field) -> None:
    """Refuses whatever is no batch: one example has no axis of examples."""
    if tensor.ndim and field.fits(tensor):
        if not len(tensor):
            raise Refusal(f"{name} holds no example")
        return
    tokens = field.support is Support.TOKENS
    shape = [f"l ≤ {field.shape[0]}"] if tokens else field.shape
    needed = f"[{', '.join(map(str, ('B', *shape)))}]"
    one = field.fits(tensor.unsqueeze(0))
    what = f"{list(tensor.shape)}, a single example" if one else f"{list(tensor.shape)}"
    hint = f" Use {name}[None]." if one else ""
    raise Refusal(f"{name} is {what}: a batch {needed} is needed.{hint}")


def check_whole(name: str, tensor: Tensor, field: Field) -> None:
    """Refuses what are no numbers of labels, or no rows of tokens."""
    if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype is torch.bool:
        raise Refusal(f"{name} is {written(tensor.dtype)}: whole numbers are needed")
    low, high = tensor.min().item(), tensor.max().item()
    if low < 0 or high >= field.levels:
        raise Refusal(f"{name} spans {low} to {high}: 0 to {field.levels - 1} are known")
    if field.support is Support.TOKENS and not whole_sentences(tensor):
        raise Refusal(
            f"{name} has a row that is no sentence: tokens, one end ({EOS}), then padding ({PAD}) "
            "alone, as tokens() makes them of text"
        )


def whole_sentences(tokens: Tensor) -> bool:
    """Whether each row `[B, l]` has one end and nothing but padding after it."""
    ends = tokens == EOS
    after = (ends.cumsum(1) - ends.long()) > 0
    return bool((ends.sum(1) == 1).all() and ((tokens == PAD) == after).all())


def check_range(name: str, tensor: Tensor, field: Field) -> None:
    """Refuses what is not finite, or outside of what the data can be."""
    if not tensor.isfinite().all():
        raise Refusal(f"{name} has values that are not finite")
    low, high = tensor.min().item(), tensor.max().item()
    if field.support.bounded and not 0 <= low <= high <= 1:
        raise Refusal(
            f"{name} spans {low:g} to {high:g}: the model's data lie in [0, 1]; examples() gives some"
        )


def check_bits(batch: Mapping[str, Tensor], fields: Mapping[str, Field]) -> None:
    """Refuses grey values where the data are bits: what is scored must be one of them."""
    for name, value in batch.items():
        if fields[name].support is Support.BINARY and not ((value == 0) | (value == 1)).all():
            raise Refusal(
                f"{name} has values between 0 and 1, and the model's data are bits: of grey values "
                f"there is no probability. Use ({name} > 0.5) or examples()."
            )


def written(dtype: torch.dtype) -> str:
    """`float32`."""
    return str(dtype).removeprefix("torch.")
