"""The rules that refuse what would otherwise fail late or silently."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from vaebench.data import LABELLED
from vaebench.distributions import GLOBAL
from vaebench.errors import Incompatible
from vaebench.heads import Likelihood
from vaebench.inference import Outline, infer
from vaebench.inference.outline import depends
from vaebench.models import Model
from vaebench.objectives import Objective
from vaebench.objectives.base import NO_LATENTS
from vaebench.trace import Evidence, Site

PARTS = ("nets", "posterior", "prior", "likelihood", "refine", "baseline", "estimator")
"""What a parameter's name may tell it is of."""

ONE_NET = "weights.estimator=shared"
"""All of a step see the same net."""


@dataclass(frozen=True)
class Report:
    """What a composition is.

    Attributes:
        quantity: what is bounded, e.g. `log p(x | y)`.
        roles: name of the batch → observed, condition or extra.
        latents: what q draws.
        sites: what q and p visit, in order, e.g. `q z ~ DiagNormal [10]`.
        notes: what a reader of the results should know.
    """

    quantity: str
    roles: dict[str, str]
    latents: tuple[str, ...] = ()
    sites: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def conditions(self) -> tuple[str, ...]:
        """What is read and not scored."""
        return tuple(name for name, role in self.roles.items() if role == "condition")


def check(model: Model, objective: Objective, outline: Outline) -> Report:
    """Holds a composition against the rules, and tries one step of its objective.

    Raises:
        Incompatible: what does not go together, and why.
    """
    _check_likelihood(model)
    _check_labels(outline)
    _check_latents(outline, objective)
    _check_noise(outline, objective)
    _check_kinds(outline, objective)
    _check_given(outline, objective)
    _check_draws(outline, objective)
    _check_scores(outline, objective)
    _check_programs(outline, objective)
    _check_weights(outline, objective)
    with torch.random.fork_rng(devices=[]):
        _check_calls(model, objective, outline)
        _check_step(model, objective, outline)
    return Report(
        outline.quantity,
        {**outline.roles},
        outline.latents,
        _sites(outline.evidence),
        _notes(model, objective),
    )


def _check_likelihood(model: Model) -> None:
    for name, module in model.named_modules():
        if "likelihood" in name and isinstance(module, nn.modules.batchnorm._BatchNorm):
            raise Incompatible(
                f"this likelihood with this nets: {name} is a BatchNorm, so log p(x | z) of an "
                "example would depend on the others of its batch.",
                "nets" if ".net." in name else "likelihood",
            )


def _check_labels(outline: Outline) -> None:
    """Refuses a model that learns from labels which are to be unknown."""
    label = outline.spec.label
    if label and LABELLED in outline.spec.fields and outline.roles[label] != "extra":
        raise Incompatible(
            f"this model learns from every {label}, and the data know that of some examples alone.",
            "model",
            options=("dataset.unlabelled=drop", "dataset.labels=all"),
        )


def _check_latents(outline: Outline, objective: Objective) -> None:
    """Refuses objectives that are about latents where there are none, and the reverse."""
    if objective.needs_latents and not outline.latents:
        raise Incompatible(NO_LATENTS, "objective")
    if outline.latents and not objective.needs_latents:
        why = (
            "this objective needs log p(x) itself, which this model, with latents, can only bound."
        )
        raise Incompatible(why, "objective")


def _check_noise(outline: Outline, objective: Objective) -> None:
    """Refuses a bound, or several samples, of a posterior that is a point."""
    points = [not dist.has_density for dist in outline.q]
    if objective.has_bound and any(points):
        why = "this posterior has no density, so this objective has no bound on log p(x)."
        raise Incompatible(why, "objective", "posterior")
    if objective.k > 1 and all(points):
        source = "posterior" if points else "model"
        raise Incompatible(
            f"k={objective.k}: all samples would be the same, since this {source} has no noise.",
            *(["posterior"] if points else []),
            options=("k=1",),
        )


