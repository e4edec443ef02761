"""Noise that is kept gives the same sample once more."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import distributions as td
from torch.testing import assert_close

from tests.theorems import EXAMPLES, BottomUp, belief_net, bits_vae, refused, scattered, wide_ppca
from vaebench.data import Field, Spec, Support
from vaebench.data.spec import EOS, PAD
from vaebench.distributions import Noise, Torch
from vaebench.heads.posteriors import FullGaussian, Gaussian
from vaebench.heads.priors import Normal
from vaebench.heads.sentence import Sentence
from vaebench.inference import Replay, infer
from vaebench.models import VAE
from vaebench.nets import Recurrent
from vaebench.objectives.estimators.pathwise import _drawn

K, B = 5, 3
MODELS = {
    "one layer": lambda: wide_ppca().vae,
    "full covariance": lambda: wide_ppca(posterior=FullGaussian).vae,
    "two layers": BottomUp,
    "bits": bits_vae,
    "layers of bits": belief_net,
}
each_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())


def batch() -> dict[str, torch.Tensor]:
    return {"x": EXAMPLES}


def pick(value: torch.Tensor, number: torch.Tensor) -> torch.Tensor:
    return torch.stack([value[int(i), b] for b, i in enumerate(number)]).unsqueeze(0)


@each_model
@pytest.mark.parametrize("number", [[0, 0, 0], [4, 1, 3]], ids=str)
def test_one_samples_noise_again_gives_its_latents_and_its_weight(make, number):
    model, noise, number = make(), Replay(), torch.tensor(number)
    evidence = infer(model, batch(), K, noise=noise)
    again = infer(model, batch(), 1, noise=noise.only(number))
    assert_close(again.log_w, pick(evidence.log_w, number))
    for name in evidence.latents:
        assert_close(again.q[name].value, pick(evidence.q[name].value, number))
    assert evidence.log_w.std() > 0.01


@each_model
def test_it_can_be_asked_for_more_than_one_sample_in_turn(make):
    model, noise = make(), Replay()
    log_w = infer(model, batch(), K, noise=noise).log_w
    for i in range(K):
        number = torch.full((B,), i)
        again = infer(model, batch(), 1, noise=noise.only(number))
        assert_close(again.log_w[0], log_w[i])


@each_model
def test_as_many_samples_as_examples_are_not_mixed_up(make):
    """k = B is where a transposed index would pass unseen by shapes."""
    model, noise, number = make(), Replay(), torch.tensor([2, 0, 1])
    log_w = infer(model, batch(), B, noise=noise).log_w
    again = infer(model, batch(), 1, noise=noise.only(number)).log_w
    assert_close(again, pick(log_w, number))


def test_keeping_noise_changes_none_of_it():
    model = wide_ppca().vae
    torch.manual_seed(3)
    kept = infer(model, batch(), K, noise=Replay()).log_w
    torch.manual_seed(3)
    assert torch.equal(kept, infer(model, batch(), K, noise=Noise()).log_w)


def test_the_sample_that_is_drawn_again_has_a_path():
    model, noise = wide_ppca().vae, Replay()
    with torch.no_grad():
        infer(model, batch(), K, noise=noise)
    again = infer(model, batch(), 1, noise=noise.only(torch.tensor([1, 2, 3])))
    gradients = torch.autograd.grad(again.log_w.sum(), list(model.posterior.parameters()))
    assert all(g.abs().max() > 1e-3 for g in gradients)


def test_noise_that_is_of_no_sample_is_given_as_it_was():
    noise, like = Replay(), torch.zeros(())
    weights, alone = noise.normal((4, 2), like), noise.uniform((7,), like)
    again = noise.only(torch.tensor([0, 1, 2]))
    assert torch.equal(again.normal((4, 2), like), weights)
    assert torch.equal(again.uniform((7,), like), alone)


def test_a_draw_that_cannot_be_repeated_is_refused_in_one_line():
    laplace = Torch(td.Laplace(torch.zeros(2), 1.0))
    with refused("estimator", "posterior", match="draws it inside"):
        laplace.rsample((3,), Replay())


TEXT = Field((4,), Support.TOKENS, 7)
SENTENCES = {"x": torch.tensor([[4, 5, EOS, PAD], [6, 3, 4, EOS], [5, EOS, PAD, PAD]])}


def sentence_vae(keep: float) -> VAE:
    """One whose decoder leans on the words that it sees."""
    model = VAE(
        Spec({"x": TEXT}, size=100),
        latent_dim=2,
        nets=Recurrent(cell="gru", embedding=3, hidden=4, init="glorot"),
        posterior=Gaussian,
        prior=Normal,
        likelihood=partial(
            Sentence, cell="gru", embedding=3, hidden=4, condition="both", keep=keep
        ),
    )
    return scattered(model)


def test_a_sentence_is_scored_again_by_the_words_that_were_seen():
    """k = B, and as many tokens as examples: where an index of the wrong kind would pass."""
    model, number = sentence_vae(0.5), torch.tensor([2, 0, 1])
    x = {"x": SENTENCES["x"][:, :3]}
    for k in (3, 5):
        noise = Replay()
        log_w = infer(model, x, k, noise=noise).log_w
        again = infer(model, x, 1, noise=noise.only(number)).log_w
        assert_close(again, pick(log_w, number))


@pytest.mark.parametrize("k", [1, 3])
def test_all_samples_of_a_sentence_see_the_same_words(k):
    """With a latent that tells the decoder nothing they score alike, and not as they would with
    other words."""
    model = sentence_vae(0.5)
    with torch.no_grad():
        model.likelihood.net[1].weight.zero_()
    recon = infer(model, SENTENCES, k).recon
    assert_close(recon, recon[:1].expand_as(recon))
    others = torch.stack([infer(model, SENTENCES, k).recon for _ in range(20)])
    assert others.std(0).min() > 0.01


def test_all_that_is_random_comes_from_the_noise():
    model = sentence_vae(0.5)
    said = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        noise = Noise(torch.Generator().manual_seed(7))
        said.append(infer(model, SENTENCES, 5, noise=noise).log_w)
    assert torch.equal(*said)


def test_a_draw_by_weight_uses_the_noise_of_the_samples():
    said = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        noise = Noise(torch.Generator().manual_seed(7))
        said.append(_drawn(torch.rand(9, 50, generator=torch.Generator().manual_seed(2)), noise))
    assert torch.equal(*said)
    assert len(said[0].unique()) > 2
