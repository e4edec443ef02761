"""The generator of images and masks: one net, codes of classes."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import STEP, elbo, refused
from vaebench.data import Field, Spec, Support
from vaebench.heads.likelihoods import Bernoulli
from vaebench.heads.likelihoods import Gaussian as GaussianLikelihood
from vaebench.heads.posteriors import Gaussian
from vaebench.heads.priors import Normal
from vaebench.inference import infer, outline
from vaebench.models import Generator
from vaebench.nets import MLP, ByField, Conv, Recurrent
from vaebench.objectives.regularizers import ObservedWeights
from vaebench.trace import Trace

SIZE = 8
MEAN = torch.rand(3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
FIELDS = {
    "x": Field((3, SIZE, SIZE), Support.UNIT, mean=MEAN),
    "mask": Field((1, SIZE, SIZE), Support.BINARY, 2, mean=torch.full((1, SIZE, SIZE), 0.3)),
    "view": Field((4,)),
    "transform": Field((8,)),
    "model": Field((), Support.LABEL, 5),
}
SPEC = Spec(FIELDS, 40)


def nets():
    shared = {"init": "he", "output_bias": "data_mean"}
    return ByField(
        images=Conv(channels=[4, 6], hidden=12, up="unpool", activation="relu", **shared),
        vectors=MLP(hidden=[10], activation="tanh", **shared),
        tokens=Recurrent(cell="lstm", embedding=2, hidden=2, init="glorot"),
        features=5,
        activation="tanh",
    )


def likelihood(field, variance="fixed"):
    if field.support is Support.BINARY:
        return Bernoulli(field)
    least = 0.0 if variance == "fixed" else 0.01
    return GaussianLikelihood(field, variance=variance, scale=0.2, min_scale=least, link="identity")


def made(**options):
    torch.manual_seed(0)
    rest = {"latent_dim": 3, "nets": nets(), "posterior": Gaussian, "prior": Normal}
    rest |= {"likelihood": likelihood, "observed": ["x", "mask"], "embedded": ["model"]}
    return Generator(SPEC, **rest | {"conditions": ["view", "transform"]} | options)


@pytest.fixture
def batch():
    return SPEC.example(6)


def test_it_bounds_the_image_and_its_mask_given_class_view_and_transform(batch):
    model = made()
    assert outline(model, SPEC).quantity == "log p(x, mask | view, transform, model)"
    found = infer(model, batch, 4)
    assert_close(found.log_w.shape, torch.Size([4, 6]))
    recon = found.p["x"].log_prob + found.p["mask"].log_prob
    assert_close(found.recon, recon)


@pytest.mark.parametrize("variance", ["fixed", "amortised"])
def test_one_net_makes_the_parameters_of_both_and_starts_at_their_means(variance):
    model = made(likelihood=partial(likelihood, variance=variance))
    channels = 3 * (1 + (variance == "amortised"))
    assert model.likelihood.channels == [channels, 1]
    with torch.no_grad():
        for name, parameter in model.likelihood.net.named_parameters():
            parameter.mul_(0 if name.endswith("weight") else 1)
    made_ = model.likelihood(torch.zeros(2, 3), torch.zeros(2, 4), torch.zeros(2, 8))
    assert [*made_] == ["x", "mask"]
    of_channels = MEAN.mean((1, 2), keepdim=True).expand_as(MEAN).to(made_["x"].mean)
    assert_close(made_["x"].mean[1], of_channels)
    assert_close(made_["mask"].mean, torch.full((2, 1, SIZE, SIZE), 0.3).to(made_["mask"].mean))


def test_a_class_has_one_code_whatever_its_images_and_views_are(batch):
    model, other = made(), SPEC.example(6, seed=1)
    q = Trace(1, 6)
    model.recognise(q, batch)
    again = Trace(1, 6)
    model.recognise(again, other | {"model": batch["model"]})
    assert_close(q["z"].dist.mean, again["z"].dist.mean)
    assert len(q["z"].dist.mean.unique(dim=0)) == len(batch["model"].unique())
    seen = made(embedded=["x"])
    q, again = Trace(1, 6), Trace(1, 6)
    seen.recognise(q, batch)
    seen.recognise(again, other | {"model": batch["model"]})
    assert (q["z"].dist.mean - again["z"].dist.mean).abs().amax(1).min() > 1e-6


def test_a_code_between_two_classes_and_one_of_the_prior_are_drawn_from_any_side(batch):
    model = made()
    q = Trace(1, 6)
    model.recognise(q, batch)
    z = q["z"].dist.mean
    between = z[:1].lerp(z[1:2], torch.linspace(0, 1, 6).to(z).unsqueeze(1))
    p = Trace(1, 6, {"z": between})
    model.generate(p, {"view": batch["view"], "transform": batch["transform"]})
    images = p["x"].dist.mean
    assert images.shape == (6, 3, SIZE, SIZE)
    assert (images.diff(dim=0).abs().amax((1, 2, 3)) > 0).all()
    p = Trace(2, 6)
    model.generate(p, batch)
    assert p["z"].value.shape[-2:] == (6, 3) or p["z"].value.shape == (2, 6, 3)


@pytest.mark.parametrize("weights", [{"mask": 0.1}, {"x": 2.0, "mask": 0.0}, {}])
def test_the_loss_weighs_each_name_and_the_bound_all_alike(batch, weights):
    model = made()
    regularizer = {"weights": partial(ObservedWeights, weights=weights)}
    torch.manual_seed(2)
    got = elbo(model, SPEC, regularizers=regularizer)(model, batch, STEP)
    torch.manual_seed(2)
    plain = elbo(model, SPEC)(model, batch, STEP)
    torch.manual_seed(2)
    evidence = infer(model, batch, 1)
    each = {name: evidence.p[name].log_prob[0] for name in ("x", "mask")}
    expected = -sum(weights.get(name, 1) * term for name, term in each.items()) + evidence.kl()[0]
    assert_close(got.loss, expected.mean())
    assert_close(got.terms["bound"], plain.terms["bound"])
    of_both = [
        torch.autograd.grad(loss, [*model.parameters()]) for loss in (got.loss, expected.mean())
    ]
    for one, other in zip(*of_both, strict=True):
        assert_close(one, other)


def test_it_learns_classes_and_sides():
    """Two classes, two views, each one image: from its code and view each is told apart."""
    generator = torch.Generator().manual_seed(3)
    images = (torch.rand(4, 1, SIZE, SIZE, generator=generator) > 0.5).to(torch.get_default_dtype())
    data = {
        "x": images.expand(-1, 3, -1, -1),
        "mask": images,
        "model": torch.tensor([0, 0, 1, 1]),
        "view": torch.tensor([[0.0, 1, 0, 0], [1, 0, 0, 0]]).repeat(2, 1).to(images),
        "transform": torch.zeros(4, 8).to(images),
    }
    model = made()
    objective = elbo(model, SPEC, beta=0.1)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        objective(model, data, STEP).loss.backward()
        optimizer.step()
    with torch.no_grad():
        evidence = infer(model, data, 1)
    distance = torch.cdist(evidence.p["x"].dist.mean[0].flatten(1), data["x"].flatten(1))
    assert distance.argmin(1).tolist() == [0, 1, 2, 3]
    assert ((evidence.p["mask"].dist.mean[0] > 0.5) == (images > 0.5)).float().mean() > 0.7


def test_what_it_cannot_make_or_embed_is_refused():
    with refused("model", "dataset", match="embeds hue, and the data hold x, mask"):
        made(embedded=["hue"])
    with refused("model", match="embeds view, on which it is conditioned"):
        made(embedded=["view"])
    with refused("model", match="embeds nothing"):
        made(embedded=[])
    with refused("model", "dataset", match=r"images \[C, H, W\] of one height and width"):
        made(observed=["x", "view"], conditions=["transform"])
    model = made()
    with refused("objective", "model", match="weighs hue, and this model generates x, mask"):
        elbo(model, SPEC, regularizers={"w": partial(ObservedWeights, weights={"hue": 1.0})})
    with refused("objective", match="weighs nothing"):
        zero = partial(ObservedWeights, weights={"x": 0.0, "mask": 0.0})
        elbo(model, SPEC, regularizers={"w": zero})