def _check_kinds(outline: Outline, objective: Objective) -> None:
    """Refuses a density of real numbers for bits, and of anything else but what q infers."""
    for name in outline.latents:
        q, p = outline.evidence.q[name].dist, outline.evidence.p[name].dist
        if objective.has_bound and q.kind != p.kind:
            raise Incompatible(
                f"this posterior infers {q.kind} at site {name!r}, and this prior is a density of "
                f"{p.kind}.",
                "prior",
                "posterior",
            )
        if q.is_discrete and outline.refined:
            why = f"this refine moves latents along a slope, and this posterior infers {q.kind}."
            raise Incompatible(why, "refine", "posterior")


def _check_given(outline: Outline, objective: Objective) -> None:
    """Refuses to score a value under a density that scores only its own samples."""
    asked = f"this {objective.rescores} needs log q(z | x) at a given z;"
    if objective.rescores and outline.refined:
        why = f"{asked} this refine moves samples and scores only those."
        raise Incompatible(why, objective.rescores, "refine")
    for name in outline.latents:
        one_way = "this posterior scores only its own samples."
        if objective.rescores and not outline.evidence.q[name].dist.scores_given:
            raise Incompatible(f"{asked} {one_way}", objective.rescores, "posterior")
        if objective.has_bound and not outline.evidence.p[name].dist.scores_given:
            why = f"this prior needs log q(z | x) at a given z; {one_way}"
            raise Incompatible(why, "prior", "posterior")


def _check_draws(outline: Outline, objective: Objective) -> None:
    """Refuses an estimator that q's samples do not serve."""
    part, draws = objective.draws_part, objective.draws
    if draws == "relaxed" and not any(dist.is_discrete for dist in outline.q):
        why = f"this {part} relaxes discrete latents, and this posterior has none."
        raise Incompatible(why, part, "posterior")
    for name, dist in zip(outline.latents, outline.q, strict=True):
        if draws == "score":
            needs, has = "the density of samples", dist.has_density
        else:
            needs = "a path from parameters to samples"
            has = dist.has_rsample or (draws != "pathwise" and dist.is_discrete)
        if not has:
            kind = type(dist).__name__
            why = f"this {part} needs {needs}; this posterior, {kind} at site {name!r}, has none."
            raise Incompatible(why, part, "posterior")


def _check_scores(outline: Outline, objective: Objective) -> None:
    """Reads every score that is used, so that one of a wrong shape speaks up too."""
    for part, site in _scored(outline.evidence, objective):
        if not torch.isfinite(site.log_prob).all():
            raise Incompatible(
                f"this {part}: the log-density of {type(site.dist).__name__} at site {site.name!r} "
                "is not finite on made-up data.",
                part,
                "model",
                options=(f"{part}.",),
            )


def _scored(evidence: Evidence, objective: Objective) -> Iterator[tuple[str, Site]]:
    """Sites that the objective scores, each with the part of the model that it comes from."""
    for site in evidence.observed:
        yield "likelihood", site
    if objective.has_bound:
        for name in evidence.latents:
            yield "prior", evidence.p[name]
            yield "posterior", evidence.q[name]


def _check_programs(outline: Outline, objective: Objective) -> None:
    """Refuses to let q learn from what p makes up where they are made of the same weights."""
    if not objective.dreams:
        return
    evidence = outline.evidence
    latents = [evidence.p[name] for name in evidence.latents]
    inferred = outline.trained_by(evidence.q.sites.values())
    prior = outline.trained_by(latents)
    rest = outline.trained_by(s for s in evidence.p.sites.values() if s not in latents)
    for name in outline.named:
        if name in inferred and name in prior | rest:
            part = "model" if name in rest else "prior"
            raise Incompatible(
                "this objective trains recognition on what generation makes up, and in this "
                f"{part} both use {name}: one would learn from itself.",
                *([] if name in rest else ["prior"]),
                "objective",
            )


