"""Autoregressive pixels by every net: a mass over all images, no pixel out of sight, exact samples."""

import itertools

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import assert_mean, in_float64
from vaebench.data import Field, Spec, Support
from vaebench.distributions import Noise
from vaebench.errors import Incompatible
from vaebench.heads.autoregressive import AutoregressivePixels
from vaebench.inference import infer, simulate
from vaebench.models import Unconditional
from vaebench.nets.pixels import window

__all__ = ["in_float64"]

WIDTHS = {"made": [7], "pixel_cnn": [6, 6, 4], "pixel_rnn": [5, 4]}
NETS = [*WIDTHS]
CONVOLVED = ["pixel_cnn", "pixel_rnn"]
KINDS = {"bits": ("bernoulli", 2), "grey levels": ("categorical", 3)}
SHAPE = (1, 2, 3)


def head(net, shape=SHAPE, kind="bits", **options):
    """With weights far from the small ones that training begins with."""
    pixel, levels = KINDS[kind]
    field = Field(shape, Support.BINARY if levels == 2 else Support.LEVELS, levels)
    kernel = {"kernel": 3} if net in CONVOLVED else {}
    options = (
        {"net": net, "pixel": pixel, "hidden": WIDTHS[net], "activation": "tanh"} | kernel | options
    )
    made = AutoregressivePixels(field, **options)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_()
    return made


def every(shape, levels):
    """All images."""
    values = torch.linspace(0, 1, levels).tolist()
    size = torch.Size(shape).numel()
    return torch.tensor([*itertools.product(values, repeat=size)]).view(-1, *shape)


def flat_order(made):
    """Entries in the order in which they are generated."""
    return made.order.flatten().argsort()


# ------------------------------------------------------------------------------------- the mass
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("net", NETS)
def test_it_sums_to_one_over_all_images_whatever_the_context(net, kind):
    made = head(net, kind=kind)
    images = every(SHAPE, KINDS[kind][1])
    log_p = made(torch.randn(3, *made.param_shape)).log_prob(images.unsqueeze(1))
    assert log_p.shape == (len(images), 3)
    assert_close(log_p.exp().sum(0), torch.ones(3))
    assert log_p.std() > 0.5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("net", NETS)
def test_it_sums_to_one_without_a_context(net, kind):
    """Its parameters are learned, and the same for all."""
    _, levels = KINDS[kind]
    support = Support.BINARY if levels == 2 else Support.LEVELS
    model = Unconditional(
        Spec({"x": Field(SHAPE, support, levels)}, 10),
        likelihood=lambda field: head(net, kind=kind),
    )
    log_p = infer(model, {"x": every(SHAPE, levels)}, 1).log_w
    assert_close(log_p.exp().sum(), torch.ones(()))


@pytest.mark.parametrize("net", CONVOLVED)
def test_colours_sum_to_one_too(net):
    shape = (2, 2, 2)
    made = head(net, shape)
    log_p = made(torch.randn(2, *made.param_shape)).log_prob(every(shape, 2).unsqueeze(1))
    assert_close(log_p.exp().sum(0), torch.ones(2))


def test_a_context_makes_it_another_mass():
    for net in NETS:
        made = head(net)
        first, second = made(torch.randn(2, *SHAPE)).log_prob(every(SHAPE, 2).unsqueeze(1)).T
        assert (first - second).abs().max() > 0.1


# ---------------------------------------------------------------------------- what a pixel sees
LARGE = {"made": (1, 5, 6), "pixel_cnn": (1, 5, 6), "pixel_rnn": (1, 5, 6)}
SEEN = [*LARGE.items(), ("pixel_cnn", (3, 3, 4)), ("pixel_rnn", (3, 3, 4)), ("pixel_rnn", (6,))]
SEEN += [("pixel_rnn", (2, 3)), ("pixel_cnn", (2, 3))]


