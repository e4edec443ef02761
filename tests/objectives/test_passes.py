"""Objectives of several passes: what each is, weighs and trains."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import STEP, elbo, flat_gradient, iwae, refused, spelt
from vaebench.check import check
from vaebench.data import Field, Spec
from vaebench.distributions import Noise
from vaebench.heads.likelihoods import Gaussian as GaussianLikelihood
from vaebench.heads.posteriors import Bits, Gaussian
from vaebench.heads.priors import Bits as BitsPrior
from vaebench.heads.priors import Normal
from vaebench.inference import Shown, outline
from vaebench.models import DVAE, VAE, CrossModal
from vaebench.nets import MLP
from vaebench.objectives import CrossModal as Crossing
from vaebench.objectives import Disentangled
from vaebench.objectives.anneal import Constant, Linear

SPEC = Spec({"x": Field((4,)), "pose": Field((3,)), "view": Field((2,))}, 40)


def parts(**options):
    torch.manual_seed(0)
    nets = MLP(hidden=[6], activation="tanh", init="glorot", output_bias="zero")
    rest = {"latent_dim": 2, "nets": nets, "posterior": Gaussian, "prior": Normal}
    return rest | {"likelihood": likelihood} | options


def likelihood(field):
    return GaussianLikelihood(field, variance="fixed", scale=0.7, min_scale=0.0, link="identity")


def model_of(**options):
    return CrossModal(SPEC, **{"observed": ["x", "pose"], "combine": "product"} | parts(**options))


def dvae(**options):
    return DVAE(SPEC, observed="x", parts=["pose", "view"], **parts(**options))


def crossing(model, **options):
    rest = {"k": 1, "passes": [], "bound": "elbo", "weights": {}, "beta": 1.0}
    whole = rest | {"anneal": Constant()} | options
    return Crossing(model, outline(model, SPEC), **spelt(whole))


def disentangled(model, **options):
    rest = {"k": 1, "weights": {}, "beta": 1.0, "embedded_weights": {}, "embedded_beta": 1.0}
    whole = rest | {"anneal": Constant()} | options
    return Disentangled(model, outline(model, SPEC), **spelt(whole))


def noise(seed=0):
    return Noise(torch.Generator().manual_seed(seed))


def gradients(loss, module):
    """By name; None where there is none."""
    named = dict(module.named_parameters())
    found = torch.autograd.grad(loss, [*named.values()], allow_unused=True, retain_graph=True)
    return dict(zip(named, found, strict=True))


@pytest.fixture
def batch():
    return SPEC.example(5)


@pytest.mark.parametrize("bound", ["elbo", "iwae"])
def test_the_loss_is_the_mean_of_the_passes_bounds(batch, bound):
    model, k = model_of(), 2
    found = crossing(model, bound=bound, k=k, passes=["x:pose", "x+pose:x"])
    told = found(model, batch, STEP, noise())
    source, drawn = noise(), []
    for sees, shows in ((["x"], ["pose"]), (["x", "pose"], ["x"])):
        shown = Shown(model, model.observed, sees=sees, shows=shows)
        one = (elbo if bound == "elbo" else iwae)(shown, SPEC, k=k)
        drawn.append(one(shown, batch, STEP, source))
    assert_close(told.loss, (drawn[0].loss + drawn[1].loss) / 2)
    for name in ("bound", "recon", "kl"):
        assert_close(told.terms[name], (drawn[0].terms[name] + drawn[1].terms[name]) / 2)


def test_source_and_target_the_same_is_the_vae(batch):
    """Of each modality, and of their losses' mean."""
    model = model_of(combine="mixture")
    passes = ["x:x", "pose:pose"]
    loss = crossing(model, passes=passes)(model, batch, STEP, noise()).loss
    source, losses = noise(), []
    for i, name in enumerate(model.observed):
        vae = VAE(SPEC, observed=name, **parts())
        vae.posterior.load_state_dict(model.posterior[name].state_dict())
        vae.likelihood.load_state_dict(model.likelihood[i].state_dict())
        losses.append(elbo(vae, SPEC)(vae, batch, STEP, source).loss)
    assert_close(loss, sum(losses) / 2)


def test_without_passes_each_modality_shows_all(batch):
    model = model_of()
    one, other = crossing(model), crossing(model, passes=["x:x+pose", "pose:x+pose"])
    losses = [each(model, batch, STEP, noise()).loss for each in (one, other)]
    assert_close(losses[0], losses[1])


def test_an_evaluation_has_the_bound_of_all_together(batch):
    model = model_of()
    found = crossing(model, weights={"x": 0.5}, beta=3.0).eval()(model, batch, STEP, noise())
    whole = elbo(model, SPEC).eval()(model, batch, STEP, noise())
    assert_close(found.terms["bound"], whole.terms["bound"])
    assert_close(found.loss, whole.loss)


def test_a_weight_of_zero_removes_that_decoder_s_gradient(batch):
    model = model_of()
    told = crossing(model, weights={"pose": 0.0})(model, batch, STEP, noise())
    found = gradients(told.loss, model)
    for name, gradient in found.items():
        silent = name.startswith("likelihood.1")
        assert (gradient is None or not gradient.any()) == silent, name


def test_beta_weighs_the_kl_of_every_pass(batch):
    model = model_of()
    losses = [crossing(model, beta=b)(model, batch, STEP, noise()).loss for b in (0.0, 1.0, 3.0)]
    assert_close(losses[2] - losses[0], 3 * (losses[1] - losses[0]))


