"""DRAW: its two programs in one loop, against the plain VAE and a loop written by hand."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from tests.theorems import (
    STEP,
    assert_same_mean,
    elbo,
    flat_gradient,
    iwae,
    scattered,
)
from vaebench.check import check
from vaebench.data import Field, Spec, Support
from vaebench.distributions import GLOBAL, Noise
from vaebench.errors import Incompatible
from vaebench.heads import Likelihood, priors
from vaebench.heads.autoregressive import AutoregressivePixels
from vaebench.heads.flows import IAF
from vaebench.heads.likelihoods import Bernoulli, Categorical
from vaebench.heads.likelihoods import Gaussian as GaussianLikelihood
from vaebench.heads.posteriors import Gaussian
from vaebench.inference import infer, infer_at_values, outline, rescore, stream
from vaebench.models import DRAW, VAE, Interleaved
from vaebench.nets.base import Uniform
from vaebench.objectives import RWS
from vaebench.trace import Trace

IMAGE = (1, 6, 5)
SPEC = Spec({"x": Field(IMAGE, Support.BINARY, 2)}, size=100)
COLOUR = Spec({"x": Field((3, 4, 6), Support.UNIT, 256)}, size=100)
VECTOR = Spec({"x": Field((7,), Support.BINARY, 2)}, size=100)
GRIDS = {"whole": (0, 0), "grids": (2, 3), "read": (2, 0), "write": (0, 3)}
each_grid = pytest.mark.parametrize("grids", GRIDS.values(), ids=GRIDS.keys())


def draw(
    *grids: int,
    T: int = 3,
    spec: Spec = SPEC,
    posterior=Gaussian,
    prior=priors.Normal,
    likelihood: type[Likelihood] | partial[Likelihood] = Bernoulli,
    **options,
) -> DRAW:
    """A small one with parameters of any size."""
    read, write = grids or (0, 0)
    options = {"attention": bool(read or write), "latent_dim": 2, "hidden": 4} | options
    options |= {"read": read, "write": write}
    model = DRAW(spec, T=T, posterior=posterior, prior=prior, likelihood=likelihood, **options)
    return scattered(model, spread=0.3)


def examples(spec: Spec = SPEC, count: int = 4) -> dict[str, torch.Tensor]:
    """A batch."""
    return spec.example(count)


class Borrowed(Uniform):
    """Nets taken from a DRAW of one step."""

    def __init__(self, model: DRAW) -> None:
        super().__init__(activation="tanh", init="torch", output_bias="zero")
        self.model = model

    def build_encoder(self, in_shape, out_shape):
        return Function(self._encode)

    def build_decoder(self, in_shape, out_shape):
        return Function(self._decode), nn.Parameter(torch.zeros(()))

    def _encode(self, x):
        error = x - self.model.canvas.sigmoid()
        state, _ = self.model.decode.start
        seen = torch.cat([x.flatten(1), error.flatten(1), state.expand(len(x), -1)], 1)
        h, c = self.model.encode.start
        h, _ = self.model.encode.cell(seen, (h.expand(len(x), -1), c.expand(len(x), -1)))
        return self.model.posterior.net(h)

    def _decode(self, z):
        flat = z.flatten(0, -2)
        h, c = (s.expand(len(flat), -1) for s in self.model.decode.start)
        h, _ = self.model.decode.cell(flat, (h, c))
        stroke = self.model.write.emit(h).view(*z.shape[:-1], *IMAGE)
        return self.model.canvas + stroke


class Function(nn.Module):
    """A function as a net."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


# ------------------------------------------------------------------------------------ golden checks
@pytest.mark.parametrize("objective", [elbo, iwae])
def test_one_step_without_attention_is_a_plain_vae(objective):
    model = draw(T=1)
    vae = VAE(
        SPEC,
        latent_dim=2,
        nets=Borrowed(model),
        posterior=Gaussian,
        prior=priors.Normal,
        likelihood=Bernoulli,
    )
    found = []
    for each in (model, vae):
        torch.manual_seed(0)
        found.append(objective(each, SPEC, k=5)(each, examples(), STEP))
    assert_close(found[0].loss, found[1].loss)
    for name, value in found[0].terms.items():
        assert_close(value, found[1].terms[name])


