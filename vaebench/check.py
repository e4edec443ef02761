"""The dry run of two made-up examples that refuses what would otherwise fail late or silently."""

from __future__ import annotations

import warnings
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from vaebench.config.chosen import chosen, instead
from vaebench.config.groups import PLAINEST
from vaebench.config.suggest import did_you_mean
from vaebench.data import Spec
from vaebench.errors import Incompatible
from vaebench.heads import Likelihood
from vaebench.inference import infer_at_values
from vaebench.models import Model
from vaebench.objectives import Objective
from vaebench.trace import Evidence, Site, Trace

TWO_WAY = "posterior=iaf"  # a flow that scores a given z too

# A [k]-shaped score passes for a [k, B] one at k = 1 or k = B: hence two different numbers.
SAMPLES, EXAMPLES = 3, 2


@dataclass(frozen=True)
class Report:
    """What the dry run found.

    Attributes:
        quantity: what is bounded, e.g. `log p(x | y)`.
        roles: name of the batch → observed, condition or extra.
        sites: what q and p visit, in order, e.g. `q z ~ DiagNormal [10]`.
        notes: what a reader of the results should know.
    """

    quantity: str
    roles: dict[str, str]
    sites: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Watched(Mapping[str, Tensor]):
    """A batch that remembers which of its names were read."""

    def __init__(self, batch: Mapping[str, Tensor]) -> None:
        self.batch, self.read = batch, set[str]()

    def __getitem__(self, name: str) -> Tensor:
        self.read.add(name)
        return self.batch[name]

    def __contains__(self, name: object) -> bool:
        return name in self.batch

    def __iter__(self) -> Iterator[str]:
        return iter(self.batch)

    def __len__(self) -> int:
        return len(self.batch)


def check(model: Model, objective: Objective, spec: Spec) -> Report:
    """Runs both programs and one step of the objective on two made-up examples.

    Raises:
        Incompatible: what does not go together, why, and what to use instead.
    """
    training = model.training
    with torch.random.fork_rng(devices=[]):
        batch = spec.example(EXAMPLES)
        roles, evidence = _dry_run(model, batch)
        _check_sites(evidence, batch)
        _check_likelihood(model)
        _check_latents(evidence, objective)
        _check_noise(evidence, objective)
        _check_kinds(evidence, objective)
        _check_given(model, evidence, objective)
        _check_draws(evidence, objective)
        _check_scores(evidence, objective)
        _check_programs(model, evidence, objective, batch)
        _check_gradients(model, objective, batch)
    model.train(training)
    return Report(_quantity(roles), roles, _sites(evidence), _notes(model, objective))


def _dry_run(model: Model, batch: dict[str, Tensor]) -> tuple[dict[str, str], Evidence]:
    seen, conditions = Watched(batch), Watched(batch)
    with torch.no_grad():
        q = Trace(SAMPLES, EXAMPLES, ChainMap({}, batch))
        p = Trace(SAMPLES, EXAMPLES, ChainMap(q.values, batch))
        model.joint(p, q, conditions, seen)
    roles = {}
    for name in batch:
        if name in p:
            roles[name] = "observed"
        else:
            read = name in seen.read or name in conditions.read
            roles[name] = "condition" if read else "extra"
    return roles, Evidence(p, q, tuple(site.name for site in q.drawn))


def _check_sites(evidence: Evidence, batch: dict[str, Tensor]) -> None:
    for name, site in evidence.p.sites.items():
        if not site.given:
            hint = did_you_mean(name, batch)
            raise Incompatible(
                f"the model generates {name!r}, which the data do not hold and recognition does "
                f"not infer; the data hold {', '.join(batch)}.{hint}"
            )
    if not evidence.observed:
        raise Incompatible("the model observes nothing: it generates none of " + ", ".join(batch))
    for name in evidence.latents:
        if name not in evidence.p:
            raise Incompatible(f"recognition infers {name!r}, which the model never generates")


def _check_latents(evidence: Evidence, objective: Objective) -> None:
    """Refuses objectives that are about latents where there are none, and the reverse."""
    if objective.needs_latents and not evidence.latents:
        raise Incompatible(
            f"{chosen('objective')} is about latents, and {chosen('model')} has none: its log p(x) "
            "is exact." + instead("objective=likelihood")
        )
    if evidence.latents and not objective.needs_latents:
        raise Incompatible(
            f"{chosen('objective')} needs log p(x) itself, which {chosen('model')}, with latents, "
            "can only bound." + instead(PLAINEST["objective"])
        )


