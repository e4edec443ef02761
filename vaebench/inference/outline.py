"""One dry run of a model: what it shows of itself on made-up examples."""

from __future__ import annotations

from collections import ChainMap, UserDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor, nn

from vaebench.data import Spec
from vaebench.distributions import Score
from vaebench.distributions.base import Distribution
from vaebench.errors import Incompatible
from vaebench.models import Model
from vaebench.suggest import did_you_mean
from vaebench.trace import Evidence, Site, Trace

# A [k]-shaped score passes for a [k, B] one at k = 1 or k = B: hence two different numbers.
SAMPLES, EXAMPLES = 3, 2

Role = Literal["observed", "condition", "extra"]


class Watched(UserDict[str, Tensor]):
    """A batch that remembers which of its names were read."""

    def __init__(self, batch: Mapping[str, Tensor]) -> None:
        super().__init__(batch)
        self.read = set[str]()

    def __getitem__(self, name: str) -> Tensor:
        self.read.add(name)
        return super().__getitem__(name)


class Leaves(Trace):
    """A trace whose draws are constants by which whatever is made of them can be differentiated."""

    def _draw(self, dist: Distribution) -> tuple[Tensor, Score]:
        value, score = super()._draw(dist)
        leaf = value.detach().clone().requires_grad_()
        scorable = dist.scores_given and dist.has_density
        return leaf, (lambda: dist.log_prob(leaf)) if scorable else score


@dataclass(frozen=True)
class Outline:
    """What a model is, as far as a run of both programs on two made-up examples tells.

    Attributes:
        spec: of the data.
        batch: the examples.
        roles: of each name of the batch.
        evidence: of three samples of q that nothing has refined; its latents are leaves.
        refined: whether the model moves q's samples before they count.
        named: the parameters that are trained.
    """

    spec: Spec
    batch: dict[str, Tensor]
    roles: dict[str, Role]
    evidence: Evidence
    refined: bool
    named: dict[str, nn.Parameter]

    @property
    def latents(self) -> tuple[str, ...]:
        """What q draws, in q's order."""
        return self.evidence.latents

    @property
    def observed(self) -> tuple[str, ...]:
        """What p scores."""
        return tuple(site.name for site in self.evidence.observed)

    @property
    def conditions(self) -> tuple[str, ...]:
        """What is read and not scored."""
        return tuple(name for name, role in self.roles.items() if role == "condition")

    @property
    def q(self) -> list[Distribution]:
        """q(z | ·) of each latent."""
        return [self.evidence.q[name].dist for name in self.latents]

    @property
    def has_path(self) -> bool:
        """Whether all samples carry a gradient from q's parameters."""
        return all(dist.has_rsample for dist in self.q)

    @cached_property
    def kl_obstacle(self) -> str | None:
        """Why KL(q ‖ p) has no closed form; None where it has one."""
        moved = self.refined and self.latents
        return "q has auxiliary variables" if moved else self.evidence.kl_obstacle()

    @property
    def quantity(self) -> str:
        """What is bounded, e.g. `log p(x | y)`."""
        observed = ", ".join(name for name, role in self.roles.items() if role == "observed")
        conditions = ", ".join(self.conditions)
        return f"log p({observed} | {conditions})" if conditions else f"log p({observed})"

    def entered(self, terms: Mapping[str, Tensor]) -> dict[str, tuple[str, ...]]:
        """Latent → names of the terms `[k, B]` that it enters, itself or through one that q draws
        after it; latents that enter none are left out."""
        leaves = {name: self.evidence.q[name].value for name in self.latents}
        moved_by = {term: depends(value, leaves) for term, value in terms.items()}
        found = {}
        for i, name in enumerate(self.latents):
            later = {*self.latents[i:]}
            if reached := tuple(term for term in terms if moved_by[term] & later):
                found[name] = reached
        return found

    def trained_by(self, sites: Iterable[Site]) -> set[str]:
        """Names of the parameters that the scores of some sites depend on."""
        return set[str]().union(*(depends(site.log_prob, self.named) for site in sites))


def depends(value: Tensor, on: Mapping[str, Tensor]) -> set[str]:
    """The names of those tensors that a value has a gradient with respect to."""
    if not (value.requires_grad and on):
        return set()
    gradients = torch.autograd.grad(
        value.sum(), [*on.values()], allow_unused=True, retain_graph=True
    )
    return {name for name, gradient in zip(on, gradients, strict=True) if gradient is not None}


def _check_sites(evidence: Evidence, batch: Mapping[str, Tensor]) -> None:
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


def outline(model: Model, spec: Spec) -> Outline:
    """Runs both programs once, on noise of its own.

    Raises:
        Incompatible: the model is none of these data.
    """
    batch = spec.example(EXAMPLES)
    if model.numbered:
        batch["index"] = torch.arange(EXAMPLES)
    seen, conditions = Watched(batch), Watched(batch)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        q = Leaves(SAMPLES, EXAMPLES, ChainMap({}, batch))
        p = Trace(SAMPLES, EXAMPLES, ChainMap(q.values, batch))
        model.joint(p, q, conditions, seen)
    roles: dict[str, Role] = {}
    for name in spec.fields:
        read = name in seen.read or name in conditions.read
        roles[name] = "observed" if name in p else "condition" if read else "extra"
    evidence = Evidence(p, q, tuple(site.name for site in q.drawn))
    _check_sites(evidence, batch)
    named = {n: value for n, value in model.named_parameters() if value.requires_grad}
    return Outline(spec, batch, roles, evidence, model.refine is not None, named)