def _check_weights(outline: Outline, objective: Objective) -> None:
    """Refuses to compare samples that are each of another net."""
    if not any(each.local for each in objective.noisy):
        return
    if objective.k > 1 and not objective.bound.separate:
        raise Incompatible(
            f"k={objective.k}: with this weights each sample is of a net of its own, and this "
            "objective would weigh samples of different models against each other.",
            "objective",
            options=(ONE_NET, "k=1"),
        )


def _check_calls(model: Model, objective: Objective, outline: Outline) -> None:
    """Refuses to call a layer again whose weights would be others by then: what scores samples once
    more would not see the net that drew them, and a model of several steps be another at each."""
    layers = {id(each.layer) for each in objective.noisy if each.local}
    if not layers:
        return
    named = {n: m for n, m in model.named_modules() if id(m) in layers}
    batch, step = outline.batch, torch.zeros((), dtype=torch.long)

    def once() -> None:
        for _, site in _scored(infer(model, batch, 1), objective):
            _ = site.log_prob  # computed when it is read

    runs = {
        "refine" if outline.refined else "model": once,
        objective.rescores or objective.draws_part: lambda: objective.estimate(
            model, batch, step, GLOBAL
        ),
    }
    for part, run in runs.items():
        with objective.weights_drawn(GLOBAL):
            ((name, count),) = _calls(named, run).most_common(1)
        if count > 1:
            raise Incompatible(
                f"this weights has noise of its own at each call of a layer, and {name} is called "
                f"{count} times in one step of this {part}: each time it would be another net.",
                *([] if part == "model" else [part]),
                options=(ONE_NET,),
            )


def _calls(layers: Mapping[str, nn.Module], run: Callable[[], object]) -> Counter[str]:
    """How often each layer is called in a run."""
    calls: Counter[str] = Counter()

    def counting(name: str) -> Callable[..., None]:
        return lambda *_: calls.update([name])

    handles = [m.register_forward_pre_hook(counting(n)) for n, m in layers.items()]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return calls


def _check_step(model: Model, objective: Objective, outline: Outline) -> None:
    """Refuses a loss that is no number, and parameters that it does not train."""
    batch, step = outline.batch, torch.zeros((), dtype=torch.long)
    loss = objective(model, batch, step).loss
    # What concerns the whole data set, such as a prior over all weights, trains nothing by itself.
    with objective.weights_drawn(GLOBAL):
        own = objective.estimate(model, batch, step, GLOBAL).loss
    if loss.ndim:
        shape = list(loss.shape)
        why = f"this objective: the loss has shape {shape}; a scalar was expected."
        raise Incompatible(why, "objective")
    if not loss.isfinite():
        why = f"this objective: the loss is {loss.item()} on made-up data."
        raise Incompatible(why, "objective", "model", options=("objective.",))
    named = {f"model.{n}": p for n, p in outline.named.items()}
    named |= {f"objective.{n}": p for n, p in objective.named_parameters() if p.requires_grad}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # hooks on copies that need no gradient
        trained = depends(own, named)
    for name in (name for name in named if name not in trained):
        part = next((part for part in name.split(".") if part in PARTS), "model")
        raise Incompatible(
            f"this {part}: {name} is never trained, since the loss of this objective does not "
            "depend on it.",
            *([] if part == "model" else [part]),
            "objective",
            "model",
        )


def _sites(evidence: Evidence) -> list[str]:
    return [
        f"{program} {site.name} ~ {type(site.dist).__name__} {list(site.dist.event_shape)}"
        for program, trace in (("q", evidence.q), ("p", evidence.p))
        for site in trace.sites.values()
        if program == "p" or not site.given
    ]


def _notes(model: Model, objective: Objective) -> list[str]:
    caveats = [m.caveat for m in model.modules() if isinstance(m, Likelihood) and m.caveat]
    return [*dict.fromkeys(caveats), *objective.notes]
