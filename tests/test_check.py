"""The dry run: each wrong composition is refused, and none that is right.

Every model here is a small correct one with a single thing changed, which would otherwise fail late,
or train silently into finite nonsense.
"""

from __future__ import annotations

from functools import partial

import pytest
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf
from torch import nn

from tests.theorems import elbo, iwae, spelt
from vaebench.check import check
from vaebench.composition.build import check_batch
from vaebench.config.chosen import in_words
from vaebench.data import Column, Digits, Field, Spec, Split, Support
from vaebench.distributions import Delta, DiagNormal, LabelLogits, OneHot, StandardNormal
from vaebench.errors import Incompatible, Refusal
from vaebench.heads.likelihoods import Bernoulli, Categorical
from vaebench.inference import outline
from vaebench.models import RecognitionFirst
from vaebench.objectives import Reconstruction

SPEC = Spec({"x": Field((3,)), "y": Field((), Support.LABEL, 4)}, size=100)
WIDTH = 2


class Toy(RecognitionFirst):
    """q(z | x) diagonal Gaussian, p(z) standard normal, p(x | z) = N(x; W z, 1)."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(3, 2 * WIDTH), nn.Linear(WIDTH, 3)

    def recognise(self, q, batch):
        q("z", self.posterior(self.encoder(batch["x"])))

    def generate(self, p, batch):
        p("x", self.likelihood(self.decoder(p("z", self.prior()))))

    def posterior(self, params):
        return DiagNormal(*params.chunk(2, -1))

    def prior(self):
        return StandardNormal(torch.zeros(WIDTH))

    def likelihood(self, params):
        return DiagNormal(params, torch.zeros(()))


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch):
    """No command was typed, whatever ran in this process before."""
    monkeypatch.setattr(HydraConfig.instance(), "cfg", None)


@pytest.fixture
def choose(monkeypatch):
    """Has Hydra say what was chosen."""

    def choose(**choices):
        cfg = OmegaConf.create({"hydra": {"runtime": {"choices": choices}}})
        monkeypatch.setattr(HydraConfig.instance(), "cfg", cfg)

    return choose


def refused(model, objective=elbo, spec=SPEC, **options):
    """What a model is refused for."""
    with pytest.raises(Incompatible) as error:
        check(model, objective(model, spec, **options), outline(model, spec))
    return error.value


def refusal(*args, **options):
    """What is said of it."""
    return str(refused(*args, **options))


def reconstruction(model, spec, k=1, **options):
    return Reconstruction(model, outline(model, spec), k=k, **spelt(options))


# ------------------------------------------------------------------------------- what is right
@pytest.mark.parametrize("objective", [elbo, iwae, reconstruction])
def test_a_right_composition_passes_and_says_what_it_bounds(objective):
    model = Toy()
    report = check(model, objective(model, SPEC), outline(model, SPEC))
    assert report.quantity == "log p(x)"
    assert report.roles == {"x": "observed", "y": "extra"}
    assert report.sites == [
        "q z ~ DiagNormal [2]",
        "p z ~ StandardNormal [2]",
        "p x ~ DiagNormal [3]",
    ]


@pytest.mark.parametrize("objective", [elbo, iwae])
def test_as_many_entries_of_unlike_class_counts_do_not_pass_for_each_other(objective):
    class Classes(Toy):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = nn.Linear(3, 12), nn.Linear(12, 3)

        def posterior(self, params):
            return OneHot(params.unflatten(-1, (2, 6)))

        def prior(self):
            return OneHot(torch.zeros(3, 4))

    error = refused(Classes(), partial(objective, estimator="score"))
    assert str(error) == (
        "this posterior infers classes (1 of 6) at site 'z', and this prior is a density of "
        "classes (1 of 4)."
    )
    assert error.parts == ("prior", "posterior")


def test_a_name_that_is_read_and_not_generated_is_a_condition():
    class Conditioned(Toy):
        def generate(self, p, batch):
            shift = batch["y"].unsqueeze(-1)
            p("x", self.likelihood(self.decoder(p("z", self.prior())) + shift))

    model = Conditioned()
    report = check(model, elbo(model, SPEC), outline(model, SPEC))
    assert report.quantity == "log p(x | y)"


def test_the_dry_run_changes_neither_the_noise_nor_the_mode_of_the_model():
    model = Toy().eval()
    objective, state = elbo(model, SPEC), torch.get_rng_state()
    check(model, objective, outline(model, SPEC))
    assert torch.equal(state, torch.get_rng_state())
    assert not model.training


def test_the_dry_run_teaches_a_baseline_nothing():
    model = Toy()
    objective = elbo(model, SPEC, estimator="score")
    before = {name: value.clone() for name, value in objective.named_buffers()}
    check(model, objective, outline(model, SPEC))
    assert before
    assert all(torch.equal(before[name], value) for name, value in objective.named_buffers())


# ------------------------------------------------------------------------------- which sites
class Blind(Toy):
    """Generates no data."""

    def generate(self, p, batch):
        p("z", DiagNormal(self.decoder(p("u", self.prior()))[..., :WIDTH], torch.zeros(())))

    def recognise(self, q, batch):
        super().recognise(q, batch)
        q("u", self.posterior(self.encoder(batch["x"])))


def test_a_model_that_observes_nothing_is_refused():
    said = refusal(Blind(), reconstruction)
    assert said == "the model observes nothing: it generates none of x, y"


class Misspelt(Toy):
    def generate(self, p, batch):
        p("xx", self.likelihood(self.decoder(p("z", self.prior()))))


def test_a_misspelt_observation_is_refused_as_a_site_that_p_draws_itself():
    said = refusal(Misspelt(), reconstruction)
    assert said.startswith("the model generates 'xx', which the data do not hold")
    assert "Did you mean x?" in said


class Loose(Toy):
    def recognise(self, q, batch):
        super().recognise(q, batch)
        q("w", self.posterior(self.encoder(batch["x"])))


def test_a_site_of_q_that_p_never_visits_is_refused():
    said = refusal(Loose(), reconstruction)
    assert said == "recognition infers 'w', which the model never generates"


class Twice(Toy):
    def generate(self, p, batch):
        super().generate(p, batch)
        p("x", self.likelihood(self.decoder(p.values["z"])))


def test_a_site_that_is_visited_twice_is_refused():
    with pytest.raises(Incompatible, match="'x' is visited twice"):
        elbo(Twice(), SPEC)


# --------------------------------------------------------------------------- shapes of the scores
class Scoring(DiagNormal):
    """A diagonal Gaussian whose log-density comes in another shape."""

    def __init__(self, loc, log_scale, reduce):
        super().__init__(loc, log_scale)
        self.reduce = reduce

    def log_prob(self, value):
        return self.reduce(super().log_prob(value))


SHAPES = {
    "over the batch": (lambda score: score.sum(-1), "[3]"),  # a [k]: passes for [B] if k = B
    "over the samples": (lambda score: score.sum(0, keepdim=True).mT, "[2, 1]"),
    "over everything": (lambda score: score.sum(), "[]"),
    "not over the event": (lambda score: score.unsqueeze(-1).expand(-1, -1, 3), "[3, 2, 3]"),
}


@pytest.mark.parametrize(("reduce", "shape"), SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("objective", [elbo, iwae, reconstruction])
def test_a_score_that_does_not_broadcast_to_k_by_b_is_refused(reduce, shape, objective):
    class Reduced(Toy):
        def likelihood(self, params):
            return Scoring(params, torch.zeros(()), reduce)

    said = refusal(Reduced(), objective)
    assert f"at site 'x' scores to shape {shape}" in said
    assert "[k, B] = [3, 2]" in said


@pytest.mark.parametrize("k", [1, 2])
def test_a_score_per_sample_is_refused_for_numbers_of_samples_that_would_hide_it(k):
    class PerSample(Toy):
        def likelihood(self, params):
            return Scoring(params, torch.zeros(()), lambda score: score.sum(-1))

    assert "scores to shape [3]" in refusal(PerSample(), elbo, k=k)


# ------------------------------------------------------------------------- density and noise of q
class Step(DiagNormal):
    """A Gaussian whose draws carry no pathwise gradient."""

    has_rsample = False

    def rsample(self, shape, noise):
        return super().rsample(shape, noise).detach()

    def rsample_and_log_prob(self, shape, noise):
        value = self.rsample(shape, noise)
        return value, lambda: self.log_prob(value)


class Pathless(Toy):
    def posterior(self, params):
        return Step(*params.chunk(2, -1))


@pytest.mark.parametrize("objective", [elbo, iwae, reconstruction])
def test_pathwise_gradients_of_a_posterior_without_them_are_refused(objective):
    error = refused(Pathless(), objective, estimator="pathwise")
    assert "needs a path from parameters to samples; this posterior, Step at site 'z'" in str(error)
    assert error.parts == ("estimator", "posterior")


@pytest.mark.parametrize("objective", [elbo, iwae, reconstruction])
def test_a_posterior_without_pathwise_gradients_has_an_estimator_that_needs_none(objective):
    model = Pathless()
    assert (
        check(model, objective(model, SPEC, estimator="auto"), outline(model, SPEC)).quantity
        == "log p(x)"
    )


class Point(Toy):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(3, WIDTH)

    def posterior(self, params):
        return Delta(params)


@pytest.mark.parametrize("objective", [elbo, iwae])
def test_a_bound_of_a_point_mass_is_refused(objective):
    error = refused(Point(), objective)
    assert "this posterior has no density, so this objective has no bound on log p(x)." in str(
        error
    )
    assert error.parts == ("objective", "posterior")


def test_several_samples_of_a_point_mass_are_refused():
    error = refused(Point(), reconstruction, k=3)
    assert "k=3: all samples would be the same" in str(error)
    assert (error.parts, error.options) == (("posterior",), ("k=1",))


def test_a_point_mass_without_a_bound_passes():
    model = Point()
    check(model, reconstruction(model, SPEC), outline(model, SPEC))


# ------------------------------------------------------------------------------ the data's support
@pytest.mark.parametrize("support", [Support.REAL, Support.LABEL])
def test_bernoulli_on_values_outside_0_1_is_refused(support):
    with pytest.raises(Incompatible, match=r"this likelihood needs values in .*; the data are"):
        Bernoulli(Field((3,), support))


@pytest.mark.parametrize("support", [Support.REAL, Support.UNIT, Support.LABEL])
def test_categorical_on_floats_is_refused(support):
    with pytest.raises(Incompatible, match=r"this likelihood needs grey levels; the data are"):
        Categorical(Field((3,), support))


def test_only_dequantized_data_are_told_not_to_be():
    for levels, options in ((17, ("dataset.dequantize=false",)), (0, ())):
        with pytest.raises(Incompatible) as error:
            Categorical(Field((3,), Support.UNIT, levels))
        assert (error.value.parts, error.value.options) == (("likelihood",), options)


# ---------------------------------------------------------------------------- what depends on what
class Normalised(Toy):
    def __init__(self):
        super().__init__()
        self.likelihood_net = nn.Sequential(nn.Flatten(0, 1), nn.BatchNorm1d(WIDTH))

    def generate(self, p, batch):
        z = p("z", self.prior())
        p("x", self.likelihood(self.decoder(self.likelihood_net(z).view_as(z))))


def test_batch_norm_in_a_likelihood_is_refused():
    said = refusal(Normalised(), reconstruction)
    assert "likelihood_net.1 is a BatchNorm" in said


class Idle(Toy):
    """Something in it plays no part in any loss."""

    def __init__(self, part):
        super().__init__()
        self.parts = nn.ModuleDict({part: nn.Linear(1, 1)})


@pytest.mark.parametrize("part", ["prior", "posterior", "likelihood", "something"])
def test_a_parameter_that_is_never_trained_is_refused_by_name(part):
    error = refused(Idle(part))
    assert f"model.parts.{part}.weight is never trained" in str(error)
    known = [part] if part != "something" else []
    assert error.parts == (*known, "objective", "model")


def test_a_parameter_that_is_held_fixed_need_not_be_trained():
    model = Idle("prior").requires_grad_(False)
    model.encoder.requires_grad_(True)
    check(model, elbo(model, SPEC), outline(model, SPEC))


class LearnedPrior(Toy):
    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(WIDTH))

    def prior(self):
        return DiagNormal(self.shift, torch.zeros(()))


def test_a_prior_is_trained_by_a_bound_and_not_by_reconstruction_alone():
    model = LearnedPrior()
    check(model, elbo(model, SPEC), outline(model, SPEC))
    assert "model.shift is never trained" in refusal(LearnedPrior(), reconstruction)


# ------------------------------------------------------------------------------- what is a number
class Infinite(Toy):
    def likelihood(self, params):
        return DiagNormal(params, torch.tensor(-1000.0))


def test_a_density_that_is_not_finite_is_refused():
    error = refused(Infinite(), reconstruction)
    assert "the log-density of DiagNormal at site 'x' is not finite" in str(error)
    assert error.parts == ("likelihood", "model")


class NoNumber(Toy):
    def prior(self):
        return DiagNormal(torch.full((WIDTH,), float("nan")), torch.zeros(()))


def test_a_prior_that_is_not_finite_is_refused_where_it_is_scored():
    error = refused(NoNumber())
    assert "the log-density of DiagNormal at site 'z' is not finite" in str(error)
    assert error.parts == ("prior", "model")
    model = NoNumber()
    check(model, reconstruction(model, SPEC), outline(model, SPEC))


def test_a_loss_that_is_not_finite_is_refused():
    assert "the loss is nan" in refusal(Toy(), elbo, beta=float("nan"))


class PerExample(Reconstruction):
    def estimate(self, model, batch, step, noise):
        estimate = super().estimate(model, batch, step, noise)
        estimate.loss = estimate.loss.expand(2)
        return estimate


def test_a_loss_that_is_no_scalar_is_refused():
    said = refusal(Toy(), lambda m, s: PerExample(m, outline(m, s), k=1))
    assert "the loss has shape [2]; a scalar was expected" in said


# ---------------------------------------------------------------------------- in the user's words
def test_a_refusal_names_the_choices_as_they_were_chosen(choose):
    said = refusal(Point())
    assert in_words(said) == said
    choose(posterior="mine", objective="my_bound")
    told = "posterior=mine has no density, so objective=my_bound has no bound on log p(x)."
    assert in_words(said) == told


def test_a_closed_form_that_is_missing_names_posterior_and_prior():
    with pytest.raises(Incompatible, match=r"analytic with this posterior and this prior: KL"):
        elbo(Pathless(), SPEC, kl="analytic")
    with pytest.raises(Incompatible, match=r"of this posterior and this prior, is none\.$"):
        elbo(Pathless(), SPEC, free_bits=0.1)


# ---------------------------------------------------------------------- data that are not as declared
class Liar(Digits):
    """Says [0, 1] and holds something else."""

    def split(self, part):
        split = super().split(part)
        split.columns = {"x": Column(split.batch(torch.arange(2))["x"] + 1.0)}
        return split


def test_values_outside_the_declared_support_are_refused():
    parts = Split(kind="random", val=200, test=400, seed=0)
    check_batch(Digits(split=parts, binarize="threshold"))
    with pytest.raises(Refusal, match=r"x has values outside \[0, 1\]; its spec says binary"):
        check_batch(Liar(split=parts, binarize="threshold"))


# ------------------------------------------------------------------------------- labels to be unknown
class Reads(Toy):
    """One that scores the label too."""

    def generate(self, p, batch):
        super().generate(p, batch)
        p("y", LabelLogits(self.decoder.weight[0, 0].expand(4)))


def test_a_model_learns_from_no_label_that_is_to_be_unknown():
    fields = {**SPEC.fields, "labelled": Field((), Support.LABEL, 2)}
    few = Spec(fields, size=100)
    model, plain = Reads(), Toy()
    with pytest.raises(Incompatible, match="learns from every y") as error:
        check(model, elbo(model, few), outline(model, few))
    assert error.value.options == ("dataset.unlabelled=drop", "dataset.labels=all")
    check(model, elbo(model, SPEC), outline(model, SPEC))
    check(plain, elbo(plain, few), outline(plain, few))
