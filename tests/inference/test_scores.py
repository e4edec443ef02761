"""The length of q's score, sample by sample, against one backward pass for each."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.theorems import (
    EXAMPLES,
    BottomUp,
    assert_mean,
    at_every_value,
    belief_net,
    bits_vae,
    wide_ppca,
)
from vaebench.distributions import DiagNormal, StandardNormal
from vaebench.errors import Incompatible
from vaebench.heads.posteriors import FullGaussian
from vaebench.inference import infer, scores
from vaebench.models import RecognitionFirst

K, B = 4, 3
BATCH = {"x": EXAMPLES}
MODELS = {
    "gaussian": lambda: wide_ppca().vae,
    "full covariance": lambda: wide_ppca(posterior=FullGaussian).vae,
    "two layers": BottomUp,
    "bits": bits_vae,
    "layers of bits": belief_net,
}
each_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())


def nets_of_q(model) -> list[torch.nn.Module]:
    if isinstance(model, BottomUp):
        return [model.q1.net, model.q2.net]
    own = model.posterior
    return [c.net for c in own] if isinstance(own, torch.nn.ModuleList) else [own.net]


def own_score(model, x: Tensor, latents: dict[str, Tensor]) -> Tensor:
    """‖∂ log q / ∂ outputs‖ of one sample of one example."""
    outputs: list[Tensor] = []
    nets = nets_of_q(model)
    hooks = [net.register_forward_hook(lambda net, given, out: outputs.append(out)) for net in nets]
    again = infer(model, {"x": x.view(1, -1), **latents}, 1)
    for hook in hooks:
        hook.remove()
    log_q = sum(again.q[name].log_prob.sum() for name in latents)
    return torch.cat([g.flatten() for g in torch.autograd.grad(log_q, outputs)]).norm()


def one_by_one(model, evidence) -> Tensor:
    """With a forward and a backward pass for each sample of each example, `[K, B]`."""
    found = torch.zeros(K, B)
    for i, b in torch.cartesian_prod(torch.arange(K), torch.arange(B)).tolist():
        latents = {n: evidence.q[n].value[i, b].view(1, 1, -1) for n in evidence.latents}
        found[i, b] = own_score(model, EXAMPLES[b], latents)
    return found


@each_model
def test_the_score_of_each_sample_is_that_of_its_own_backward_pass(make):
    model = make()
    evidence = infer(model, BATCH, K, reparam=False)
    found = scores(model, BATCH, evidence)
    assert found.shape == (K, B)
    assert_close(found, one_by_one(model, evidence))
    assert found.std() > 0.01


def test_the_score_of_a_bit_is_its_distance_from_its_mean():
    model = bits_vae()
    evidence = at_every_value(model, EXAMPLES[0])
    mean = model.posterior(EXAMPLES[0]).mean.detach()
    expected = (evidence.q["z"].value - mean).norm(dim=-1)
    assert_close(scores(model, {"x": EXAMPLES[:1]}, evidence), expected)


def test_its_mean_square_is_the_fisher_information():
    """Of bits: Σ_d p_d (1 - p_d)."""
    model, size = bits_vae(), 40_000
    batch = {"x": EXAMPLES[:1].expand(size, 3)}
    evidence = infer(model, batch, 1, reparam=False)
    p = model.posterior(EXAMPLES[0]).mean.detach()
    assert_mean(scores(model, batch, evidence)[0].square(), (p * (1 - p)).sum())


@each_model
def test_it_leaves_no_gradient_no_hook_and_no_noise_behind(make):
    model = make()
    evidence = infer(model, BATCH, K, reparam=False)
    before = torch.get_rng_state()
    first = scores(model, BATCH, evidence)
    assert torch.equal(torch.get_rng_state(), before)
    assert not first.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())
    with torch.no_grad():
        assert_close(scores(model, BATCH, evidence), first)


class Bare(RecognitionFirst):
    """A q without nets."""

    def recognise(self, q, batch):
        q("z", DiagNormal(torch.zeros(2), torch.zeros(2)))

    def generate(self, p, batch):
        p("x", DiagNormal(p("z", StandardNormal(torch.zeros(2))), torch.zeros(2)))


def test_a_q_without_nets_has_no_score():
    batch = {"x": torch.zeros(B, 2)}
    with pytest.raises(Incompatible, match="no conditionals"):
        scores(Bare(), batch, infer(Bare(), batch, K, reparam=False))
