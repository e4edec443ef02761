"""Codes of many examples, and what they know of the labels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vaebench.data import Batch, Part
from vaebench.inference import encode
from vaebench.measures.base import Inapplicable, Measure, Numbers, Subject, over_batches


def codes(
    subject: Subject, examples: int, part: Part | None = None
) -> tuple[Tensor, Tensor | None]:
    """E_q[z | x] of the examples, all latents side by side `[N, D]`, and their labels `[N]` where
    the data have any."""

    def run(batch: Batch) -> Batch:
        means = encode(subject.model, batch)
        z = torch.cat([means[name].flatten(1) for name in subject.latents], 1)
        return {"z": z} if subject.label is None else {"z": z, "y": batch[subject.label]}

    found = over_batches(subject.batches(examples, part), run)
    return found["z"], found.get("y")


@dataclass
class Probe(Measure):
    """Accuracy of classifiers of the label that see E_q[z | x] alone.

    `linear`: multinomial logistic regression on standardised means; `knn`: the `neighbours` nearest
    training examples; `majority`: always the most frequent label. The probes learn from the
    training split and are tested on the evaluated one.
    """

    train: int = 10_000
    examples: int = 0
    neighbours: int = 5

    def need(self, subject: Subject) -> None:
        if subject.label is None:
            raise Inapplicable("the data have no labels")
        _ = subject.latents

    def numbers(self, subject: Subject) -> Numbers:
        from sklearn.linear_model import LogisticRegression
        from sklearn.neighbors import KNeighborsClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        z_train, y_train = codes(subject, self.train, "train")
        z, y = codes(subject, self.examples)
        assert y_train is not None
        assert y is not None
        if len(y_train) < self.neighbours or len(y_train.unique()) < 2:
            raise Inapplicable(
                f"probe.train={self.train}: {len(y_train)} examples of {len(y_train.unique())} "
                f"classes are too few for {self.neighbours} neighbours and two classes"
            )
        if not z_train.isfinite().all() or not z.isfinite().all():
            raise Inapplicable("the codes are not finite")
        linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        knn = KNeighborsClassifier(self.neighbours)
        majority = y_train.mode().values
        return {
            "linear": float(linear.fit(z_train, y_train).score(z, y)),
            "knn": float(knn.fit(z_train, y_train).score(z, y)),
            "majority": (y == majority).double().mean().item(),
            "train": len(y_train),
            "examples": len(y),
        }
