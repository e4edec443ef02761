"""All measures of a trained model by name, and their options."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields

import numpy as np
import torch
from omegaconf import II

from vaebench.composition import Composition
from vaebench.config.chosen import chosen
from vaebench.data import Batch
from vaebench.distributions import DiagNormal
from vaebench.errors import Incompatible, Refusal
from vaebench.inference import batch_size, infer
from vaebench.measures.base import (
    Inapplicable,
    Measure,
    Numbers,
    Subject,
    applied,
    check_known,
    over_batches,
)
from vaebench.measures.blur import Blur
from vaebench.measures.class_samples import ClassSamples
from vaebench.measures.classification import Classification, Predictive
from vaebench.measures.disentanglement import UDR, Disentanglement, Equivariance
from vaebench.measures.gaps import AnnealedImportance, InferenceGap
from vaebench.measures.likelihood import ImportanceSampling
from vaebench.measures.modalities import Modalities, Overlap
from vaebench.measures.outliers import Outliers
from vaebench.measures.pose import PoseError
from vaebench.measures.probes import Probe
from vaebench.measures.rates import Information, RateDistortion, Units
from vaebench.measures.sampling import Sampling
from vaebench.measures.swaps import Swaps
from vaebench.measures.terms import Terms
from vaebench.measures.transfer import Transfer
from vaebench.suggest import override, use


@dataclass
class Measures:
    """Each measure with its options; `k`, `examples` and `weight_samples` are those of the likelihood
    and the like."""

    k: int = 5000
    examples: int = 0
    weight_samples: int = 0
    likelihood: ImportanceSampling = field(
        default_factory=lambda: ImportanceSampling(
            k=II("k"), examples=II("examples"), weight_samples=II("weight_samples")
        )
    )
    terms: Terms = field(default_factory=lambda: Terms(examples=II("examples")))
    rate: RateDistortion = field(default_factory=lambda: RateDistortion(examples=II("examples")))
    units: Units = field(default_factory=lambda: Units(examples=II("examples")))
    information: Information = field(default_factory=Information)
    gap: InferenceGap = field(default_factory=InferenceGap)
    ais: AnnealedImportance = field(default_factory=AnnealedImportance)
    probe: Probe = field(default_factory=lambda: Probe(examples=II("examples")))
    classification: Classification = field(
        default_factory=lambda: Classification(
            examples=II("examples"), weight_samples=II("weight_samples")
        )
    )
    predictive: Predictive = field(default_factory=lambda: Predictive(examples=II("examples")))
    class_samples: ClassSamples = field(
        default_factory=lambda: ClassSamples(examples=II("examples"))
    )
    outliers: Outliers = field(default_factory=lambda: Outliers(examples=II("examples")))
    sampling: Sampling = field(default_factory=Sampling)
    disentanglement: Disentanglement = field(default_factory=Disentanglement)
    equivariance: Equivariance = field(default_factory=Equivariance)
    transfer: Transfer = field(default_factory=Transfer)
    modalities: Modalities = field(default_factory=Modalities)
    overlap: Overlap = field(default_factory=lambda: Overlap(examples=II("examples")))
    pose: PoseError = field(default_factory=lambda: PoseError(examples=II("examples")))
    swaps: Swaps = field(default_factory=lambda: Swaps(examples=II("examples")))
    udr: UDR = field(default_factory=UDR)
    blur: Blur = field(default_factory=Blur)


SHARED = {
    "k": ("likelihood",),
    "examples": (
        "likelihood",
        "terms",
        "rate",
        "units",
        "probe",
        "classification",
        "predictive",
        "class_samples",
        "outliers",
        "overlap",
        "pose",
        "swaps",
    ),
    "weight_samples": ("likelihood", "classification"),
}
"""Options of `Measures`, and the measures that take theirs from them."""

NAMES = tuple(f.name for f in fields(Measures) if f.name not in SHARED)

SETTINGS = ("k", "examples", "samples", "weight_samples", "train", "chains", "temperatures")
"""Numbers of a measure that say how it was taken."""

MAY_BE_ZERO = ("examples", "weight_samples", "seed", "train", "labels")


def select(names: Iterable[str], options: Measures, option: str = "measures") -> list[str]:
    """Names of measures, each known and with options that mean something.

    Args:
        option: that they were given to.

    Raises:
        Refusal: one is not.
    """
    names = [str(name) for name in names]
    check_known(option, names, NAMES)
    for name in names:
        check(name, getattr(options, name))
    return names


def check_nets(samples: int, composition: Composition, names: Iterable[str], option: str) -> None:
    """Refuses to draw nets where all are the same, or no measure is of them.

    Args:
        names: of the measures.
        option: that says how many.

    Raises:
        Refusal: with what to use instead.
    """
    if samples and not composition.objective.noisy:
        raise Refusal(
            f"{option}={samples} is an average over nets, and {chosen('weights')} has no noise: they "
            f"would all be the same.{use(override(option, 0))}"
        )
    if samples and not {*names} & {*SHARED["weight_samples"]}:
        of = " and ".join(SHARED["weight_samples"])
        raise Refusal(f"{option}={samples} is of {of} alone.{use(override(option, 0))}")


def why_not(measure: Measure, subject: Subject) -> str:
    """Why a measure does not apply to a composition, whatever its weights; empty where it does."""
    try:
        measure.need(subject)
    except Incompatible as reason:
        return str(reason)
    return ""


def measure(
    options: Measures, names: Iterable[str], subject: Subject
) -> Iterator[tuple[str, Numbers | str]]:
    """Each measure's name, and its numbers or why it does not apply."""
    return applied({name: getattr(options, name) for name in names}, subject)


