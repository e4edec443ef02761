"""A prior over the weights counts once for the whole data set (the N/M of Kingma, Welling 2014)."""

import copy
import math
from functools import partial

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import STEP, elbo, golden_ppca, iwae
from vaebench.data import Spec
from vaebench.errors import Incompatible
from vaebench.nets.weights import maximum_a_posteriori

N, SD = 103, 0.7
SPEC = golden_ppca().spec
OBJECTIVES = [
    partial(elbo, kl="mc"),
    partial(iwae, k=3),
    partial(iwae, k=3, estimator="stl"),
    partial(iwae, k=3, estimator="dreg"),
]


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("batch_size", [1, 10, N])
def test_minibatches_of_an_epoch_add_up_to_the_cost_of_the_data_set(objective, batch_size):
    """Σ M · loss = -log p(X) - log p(θ): exact, since log w has no variance at the posterior."""
    model = golden_ppca()
    model.set_exact_posterior()
    x = torch.randn(N, 2)
    maximum_a_posteriori(model.vae, sd=SD, of=[])
    cost = objective(model.vae, Spec(model.spec.fields, N))
    total = sum(len(part) * cost(model.vae, {"x": part}, STEP).loss for part in x.split(batch_size))
    weights = torch.cat([p.flatten() for p in model.vae.parameters()])
    log_prior = torch.distributions.Normal(0.0, SD).log_prob(weights).sum()
    constant = -len(weights) * math.log(SD * math.sqrt(2 * math.pi))
    assert_close(total, -model.log_prob(x).sum() - (log_prior - constant))


def estimates(objective, of=()):
    """Of one batch and noise, without and with the prior, and the model."""
    model = golden_ppca()
    found = []
    for regularised in (False, True):
        if regularised:
            maximum_a_posteriori(model.vae, sd=SD, of=[*of])
        cost = objective(model.vae, Spec(model.spec.fields, N))
        torch.manual_seed(1)
        found.append(cost(model.vae, model.batch, STEP))
    return *found, model.vae


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("of", [(), ("posterior",), ("likelihood", "posterior.net")])
def test_the_weight_prior_adds_theta_over_n_sd_squared_to_the_gradient_of_its_parameters(
    objective, of
):
    without, with_prior, model = estimates(objective, of)
    names, parameters = zip(*model.named_parameters(), strict=True)
    assert {name.partition(".")[0] for name in names} == {"posterior", "likelihood"}
    before, after = (torch.autograd.grad(e.loss, parameters) for e in (without, with_prior))
    for name, parameter, a, b in zip(names, parameters, after, before, strict=True):
        expected = parameter.detach() / (N * SD**2)
        assert_close(a - b, expected if not of or name.startswith(of) else torch.zeros_like(a))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_weight_prior_leaves_the_reported_terms_alone_and_says_so(objective):
    without, with_prior, model = estimates(objective)
    assert_close(with_prior.terms, without.terms)
    assert "the loss includes -log p(weights) / N; no bound does" in objective(model, SPEC).notes


def test_the_weight_prior_is_of_the_parameters_that_are_there_now():
    """So that a step is a function of them: gradients, and members of an ensemble, by torch.func."""
    model = golden_ppca().vae
    maximum_a_posteriori(model, sd=SD, of=[])
    here = {name: p.detach() for name, p in model.named_parameters()}

    class Price(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self):
            return self.model.weight_prior.penalty()

    def price(parameters):
        swapped = {f"model.{name}": value for name, value in parameters.items()}
        return torch.func.functional_call(Price(), swapped, ())

    other = {name: torch.randn_like(value) for name, value in here.items()}
    expected = sum((value**2).sum() for value in other.values()) / (2 * SD**2)
    assert_close(price(other), expected)
    assert_close(torch.func.grad(price)(other), {n: v / SD**2 for n, v in other.items()})
    members = {name: torch.stack([value, other[name]]) for name, value in here.items()}
    assert_close(torch.vmap(price)(members), torch.stack([price(here), price(other)]))


def test_the_weight_prior_adds_nothing_to_what_a_checkpoint_holds():
    model = golden_ppca().vae
    names = [*model.state_dict()]
    maximum_a_posteriori(model, sd=SD, of=["posterior"])
    assert [*model.state_dict()] == names
    assert len([*model.parameters()]) == len(names)


def test_a_copy_of_a_model_pays_for_its_own_weights():
    model = golden_ppca().vae
    maximum_a_posteriori(model, sd=SD, of=[])
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    assert other.weight_prior.penalty() == 0 < model.weight_prior.penalty()


@pytest.mark.parametrize("sd", [0.0, -1.0, math.inf, math.nan])
def test_a_weight_prior_without_a_width_is_refused(sd):
    with pytest.raises(Incompatible, match=r"weights\.sd=.*: must be positive and finite"):
        maximum_a_posteriori(golden_ppca().vae, sd=sd, of=[])


@pytest.mark.parametrize("part", ["post", "prior", "posterior.nets", "posterior.net.9"])
def test_a_weight_prior_of_a_part_without_parameters_is_refused(part):
    with pytest.raises(Incompatible, match=rf"weights\.of=\[{part}\]: there are .*"):
        maximum_a_posteriori(golden_ppca().vae, sd=1.0, of=["posterior", part])
