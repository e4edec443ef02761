"""Whether samples of a class are of that class."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vaebench.data import Batch, Support
from vaebench.inference import batch_size, conditions, drawn, expected, infer, simulate
from vaebench.measures.base import (
    Inapplicable,
    Measure,
    Numbers,
    Subject,
    mean_and_se,
    over_batches,
)
from vaebench.objectives.semi_supervised import CLASS


def classes_of(subject: Subject) -> tuple[str, Tensor]:
    """The name of what a model is told of a class, and all values of it: the label that it is under,
    `[C]`, or a latent that is one of several classes beside another latent, `[C, C]`.

    Raises:
        Inapplicable: there is no class, or nothing beside it that could be a style.
    """
    subject.need_bound()
    latents = subject.latents
    if name := label_given(subject):
        levels = subject.composition.data.spec[name].levels
        return name, torch.arange(levels, device=subject.device)
    if len(latents) > 1:
        with torch.no_grad():
            q = infer(subject.model, subject.batch(1), 1, noise=subject.noise(12)).q
        for name in latents:
            dist = q[name].dist
            if dist.classes == dist.event_shape.numel() > 1:
                return name, torch.eye(dist.classes, device=subject.device)
    raise Inapplicable("no latent is a class beside a style, and the model is under no label")


def label_given(subject: Subject) -> str:
    """The first of a model's conditions that is a label, and that p reads; empty where none is."""
    made = subject.composition
    read = (name for name in made.report.conditions if name not in subject.model.embedded)
    fields = {name: made.data.spec[name] for name in read}
    labels = (n for n, f in fields.items() if f.support is Support.LABEL and not f.shape)
    return next(labels, "")


def of_class(given: Batch, name: str, value: Tensor, count: int) -> dict[str, Tensor]:
    """What so many samples of one class are given: the conditions of the first examples, over and over
    where they are fewer, and the class."""
    rows = torch.arange(count, device=value.device)
    given = {key: condition[rows % len(condition)] for key, condition in given.items()}
    return given | {name: value.expand(count, *value.shape)}


@dataclass
class ClassSamples(Measure):
    """`judged`: the share of samples x of each class c, z ~ p(z) or p(z | c), that a classifier takes
    for c; of their means E[x | z, c], and as `judged_draws` of draws x ~ p(x | z, c) themselves.

    The judge is a support vector machine with a Gaussian kernel that has learned, apart from the
    model, from the first `train` training examples and all their labels. `judge` is its own accuracy
    on the evaluated split: what is more than that, no sample can be expected to reach.
    """

    train: int = 5000
    samples: int = 100
    examples: int = 0

    def need(self, subject: Subject) -> None:
        self._class(subject)

    def _class(self, subject: Subject) -> tuple[str, Tensor, str]:
        """Name and values of the class, and the label that it stands for."""
        name, values = classes_of(subject)
        label = subject.composition.objective.label if name == CLASS else name
        if not label:
            raise Inapplicable(f"{name} is a cluster: no label says what a sample of it should be")
        return name, values, label

    @torch.no_grad()
    def numbers(self, subject: Subject) -> Numbers:
        from sklearn.svm import SVC

        name, values, label = self._class(subject)
        observed, noise = subject.roles[1], subject.noise(11)

        def seen(batch: Batch) -> Batch:
            flat = [batch[n].flatten(1).to(torch.get_default_dtype()) for n in observed]
            return {"x": torch.cat(flat, 1), "y": batch[label]}

        learned = over_batches(subject.batches(self.train, "train"), seen)
        if len(learned["y"].unique()) < 2:
            raise Inapplicable(f"class_samples.train={self.train}: two classes are needed")
        judge = SVC().fit(learned["x"], learned["y"])
        tested = over_batches(subject.batches(self.examples), seen)
        given = conditions(subject.model, subject.batch(self.samples))
        rows: dict[str, list[Tensor]] = {"judged": [], "judged_draws": []}
        for c, value in enumerate(values):
            told = of_class(given, name, value, self.samples)
            trace = simulate(subject.model, self.samples, told, noise)
            for key, read in (("judged", expected), ("judged_draws", drawn)):
                x = seen({n: read(trace, n) for n in observed} | {label: values})["x"].cpu()
                rows[key].append(torch.from_numpy(judge.predict(x) == c))
        found = mean_and_se(**{key: torch.cat(parts) for key, parts in rows.items()})
        return found | {
            "judge": float(judge.score(tested["x"], tested["y"])),
            "train": batch_size(learned),
            "examples": batch_size(tested),
        }