def jacobian(made, shape):
    """∂ parameters of entry i / ∂ x_j, `[outputs, N, N]`, in the order in which they are generated."""
    x, params = torch.rand(torch.Size(shape).numel()), torch.randn(made.param_shape)

    def emitted(flat):
        dist = made(params).conditional(flat.view(shape))
        logits = dist.logits if made.pixel.param_shape == shape else dist.level.logits
        return logits.flatten() if logits.ndim == len(shape) else logits.reshape(-1)

    order = flat_order(made)
    found = torch.autograd.functional.jacobian(emitted, x).view(-1, len(x), len(x))
    return found[:, order][:, :, order]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("net", "shape"), SEEN, ids=str)
def test_an_entry_sees_all_entries_before_it_and_no_other(net, shape, kind):
    """No blind spot: with enough layers each of those before moves its parameters."""
    layers = {"made": [40], "pixel_cnn": [6] * 7, "pixel_rnn": [5]}[net]
    found = jacobian(head(net, shape, kind, hidden=layers), shape)
    assert torch.equal(found.triu(), torch.zeros_like(found))
    size = found.shape[-1]
    assert (found.abs().amax(0).tril(-1) > 0).sum() == size * (size - 1) // 2


@pytest.mark.parametrize("kernel", [0, 3, 5])
def test_one_layer_of_convolutions_sees_its_window(kernel):
    """And with `kernel=0` all pixels before."""
    shape = (1, 5, 6)
    found = jacobian(head("pixel_cnn", shape, hidden=[6], kernel=kernel), shape)[0]
    rows, columns = torch.arange(30) // 6, torch.arange(30) % 6
    up, beside = rows[:, None] - rows, (columns[:, None] - columns).abs()
    reach = kernel // 2 or 6
    inside = (up <= reach) & (beside <= reach) & (torch.arange(30)[:, None] > torch.arange(30))
    assert torch.equal(found.abs() > 0, inside)


def test_a_recurrent_net_remembers_what_its_window_does_not_hold():
    found = jacobian(head("pixel_rnn", (1, 5, 6), kernel=3), (1, 5, 6))[0]
    assert found[-1, 0].abs() > 0


def test_colours_of_a_pixel_come_one_after_the_other():
    order = head("pixel_cnn", (3, 2, 2)).order
    assert order[:, 0, 0].tolist() == [0, 1, 2]
    assert order[:, 0, 1].tolist() == [3, 4, 5]
    assert order[0].tolist() == [[0, 3], [6, 9]]


