"""Variational parameters of each example's own reach the best q of the family."""

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import BottomUp, Supplied, assert_mean, wide_ppca
from vaebench.distributions import Noise, StandardNormal
from vaebench.errors import Incompatible
from vaebench.heads.posteriors import FullGaussian, Gaussian
from vaebench.inference import infer
from vaebench.inference.freeform import emitted, infer_at, optimise
from vaebench.measures.gaps import InferenceGap
from vaebench.models import Model, RecognitionFirst

EXAMPLES = 5


def examples():
    return {"x": 1.5 * torch.randn(EXAMPLES, 3, generator=torch.Generator().manual_seed(6))}


def exact_moments():
    """Four points with mean 0 and covariance I: the bound of a linear model has no noise left."""
    points = 2**0.5 * torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    return Supplied(points.unsqueeze(1).expand(4, EXAMPLES, 2))


def optimum(model, batch, noise=None, k=4):
    options = {"k": k, "steps": 700, "lr": 0.05, "noise": noise or exact_moments()}
    return optimise(model.vae, batch, **options)


def gap(model, batch, parameters, noise=None, k=4):
    """log p(x) - L[q], `[B]`."""
    value = infer_at(model.vae, batch, parameters, k, noise or exact_moments()).elbo
    return (model.log_prob(batch["x"]) - value).detach()


def precision(model):
    """Λ of p(z | x)."""
    return model.exact_posterior()[1].inverse()


def diagonal_gap(model):
    """KL(q* ‖ p(z | x)) of the best diagonal Gaussian, ½ (Σ log Λ_dd - log det Λ)."""
    found = precision(model)
    return 0.5 * (found.diagonal().log().sum() - found.logdet())


# --------------------------------------------------------------------------------- the optimum
def test_the_best_diagonal_gaussian_has_the_posterior_mean_and_the_inverse_precision():
    model, batch = wide_ppca(), examples()
    loc, log_scale = optimum(model, batch)["posterior"].chunk(2, -1)
    assert_close(loc, batch["x"] @ model.exact_posterior()[0].T, rtol=0, atol=1e-5)
    best = -0.5 * precision(model).diagonal().log()
    assert_close(log_scale, best.expand(EXAMPLES, 2), rtol=0, atol=1e-5)


def test_what_the_best_diagonal_gaussian_lacks_is_its_divergence_from_the_posterior():
    model, batch = wide_ppca(), examples()
    assert diagonal_gap(model) > 1e-3
    found = gap(model, batch, optimum(model, batch))
    assert_close(found, diagonal_gap(model).expand(EXAMPLES), rtol=0, atol=1e-8)


def test_the_best_full_gaussian_is_the_posterior():
    model, batch = wide_ppca(posterior=FullGaussian), examples()
    best = optimum(model, batch)
    q = infer_at(model.vae, batch, best, 4, exact_moments()).q["z"].dist
    mean, covariance = model.exact_posterior()
    assert_close(q.mean, batch["x"] @ mean.T, rtol=0, atol=1e-5)
    assert_close(
        q.scale_tril @ q.scale_tril.mT, covariance.expand(EXAMPLES, 2, 2), rtol=0, atol=1e-5
    )
    assert_close(gap(model, batch, best), torch.zeros(EXAMPLES), rtol=0, atol=1e-8)


def test_random_draws_lead_there_too_but_for_their_noise():
    """And what the bound of many samples lacks is the closed form again."""
    model, batch = wide_ppca(), examples()
    found = optimum(model, batch, Noise(torch.Generator().manual_seed(1)), k=16)
    excess = gap(model, batch, found) - diagonal_gap(model)
    assert (excess > -1e-8).all()
    assert excess.mean() < 2e-3
    evidence = infer_at(model.vae, batch, found, 50_000, Noise())
    sampled = model.log_prob(batch["x"]) - (evidence.recon - evidence.kl())
    assert_mean(sampled, gap(model, batch, found))


def test_an_encoder_that_is_120_nats_off_is_left_behind():
    """As early in training, with the options of the measure: a steep start must not slow the end."""
    model, batch, measure = wide_ppca(), examples(), InferenceGap()
    loc = torch.tensor([[-1.0, 1.5, -2.0], [1.0, -1.5, 0.5]])
    model.set_posterior(loc, torch.tensor([1.0, 1.0]))
    assert gap(model, batch, emitted(model.vae, batch)).max() > 100
    options = {"k": measure.samples, "steps": measure.steps, "lr": measure.lr}
    found = optimise(model.vae, batch, noise=Noise(torch.Generator().manual_seed(1)), **options)
    assert (gap(model, batch, found) - diagonal_gap(model)).max() < 0.01