@each_grid
def test_the_bound_is_that_of_the_equations_computed_one_by_one(grids):
    model, x = draw(*grids), examples()["x"]
    torch.manual_seed(1)
    evidence = infer(model, {"x": x}, 1)
    canvas, kl = model.canvas.expand(len(x), *IMAGE), torch.zeros(len(x))
    state = [s.expand(len(x), -1) for s in model.decode.start]
    code = [s.expand(len(x), -1) for s in model.encode.start]
    for t in range(3):
        both = map(model.read.prepare, (x, x - canvas.sigmoid()))
        glimpses, _ = model.read(state[0], *both)
        code = model.encode.cell(torch.cat([*glimpses, state[0]], 1), tuple(code))
        mu, log_sd = model.posterior.net(code[0]).chunk(2, 1)
        kl = kl + 0.5 * (mu**2 + (2 * log_sd).exp() - 1 - 2 * log_sd).sum(1)
        z = evidence.q[f"z{t + 1}"].value[0]
        state = model.decode.cell(z, tuple(state))
        canvas = canvas + model.write(state[0])[0]
    log_p = (x * canvas - nn.functional.softplus(canvas)).flatten(1).sum(1)
    assert_close(evidence.recon[0], log_p)
    assert_close(evidence.kl()[0], kl)


# ------------------------------------------------------------------------------------ its programs
def test_recognition_and_generation_take_turns():
    assert issubclass(DRAW, Interleaved)
    p = Trace(1, 4)
    draw(T=2).generate(p, {})
    assert list(p.sites) == ["z1", "z2", "x"]
    q = Trace(1, 4, examples())
    draw(T=2).recognise(q, examples())
    assert list(q.sites) == ["z1", "z2"]


@each_grid
def test_each_program_alone_scores_as_both_do_together(grids):
    model, batch = draw(*grids), examples()
    both = infer(model, batch, 3)
    z = {name: both.q[name].value for name in both.latents}
    q, p = Trace(3, 4, batch | z), Trace(3, 4, batch | z)
    model.recognise(q, batch)
    model.generate(p, batch)
    for name in both.latents:
        assert_close(q[name].log_prob, both.q[name].log_prob)
        assert_close(p[name].log_prob, both.p[name].log_prob)
    assert_close(p["x"].log_prob, both.p["x"].log_prob)


def test_samples_and_examples_do_not_see_each_other():
    model, batch = draw(2, 3), examples()
    together = infer(model, batch, 3)
    for k in range(3):
        for b in range(4):
            z = {n: together.q[n].value[k, b][None, None] for n in together.latents}
            alone = infer_at_values(model, {"x": batch["x"][b : b + 1]}, z)
            assert_close(alone.log_w[0, 0], together.log_w[k, b])


def test_the_encoder_runs_once_however_many_samples_follow():
    evidence = infer(draw(2, 3), examples(), 3)
    assert evidence.q["z1"].dist.batch_shape == (4,)
    assert evidence.q["z2"].dist.batch_shape == (3, 4)


def test_later_steps_depend_on_what_was_drawn_before():
    model, batch = draw(), examples()
    z = torch.randn(1, 4, 2)
    q = [Trace(1, 4, {"z1": value, **batch}) for value in (z, z + 1)]
    for trace in q:
        model.recognise(trace, batch)
    assert_close(q[0]["z1"].dist.mean, q[1]["z1"].dist.mean)
    assert (q[0]["z2"].dist.mean - q[1]["z2"].dist.mean).abs().min() > 1e-6


def test_rescoring_finds_the_same_weights():
    model, batch = draw(2, 3), examples()
    evidence = infer(model, batch, 3)
    again, _ = rescore(evidence, model, batch, GLOBAL)
    assert_close(again.log_w, evidence.log_w)


def test_a_stream_of_samples_estimates_what_one_batch_of_samples_does():
    model, batch = draw(T=2), examples(count=1)
    once = infer(model, {"x": batch["x"].expand(4000, *IMAGE)}, 1).log_w[0]
    streamed = torch.cat([e.log_w for e in stream(model, batch, 4000, Noise())])[:, 0]
    assert_same_mean(once.exp(), streamed.exp())