# ------------------------------------------------------------------------------------- samples
SHAPES = [(1, 4, 5), (3, 3, 4), (2, 3)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("net", CONVOLVED)
def test_what_it_remembers_on_the_way_is_what_a_pass_would_say(net, shape, kind):
    """Step by step along given images, the distribution of each entry is that of one pass."""
    made = head(net, shape, kind)
    params, x = torch.randn(2, *made.param_shape), torch.randint(2, (4, 2, *shape)).double()
    dist = made(params)
    whole, step = dist.conditional(x), dist.steps((4,))
    for position, place in enumerate(flat_order(made).tolist()):
        seen = torch.where(made.order < position, x, torch.zeros(()))  # what is drawn so far
        mean = step(position, seen).mean
        assert_close(mean.flatten(2), whole.mean.flatten(2)[..., place : place + 1])


@pytest.mark.parametrize("net", CONVOLVED)
def test_samples_have_the_moments_of_the_mass_that_they_are_scored_with(net):
    dist = head(net)(torch.randn(1, *SHAPE))
    drawn = dist.sample((20_000,), Noise(torch.Generator().manual_seed(3)))[:, 0].flatten(1)
    images = every(SHAPE, 2)
    mass = dist.log_prob(images.unsqueeze(1)).exp().detach()[:, 0]
    flat = images.flatten(1)
    moments = torch.einsum("ni,nj,n->ij", flat, flat, mass)
    assert_mean(drawn.unsqueeze(1) * drawn.unsqueeze(2), moments)


@pytest.mark.parametrize("net", CONVOLVED)
def test_real_pixels_are_drawn_as_they_are_scored(net):
    field = Field((1, 2, 2))
    made = AutoregressivePixels(
        field, net=net, pixel="auto", hidden=WIDTHS[net], activation="tanh", kernel=3
    )
    dist = made(torch.randn(1, 2, 2))
    x = dist.sample((50_000,), Noise(torch.Generator().manual_seed(1)))
    scale = torch.nn.functional.softplus(made.pixel.raw).squeeze()
    noise = (x - dist.conditional(x).mean) / scale  # independent N(0, 1) of all pixels
    flat = noise.detach().flatten(1)
    assert_mean(flat, torch.zeros(4))
    assert_mean(flat.unsqueeze(1) * flat.unsqueeze(2), torch.eye(4))


def test_a_draw_of_an_image_takes_no_pass_a_pixel():
    made, passes = head("pixel_cnn", (1, 6, 6)), []
    made.net.register_forward_hook(lambda *_: passes.append(1))
    made(torch.zeros(1, 6, 6)).sample((2,))
    assert not passes


def test_a_model_without_latents_draws_images():
    spec = Spec({"x": Field(SHAPE, Support.BINARY, 2)}, 10)
    for net in NETS:
        x = simulate(Unconditional(spec, likelihood=lambda field, net=net: head(net)), 3, {})["x"]
        assert x.value.shape == (1, 3, *SHAPE)
        assert set(x.value.unique().tolist()) <= {0.0, 1.0}


# ------------------------------------------------------------------------- how it is composed
@pytest.mark.parametrize("net", NETS)
def test_scores_of_k_samples_and_b_examples_have_shape_k_by_b(net):
    made = head(net)
    params, x = torch.randn(4, 3, *SHAPE), every(SHAPE, 2)[:3]
    log_p = made(params).log_prob(x)
    assert log_p.shape == (4, 3)
    assert_close(log_p[2, 1], made(params[2, 1]).log_prob(x[1]))


@pytest.mark.parametrize("net", CONVOLVED)
def test_it_begins_near_the_plain_likelihood_of_the_decoder(net):
    field = Field((1, 8, 8), Support.BINARY, 2)
    made = AutoregressivePixels(
        field, net=net, pixel="auto", hidden=[8], activation="relu", kernel=7
    )
    params, x = torch.randn(5, 1, 8, 8), torch.randint(2, (5, 1, 8, 8)).double()
    plain = made.pixel(params).log_prob(x)
    assert (made(params).log_prob(x) - plain).abs().max() < 0.1 * plain.abs().min()


REFUSED = {
    "a window for what has none": ("made", {"kernel": 7}, "does nothing with likelihood.net=made"),
    "an even window": ("pixel_cnn", {"kernel": 4}, "likelihood.kernel=4: odd"),
    "a window of one pixel": ("pixel_rnn", {"kernel": 1}, "likelihood.kernel=1: odd"),
    "no layer": ("pixel_cnn", {"hidden": []}, r"likelihood.hidden=\[\]: at least one layer"),
    "no recurrent layer": ("pixel_rnn", {"hidden": []}, "at least one recurrent layer"),
    "fewer channels than colours": ("pixel_cnn", {"shape": (3, 2, 2), "hidden": [2]}, "3 colours"),
    "a vector": ("pixel_cnn", {"shape": (6,)}, "the data have a single row or column"),
    "a video": ("pixel_cnn", {"shape": (2, 1, 2, 2)}, "more dimensions than an image"),
}


@pytest.mark.parametrize(("net", "options", "why"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused_in_one_line(net, options, why):
    with pytest.raises(Incompatible, match=why):
        head(net, **options)


def test_a_window_is_no_larger_than_the_image():
    assert window(0, (1, 5, 6)) == (4, 5)
    assert window(7, (1, 5, 6)) == (3, 3)
    assert window(7, (1, 2, 3)) == (1, 2)
    assert window(7, (1, 1, 1)) == (1, 1)
