"""Codes of many examples, and what they know of the labels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vaebench.data import LABELLED, Batch, Part
from vaebench.data.labels import balanced
from vaebench.errors import DataError
from vaebench.inference import encode
from vaebench.measures.base import Inapplicable, Measure, Numbers, Subject, over_batches

LABEL = ""
"""Stands for the label among latents, of which none is called so."""

MOST_OF_SVM = 5000
"""Training examples of a support vector machine, whose time grows with their square."""


def codes(
    subject: Subject, examples: int, part: Part | None = None, rows: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """E_q[z | x] of the examples, all latents side by side `[N, D]`, and their labels `[N]` where
    the data have any.

    Args:
        rows: which of the examples; None: all.
    """
    means, y = codes_by_latent(subject, examples, part, rows)
    return torch.cat([*means.values()], 1), y


def codes_by_latent(
    subject: Subject, examples: int, part: Part | None = None, rows: Tensor | None = None
) -> tuple[dict[str, Tensor], Tensor | None]:
    """The same of each latent, `[N, D]`."""

    def run(batch: Batch) -> Batch:
        means = encode(subject.model, batch)
        found = {name: means[name].flatten(1) for name in subject.latents}
        return found if subject.label is None else found | {LABEL: batch[subject.label]}

    found = over_batches(subject.batches(examples, part, rows), run)
    y = found.pop(LABEL, None)
    return found, y


@dataclass
class Probe(Measure):
    """Accuracy of classifiers of the label that see E_q[z | x] alone.

    `linear`: multinomial logistic regression on standardised means; `knn`: the `neighbours` nearest
    training examples; `svm`: a support vector machine with a Gaussian kernel, where it learns from
    5000 examples at most; `majority`: always the most frequent label. They are tested on the
    evaluated split. They learn from the first `train` training examples, of those whose label is
    known where the data say so; with `labels`, of so many of these, balanced over classes. With a
    VAE's codes that is M1.

    References:
        Semi-supervised Learning with Deep Generative Models (Kingma, Rezende, Mohamed, Welling
        2014), https://arxiv.org/abs/1406.5298, section 3.1, for M1
    """

    train: int = 10_000
    labels: int = 0
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
        from sklearn.svm import SVC

        rows = self._rows(subject)
        z_train, y_train = codes(subject, 0, "train", rows)
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
        probes = {
            "linear": make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
            "knn": KNeighborsClassifier(self.neighbours),
        }
        if len(y_train) <= MOST_OF_SVM:
            probes["svm"] = SVC()
        majority = y_train.mode().values
        found = {n: float(p.fit(z_train, y_train).score(z, y)) for n, p in probes.items()}
        return found | {
            "majority": (y == majority).double().mean().item(),
            "train": len(y_train),
            "examples": len(y),
        }

    def _rows(self, subject: Subject) -> Tensor:
        """The training examples that are learned from."""
        assert subject.label is not None
        y = subject.column(subject.label, "train")
        rows = torch.arange(len(y))
        if LABELLED in subject.composition.data.spec.fields:
            rows = rows[subject.column(LABELLED, "train") == 1]
        if self.labels:
            try:
                rows = rows[balanced(y[rows], self.labels, subject.seed, "probe.labels")]
            except DataError as error:
                raise Inapplicable(str(error)) from error
        return rows[: self.train or None]