def check(name: str, options: Measure) -> None:
    """Refuses options too small to mean anything.

    Raises:
        Refusal: naming the option.
    """
    for f in fields(options):
        value = getattr(options, f.name)
        if not isinstance(value, int | float):
            continue
        smallest = 0 if f.name in MAY_BE_ZERO else 1 if isinstance(value, int) else 1e-12
        if not smallest <= value < math.inf:
            typed = f.name if name in SHARED.get(f.name, ()) else f"{name}.{f.name}"
            raise Refusal(f"{typed}={value}: must be at least {smallest:g}, and finite")


@torch.no_grad()
def latent_table(subject: Subject) -> dict[str, np.ndarray]:
    """`z.mean` and one draw `z.sample` of every example's q(z | x), and whatever else is known of
    the example but what was observed, for every latent z."""
    noise = subject.noise(8)

    def run(batch: Batch) -> Batch:
        q = infer(subject.model, batch, 1, noise=noise).q
        found = {name: batch[name] for name in batch if name not in subject.roles[1]}
        for name in subject.latents:
            dist = q[name].dist
            for key, value in (("mean", dist.mean), ("sample", q[name].value)):
                found[f"{name}.{key}"] = value.expand(*q.lead, *dist.event_shape)[0]
        return found

    return {name: rows.numpy() for name, rows in over_batches(subject.batches(), run).items()}


@torch.no_grad()
def code_table(subject: Subject) -> dict[str, np.ndarray]:
    """`loc` and `log_scale` of every example's q(z | x), a diagonal Gaussian, and its label `y` where
    there is one; z is the latent that q infers first.

    Raises:
        Inapplicable: it is no diagonal Gaussian, or its samples are moved.
    """
    name, noise = subject.latents[0], subject.noise(8)

    def run(batch: Batch) -> Batch:
        dist = infer(subject.model, batch, 1, noise=noise).q[name].dist
        if not isinstance(dist, DiagNormal) or subject.model.refine is not None:
            raise Inapplicable(
                f"codes are drawn afresh from a diagonal Gaussian, and q({name} | ·) is "
                f"{type(dist).__name__}{'' if subject.model.refine is None else ', refined'}"
            )
        shape = (batch_size(batch), *dist.event_shape)
        found = {"loc": dist.loc.expand(shape), "log_scale": dist.log_scale.expand(shape)}
        return found if subject.label is None else found | {"y": batch[subject.label]}

    return {n: rows.numpy() for n, rows in over_batches(subject.batches(), run).items()}
