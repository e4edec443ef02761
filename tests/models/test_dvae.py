"""The disentangled VAE: whose latent reads what, and what makes what."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import refused
from vaebench.data import Field, Spec
from vaebench.distributions import kl_divergence
from vaebench.heads.likelihoods import Gaussian as GaussianLikelihood
from vaebench.heads.posteriors import Gaussian
from vaebench.heads.priors import Normal
from vaebench.inference import Shown, generate_at, infer, outline
from vaebench.models import DVAE
from vaebench.nets import MLP

SPEC = Spec({"x": Field((4,)), "pose": Field((2, 3)), "view": Field((2,)), "rest": Field((2,))}, 40)


def likelihood(field):
    return GaussianLikelihood(field, variance="fixed", scale=0.7, min_scale=0.0, link="identity")


def made(**options):
    torch.manual_seed(0)
    nets = MLP(hidden=[6], activation="tanh", init="glorot", output_bias="zero")
    rest = {"latent_dim": 2, "nets": nets, "posterior": Gaussian, "prior": Normal}
    rest |= {"likelihood": likelihood, "observed": "x", "parts": ["pose", "view"]}
    return DVAE(SPEC, **rest | options)


@pytest.fixture
def batch():
    return SPEC.example(5)


def test_it_bounds_the_image_and_its_parts(batch):
    seen = outline(made(), SPEC)
    assert seen.quantity == "log p(x, pose, view)"
    assert seen.latents == ("z_pose", "z_view")
    assert infer(made(), batch, 3).log_w.shape == (3, 5)


def test_the_kl_adds_over_latents(batch):
    found = infer(made(), batch, 3)
    each = [kl_divergence(found.q[n].dist, found.p[n].dist) for n in ("z_pose", "z_view")]
    assert_close(found.kl(), (each[0] + each[1]).expand(3, -1))


@pytest.mark.parametrize(
    ("sees", "moved"),
    [
        (["x"], {"x": {"z_pose", "z_view"}, "pose": set(), "view": set()}),
        (["pose", "view"], {"x": set(), "pose": {"z_pose"}, "view": {"z_view"}}),
        (["x", "pose"], {"x": {"z_view"}, "pose": {"z_pose"}, "view": set()}),
        (["pose"], {"x": set(), "pose": {"z_pose"}, "view": set()}),
    ],
)
def test_a_latent_reads_its_part_where_it_is_seen_and_else_the_image(batch, sees, moved):
    model = made()
    pass_ = Shown(model, ("x", "pose", "view"), sees=sees, shows=["x"])

    def means(of):
        q = infer(pass_, of, 1).q
        return {n: q[n].dist.mean.expand(5, 2) for n in ("z_pose", "z_view")}

    before = means(batch)
    for name, latents in moved.items():
        after = means({**batch, name: batch[name] + 1})
        assert {n for n in before if not torch.equal(before[n], after[n])} == latents


def test_of_a_part_that_nothing_tells_q_is_standard_normal(batch):
    pass_ = Shown(made(), ("x", "pose", "view"), sees=["pose"], shows=["pose"])
    found = infer(pass_, batch, 2)
    assert_close(found.kl_at("z_view"), torch.zeros(2, 5))


def test_a_part_is_made_of_its_own_latent_and_the_image_of_all(batch):
    model = made()
    z = {n: torch.randn(5, 2) for n in ("z_pose", "z_view")}
    before = generate_at(model, z, {})
    after = generate_at(model, z | {"z_view": z["z_view"] + 1}, {})
    same = {n: torch.equal(before[n].dist.mean, after[n].dist.mean) for n in ("x", "pose", "view")}
    assert same == {"x": False, "pose": True, "view": False}


@pytest.mark.parametrize("parts", [[], ["pose", "pose"], ["x", "pose"]])
def test_parts_that_are_none_are_refused(parts):
    with refused(match="at least one name", options=("model.parts=[pose,view,rest]",)):
        made(parts=parts)
