"""Many samples in bounded memory: the same estimate, one pass of the encoder."""

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import BottomUp, assert_mean, assert_same_mean, golden_ppca
from vaebench.data import Field, Spec, Support
from vaebench.distributions import Noise
from vaebench.heads.likelihoods import Bernoulli
from vaebench.heads.posteriors import Gaussian
from vaebench.heads.priors import Normal
from vaebench.inference import infer, log_mean_exp, stream
from vaebench.measures.likelihood import log_likelihood
from vaebench.models import VAE
from vaebench.nets import MLP

B, PIXELS = 25, 784


def image_vae() -> tuple[VAE, dict[str, torch.Tensor]]:
    """A small VAE of large images, so that 40 samples of this batch fill a chunk."""
    field = Field((1, 28, 28), Support.BINARY, 2)
    nets = MLP(hidden=[2], activation="tanh", init="glorot", output_bias="zero")
    heads = {"posterior": Gaussian, "prior": Normal, "likelihood": Bernoulli}
    model = VAE(Spec({"x": field}, 10), latent_dim=1, nets=nets, **heads)
    return model, {"x": torch.randint(2, (B, 1, 28, 28)).double()}


def watch(module: torch.nn.Module) -> list[int]:
    """Rows of each later call of a module."""
    rows: list[int] = []
    module.register_forward_hook(lambda m, inputs, out: rows.append(inputs[0].shape[:-1].numel()))
    return rows


def weights(model, batch, k: int) -> torch.Tensor:
    """log w of all chunks, `[k, B]`."""
    with torch.no_grad():
        return torch.cat([e.log_w for e in stream(model, batch, k, Noise())])


@pytest.mark.parametrize("k", [1, 2, 39, 40, 41, 42, 100, 163])
def test_exactly_k_samples_come_whatever_the_chunk(k):
    model, batch = image_vae()
    log_w = weights(model, batch, k)
    assert log_w.shape == (k, B)
    assert len(log_w[:, 0].unique()) == k


def test_the_encoder_runs_once_however_large_k_is():
    model, batch = image_vae()
    rows = watch(model.posterior.net[1])
    for k in (1, 50, 1000):
        rows.clear()
        weights(model, batch, k)
        assert rows == [B]


def test_the_largest_chunk_does_not_grow_with_k():
    model, batch = image_vae()
    rows = watch(model.likelihood.net[1])
    largest = {}
    for k in (50, 5000):
        rows.clear()
        log_likelihood(model, batch, k, Noise())
        assert sum(rows) == k * B
        largest[k] = max(rows)
    assert largest[50] == largest[5000] <= 1100


def test_a_batch_too_large_for_a_chunk_still_gets_its_samples():
    model, _ = image_vae()
    rows = watch(model.likelihood.net[1])
    assert weights(model, {"x": torch.zeros(1500, 1, 28, 28)}, 3).shape == (3, 1500)
    assert max(rows) == 1500


def test_the_weights_of_a_stream_average_to_the_likelihood():
    """E_q[w] = p(x), over the first chunk and the later ones."""
    model = golden_ppca()
    model.set_posterior(torch.tensor([[0.1, -0.2]]), torch.zeros(1))
    log_w = weights(model.vae, {"x": model.x.expand(500, 2)}, 101)
    ratio = (log_w - model.log_prob(model.x)).exp()
    assert_mean(ratio[0], 1.0)
    assert_mean(ratio[1:].flatten(), 1.0)


def test_a_stream_is_distributed_like_one_direct_estimate():
    """The same mean and mean square of L_k."""
    model, k = golden_ppca(), 20
    batch = {"x": model.x.expand(3000, 2)}
    streamed = log_likelihood(model.vae, batch, k, Noise())
    with torch.no_grad():
        direct = log_mean_exp(infer(model.vae, batch, k).log_w)
    assert_same_mean(streamed, direct)
    assert_same_mean(streamed.square(), direct.square())


def test_with_the_exact_posterior_any_k_gives_log_p_exactly():
    model = golden_ppca()
    model.set_exact_posterior()
    for k in (1, 7, 5000):
        log_p = log_likelihood(model.vae, model.batch, k, Noise())
        assert_close(log_p, torch.tensor([-4.161859]), rtol=0, atol=5e-7)


def test_the_samples_of_a_stream_differ_between_examples_and_chunks():
    model = golden_ppca()
    log_w = weights(model.vae, {"x": model.x.expand(10, 2)}, 30)
    assert len(log_w.flatten().unique()) == 300


def test_a_stream_draws_from_its_noise_alone():
    model = golden_ppca()
    before = torch.get_rng_state()
    first, second = (
        log_likelihood(model.vae, model.batch, 30, Noise(torch.Generator().manual_seed(4)))
        for _ in range(2)
    )
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)


def test_recognition_runs_again_where_a_layer_depends_on_anothers_draw(monkeypatch):
    model = BottomUp()
    monkeypatch.setitem(stream.__globals__, "CHUNK", 30)
    bottom, top = watch(model.q1.net), watch(model.q2.net[0])
    weights(model, {"x": model.x.expand(2, 3)}, 11)
    assert len(bottom) == len(top) == 3
    assert sum(top) == 11 * 2


def test_the_stream_of_two_layers_averages_to_the_likelihood(monkeypatch):
    """Reusing q(h2 | h1) of the first draw would still do so, with a looser bound."""
    model = BottomUp()
    monkeypatch.setitem(stream.__globals__, "CHUNK", 60_000)
    log_w = weights(model, {"x": model.x.expand(2000, 3)}, 31)
    ratio = (log_w - model.log_prob(model.x)).exp()
    assert_mean(ratio[1:].flatten(), 1.0)
    assert_same_mean(log_mean_exp(log_w), direct_bound(model, 31))


def direct_bound(model: BottomUp, k: int) -> torch.Tensor:
    with torch.no_grad():
        return log_mean_exp(infer(model, {"x": model.x.expand(2000, 3)}, k).log_w)


def test_no_sample_at_all_is_an_error():
    model = golden_ppca()
    with pytest.raises(ValueError, match="k=0"):
        log_likelihood(model.vae, model.batch, 0, Noise())
