"""log w = Σ log p over what p is given - Σ log q over what q drew."""

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import BottomUp, assert_mean, golden_ppca, wide_ppca
from vaebench.distributions import (
    BernoulliLogits,
    DiagNormal,
    Noise,
    StandardNormal,
    register_kl,
)
from vaebench.errors import Incompatible
from vaebench.inference import batch_size, frozen, infer, log_mean_exp, rescore
from vaebench.models import RecognitionFirst

K, B = 3, 2


class Unscored(DiagNormal):
    """Draws, and must not be scored."""

    def log_prob(self, value):
        raise AssertionError("log q was read")

    def rsample_and_log_prob(self, shape, noise):
        return self.rsample(shape, noise), lambda: self.log_prob(None)


class UnscoredPrior(StandardNormal):
    """A prior that must not be scored."""

    def log_prob(self, value):
        raise AssertionError("log p(z) was read")


@register_kl(Unscored, UnscoredPrior)
def _kl(q, p):
    return torch.full(q.batch_shape, 2.5)


class Toy(RecognitionFirst):
    """z → x, and perhaps z → y, with distributions that a test chooses."""

    def __init__(
        self, q: DiagNormal, prior: StandardNormal, second: type[DiagNormal] | None = None
    ) -> None:
        super().__init__()
        self.q, self.prior, self.second = q, prior, second

    def recognise(self, q, batch):
        q("z", self.q)

    def generate(self, p, batch):
        z = p("z", self.prior)
        p("x", BernoulliLogits(z))
        if self.second:
            p("y", self.second(z, torch.zeros(2)))


def toy(second: type[DiagNormal] | None = None) -> Toy:
    q = DiagNormal(torch.randn(B, 2), torch.randn(B, 2))
    return Toy(q, StandardNormal(torch.zeros(2)), second)


def bits() -> dict[str, torch.Tensor]:
    return {"x": torch.tensor([[0.0, 1.0], [1.0, 1.0]])}


def test_log_w_is_log_joint_minus_log_q_in_shape_k_by_b():
    model, batch = toy(), bits()
    evidence = infer(model, batch, K)
    z = evidence.q["z"].value
    log_joint = model.prior.log_prob(z) + BernoulliLogits(z).log_prob(batch["x"])
    assert evidence.log_w.shape == (K, B)
    assert_close(evidence.log_w, log_joint - model.q.log_prob(z))
    assert_close(evidence.recon, BernoulliLogits(z).log_prob(batch["x"]))


def test_log_w_adds_up_every_layer():
    model, x = BottomUp(), torch.randn(B, 3)
    evidence = infer(model, {"x": x}, K)
    h1, h2 = (evidence.q[name].value for name in ("h1", "h2"))
    log_p = model.top().log_prob(h2) + model.p1(h2).log_prob(h1) + model.px(h1).log_prob(x)
    log_q = model.q1(x).log_prob(h1) + model.q2(h1).log_prob(h2)
    assert evidence.latents == ("h1", "h2")
    assert_close(evidence.log_w, log_p - log_q)


def test_the_weights_average_to_the_likelihood():
    """E_q[w] = p(x)."""
    model = golden_ppca()
    model.set_posterior(torch.tensor([[0.1, -0.2]]), torch.zeros(1))
    evidence = infer(model.vae, {"x": model.x.expand(200, 2)}, 200)
    assert_mean((evidence.log_w - model.log_prob(model.x)).exp().flatten(), 1.0)


def test_a_site_that_p_draws_itself_does_not_count():
    model, batch = toy(DiagNormal), bits()
    evidence = infer(model, batch, K)
    z = evidence.q["z"].value
    expected = (
        model.prior.log_prob(z) + BernoulliLogits(z).log_prob(batch["x"]) - model.q.log_prob(z)
    )
    assert not evidence.p["y"].given
    assert_close(evidence.log_w, expected)
    assert [site.name for site in evidence.observed] == ["x"]


def test_an_observed_second_modality_counts():
    model, batch = toy(DiagNormal), bits() | {"y": torch.randn(B, 2)}
    evidence = infer(model, batch, K)
    z = evidence.q["z"].value
    both = BernoulliLogits(z).log_prob(batch["x"])
    both = both + DiagNormal(z, torch.zeros(2)).log_prob(batch["y"])
    assert_close(evidence.recon, both)
    assert_close(evidence.log_w, both + model.prior.log_prob(z) - model.q.log_prob(z))


def test_a_given_latent_is_scored_by_both_programs_and_drawn_by_neither():
    model, z = toy(), torch.randn(K, B, 2)
    evidence = infer(model, bits(), K, given={"z": z})
    assert evidence.latents == ()
    assert_close(evidence.p["z"].log_prob, model.prior.log_prob(z))
    assert_close(evidence.q["z"].log_prob, model.q.log_prob(z))


