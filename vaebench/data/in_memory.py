"""One split of a data set, in the memory of a device."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from vaebench.data.access import Access
from vaebench.data.spec import Batch


class InMemorySplit:
    """One split on one device: `x` behind its access, everything else as it is.

    A batch is sliced by index and never crosses to the device again. Where examples differ in
    length, `x` is padded on the right, and a batch is as wide as its longest example.

    Args:
        kept: what `access` made of `x`, `[N, *shape]`.
        access: makes `x` of it.
        extra: the other names of a batch, `[N, *]` each.
        lengths: how many columns of `kept` each example fills, `[N]`, at least 1; None: all of
            them. They stay on the CPU, since a width read from the device would wait for it.
        bucket: whether a shuffled epoch's batches hold examples of similar length.
    """

    def __init__(
        self,
        kept: Tensor,
        access: Access,
        extra: Mapping[str, Tensor],
        *,
        lengths: Tensor | None = None,
        bucket: bool = False,
    ) -> None:
        self.kept, self.access, self.extra = kept, access, dict(extra)
        self.lengths, self.bucket = lengths, bucket

    def __len__(self) -> int:
        return len(self.kept)

    def to(self, device: torch.device | str) -> InMemorySplit:
        """The same split on another device."""
        extra = {name: value.to(device) for name, value in self.extra.items()}
        return self._with(self.kept.to(device), extra, self.lengths)

    def first(self, n: int) -> InMemorySplit:
        """The first n examples."""
        extra = {name: value[:n] for name, value in self.extra.items()}
        return self._with(self.kept[:n], extra, None if self.lengths is None else self.lengths[:n])

    def _with(
        self, kept: Tensor, extra: dict[str, Tensor], lengths: Tensor | None
    ) -> InMemorySplit:
        return InMemorySplit(kept, self.access, extra, lengths=lengths, bucket=self.bucket)

    def width(self, index: Tensor) -> int | None:
        """Columns that a batch of examples `index` `[B]` fills; None where all examples do alike."""
        return None if self.lengths is None else int(self.lengths[index.cpu()].max())

    def batch(
        self, index: Tensor, generator: torch.Generator | None = None, width: int | None = None
    ) -> Batch:
        """Examples `index` `[B]`; whatever the protocol draws comes from the generator.

        Args:
            width: `self.width(index)`, from whoever knows it without waiting for the device.
        """
        if width is None:
            width = self.width(index)
        kept = self.kept if width is None else self.kept[:, :width]
        x = self.access(kept.index_select(0, index), generator)
        return {"x": x} | {name: value.index_select(0, index) for name, value in self.extra.items()}
