"""Which examples are like the data: scores of outliers, and how well they tell them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vaebench.data import Batch, Columns, Field, Support
from vaebench.data.outliers import CHANGES, Change
from vaebench.data.seeds import EVALUATION, derived
from vaebench.distributions import Noise
from vaebench.errors import DataError
from vaebench.inference import infer
from vaebench.measures.base import Inapplicable, Measure, Numbers, Subject, over_batches
from vaebench.measures.classification import entropy_of, label_of, probabilities
from vaebench.measures.detection import detection
from vaebench.measures.likelihood import log_likelihood
from vaebench.measures.packing import PACKED, is_image, packed
from vaebench.progress import steps
from vaebench.suggest import override

DATA = "data"
"""What the examples of the run's own split are called beside those of sets of outliers."""

WITHOUT = "without"
"""The set of outliers whose classes `dataset.without` leaves out of the run's data."""

OWN = (*CHANGES, WITHOUT)
"""Sets of outliers that the run's own data make."""

IMAGES = "x"
"""What the images of a set are called beside its scores."""

SCORES = ("nll", "kl", "recon", "typicality", "ratio", "complexity", "entropy")


@dataclass
class Outliers(Measure):
    """How well each score tells sets of outliers from the examples of a split: `auroc`, `aupr` and
    `fpr95`, with errors, and the score's `mean` in each set.

    All scores are larger the less an example is like the data:

    - `nll`: -log p(x), by L_K where there are latents (Bishop 1994). It is known to fail: simpler
      data may be likelier than the data themselves (Nalisnick, Matsukawa, Teh, Gorur,
      Lakshminarayanan 2019, Do Deep Generative Models Know What They Don't Know?), and `auroc` is
      then below ½.
    - `kl`: KL(q(z | x) ‖ p(z)).
    - `recon`: -E_q log p(x | z).
    - `typicality`: |-log p(x) - H|, where H is the mean of -log p over validation examples, as held
      out as those that are told from outliers (Nalisnick, Matsukawa, Teh, Lakshminarayanan 2019,
      Detecting Out-of-Distribution Inputs to Deep Generative Models Using Typicality).
    - `ratio`: log p_baseline(x) - log p(x), of another run (Ren, Liu, Fertig, Snoek, Poplin,
      Depristo, Dillon, Lakshminarayanan 2019, Likelihood Ratios for Out-of-Distribution Detection).
    - `complexity`: -log₂ p(x) less the bits of the image as a PNG, of other shapes as zlib packs them
      (Serrà, Álvarez, Gómez, Slizovskaia, Núñez, Luque 2020, Input Complexity and Out-of-distribution
      Detection with Likelihood-based Generative Models).
    - `entropy`: of p(y | x) of a classifier, or of q(c | x) where the objective made c the label; averaged
      over nets where weights have noise (Hendrycks, Gimpel 2017, A Baseline for Detecting Misclassified
      and Out-of-Distribution Examples in Neural Networks, have it; Lakshminarayanan, Pritzel, Blundell
      2017, Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles, average). It is
      the only score of a model that tells y of x and has no density of x.

    Args:
        of: the sets: `rotated`, `inverted`, `shuffled`, `noise` (`vaebench.data.outliers`), `without`
            (the classes that `dataset.without` leaves out), or names of others that the subject has.
        baseline: the run of `ratio`.
        options: of data sets that are named, such as `dataset.path=FILE`.
        k: importance samples of log p(x).
        samples: of q, for `kl` and `recon`; nets of noisy weights, and draws of places, for `entropy`.
    """

    of: list[str] = field(default_factory=list, metadata={"bare": True})
    baseline: str = ""
    options: list[str] = field(default_factory=list)
    k: int = 100
    samples: int = 10
    examples: int = 0

    def need(self, subject: Subject) -> None:
        if not self.of:
            example = override("outliers", [next(reversed(CHANGES))])
            raise Inapplicable(f"no outliers are named, as in {example}")
        name = looked_at(subject)
        for each in self.of:
            _set(subject, name, each)
        if len(reasons(self, subject)) == len(SCORES):
            raise Inapplicable("no score means anything of this model")

    @torch.no_grad()
    def numbers(self, subject: Subject) -> Numbers:
        name, left_out = looked_at(subject), reasons(self, subject)
        scored = Scored(self, subject, name, tuple(s for s in SCORES if s not in left_out))
        typical = math.nan
        if "typicality" in scored.scores:
            typical = scored.likelihoods(subject.batches(self.examples, "val")).mean().item()
        sets = {DATA: scored(subject.batches(self.examples), typical)}
        for each in self.of:
            sets[each] = scored(self._batches(subject, name, each), typical)
        subject.sets.update(sets)
        subject.notes.update(left_out)
        numbers: Numbers = {"k": scored.k, "examples": len(sets[DATA][scored.scores[0]])}
        for each, scores in sets.items():
            for score in steps(scored.scores, each):
                found: Numbers = {"mean": scores[score].mean().item()}
                if each != DATA:
                    own, theirs = sets[DATA][score].numpy(), scores[score].numpy()
                    found |= detection(own, theirs, subject.seed)
                numbers |= {f"{each}/{score}/{n}": value for n, value in found.items()}
        return numbers

    def _batches(self, subject: Subject, name: str, each: str) -> Iterator[Batch]:
        """The examples of a set, at most as many as of the data."""
        splits, change = _set(subject, name, each)
        seed = derived(subject.seed, EVALUATION, 2, 11)
        generator = torch.Generator(subject.device).manual_seed(seed)
        for split in splits if not self.examples else _first(splits, self.examples):
            for batch in subject.of(split):
                yield {**batch, **({name: change(batch[name], generator)} if change else {})}