def test_q_sees_what_it_is_shown_and_p_is_scored_on_the_batch():
    model = golden_ppca()
    model.set_posterior(torch.tensor([[1.0, 1.0]]), torch.tensor([-20.0]))
    shown = {"x": torch.tensor([[2.0, 3.0]])}
    evidence = infer(model.vae, model.batch, 1, seen=shown)
    assert_close(evidence.q["z"].value.squeeze(), torch.tensor(5.0), atol=1e-6, rtol=0)
    assert_close(evidence.p["x"].value, model.batch["x"])


def test_the_encoder_sees_the_batch_once_however_many_samples_follow():
    model = wide_ppca()
    calls = []
    model.encoder.register_forward_hook(lambda module, inputs, out: calls.append(out.shape))
    infer(model.vae, {"x": torch.randn(B, 3)}, 50)
    assert calls == [(B, 4)]


def test_the_closed_form_of_kl_scores_neither_q_nor_the_prior():
    model = Toy(Unscored(torch.zeros(B, 2), torch.zeros(2)), UnscoredPrior(torch.zeros(2)))
    evidence = infer(model, bits(), K)
    assert evidence.kl_obstacle() is None
    assert_close(evidence.kl(), torch.full((K, B), 2.5))
    assert evidence.recon.shape == (K, B)
    with pytest.raises(AssertionError, match="was read"):
        _ = evidence.log_w


def test_a_score_is_computed_once():
    class Counting(DiagNormal):
        count = 0

        def log_prob(self, value):
            Counting.count += 1
            return super().log_prob(value)

    evidence = infer(toy(Counting), bits() | {"y": torch.zeros(B, 2)}, K)
    for _ in range(3):
        _ = evidence.log_w, evidence.recon
    assert Counting.count == 1


def test_the_closed_form_of_kl_is_refused_where_q_and_p_visit_latents_in_unlike_orders():
    evidence = infer(BottomUp(), {"x": torch.randn(B, 3)}, K)
    assert "order" in evidence.kl_obstacle()


def test_a_batch_in_which_nothing_is_observed_is_refused():
    evidence = infer(toy(), {"unrelated": torch.zeros(B)}, K, given={})
    with pytest.raises(Incompatible, match="nothing is observed"):
        _ = evidence.recon
    nothing = Toy(toy().q, StandardNormal(torch.zeros(2)))
    nothing.generate = lambda p, batch: None
    with pytest.raises(Incompatible, match="nothing is observed"):
        _ = infer(nothing, bits(), K).log_w


def test_the_same_noise_gives_the_same_evidence_and_spares_the_global_generator():
    model = toy()
    first, second = (
        infer(model, bits(), K, noise=Noise(torch.Generator().manual_seed(1))) for _ in range(2)
    )
    before = torch.get_rng_state()
    infer(model, bits(), K, noise=Noise(torch.Generator().manual_seed(1)))
    assert torch.equal(first.log_w, second.log_w)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("k", [1, 2, 50])
def test_log_mean_exp_is_the_logarithm_of_the_mean(k):
    log_w = torch.randn(k, B)
    assert_close(log_mean_exp(log_w), log_w.exp().mean(0).log())
    assert_close(log_mean_exp(log_w - 1e4), log_mean_exp(log_w) - 1e4)
    assert_close(log_mean_exp(log_w.T, 1), log_mean_exp(log_w))


def test_the_batch_size_is_the_length_of_the_batch():
    assert batch_size({"x": torch.zeros(7, 2), "y": torch.zeros(7)}) == 7


# ------------------------------------------------------------------------------ frozen, rescore
def test_frozen_parameters_get_no_gradient_but_their_inputs_do():
    model = wide_ppca()
    z = torch.randn(B, 2, requires_grad=True)
    mean = frozen(model.vae, lambda m: m.likelihood(z).mean)
    assert_close(mean, model.vae.likelihood(z).mean)
    gradients = torch.autograd.grad(
        mean.sum(), [z, *model.vae.parameters()], allow_unused=True, retain_graph=True
    )
    assert gradients[0] is not None
    assert all(g is None for g in gradients[1:])
    assert model.vae.likelihood(z).mean.sum().requires_grad


def test_rescoring_gives_the_same_weights_at_the_same_samples():
    for model, width in ((BottomUp(), 3), (wide_ppca().vae, 3)):
        batch = {"x": torch.randn(B, width)}
        evidence = infer(model, batch, K)
        again, copies = rescore(evidence, model, batch)
        assert_close(again.log_w, evidence.log_w)
        assert_close(again.recon, evidence.recon)
        assert again.latents == evidence.latents
        for name, copy in copies.items():
            assert_close(copy, evidence.q[name].value)


def test_rescored_log_q_depends_on_the_encoder_through_the_samples_alone():
    model = golden_ppca()
    evidence = infer(model.vae, model.batch, K)
    again, copies = rescore(evidence, model.vae, model.batch)
    given_copies = torch.autograd.grad(
        again.q["z"].log_prob.sum(), [copies["z"], *model.encoder.parameters()], retain_graph=True
    )
    at_samples = torch.autograd.grad(copies["z"], model.encoder.bias, given_copies[0])
    assert_close(given_copies[2], at_samples[0])
