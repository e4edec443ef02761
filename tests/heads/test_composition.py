"""Any posterior with any prior, likelihood and family of nets: the trace has [k, B] everywhere."""

from functools import partial

import pytest
import torch

from vaebench.data import Field, Spec, Support
from vaebench.heads import likelihoods, posteriors, priors
from vaebench.inference import infer
from vaebench.models import VAE
from vaebench.nets import MLP, Conv

K, B, SHAPE = 3, 2, (1, 8, 8)
SHARED = {"activation": "tanh", "init": "glorot", "output_bias": "data_mean"}
NETS = {"mlp": MLP(hidden=[5], **SHARED), "conv": Conv(channels=[2, 3], hidden=5, **SHARED)}
POSTERIORS = [posteriors.Gaussian, posteriors.FullGaussian]
PRIORS = [
    priors.Normal,
    partial(priors.GaussianMixture, components=4),
    partial(priors.Vamp, components=4),
]
MEAN = torch.full(SHAPE, 0.4)
LIKELIHOODS = {
    "bernoulli": (likelihoods.Bernoulli, Field(SHAPE, Support.BINARY, 2, MEAN)),
    "categorical": (likelihoods.Categorical, Field(SHAPE, Support.LEVELS, 17, MEAN)),
    "gaussian": (likelihoods.Gaussian, Field(SHAPE, Support.UNIT, 0, MEAN)),
    "amortised": (
        partial(likelihoods.Gaussian, variance="amortised", scale=0.2, link="sigmoid"),
        Field(SHAPE, Support.UNIT, 256, MEAN),
    ),
}


@pytest.mark.parametrize("nets", NETS)
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("prior", PRIORS, ids=["normal", "mixture", "vamp"])
@pytest.mark.parametrize("posterior", POSTERIORS)
def test_every_composition_weighs_k_samples_of_b_examples_and_trains_all_it_has(
    posterior, prior, likelihood, nets
):
    head, field = LIKELIHOODS[likelihood]
    spec = Spec({"x": field}, 100)
    model = VAE(
        spec, latent_dim=2, nets=NETS[nets], posterior=posterior, prior=prior, likelihood=head
    )
    evidence = infer(model, spec.example(B), K)
    assert evidence.q["z"].value.shape == (K, B, 2)
    assert evidence.log_w.shape == (K, B)
    assert evidence.log_w.isfinite().all()
    gradients = torch.autograd.grad(evidence.log_w.sum(), list(model.parameters()))
    assert all((g != 0).any() for g in gradients)