def test_it_starts_where_the_encoder_stands():
    model, batch = wide_ppca(), examples()
    found = optimise(model.vae, batch, k=4, steps=1, lr=1e-9, noise=exact_moments())
    assert_close(found["posterior"], emitted(model.vae, batch)["posterior"], rtol=0, atol=1e-8)


def test_examples_do_not_touch_each_other():
    """Alone or beside others an example finds the same q."""
    model, batch = wide_ppca(), examples()
    points = exact_moments().eps
    together = optimise(model.vae, batch, k=4, steps=50, lr=0.05, noise=Supplied(points))
    alone = {"x": batch["x"][2:3]}
    apart = optimise(model.vae, alone, k=4, steps=50, lr=0.05, noise=Supplied(points[:, :1]))
    assert_close(apart["posterior"], together["posterior"][2:3])


# ------------------------------------------------------------------------- what passes through
def test_emitted_is_what_the_encoders_net_says():
    model, batch = wide_ppca(), examples()
    found = emitted(model.vae, batch)
    assert list(found) == ["posterior"]
    assert torch.equal(found["posterior"], model.vae.posterior.net(batch["x"]))
    assert not found["posterior"].requires_grad


@pytest.mark.parametrize("posterior", [Gaussian, FullGaussian])
def test_at_what_is_emitted_inference_is_the_same(posterior):
    model, batch = wide_ppca(posterior=posterior), examples()

    def noise():
        return Noise(torch.Generator().manual_seed(3))

    own = infer(model.vae, batch, 7, noise=noise())
    at = infer_at(model.vae, batch, emitted(model.vae, batch), 7, noise())
    assert at.latents == own.latents
    assert torch.equal(at.q["z"].value, own.q["z"].value)
    assert torch.equal(at.log_w, own.log_w)


def test_at_other_parameters_inference_is_another():
    model, batch = wide_ppca(), examples()
    own = emitted(model.vae, batch)["posterior"]
    q = infer_at(model.vae, batch, {"posterior": own + 1.0}, 4, exact_moments()).q["z"].dist
    assert_close(q.loc, own[:, :2] + 1.0)
    assert_close(q.log_scale, own[:, 2:] + 1.0)


def test_no_parameter_is_replaced_once_it_is_over():
    model, batch = wide_ppca(), examples()
    before = model.vae.posterior.net(batch["x"])
    infer_at(model.vae, batch, {"posterior": torch.zeros(EXAMPLES, 4)}, 4, exact_moments())
    assert torch.equal(model.vae.posterior.net(batch["x"]), before)


def test_the_parameters_of_the_model_stay_as_they_are_and_get_no_gradient():
    model, batch = wide_ppca(), examples()
    before = {name: value.clone() for name, value in model.vae.state_dict().items()}
    optimise(model.vae, batch, k=4, steps=20, lr=0.05, noise=exact_moments())
    assert all(torch.equal(value, before[n]) for n, value in model.vae.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in model.vae.parameters())


# ------------------------------------------------------------------------------ what is refused
class Twice(RecognitionFirst):
    """One conditional for two latents."""

    def __init__(self) -> None:
        super().__init__()
        self.head = wide_ppca().vae.posterior

    def recognise(self, q, batch):
        q("a", self.head(batch["x"]))
        q("b", self.head(batch["x"]))

    def generate(self, p, batch):
        p("a", StandardNormal(torch.zeros(2)))
        p("b", StandardNormal(torch.zeros(2)))


class Bare(Twice):
    """A latent whose q has no conditional."""

    def recognise(self, q, batch):
        q("a", self.head(batch["x"]))
        q("b", StandardNormal(torch.zeros(2)))


class ByTurns(Model):
    """Recognition and generation take turns."""

    def recognise(self, q, batch):
        raise AssertionError("it is refused before it runs")

    generate = joint = recognise


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (BottomUp, "depends on another latent's draw"),
        (Twice, "used for more than one latent"),
        (Bare, "not every latent has a conditional"),
        (ByTurns, "take turns"),
    ],
)
def test_a_posterior_without_parameters_of_its_own_for_each_latent_is_refused(model, reason):
    with pytest.raises(Incompatible, match=reason):
        emitted(model(), examples())


def test_a_refusal_leaves_no_hook_behind():
    model = BottomUp()
    with pytest.raises(Incompatible):
        emitted(model, examples())
    assert not any(module._forward_hooks for module in model.modules())
