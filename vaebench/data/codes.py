"""Codes of a finished run as a data set: what M2 is trained on where it is stacked on M1."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from vaebench.data.access import floats, gaussian_draws
from vaebench.data.base import Dataset, Part
from vaebench.data.columns import Column, InMemorySplit
from vaebench.data.images.files import corrupt
from vaebench.data.labels import FewLabels, Labels, Unlabelled
from vaebench.data.protocol import HELD_OUT_SEED
from vaebench.data.spec import Field, Spec, Support
from vaebench.errors import DataError
from vaebench.runs.find import find, section
from vaebench.runs.layout import codes_of

HeldOut = Literal["mean", "draw"]

PARTS: tuple[Part, ...] = ("train", "val", "test")


class Codes(Dataset):
    """x = z ~ q(z | ·) of a finished run's first latent, a diagonal Gaussian, and the labels of its data.

    Training codes are drawn afresh at each access. Where the run's data were binarized at each access,
    q(z | ·) is that of one such draw of each example.

    Args:
        run: the run folder, where the command leaves the parameters of q.
        held_out: what held-out codes are: `mean`: E[z | ·], by which a class is told best; `draw`: drawn
            once with a fixed seed, of the density that training codes have.
        labels, labelled, label_seed, unlabelled: of `FewLabels`. The same examples keep their labels
            as do with these options in the run's own data.

    References:
        Semi-supervised Learning with Deep Generative Models (Kingma, Rezende, Mohamed, Welling
        2014), https://arxiv.org/abs/1406.5298, section 3.1: M1+M2
    """

    def __init__(
        self,
        *,
        run: str,
        held_out: HeldOut = "mean",
        labels: Labels = "all",
        labelled: int = 0,
        label_seed: int = 0,
        unlabelled: Unlabelled = "keep",
    ) -> None:
        self.run, self.held_out = Path(run).expanduser(), held_out
        self.few = FewLabels(labels, labelled, label_seed, unlabelled)

    @cached_property
    def parts(self) -> dict[str, dict[str, Tensor]]:
        """`loc`, `log_scale` `[N, D]` and perhaps `y` `[N]` of each split."""
        return {part: self._read(part) for part in PARTS}

    def _read(self, part: Part) -> dict[str, Tensor]:
        path = codes_of(self.run, part)
        if not path.exists():
            raise DataError(
                f"dataset.run={self.run}: there is no {path}; the command makes it of a run"
            )
        with corrupt(path), path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(arrays[name]) for name in arrays}

    @cached_property
    def known(self) -> Tensor | None:
        """Training examples whose label is known; None: that of each, or there are no labels."""
        return self.few.known(self.parts["train"].get("y"))

    @cached_property
    def spec(self) -> Spec:
        columns = self._columns("train")
        size, loc = len(columns["x"]), self.parts["train"]["loc"]
        fields = {"x": Field(tuple(loc.shape[1:]), mean=loc.mean(0))}
        if "y" in columns:
            classes = max(int(part["y"].max()) for part in self.parts.values()) + 1
            shares = InMemorySplit({"y": columns["y"]}).means({"y": classes})
            fields["y"] = Field((), Support.LABEL, classes, shares.get("y"))
        return Spec(fields | self.few.field(self.known, size), size)

    def _columns(self, part: Part) -> dict[str, Column]:
        held = self.parts[part]
        rows = self.few.kept(self.known) if part == "train" else None
        column = Column(torch.cat([held["loc"], held["log_scale"]], 1), gaussian_draws, rows)
        if part != "train" and self.held_out == "mean":
            column = Column(held["loc"])
        elif part != "train":
            once = torch.Generator().manual_seed(HELD_OUT_SEED + PARTS.index(part))
            column = Column(column.computed(lambda x: gaussian_draws(x, once)), floats)
        labels = {"y": Column(held["y"], rows=rows)} if "y" in held else {}
        return {"x": column} | labels

    def split(self, part: Part) -> InMemorySplit:
        return self.few.split(InMemorySplit(self._columns(part)), self.known, train=part == "train")

    @property
    def notes(self) -> list[str]:
        told = "held-out codes are E[z | x]: their nats are no estimate of those of draws"
        return [told] if self.held_out == "mean" else []

    @property
    def protocol(self) -> dict[str, Any]:
        """That of the run's data, and which model the codes are of, whatever its seed."""
        found = find([self.run])
        if not found.runs:
            raise DataError(
                f"dataset.run={self.run}: {' '.join(found.skipped) or 'no run is there'}"
            )
        run = found.runs[0]
        told = hashlib.sha256(json.dumps(run.options, sort_keys=True, default=str).encode())
        of = f"{run.choices['model']} of {run.choices['dataset']} {told.hexdigest()[:8]}"
        return section(run.summary, "protocol.") | {
            "codes": of,
            "held_out": self.held_out,
        }
