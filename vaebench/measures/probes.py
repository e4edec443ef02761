"""What the latents know of the labels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vaebench.data import Part, Support
from vaebench.inference import encode
from vaebench.measures.base import Inapplicable, Measure, Numbers, Subject


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

    def __call__(self, subject: Subject) -> Numbers:
        _ = subject.latents
        label = label_of(subject)
        from sklearn.linear_model import LogisticRegression
        from sklearn.neighbors import KNeighborsClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        z_train, y_train = codes(subject, label, self.train, "train")
        z, y = codes(subject, label, self.examples)
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


def label_of(subject: Subject) -> str:
    """The name of the label in a batch.

    Raises:
        Inapplicable: there is none.
    """
    fields = subject.composition.data.spec.fields
    labels = [name for name, f in fields.items() if f.support is Support.LABEL and not f.shape]
    if not labels:
        raise Inapplicable("the data have no labels")
    return labels[0]


def codes(
    subject: Subject, label: str, examples: int, part: Part | None = None
) -> tuple[Tensor, Tensor]:
    """E_q[z | x] of the examples, all latents side by side `[N, D]`, and their labels `[N]`."""
    z, y = [], []
    for batch in subject.batches(examples, part):
        means = encode(subject.composition.model, batch, subject.noise(7))
        z.append(torch.cat([means[name].flatten(1) for name in subject.latents], 1).cpu())
        y.append(batch[label].cpu())
    return torch.cat(z), torch.cat(y)
