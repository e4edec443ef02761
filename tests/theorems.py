"""Models whose answers are known, and how an estimate is judged against an answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from statistics import NormalDist
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vaebench.data import Field, Spec, Support
from vaebench.distributions import Noise, kl_divergence
from vaebench.errors import Incompatible
from vaebench.heads import Conditional, Head, Prior, priors
from vaebench.heads.likelihoods import Bernoulli
from vaebench.heads.likelihoods import Gaussian as GaussianLikelihood
from vaebench.heads.posteriors import Bits, Categorical, Gaussian
from vaebench.heads.priors import Normal
from vaebench.inference import infer, infer_at_values, log_mean_exp, outline
from vaebench.models import M2, VAE, Hierarchical, Model, RecognitionFirst
from vaebench.nets import MLP
from vaebench.objectives import ELBO, IWAE, Constrained
from vaebench.objectives.anneal import Constant
from vaebench.objectives.estimators import ESTIMATORS
from vaebench.trace import Evidence

STEP = torch.tensor(0)


@pytest.fixture(autouse=True)
def in_float64() -> Iterator[None]:
    """A folder's conftest imports this: exact answers need float64."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@contextmanager
def refused(*parts: str, match: str, options: tuple[str, ...] = ()) -> Iterator[None]:
    """What is done in it is refused: why, which parts are to blame, which options might help."""
    with pytest.raises(Incompatible, match=match) as error:
        yield
    assert (error.value.parts, error.value.options) == (parts, options)


# ------------------------------------------------------------------ judging Monte Carlo estimates
def largest_z(comparisons: int = 1) -> float:
    """The |z| that the largest of so many honest comparisons exceeds once in 150,000 (1: 4.5)."""
    return NormalDist().inv_cdf(1 - 3.4e-6 / comparisons)


def z_scores(samples: Tensor, expected: Tensor | float, expected_se: Tensor | float = 0) -> Tensor:
    """How many of its own standard errors the mean over dimension 0 is away from `expected`."""
    samples = samples.detach().double()
    variance = samples.var(0) / len(samples) + expected_se**2
    rounding = 1e-10
    return (samples.mean(0) - expected) / (variance.sqrt() + rounding)


def assert_mean(samples: Tensor, expected: Tensor | float, expected_se: Tensor | float = 0) -> None:
    """Entry by entry, draws along dimension 0 have this mean."""
    z = z_scores(samples, expected, expected_se)
    assert z.abs().max() < largest_z(z.numel()), f"largest |z| = {z.abs().max():.1f}"


def assert_same_mean(samples: Tensor, others: Tensor) -> None:
    """Two sets of draws have the same mean, entry by entry."""
    others = others.detach().double()
    assert_mean(samples, others.mean(0), others.std(0) / math.sqrt(len(others)))


def flat_gradient(loss: Tensor, module: nn.Module) -> Tensor:
    """∂ loss / ∂ parameters in one vector, 0 where a parameter plays no part."""
    parameters = list(module.parameters())
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True, materialize_grads=True)
    return torch.cat([g.flatten() for g in gradients])


def gradient_samples(
    objective: nn.Module,
    model: nn.Module,
    x: Tensor,
    *,
    of: nn.Module | None = None,
    groups: int = 50,
    size: int = 600,
) -> Tensor:
    """Independent gradient estimates, each a mean over `size` copies of x: `[groups, P]`.

    Args:
        x: one example `[D]`, or several `[n, D]`, which share every batch.
        groups: few and large ones: a step costs the same for ten examples as for hundreds.
    """
    batch = {"x": x.expand(size, *x.shape).reshape(-1, x.shape[-1])}
    losses = (objective(model, batch, STEP).loss for _ in range(groups))
    return torch.stack([flat_gradient(loss, of or model) for loss in losses])


class Supplied(Noise):
    """Noise that is given instead of drawn: the nodes of a quadrature, say."""

    def __init__(self, eps: Tensor) -> None:
        super().__init__()
        self.eps = eps

    def normal(self, shape, like):
        assert tuple(shape) == self.eps.shape
        return self.eps

    uniform = normal


def normal_quadrature(dims: int, nodes: int = 120) -> tuple[Tensor, Tensor]:
    """Gauss-Hermite nodes `[dims, nodes^dims, 1]` and weights, of E f(ε) under N(0, I)."""
    x, w = (torch.from_numpy(a) for a in np.polynomial.hermite_e.hermegauss(nodes))
    w = w / w.sum()
    points = torch.stack(torch.meshgrid(*[x] * dims, indexing="ij")).view(dims, -1, 1)
    weights = torch.stack(torch.meshgrid(*[w] * dims, indexing="ij")).view(dims, -1)
    return points, weights.prod(0)


