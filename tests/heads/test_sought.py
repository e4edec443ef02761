"""Parameters of q that are sought example by example: tables, starts, and where an ascent ends."""

from functools import partial

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import in_float64, linear, wide_ppca
from vaebench.data import Field, Spec
from vaebench.distributions.base import Shared
from vaebench.errors import Incompatible
from vaebench.heads.flows import PlanarFlow
from vaebench.heads.likelihoods import Gaussian as Pixels
from vaebench.heads.posteriors import Bits, FullGaussian, Gaussian, PointMass
from vaebench.heads.priors import Normal, Vamp
from vaebench.heads.sought import FreeForm, SemiAmortised, Table
from vaebench.inference import infer
from vaebench.inference.freeform import emitted
from vaebench.inference.outline import outline
from vaebench.models import VAE, Hierarchical

__all__ = ["in_float64"]

N, PLANE = 6, Field((2,))
OPTIONS = {"steps": 300, "samples": 8, "lr": 0.1}
RATE = {FreeForm: {"rate": 1.0}, SemiAmortised: {}}


def model(kind=FreeForm, head=FullGaussian, prior=Normal, **options):
    """A linear VAE whose p is that of `wide_ppca`, so that the best q is known."""
    known = wide_ppca()
    made = VAE(
        Spec({"x": Field((3,), mean=torch.zeros(3))}, N),
        latent_dim=2,
        nets=linear(),
        posterior=partial(kind, head=head, **OPTIONS | RATE[kind] | options),
        prior=prior,
        likelihood=partial(Pixels, scale=1.0),
    )
    return made, known


def examples(count=N, seed=6):
    return {"x": 1.5 * torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))}


def like_ppca(made, known):
    """The same p(x | z) in both."""
    made.likelihood = known.vae.likelihood
    return made.eval()


# ------------------------------------------------------------------------------------- the table
def test_the_number_of_parameters_grows_with_that_of_examples():
    """By those of q for each, and there is no encoder."""

    def parameters(size):
        spec = Spec({"x": Field((3,), mean=torch.zeros(3))}, size)
        made = VAE(
            spec,
            latent_dim=2,
            nets=linear(),
            posterior=partial(FreeForm, head=Gaussian, rate=1.0, **OPTIONS),
            prior=Normal,
            likelihood=Pixels,
        )
        return sum(p.numel() for p in made.parameters())

    assert parameters(1000) - parameters(10) == 990 * 4
    assert parameters(0) == 2 * 3 + 3  # the decoder


@pytest.mark.parametrize("head", [Gaussian, FullGaussian, partial(PlanarFlow, K=2)])
def test_q_of_a_training_example_is_its_row(head):
    made, _ = model(head=head)
    batch = examples(2) | {"index": torch.tensor([4, 1])}
    found = infer(made, batch, 1).q["z"].dist
    rows = made.posterior.net.rows[[4, 1]]
    assert_close(found.rsample((), Shared((1, 2), rows.device)).shape, torch.Size([2, 2]))
    assert_close(
        found.base.loc if head not in (Gaussian, FullGaussian) else found.mean, rows[:, :2]
    )


def test_a_row_has_the_gradient_of_its_own_example_alone():
    made, _ = model()
    batch = examples(2) | {"index": torch.tensor([4, 1])}
    infer(made, batch, 3).log_w.sum().backward()
    moved = made.posterior.net.rows.grad.abs().sum(1) > 0
    assert moved.tolist() == [False, True, False, False, True, False]


def test_adam_moves_a_row_for_a_few_steps_after_its_example_and_no_other():
    """By momentum: it rests before an epoch of a hundred steps brings it back, and one never seen stays."""
    made, _ = model()
    rows = made.posterior.net.rows
    optimizer, before = torch.optim.Adam(made.parameters(), lr=1e-3), rows.detach().clone()
    path = []
    for step in range(100):
        index = torch.tensor([1, 4]) if not step else torch.tensor([0, 2])
        optimizer.zero_grad()
        (-infer(made, examples(2) | {"index": index}, 1).log_w.mean()).backward()
        optimizer.step()
        path.append(rows.detach().clone())
    assert torch.equal(path[-1][[3, 5]], before[[3, 5]])
    gone = [(now[1] - before[1]).abs().max().item() for now in path]
    assert gone[9] > 2 * gone[0]
    assert abs(gone[-1] - gone[60]) < 0.05 * gone[60]


# ------------------------------------------------------------------------------ where it is sought
@pytest.mark.parametrize("kind", [FreeForm, SemiAmortised])
def test_a_full_gaussian_that_is_sought_is_the_posterior(kind):
    """Of a linear Gaussian model: the mean and covariance of p(z | x), of examples never trained on."""
    made, known = model(kind, samples=64, steps=500)
    batch = examples(3, seed=9)
    q = infer(like_ppca(made, known), batch, 1).q["z"].dist
    mean, covariance = known.exact_posterior()
    assert_close(q.mean, batch["x"] @ mean.T, rtol=0, atol=0.03)
    assert_close(q.scale_tril @ q.scale_tril.mT, covariance.expand(3, 2, 2), rtol=0, atol=0.03)