def _check_noise(evidence: Evidence, objective: Objective) -> None:
    """Refuses a bound, or several samples, of a posterior that is a point."""
    points = [not evidence.q[name].dist.has_density for name in evidence.latents]
    if objective.has_bound and any(points):
        raise Incompatible(
            f"{chosen('posterior')} has no density, so {chosen('objective')} has no bound on "
            "log p(x)." + instead("objective=reconstruction", PLAINEST["posterior"])
        )
    if objective.k > 1 and all(points):
        source = chosen("posterior") if points else chosen("model")
        raise Incompatible(
            f"k={objective.k}: all samples would be the same, since {source} has no noise."
            + instead("k=1", *([PLAINEST["posterior"]] if points else []))
        )


def _check_given(model: Model, evidence: Evidence, objective: Objective) -> None:
    """Refuses to score a value under a density that scores only its own samples."""
    if objective.rescores and model.refine is not None:
        raise Incompatible(
            f"{objective.rescores} needs log q(z | x) at a given z; {chosen('refine')} moves samples "
            "and scores only those." + _two_way(objective, PLAINEST["refine"])
        )
    for name in evidence.latents:
        one_way = f"{chosen('posterior')} scores only its own samples."
        if objective.rescores and not evidence.q[name].dist.scores_given:
            raise Incompatible(
                f"{objective.rescores} needs log q(z | x) at a given z; {one_way}"
                + _two_way(objective, TWO_WAY)
            )
        if objective.has_bound and not evidence.p[name].dist.scores_given:
            raise Incompatible(
                f"{chosen('prior')} needs log q(z | x) at a given z; {one_way}"
                + instead(PLAINEST["prior"], TWO_WAY)
            )


def _two_way(objective: Objective, other: str) -> str:
    """What to use instead where q cannot score given values."""
    path = "estimator=pathwise" if objective.draws_option else PLAINEST["objective"]
    return instead(path, other)


def _check_kinds(evidence: Evidence, objective: Objective) -> None:
    """Refuses a density of real numbers for bits, and the reverse."""
    for name in evidence.latents if objective.has_bound else ():
        q, p = evidence.q[name].dist, evidence.p[name].dist
        if q.is_discrete == p.is_discrete:
            continue
        infers, knows = ("bits", "real numbers") if q.is_discrete else ("real numbers", "bits")
        raise Incompatible(
            f"{chosen('posterior')} infers {infers} at site {name!r}, and {chosen('prior')} is a "
            f"density of {knows}."
            + instead("prior=bernoulli" if q.is_discrete else PLAINEST["prior"])
        )


def _check_draws(evidence: Evidence, objective: Objective) -> None:
    """Refuses an estimator that q's samples do not serve."""
    option = objective.draws_option or chosen("objective")
    other = instead("estimator=auto" if objective.draws_option else PLAINEST["posterior"])
    dists = {name: evidence.q[name].dist for name in evidence.latents}
    if objective.draws == "relaxed" and not any(d.is_discrete for d in dists.values()):
        raise Incompatible(
            f"{option} relaxes discrete latents, and {chosen('posterior')} has none." + other
        )
    for name, dist in dists.items():
        told = f"{chosen('posterior')}, {type(dist).__name__} at site {name!r}"
        relaxed = objective.draws == "relaxed" and dist.is_discrete
        if objective.draws != "score" and not relaxed and not dist.has_rsample:
            raise Incompatible(
                f"{option} needs a path from parameters to samples; {told}, has none." + other
            )
        if objective.draws == "score" and not dist.has_density:
            raise Incompatible(f"{option} needs the density of samples; {told}, has none." + other)


def _check_scores(evidence: Evidence, objective: Objective) -> None:
    """Reads every score that is used, so that one of a wrong shape speaks up too."""
    for part, site in _scored(evidence, objective):
        if not torch.isfinite(site.log_prob).all():
            raise Incompatible(
                f"{chosen(part)}: the log-density of {type(site.dist).__name__} at site "
                f"{site.name!r} is not finite on made-up data."
                + (
                    instead(PLAINEST[part])
                    or ("" if part == "likelihood" else instead("model=vae"))
                )
            )


def _scored(evidence: Evidence, objective: Objective) -> Iterator[tuple[str, Site]]:
    """Sites that the objective scores, each with the part of the model that it comes from."""
    for site in evidence.observed:
        yield "likelihood", site
    if objective.has_bound:
        for name in evidence.latents:
            yield "prior", evidence.p[name]
            yield "posterior", evidence.q[name]