# ---------------------------------------------------------------------------- objectives, tersely
def spelt(options: dict[str, Any]) -> dict[str, Any]:
    """Options of an objective, whose estimator is named as on a command line, with its own."""
    own = {name: options[name] for name in ("baseline", "reward", "temperature") if name in options}
    rest = {name: value for name, value in options.items() if name not in own}
    return rest | {"estimator": partial(ESTIMATORS[options.get("estimator", "auto")], **own)}


def elbo(model: nn.Module, spec: Spec, **options: object) -> ELBO:
    """ELBO with plain defaults."""
    defaults = {"k": 1, "kl": "auto", "beta": 1.0, "anneal": Constant()}
    defaults |= {"free_bits": 0.0, "free_bits_per": "dimension"}
    return ELBO(model, outline(model, spec), **spelt(defaults | options))


def constrained(model: nn.Module, spec: Spec, **options: object) -> Constrained:
    """The constrained bound with plain defaults."""
    defaults = {"k": 1, "limit": 1.0, "kl": "auto", "multiplier": 1.0, "multiplier_lr": 0.01}
    return Constrained(model, outline(model, spec), **spelt(defaults | options))


def iwae(model: nn.Module, spec: Spec, **options: object) -> IWAE:
    """IWAE with plain defaults."""
    defaults = {"k": 5, "estimator": "pathwise", "beta": 1.0, "anneal": Constant()}
    return IWAE(model, outline(model, spec), **spelt(defaults | options))


# ---------------------------------------------------- a VAE that is probabilistic PCA: all is known
class PPCAModel:
    """x = W z + μ + σ ε as a VAE with linear nets, so that log p(x) and p(z | x) are known.

    Attributes:
        vae: the real VAE; its decoder holds W and μ.
        x: an example to look at, `[D]`.
    """

    def __init__(
        self,
        w: Tensor,
        noise: float,
        x: Tensor,
        *,
        posterior: type[Head] = Gaussian,
        prior: type[Prior] | partial[Prior] = Normal,
    ) -> None:
        self.w, self.noise, self.x = w, noise, x
        self.spec = Spec({"x": Field((len(w),))}, size=100)
        self.vae = VAE(
            self.spec,
            latent_dim=w.shape[1],
            nets=MLP(hidden=[], activation="tanh", init="glorot", output_bias="zero"),
            posterior=posterior,
            prior=prior,
            likelihood=partial(GaussianLikelihood, variance="fixed", scale=noise),
        )
        self.encoder: nn.Linear = self.vae.posterior.net[1]
        self.decoder: nn.Linear = self.vae.likelihood.net[1]
        set_linear(self.decoder, w, torch.zeros(len(w)))

    @property
    def batch(self) -> dict[str, Tensor]:
        """The example as a batch of one."""
        return {"x": self.x.unsqueeze(0)}

    @property
    def covariance(self) -> Tensor:
        """Cov[x] = W Wᵀ + σ² I."""
        return self.w @ self.w.T + self.noise**2 * torch.eye(len(self.w))

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x)."""
        return torch.distributions.MultivariateNormal(
            torch.zeros(len(self.w)), self.covariance
        ).log_prob(x)

    def exact_posterior(self) -> tuple[Tensor, Tensor]:
        """A and C of p(z | x) = N(A x, C)."""
        precision = self.w.T @ self.w + self.noise**2 * torch.eye(self.w.shape[1])
        return torch.linalg.solve(precision, self.w.T), self.noise**2 * precision.inverse()

    def closed_form_bound(self) -> Tensor:
        """E_q log p(x | z) - KL(q ‖ p), differentiable in the parameters of the VAE."""
        q, w = self.vae.posterior(self.batch["x"]), self.decoder.weight
        at_mean = self.vae.likelihood(q.loc).log_prob(self.batch["x"])
        spread = (w.square() * (2 * q.log_scale).exp()).sum() / (2 * self.noise**2)
        return (at_mean - spread - kl_divergence(q, self.vae.prior())).squeeze(0)

    def set_posterior(self, loc: Tensor, free: Tensor) -> None:
        """q(z | x) has location loc · x; its other parameters are the constants `free`."""
        rest = torch.zeros(len(free), loc.shape[1])
        set_linear(self.encoder, torch.cat([loc, rest]), torch.cat([torch.zeros(len(loc)), free]))

    def set_exact_posterior(self) -> None:
        """q(z | x) = p(z | x); a latent wider than 1 needs the full Gaussian."""
        loc, covariance = self.exact_posterior()
        tril = torch.linalg.cholesky(covariance)
        below = tril[*torch.tril_indices(len(tril), len(tril), offset=-1)]
        self.set_posterior(loc, torch.cat([tril.diagonal().log(), below]))


def set_linear(layer: nn.Linear, weight: Tensor, bias: Tensor) -> None:
    """Fills in a linear layer."""
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)


def golden_ppca(posterior: type[Head] = Gaussian) -> PPCAModel:
    """W = [1, 2]ᵀ, σ² = .5, x = [1, -1], q = N(0, 1): the table's case."""
    model = PPCAModel(
        torch.tensor([[1.0], [2.0]]), math.sqrt(0.5), torch.tensor([1.0, -1.0]), posterior=posterior
    )
    model.set_posterior(torch.zeros(1, 2), torch.zeros(1))
    return model