def _set(subject: Subject, name: str, each: str) -> tuple[tuple[Columns, ...], Change | None]:
    """The splits whose examples, changed or as they are, make a set of outliers.

    Raises:
        Inapplicable: these data make none such.
    """
    data = subject.composition.data
    if each in subject.others:
        return subject.others[each], None
    if each == WITHOUT:
        outside = data.outside()
        if outside is None:
            raise Inapplicable(
                f"outliers=[{WITHOUT}] are of classes that the run was trained without, and "
                "dataset.without=[] leaves none out"
            )
        return (outside,), None
    if each not in CHANGES:
        raise Inapplicable(f"outliers=[{each}]: these data make {', '.join(OWN)} alone")
    try:
        change = CHANGES[each](name, data.spec[name], data.split("train"))
    except DataError as error:
        raise Inapplicable(f"outliers=[{each}]: {error}") from error
    return (data.split(subject.part),), change


def _first(splits: tuple[Columns, ...], examples: int) -> Iterator[Columns]:
    """The first examples of several splits together."""
    for split in splits:
        if examples > 0:
            yield split.first(examples)
        examples -= len(split)


def looked_at(subject: Subject) -> str:
    """The one name that the model observes, or that it tells a label of; of numbers or classes in a
    fixed shape.

    Raises:
        Inapplicable: there are several, or it is a label or a sentence.
    """
    names, fields, is_told = subject.roles[1], subject.composition.data.spec.fields, "observed"
    if _tells_alone(subject):
        names, is_told = subject.composition.report.conditions, "given"
    if len(names) != 1:
        there = ", ".join(names) or "none"
        raise Inapplicable(f"outliers are of one {is_told} name; there are {there}")
    if fields[names[0]].support in (Support.LABEL, Support.TOKENS):
        raise Inapplicable(f"{names[0]} is {fields[names[0]].support.words}: no outliers are made")
    return names[0]


def _tells_alone(subject: Subject) -> bool:
    """Whether a label is all that the model tells, of what it is given."""
    try:
        return label_of(subject) in subject.roles[1]
    except Inapplicable:
        return False