def _check_programs(
    model: Model, evidence: Evidence, objective: Objective, batch: dict[str, Tensor]
) -> None:
    """Refuses to let q learn from what p makes up where they are made of the same weights."""
    if not objective.dreams:
        return
    named = {n: p for n, p in model.named_parameters() if p.requires_grad}
    again = infer_at_values(model, batch, {n: evidence.q[n].value for n in evidence.latents})
    latents = [again.p[name] for name in evidence.latents]
    inferred, prior, rest = (
        _used(sites, named)
        for sites in (
            again.q.sites.values(),
            latents,
            (site for site in again.p.sites.values() if site not in latents),
        )
    )
    for name in named:
        if name in inferred and name in prior | rest:
            of_prior = name not in rest
            remedies = [_plain_prior(evidence)] if of_prior else []
            raise Incompatible(
                f"{chosen('objective')} trains recognition on what generation makes up, and in "
                f"{chosen('prior' if of_prior else 'model')} both use {name}: one would learn from "
                "itself." + instead(*remedies, PLAINEST["objective"])
            )


def _used(sites: Iterable[Site], named: Mapping[str, nn.Parameter]) -> set[str]:
    """Names of the parameters that the scores of some sites depend on."""
    scores = [site.log_prob.sum() for site in sites if site.log_prob.requires_grad]
    if not scores:
        return set()
    gradients = torch.autograd.grad(
        torch.stack(scores).sum(), list(named.values()), allow_unused=True, retain_graph=True
    )
    return {name for name, gradient in zip(named, gradients, strict=True) if gradient is not None}


def _plain_prior(evidence: Evidence) -> str:
    """The plainest prior of the same kind of latents."""
    bits = any(evidence.q[name].dist.is_discrete for name in evidence.latents)
    return "prior=bernoulli" if bits else PLAINEST["prior"]


def _check_likelihood(model: Model) -> None:
    for name, module in model.named_modules():
        if "likelihood" in name and isinstance(module, nn.modules.batchnorm._BatchNorm):
            raise Incompatible(
                f"{chosen('likelihood')} with {chosen('nets')}: {name} is a BatchNorm, so log "
                "p(x | z) of an example would depend on the others of its batch."
                + (instead("nets=mlp") if ".net." in name else instead(PLAINEST["likelihood"]))
            )


def _check_gradients(model: Model, objective: Objective, batch: dict[str, Tensor]) -> None:
    named = [(f"model.{n}", p) for n, p in model.named_parameters() if p.requires_grad]
    named += [(f"objective.{n}", p) for n, p in objective.named_parameters() if p.requires_grad]
    kept = {name: buffer.clone() for name, buffer in objective.named_buffers()}
    step = torch.zeros((), dtype=torch.long)
    loss = objective(model, batch, step).loss
    # What concerns the whole data set, such as a prior over all weights, trains nothing by itself.
    own = objective.estimate(model, batch, step).loss
    for name, buffer in objective.named_buffers():
        buffer.copy_(kept[name])  # what a baseline made of made-up data
    if loss.ndim:
        raise Incompatible(
            f"{chosen('objective')}: the loss has shape {list(loss.shape)}; a scalar was expected."
            + instead(PLAINEST["objective"])
        )
    if not loss.isfinite():
        raise Incompatible(
            f"{chosen('objective')}: the loss is {loss.item()} on made-up data."
            + instead(PLAINEST["objective"])
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # hooks on copies that need no gradient
        gradients = torch.autograd.grad(own, [p for _, p in named], allow_unused=True)
    for (name, _), gradient in zip(named, gradients, strict=True):
        if gradient is None:
            part = next((part for part in name.split(".") if part in PLAINEST), "model")
            raise Incompatible(
                f"{chosen(part)}: {name} is never trained, since the loss of "
                f"{chosen('objective')} does not depend on it." + _remedy(part, objective)
            )


def _remedy(part: str, objective: Objective) -> str:
    """What to use instead of a part that is never trained."""
    if part in ("model", "posterior") and not objective.has_bound:
        return instead("model=vae")  # only a prior would reach the upper of several latents
    return (instead(PLAINEST[part]) if part in PLAINEST else "") or instead(PLAINEST["objective"])


def _quantity(roles: dict[str, str]) -> str:
    observed, conditions = (
        ", ".join(n for n, role in roles.items() if role == wanted)
        for wanted in ("observed", "condition")
    )
    return f"log p({observed} | {conditions})" if conditions else f"log p({observed})"


def _sites(evidence: Evidence) -> list[str]:
    return [
        f"{program} {site.name} ~ {type(site.dist).__name__} {list(site.dist.event_shape)}"
        for program, trace in (("q", evidence.q), ("p", evidence.p))
        for site in trace.sites.values()
        if program == "p" or not site.given
    ]


def _notes(model: Model, objective: Objective) -> list[str]:
    caveats = [m.caveat for m in model.modules() if isinstance(m, Likelihood) and m.caveat]
    return [*caveats, *objective.notes]