def wide_ppca(
    prior: type[Prior] | partial[Prior] = Normal, posterior: type[Head] = Gaussian
) -> PPCAModel:
    """Two latents, three observed; q is off the posterior, as early in training."""
    w = torch.tensor([[1.0, 0.3], [-0.5, 0.8], [0.2, -0.6]])
    model = PPCAModel(w, 0.8, torch.tensor([0.9, -0.4, 0.6]), prior=prior, posterior=posterior)
    loc = torch.tensor([[-0.2, 0.3, -0.4], [0.2, -0.3, 0.1]])
    rest = torch.tensor([-0.2, -0.3, 0.4])[: model.encoder.out_features - 2]
    model.set_posterior(loc, rest)
    return model


# ------------------------------------------------------------------------- two stochastic layers
class BottomUp(RecognitionFirst):
    """x ← h1 ← h2 is linear and Gaussian, so that log p(x) is known; q goes up, x → h1 → h2.

    Attributes:
        x: an example to look at, `[3]`.
    """

    spec = Spec({"x": Field((3,))}, size=100)
    noise = 1.0

    def __init__(self) -> None:
        super().__init__()
        self.x = torch.tensor([0.5, -1.0, 0.3])
        x, h = Field((3,)), Field((2,))
        up = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 4))
        likelihood = partial(GaussianLikelihood, variance="fixed", scale=self.noise)
        self.q1 = Conditional(nn.Linear(3, 4), Gaussian(h))
        self.q2 = Conditional(up, Gaussian(h))
        self.top = Normal(h)
        self.p1 = Conditional(nn.Linear(2, 2), likelihood(h))
        self.px = Conditional(nn.Linear(2, 3), likelihood(x))
        self._initialise(up)

    def _initialise(self, up: nn.Sequential) -> None:
        """The same weights at every seed. A layer that depends weakly on another's draw would hide
        mistakes, and a q narrower than the posterior gives weights without a variance."""
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
            up[0].weight.mul_(3)
            for layer in (self.q1.net, up[2]):
                layer.weight[2:].mul_(0.2)
                layer.bias[2:].fill_(0.4)

    def recognise(self, q, batch):
        q("h2", self.q2(q("h1", self.q1(batch["x"]))))

    def generate(self, p, batch):
        p("x", self.px(p("h1", self.p1(p("h2", self.top())))))

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x)."""
        a, b = self.p1.net, self.px.net
        inner = a.weight @ a.weight.T + self.noise**2 * torch.eye(2)
        covariance = b.weight @ inner @ b.weight.T + self.noise**2 * torch.eye(3)
        mean = b.weight @ a.bias + b.bias
        return torch.distributions.MultivariateNormal(mean, covariance).log_prob(x).detach()


# -------------------------------------------------------------- latents that can be enumerated
BINARY = Spec({"x": Field((3,), Support.BINARY, 2)}, size=100)
EXAMPLES = torch.tensor([[1, 0, 1], [0, 1, 1], [0, 0, 0]], dtype=torch.float64)
"""Of three pixels; unlike each other, so that what belongs to one shows at another."""


CLASSES = partial(priors.Categorical, learned=True)
"""A prior of classes."""


def linear() -> MLP:
    """A family of nets of one linear layer."""
    return MLP(hidden=[], activation="tanh", init="glorot", output_bias="zero")


def belief_net(
    *layers: int, prior: type[Prior] | partial[Prior] = priors.Bits, seed: int = 0
) -> Hierarchical:
    """A sigmoid belief net of three pixels whose posterior is far from q."""
    model = Hierarchical(
        BINARY,
        layers=list(layers) or [3, 2],
        nets=linear(),
        links=linear(),
        posterior=Bits,
        prior=prior,
        likelihood=Bernoulli,
    )
    return scattered(model, seed=seed)


def deep_belief_net() -> Hierarchical:
    """One of three layers, whose top is felt at the bottom."""
    return belief_net(2, 2, 2, seed=1)


def bits_vae(
    prior: type[Prior] | partial[Prior] = priors.Bits, dim: int = 3, spec: Spec = BINARY
) -> VAE:
    """One layer of bits, whose posterior is far from q."""
    model = VAE(
        spec, latent_dim=dim, nets=linear(), posterior=Bits, prior=prior, likelihood=Bernoulli
    )
    return scattered(model)


def classes_vae(
    dim: int = 2, classes: int = 3, prior: type[Prior] | partial[Prior] = CLASSES
) -> VAE:
    """One layer of one-hot variables, whose posterior is far from q."""
    model = VAE(
        BINARY,
        latent_dim=dim,
        nets=linear(),
        posterior=partial(Categorical, classes=classes),
        prior=prior,
        likelihood=Bernoulli,
    )
    return scattered(model)


COIN = Spec({"x": Field((1,), Support.BINARY, 2)}, size=100)


def coin(*, exact: bool = False) -> VAE:
    """One bit h, one pixel: p(h) = .3, p(x | h) = (.2, .9); q(h | x) = .5, or the posterior."""
    model = bits_vae(dim=1, spec=COIN)
    p_h, (low, high) = torch.tensor(0.3).logit(), torch.tensor([0.2, 0.9]).logit()
    p_0, p_1 = torch.tensor([0.03 / 0.59, 0.27 / 0.41] if exact else [0.5, 0.5]).logit()
    with torch.no_grad():
        model.prior.logits.fill_(p_h)
    set_linear(model.likelihood.net[1], (high - low).view(1, 1), low.view(1))
    set_linear(model.posterior.net[1], (p_1 - p_0).view(1, 1), p_0.view(1))
    return model


M = TypeVar("M", bound=nn.Module)


def scattered(model: M, spread: float = 1.5, seed: int = 0) -> M:
    """The model with parameters from N(0, spread²), the same ones at every call."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(spread * torch.randn(parameter.shape, generator=generator))
    return model