@pytest.mark.parametrize("kind", [FreeForm, SemiAmortised])
def test_q_is_a_function_of_x_alone(kind):
    """Whatever was drawn before, and whichever examples are beside."""
    made = like_ppca(*model(kind, steps=20))
    batch = examples(4)
    first, second = (infer(made, batch, 2).q["z"].dist.loc for _ in range(2))
    alone = infer(made, {"x": batch["x"][2:3]}, 2).q["z"].dist.loc
    assert torch.equal(first, second)
    assert_close(alone, first[2:3])


def test_steps_never_lower_the_bound_of_a_poor_encoder():
    made, known = model(SemiAmortised)
    like_ppca(made, known)
    batch = examples(5)
    short, _ = model(SemiAmortised, steps=1)
    like_ppca(short, known)
    short.load_state_dict(made.state_dict())
    before, after = (infer(m, batch, 4000).elbo for m in (short, made))
    assert (after > before).all()
    assert (after > known.log_prob(batch["x"]) - 0.2).all()


def test_an_encoder_learns_from_where_its_ascent_ends():
    """To first order: the gradient of the start is that of the end."""
    made, known = model(SemiAmortised, steps=3)
    like_ppca(made, known)
    batch, net = examples(4), made.posterior.net
    end = made._found(made.sought, batch, [batch["x"]])
    leaf = end.detach().requires_grad_()
    slope = torch.autograd.grad(made._bound(batch, leaf, Shared((8, 4), leaf.device)).sum(), leaf)[
        0
    ]
    made._bound(batch, end, Shared((8, 4), leaf.device)).sum().backward()
    by_hand = torch.autograd.grad((net(batch["x"]) * slope).sum(), [*net.parameters()])
    for parameter, wanted in zip(net.parameters(), by_hand, strict=True):
        assert_close(parameter.grad, wanted)


def test_parameters_of_the_model_get_no_gradient_of_the_ascent():
    made = like_ppca(*model(FreeForm, steps=5))
    with torch.no_grad():
        infer(made, examples(2), 1)
    assert all(p.grad is None for p in made.parameters())


# ----------------------------------------------------------------------------------- how it fits
def test_the_numbers_of_examples_are_no_condition():
    made, _ = model()
    seen = outline(made, Spec({"x": Field((3,), mean=torch.zeros(3))}, N))
    assert seen.quantity == "log p(x)"
    assert seen.roles == {"x": "observed"}


def test_a_table_has_no_row_of_what_the_model_makes_up():
    made, _ = model()
    with pytest.raises(Incompatible, match="learns of training examples alone"):
        infer(made.train(), examples(2), 1)


@pytest.mark.parametrize("kind", [FreeForm, SemiAmortised])
def test_what_is_best_already_has_no_gap_to_be_measured(kind):
    with pytest.raises(Incompatible, match="sought for each example already"):
        emitted(like_ppca(*model(kind)), examples(2))


@pytest.mark.parametrize("head", [Bits, PointMass])
def test_a_head_without_a_slope_is_refused(head):
    with pytest.raises(Incompatible, match="along the slope of a bound"):
        FreeForm(PLANE, head=head, rate=1.0, **OPTIONS)


def test_a_prior_that_is_made_of_q_is_refused():
    made, _ = model(prior=partial(Vamp, components=2))
    with pytest.raises(Incompatible, match="no density of: its parameters are sought"):
        made.prior()


def test_a_model_of_several_latents_asks_an_encoder():
    spec = Spec({"x": Field((3,), mean=torch.zeros(3))}, N)
    made = Hierarchical(
        spec,
        layers=[2, 2],
        nets=linear(),
        links=linear(),
        posterior=partial(FreeForm, head=Gaussian, rate=1.0, **OPTIONS),
        prior=Normal,
        likelihood=Pixels,
    )
    with pytest.raises(Incompatible, match="asks an encoder"):
        outline(made, spec)


@pytest.mark.parametrize("option", ["steps", "samples", "lr", "rate"])
def test_numbers_must_be_positive(option):
    with pytest.raises(Incompatible, match=rf"posterior\.{option}=0: must be positive"):
        FreeForm(PLANE, head=Gaussian, **OPTIONS | RATE[FreeForm] | {option: 0})


def test_rows_move_by_so_many_learning_rates():
    """And begin no farther out."""
    slow, fast = Table(5, (3,)), Table(5, (3,), rate=20.0)
    with torch.no_grad():
        fast.rows.copy_(slow.rows / 20)
    index, moved = torch.arange(5), []
    for table in (slow, fast):
        before, optimizer = table(index).detach(), torch.optim.Adam(table.parameters(), lr=1e-3)
        table(index).sum().backward()
        optimizer.step()
        moved.append(table(index).detach() - before)
    assert_close(moved[1], 20 * moved[0])


def test_the_middle_of_a_table_is_its_mean():
    table = Table(5, (3,))
    assert_close(table.middle(2), table.rows.mean(0).expand(2, 3))