def test_annealing_reaches_the_passes(batch):
    model = model_of()
    objective = crossing(model, anneal=Linear(steps=10))
    told = objective(model, batch, torch.tensor(5), noise())
    half = crossing(model, beta=0.5)(model, batch, STEP, noise())
    assert_close(told.loss, half.loss)
    assert_close(told.terms["kl_weight"], torch.tensor(0.5))


@pytest.mark.parametrize("combine", ["product", "mixture", "mixture_of_products"])
@pytest.mark.parametrize("bound", ["elbo", "iwae"])
def test_every_way_to_combine_experts_passes_the_checks(combine, bound):
    model = model_of(combine=combine)
    seen = outline(model, SPEC)
    objective = crossing(model, bound=bound, k=2, passes=["x:x+pose", "pose:pose", "x+pose:x"])
    assert check(model, objective, seen).quantity == "log p(x, pose)"


def test_bits_are_trained_by_an_estimator_of_each_pass(batch):
    model = model_of(posterior=Bits, prior=BitsPrior, combine="mixture")
    objective = crossing(model)
    check(model, objective, outline(model, SPEC))
    assert objective.groups()
    found = objective(model, batch, STEP)
    objective.keep(found.state)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"passes": ["x:view"]}, "about view, and this model observes x, pose"),
        ({"passes": ["depth:x"]}, "about depth"),
        ({"passes": ["x"]}, "about , and"),
        ({"weights": {"view": 1.0}}, "about view"),
        ({"weights": {"x": 2.0}, "bound": "iwae", "k": 2}, "importance weights of a weighed"),
    ],
)
def test_passes_of_what_is_not_observed_are_refused(options, match):
    with pytest.raises(ValueError, match=match):
        crossing(model_of(), **options)


def test_a_decoder_that_no_pass_shows_is_refused():
    model = model_of()
    objective = crossing(model, passes=["x:x", "pose:x"])
    with pytest.raises(ValueError, match=r"likelihood\.1.* is never trained"):
        check(model, objective, outline(model, SPEC))


def test_a_model_that_needs_all_of_x_has_no_passes():
    vae = VAE(SPEC, observed=["x", "pose"], **parts())
    with refused("objective", "model", match="recognition of this model needs all"):
        crossing(vae)


# ------------------------------------------------------------------------------------ disentangled
def test_the_two_bounds_add(batch):
    model, observed = dvae(), ("x", "pose", "view")
    loss = disentangled(model)(model, batch, STEP, noise()).loss
    source, losses = noise(), []
    for sees in (["pose", "view"], ["x"]):
        shown = Shown(model, observed, sees=sees, shows=observed)
        losses.append(elbo(shown, SPEC)(shown, batch, STEP, source).loss)
    assert_close(loss, losses[0] + losses[1])


def test_generation_learns_of_the_first_bound_and_the_image_s_encoder_of_the_second(batch):
    """To the last bit: frozen decoders have the gradient that ELBO_dis alone gives them."""
    model, observed = dvae(), ("x", "pose", "view")
    found = gradients(disentangled(model)(model, batch, STEP, noise()).loss, model)
    dis = Shown(model, observed, sees=["pose", "view"], shows=observed)
    alone = gradients(elbo(dis, SPEC)(dis, batch, STEP, noise()).loss, model)
    for name, gradient in found.items():
        if name.startswith("embedding"):
            assert alone[name] is None
            assert gradient.any()
        else:
            assert torch.equal(gradient, alone[name]), name


def test_the_image_s_encoder_learns_through_the_frozen_decoders(batch):
    model, observed = dvae(), ("x", "pose", "view")
    found = gradients(disentangled(model)(model, batch, STEP, noise()).loss, model)
    source = noise()
    dis = Shown(model, observed, sees=["pose", "view"], shows=observed)
    elbo(dis, SPEC)(dis, batch, STEP, source)
    live = Shown(model, observed, sees=["x"], shows=observed)
    wanted = gradients(elbo(live, SPEC)(live, batch, STEP, source).loss, model)
    for name in (n for n in found if n.startswith("embedding")):
        assert_close(found[name], wanted[name])


@pytest.mark.parametrize(
    ("name", "part"), [("x", "likelihood."), ("pose", "likelihood_of_parts.pose")]
)
def test_lambda_of_zero_removes_that_decoder_s_gradient(batch, name, part):
    model = dvae()
    told = disentangled(model, weights={name: 0.0})(model, batch, STEP, noise())
    for one, gradient in gradients(told.loss, model).items():
        if one.startswith("likelihood"):
            assert (gradient is None or not gradient.any()) == one.startswith(part), one


def test_each_bound_has_weights_of_its_own(batch):
    """λ' and β' move the image's encoder alone, λ and β all else."""
    model = dvae()
    plain = gradients(disentangled(model)(model, batch, STEP, noise()).loss, model)
    for options, moved in (
        ({"weights": {"x": 0.5}, "beta": 2.0}, False),
        ({"embedded_weights": {"x": 0.5}, "embedded_beta": 2.0}, True),
    ):
        other = gradients(disentangled(model, **options)(model, batch, STEP, noise()).loss, model)
        for name, gradient in other.items():
            if name.startswith("embedding"):
                assert torch.equal(gradient, plain[name]) != moved, name
            elif moved:
                assert torch.equal(gradient, plain[name]), name


def test_a_model_without_parts_is_refused():
    with refused("objective", "model", match="latents of known parts"):
        disentangled(model_of())


def test_flat_gradients_of_both_are_finite(batch):
    for model, objective in ((m := model_of(), crossing(m)), (m := dvae(), disentangled(m))):
        assert flat_gradient(objective(model, batch, STEP).loss, model).isfinite().all()