def reasons(options: Outliers, subject: Subject) -> dict[str, str]:
    """Scores that mean nothing here, and why."""
    found: dict[str, str] = {}
    try:
        subject.need_bound()
    except Inapplicable as error:
        found |= dict.fromkeys((score for score in SCORES if score != "recon"), str(error))
    try:
        label_of(subject)
    except Inapplicable as error:
        found.setdefault("entropy", str(error))
    if not subject.roles[0]:
        found |= dict.fromkeys(("kl", "recon"), "the model has no latents")
    if subject.baseline is None:
        found.setdefault("ratio", "no other run is named, as in outliers.baseline=RUN")
    name = looked_at(subject)
    if _tells_alone(subject):
        told = f"the model has no density of {name}"
        found |= dict.fromkeys((score for score in SCORES if score != "entropy"), told)
    held = subject.composition.data.spec[name]
    if held.support not in PACKED:
        found.setdefault("complexity", f"{name} is {held.support.words}: there is nothing to pack")
    return {score: found[score] for score in SCORES if score in found}


@dataclass(frozen=True)
class Scored:
    """Scores of examples.

    Args:
        scores: those that mean something.
    """

    options: Outliers
    subject: Subject
    name: str
    scores: tuple[str, ...]

    @property
    def k(self) -> int:
        """Samples of log p(x): one where it is exact."""
        return self.options.k if self.subject.roles[0] else 1

    def __call__(self, batches: Iterator[Batch], typical: float) -> dict[str, Tensor]:
        """Each score `[N]`, and the examples of this set, of images as bytes.

        Args:
            typical: the mean of -log p.
        """
        likelihood = _likelihood(self.subject, self.k)
        baseline = self.subject.baseline
        reference = None if baseline is None else _likelihood(baseline, self.options.k)
        noise = self.subject.noise(11)

        def run(batch: Batch) -> Batch:
            found, x = dict[str, Tensor](), batch[self.name]
            if "nll" in self.scores:
                nll = found["nll"] = -likelihood(batch)
                found["typicality"] = (nll - typical).abs()
            if "recon" in self.scores:
                found |= self._terms(batch, noise)
            if "entropy" in self.scores:
                found["entropy"] = self._entropy(batch, noise)
            if "ratio" in self.scores and reference is not None:
                found["ratio"] = found["nll"] + reference(batch)
            held = self.subject.composition.data.spec[self.name]
            if "complexity" in self.scores:
                found["complexity"] = found["nll"].cpu() / math.log(2) - packed(x.cpu(), held)
            is_shown = is_image(x) and held.support in PACKED
            shown = {IMAGES: (255 * x).round().byte()} if is_shown else {}
            return {s: found[s].double() for s in self.scores} | shown

        return over_batches(batches, run)

    def _terms(self, batch: Batch, noise: Noise) -> Batch:
        evidence = infer(self.subject.model, batch, self.options.samples, noise=noise)
        recon = evidence.recon.mean(0)
        return {"recon": -recon} | ({"kl": recon - evidence.elbo} if "kl" in self.scores else {})

    def _entropy(self, batch: Batch, noise: Noise) -> Tensor:
        subject, samples = self.subject, self.options.samples
        label, nets = label_of(subject), samples if subject.composition.objective.noisy else 0
        each = [
            probabilities(subject.model, batch, label, noise, samples)
            for _ in subject.nets(nets, noise)
        ]
        return entropy_of(torch.stack(each).mean(0))

    def likelihoods(self, batches: Iterator[Batch]) -> Tensor:
        """-log p(x) of examples, `[N]`."""
        likelihood = _likelihood(self.subject, self.k)
        return over_batches(batches, lambda batch: {"nll": -likelihood(batch).double()})["nll"]


def _likelihood(subject: Subject, k: int) -> Callable[[Batch], Tensor]:
    """log p(x) of a batch `[B]`, with the noise of the measure `likelihood`."""
    noise, k = subject.noise(), k if subject.roles[0] else 1
    return lambda batch: log_likelihood(subject.model, batch, k, noise)


def differ(other: Field, own: Field) -> str:
    """Why examples of another data set are none that a model can read; empty where it can."""
    what = [f"{list(f.shape)} of {_written(f)}" for f in (other, own)]
    return "" if what[0] == what[1] else f"is {what[0]}, not {what[1]}"


def _written(field: Field) -> str:
    """Its support, and how many levels where they decide what a value is."""
    counted = field.support in (Support.LEVELS, Support.LABEL)
    return f"{field.levels} {field.support.words}" if counted else field.support.words
