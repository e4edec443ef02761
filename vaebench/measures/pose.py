"""How far joints are from where a model puts them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vaebench.data import Batch, Hands
from vaebench.inference import Shown, batch_size, encode, expected, generate_at
from vaebench.measures.base import (
    Inapplicable,
    Measure,
    Numbers,
    Subject,
    mean_and_se,
    over_batches,
)
from vaebench.models import Model
from vaebench.trace import Trace

NAMES = ("joints", "pose")
"""What the joints are called, the first that a model makes."""

NEAR = 30.0
"""Millimetres within which a joint counts as found."""

THRESHOLDS = torch.linspace(20, 50, 31)
"""Millimetres that the share of joints found is averaged over."""


def hands_of(subject: Subject) -> Hands:
    """The data.

    Raises:
        Inapplicable: they have no joints of known size.
    """
    if not isinstance(data := subject.composition.data, Hands):
        raise Inapplicable("the data have no joints in millimetres, as dataset=hands has")
    return data


def joints_of(subject: Subject) -> str:
    """The name of the joints that a model makes.

    Raises:
        Inapplicable: it makes none.
    """
    hands_of(subject)
    if not (found := [name for name in NAMES if name in subject.roles[1]]):
        raise Inapplicable("the model makes no joints, as model=cross_modal does")
    return found[0]


def reader(subject: Subject, sees: Sequence[str], shows: Sequence[str]) -> Model:
    """The model as one that sees some names alone; without latents, one that reads just these.

    Raises:
        Incompatible: it cannot.
    """
    if subject.roles[0]:
        return Shown(subject.model, subject.roles[1], sees=sees, shows=shows)
    read = subject.composition.report.conditions
    if {*read} != {*sees}:
        raise Inapplicable(f"the model reads {', '.join(read)}, not {', '.join(sees)}")
    return subject.model


@torch.no_grad()
def predicted(model: Model, batch: Batch, names: Sequence[str], *, latents: bool) -> list[Tensor]:
    """E[x_t | z] of some names at z = E_q[z | ·] of what a model sees; E[x_t | ·] itself where it has
    no latents. `[B, *event]` each."""
    if latents:
        trace = generate_at(model, encode(model, batch), {})
    else:
        trace = Trace(1, batch_size(batch))
        model.generate(trace, batch)
    return [expected(trace, name) for name in names]


def apart(one: Tensor, other: Tensor, millimetres: float) -> Tensor:
    """Distances of joints `[B, J, 3]`, in millimetres, `[B, J]`."""
    return millimetres * (one - other).norm(dim=-1)


@dataclass
class PoseError(Measure):
    """`epe`, the mean end-point error in millimetres: of each joint, from where it is to where E[x_t | z] has
    it, with z = E_q[z | ·] of what `sees` names. Of the same joints at their training mean it is
    `epe_of_mean`, and `epe_gain` is by how much that is more. `pck` is the share of joints that are within 30 mm,
    `pck_auc` its mean over thresholds from 20 to 50 mm.

    References:
        Learning to Estimate 3D Hand Pose from Single RGB Images (Zimmermann, Brox 2017),
        https://arxiv.org/abs/1705.01389, for the measures
    """

    sees: list[str] = field(default_factory=lambda: ["x"])
    examples: int = 0

    def need(self, subject: Subject) -> None:
        reader(subject, self.sees, [joints_of(subject)])

    @torch.no_grad()
    def numbers(self, subject: Subject) -> Numbers:
        name, data = joints_of(subject), hands_of(subject)
        model, latents = reader(subject, self.sees, [name]), bool(subject.roles[0])
        mean = data.spec[name].mean
        assert mean is not None  # the data made sure
        usual = mean.to(subject.device)

        def run(batch: Batch) -> Batch:
            (made,) = predicted(model, batch, [name], latents=latents)
            truth = batch[name]
            return {
                "epe": apart(made, truth, data.millimetres),
                "usual": apart(usual, truth, data.millimetres),
            }

        found = over_batches(subject.batches(self.examples), run)
        epe, usual_epe = (found[key].mean(1) for key in ("epe", "usual"))
        near = (found["epe"].unsqueeze(-1) <= THRESHOLDS).double().mean(1)
        columns = {
            "epe": epe,
            "epe_of_mean": usual_epe,
            "epe_gain": usual_epe - epe,
            "pck": (found["epe"] <= NEAR).double().mean(1),
            "pck_auc": near.mean(1),
        }
        return mean_and_se(**columns) | {"examples": len(epe)}
