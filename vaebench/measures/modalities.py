"""What modalities know of each other, and whether they share one latent space."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vaebench.data import Batch, Part
from vaebench.inference import Shown, infer
from vaebench.measures.base import (
    Inapplicable,
    Measure,
    Numbers,
    Subject,
    mean_and_se,
    over_batches,
)
from vaebench.measures.likelihood import log_likelihood


def modalities(subject: Subject) -> tuple[str, ...]:
    """Names that a model observes, any part of which it recognises by.

    Raises:
        Inapplicable: it is one name, or recognition needs all.
    """
    observed = subject.roles[1]
    if not subject.model.partial or len(observed) < 2:
        raise Inapplicable("the model has no modalities, as model=cross_modal has")
    return observed


def part(subject: Subject, names: Sequence[str]) -> Shown:
    """The model of some modalities alone."""
    return Shown(subject.model, subject.roles[1], sees=names, shows=names)


@dataclass
class Modalities(Measure):
    """Negative log-likelihoods by L_K: `all` modalities together; of each name t, `t_alone`, -log p(x_t),
    and `t_given_rest`, -log p(x_t | x_rest) = log p(x_rest) - log p(x). A part has samples of its own q. As a
    difference of two lower bounds `t_given_rest` is no bound.
    """

    k: int = 500
    examples: int = 200

    def need(self, subject: Subject) -> None:
        subject.need_bound()
        modalities(subject)

    @torch.no_grad()
    def numbers(self, subject: Subject) -> Numbers:
        names, noise = modalities(subject), subject.noise(13)
        rests = {name: [n for n in names if n != name] for name in names}
        parts = {n: part(subject, [n]) for n in names}
        parts |= {f"rest of {n}": part(subject, rest) for n, rest in rests.items()}

        def run(batch: Batch) -> Batch:
            log_p = {n: log_likelihood(one, batch, self.k, noise) for n, one in parts.items()}
            whole = log_likelihood(subject.model, batch, self.k, noise)
            found = {"all": -whole} | {f"{n}_alone": -log_p[n] for n in names}
            return found | {f"{n}_given_rest": log_p[f"rest of {n}"] - whole for n in names}

        found = over_batches(subject.batches(self.examples), run)
        return mean_and_se(**found) | {"k": self.k, "examples": len(found["all"])}


@torch.no_grad()
def codes_by_modality(
    subject: Subject, examples: int, part_of: Part | None = None, stream: int = 14
) -> dict[str, Tensor]:
    """A draw z ~ q(z | x_m) of each modality m of the examples, all latents side by side, `[N, D]`.

    Args:
        stream: of noise. The same noise tells which examples two calls have in common.
    """
    names, noise = modalities(subject), subject.noise(stream)
    parts = {name: part(subject, [name]) for name in names}

    def run(batch: Batch) -> Batch:
        found = {}
        for name, model in parts.items():
            q = infer(model, batch, 1, noise=noise).q
            draws = (q[z].value.expand(*q.lead, *q[z].dist.event_shape) for z in subject.latents)
            found[name] = torch.cat([z[0].flatten(1) for z in draws], 1)
        return found

    return over_batches(subject.batches(examples, part_of), run)


@dataclass
class Overlap(Measure):
    """Accuracies of classifiers that are told a draw z ~ q(z | x_m) and tell the modality m: `linear`, a
    logistic regression, and `knn`, of the five nearest. Where modalities share one latent space they are at
    `chance`. They learn from the first `train` training examples, and are tested on the evaluated split.

    References:
        Cross-modal Deep Variational Hand Pose Estimation (Spurr, Song, Park, Hilliges 2018),
        https://arxiv.org/abs/1803.11404, figure 3, which shows the same to the eye
    """

    train: int = 1000
    examples: int = 0

    def need(self, subject: Subject) -> None:
        modalities(subject)

    def numbers(self, subject: Subject) -> Numbers:
        from sklearn.linear_model import LogisticRegression
        from sklearn.neighbors import KNeighborsClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        z, m = _told(codes_by_modality(subject, self.train, "train", 15))
        tested, truth = _told(codes_by_modality(subject, self.examples))
        if not z.isfinite().all() or not tested.isfinite().all():
            raise Inapplicable("the codes are not finite")
        kinds = {
            "linear": make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
            "knn": KNeighborsClassifier(min(5, len(z))),
        }
        found: Numbers = {}
        for name, kind in kinds.items():
            rate = float(kind.fit(z, m).score(tested, truth))
            found |= {name: rate, f"{name}_se": math.sqrt(rate * (1 - rate) / len(truth))}
        names = len(modalities(subject))
        return found | {"chance": 1 / names, "examples": len(truth) // names}


def _told(codes: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """All codes `[N, D]`, and the number of the modality that each is of, `[N]`."""
    each = [torch.full((len(z),), number) for number, z in enumerate(codes.values())]
    return torch.cat([*codes.values()]), torch.cat(each)