def bits(width: int) -> Tensor:
    """All values of so many bits, `[2^width, width]`."""
    return torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * width).view(-1, width)


def at_every_value(model: Model, x: Tensor) -> Evidence:
    """Evidence of one example at every value of its latents, bits or classes: `[V, 1]`."""
    batch = {"x": x.unsqueeze(0)}
    drawn = infer(model, batch, 1)
    each = [drawn.q[name].dist.values() for name in drawn.latents]
    places = torch.cartesian_prod(*[torch.arange(len(v)) for v in each]).view(-1, len(each))
    values = [v[place].unsqueeze(1) for v, place in zip(each, places.T, strict=True)]
    return infer_at_values(model, batch, dict(zip(drawn.latents, values, strict=True)))


def log_q_of(evidence: Evidence) -> Tensor:
    """log q(z | x), `[k, B]`."""
    return torch.stack([evidence.q[name].log_prob for name in evidence.latents]).sum(0)


def log_w_of(evidence: Evidence) -> Tensor:
    """log w, `[k, B]`."""
    return evidence.log_w


def expected_bound(
    model: Model,
    x: Tensor,
    k: int = 1,
    f: Callable[[Evidence], Tensor] = log_w_of,
    value: Callable[[Tensor], Tensor] = log_mean_exp,
) -> Tensor:
    """E of a bound over every k-tuple of samples of q, differentiable, averaged over examples.

    Args:
        x: examples, `[n, D]`.
        f: evidence → what the bound is made of, `[N, 1]`.
        value: those of k samples `[k, *]` → bound `[*]`.
    """
    return torch.stack([_expected(at_every_value(model, one), k, f, value) for one in x]).mean()


def _expected(
    evidence: Evidence,
    k: int,
    f: Callable[[Evidence], Tensor],
    value: Callable[[Tensor], Tensor],
) -> Tensor:
    log_q, terms = log_q_of(evidence)[:, 0], f(evidence)[:, 0]
    tuples = torch.cartesian_prod(*[torch.arange(len(log_q))] * k).view(-1, k).T
    return (log_q[tuples].sum(0).exp() * value(terms[tuples])).sum()


# ------------------------------------------------------------------------ a class beside a style
def labelled_spec(share: float | None = None, classes: int = 3) -> Spec:
    """Three pixels and a label; with a share, a column that tells which labels are known."""
    fields = {"x": BINARY["x"], "y": Field((), Support.LABEL, classes)}
    if share is not None:
        mean = torch.tensor([1 - share, share])
        fields["labelled"] = Field((), Support.LABEL, 2, mean)
    return Spec(fields, size=100)


def class_and_style(spec: Spec | None = None, **options: Any) -> M2:
    """An M2 of three classes and two dimensions of style, whose posterior is far from q."""
    parts: dict[str, Any] = {"posterior": Gaussian, "prior": Normal, "likelihood": Bernoulli}
    parts |= {"classes": 3, "latent_dim": 2, "nets": linear()}
    parts |= {"class_prior": partial(priors.Categorical, learned=False)}
    return scattered(M2(spec or labelled_spec(), **parts | options), spread=0.7)