def test_the_mean_weight_does_not_depend_on_q():
    """E_q w = p(x), whatever q is."""
    batch = {"x": examples(count=1)["x"].expand(20_000, *IMAGE)}
    model = draw(2, 3, T=2)
    weights = []
    for bias in (0.0, 0.2):
        with torch.no_grad():
            model.posterior.net[0].bias += bias
            weights.append(infer(model, batch, 1).log_w[0].exp())
    assert_same_mean(*weights)


# ----------------------------------------------------------------------- what goes together with it
@pytest.mark.parametrize("estimator", ["pathwise", "stl", "dreg"])
def test_doubly_reparameterised_gradients_have_the_mean_of_pathwise_ones(estimator):
    """STL at k = 1, where it is unbiased; DReG at k = 3, although q and p share the decoder."""
    model = draw(T=2, latent_dim=1, hidden=2)
    batch = {"x": examples(count=1)["x"].expand(200, *IMAGE)}
    k = 1 if estimator == "stl" else 3
    samples = []
    for each in (estimator, "pathwise"):
        objective = iwae(model, SPEC, k=k, estimator=each)
        losses = (objective(model, batch, STEP).loss for _ in range(60))
        samples.append(torch.stack([flat_gradient(loss, model) for loss in losses]))
    assert_same_mean(*samples)


CHOICES = {
    "colour": {"spec": COLOUR, "likelihood": GaussianLikelihood},
    "amortised": {
        "spec": COLOUR,
        "likelihood": partial(GaussianLikelihood, variance="amortised"),
    },
    "categorical": {"likelihood": Categorical},
    "autoregressive pixels": {
        "likelihood": partial(AutoregressivePixels, pixel="auto", hidden=[4], activation="tanh")
    },
    "iaf": {"posterior": partial(IAF, K=2, context=3, hidden=[4], activation="tanh")},
    "learned prior": {"prior": priors.LearnedGaussian},
}


@each_grid
@pytest.mark.parametrize("choices", CHOICES.values(), ids=CHOICES.keys())
def test_any_head_of_any_image_trains(choices, grids):
    spec = choices.get("spec", SPEC)
    model = draw(*grids, **choices)
    for objective in (elbo(model, spec), iwae(model, spec, k=3)):
        assert check(model, objective, outline(model, spec)).quantity == "log p(x)"


def test_vectors_are_painted_whole():
    model = draw(spec=VECTOR)
    check(model, elbo(model, VECTOR), outline(model, VECTOR))


def test_a_blank_canvas_is_the_mean_of_the_data():
    mean = torch.rand(IMAGE) * 0.9 + 0.05
    spec = Spec({"x": Field(IMAGE, Support.BINARY, 2, mean)}, size=100)
    for likelihood in (Bernoulli, Categorical, partial(GaussianLikelihood, variance="amortised")):
        model = DRAW(
            spec,
            T=1,
            latent_dim=1,
            hidden=2,
            attention=False,
            read=0,
            write=0,
            posterior=Gaussian,
            prior=priors.Normal,
            likelihood=likelihood,
        )
        assert_close(model.likelihood.mean_for_params(model.canvas), mean, rtol=1e-5, atol=1e-5)


# ------------------------------------------------------------------------------------------ refusals
REFUSED = {
    "model.T=0": {"T": 0},
    "model.hidden=0": {"hidden": 0},
    "model.read=-1": {"grids": (-1, 0), "attention": True},
    "model.read=2 with model.attention=false": {"grids": (2, 0), "attention": False},
    "there is no grid": {"grids": (0, 0), "attention": True},
    "the data have shape": {"grids": (2, 2), "spec": VECTOR},
}


@pytest.mark.parametrize("line", REFUSED)
def test_what_makes_no_sense_is_refused(line):
    options = dict(REFUSED[line])
    with pytest.raises(Incompatible, match=line):
        draw(*options.pop("grids", ()), **options)


def test_a_prior_made_of_the_posterior_is_refused():
    model = draw(prior=partial(priors.Vamp, components=2))
    with pytest.raises(Incompatible, match="has no density of"):
        infer(model, examples(), 1)


def test_wake_sleep_is_refused_since_both_programs_use_the_decoder():
    model = draw()
    with pytest.raises(Incompatible, match="in this model both use"):
        check(model, RWS(model, seen := outline(model, SPEC), k=3, phi="sleep"), seen)
