"""What each measure says of models whose answers are known."""

from __future__ import annotations

import math
import weakref
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import (
    PPCAModel,
    assert_mean,
    elbo,
    golden_ppca,
    largest_z,
    wide_ppca,
    z_scores,
)
from vaebench.check import Report
from vaebench.commands.options import read
from vaebench.composition import Composition
from vaebench.data import Column, Dataset, Field, InMemorySplit, Spec, Support
from vaebench.distributions import Noise
from vaebench.errors import Refusal
from vaebench.heads.posteriors import FullGaussian, PointMass
from vaebench.inference import infer, stream
from vaebench.inference.freeform import infer_at
from vaebench.measures.base import BATCH, Inapplicable, Subject
from vaebench.measures.evaluation import NAMES, Measures, latent_table, measure, select
from vaebench.measures.gaps import CHUNKS, AnnealedImportance, InferenceGap
from vaebench.measures.likelihood import ENOUGH, Importance, ImportanceSampling, importance
from vaebench.measures.probes import Probe
from vaebench.measures.rates import Information, RateDistortion, aggregate_posterior


class Given(Dataset):
    """The same examples in every split, perhaps with labels."""

    def __init__(self, x: torch.Tensor, y: torch.Tensor | None = None) -> None:
        self.x, self.y = x, y

    @property
    def spec(self) -> Spec:
        fields = {"x": Field(tuple(self.x.shape[1:]))}
        if self.y is not None:
            fields["y"] = Field((), Support.LABEL, int(self.y.max()) + 1)
        return Spec(fields, len(self.x))

    def split(self, part):
        return InMemorySplit(
            {"x": Column(self.x)} | ({} if self.y is None else {"y": Column(self.y)})
        )

    @property
    def protocol(self):
        return {}


def subject(
    model: PPCAModel, x: torch.Tensor, y: torch.Tensor | None = None, seed: int = 0
) -> Subject:
    objective = elbo(model.vae, model.spec)
    report = Report("log p(x)", {"x": "observed"}, ("z",))
    made = Composition(Given(x, y), model.vae, objective, report)
    return Subject(made, torch.device("cpu"), seed=seed)


def repeated(model: PPCAModel, n: int) -> torch.Tensor:
    """The model's example n times: what varies between examples is Monte Carlo alone."""
    return model.x.expand(n, len(model.x))


def noise(seed: int = 0) -> Noise:
    return Noise(torch.Generator().manual_seed(seed))


def data(n: int) -> torch.Tensor:
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(7))


# ---------------------------------------------------------------------------- importance samples
@pytest.mark.parametrize("k", [1, 2, 300])
def test_at_the_exact_posterior_every_sample_counts(k):
    model = wide_ppca(posterior=FullGaussian)
    model.set_exact_posterior()
    x = repeated(model, 4)
    found = importance(model.vae, {"x": x}, k, noise())
    assert_close(found.log_p, model.log_prob(x))
    assert_close(found.ess, torch.full((4,), float(k)))
    assert_close(found.variance, torch.zeros(4), rtol=0, atol=1e-10)


def test_importance_is_the_brute_force_of_its_samples(monkeypatch):
    """Over all chunks, and where weights under- and overflow."""
    monkeypatch.setitem(stream.__globals__, "CHUNK", 100)
    model, k = wide_ppca(), 57
    x = 40 * data(5)
    found = importance(model.vae, {"x": x}, k, noise())
    with torch.no_grad():
        log_w = torch.cat([e.log_w for e in stream(model.vae, {"x": x}, k, noise())])
    assert log_w.shape == (k, 5)
    assert log_w.max() < -900
    w = (log_w - log_w.max(0).values).exp()
    assert_close(found.log_p, w.mean(0).log() + log_w.max(0).values)
    assert_close(found.ess, w.sum(0).square() / w.square().sum(0))


def test_one_weight_above_all_others_leaves_one_sample():
    found = Importance(torch.zeros(1), torch.ones(1), 50)
    assert_close(found.variance, torch.tensor([0.98]))


def test_the_predicted_variance_is_that_of_many_repetitions():
    """The second moment of L_K about log p(x), copy by copy of one example."""
    model, k = wide_ppca(), 400
    found = importance(model.vae, {"x": repeated(model, 5000)}, k, noise())
    squares = (found.log_p - model.log_prob(model.x)).square()
    assert found.variance.mean() > 1e-4
    assert_mean(squares - found.variance, 0.0)


def test_nll_mc_se_is_the_spread_of_the_nll_over_seeds():
    """Over 300 seeds, of a q near enough to the posterior for the first order to tell it at K = 50:
    the sample variance against what each seed predicts, by its own standard error."""
    model, x, seeds = near_ppca(), data(20), 300
    measured = [ImportanceSampling(k=50)(subject(model, x, seed=s)) for s in range(seeds)]
    nll = torch.tensor([m["nll"] for m in measured])
    predicted = torch.tensor([m["nll_mc_se"] for m in measured]).square()
    spread = (nll - nll.mean()).square() * seeds / (seeds - 1)
    assert_mean(spread - predicted, 0.0)
    # Half or twice the variance would show.
    assert z_scores(spread - predicted / 2, 0.0) > largest_z()
    assert z_scores(spread - predicted * 2, 0.0) < -largest_z()
    # E[L_K] is low by half the variance of each example.
    assert_mean(nll - len(x) * predicted / 2, -model.log_prob(x).mean())


def far_ppca() -> PPCAModel:
    """A q that misses most of the posterior."""
    model = wide_ppca()
    model.set_posterior(torch.zeros(2, 3), torch.full((2,), -3.0))
    return model


def first_order(model: PPCAModel, x: torch.Tensor, k: int) -> float:
    found = importance(model.vae, {"x": x}, k, noise(1))
    return (found.variance.sum().sqrt() / len(x)).item()


def test_where_no_sample_counts_there_is_no_error_that_is_too_small():
    """The mean of L_5000 is off by many times what the first order says of it."""
    model, x, k = far_ppca(), data(20), 5000
    found = ImportanceSampling(k=k)(subject(model, x))
    off = found["nll"] + model.log_prob(x).mean().item()
    assert off > 4 * first_order(model, x, k)
    assert found["ess_min"] < ENOUGH
    assert "nll_mc_se" not in found
    assert found["nll_se"] > 0


def test_one_such_example_is_enough():
    model, x, k = near_ppca(), data(20), 500
    assert "nll_mc_se" in ImportanceSampling(k=k)(subject(model, x))
    x[3] *= 100
    found = ImportanceSampling(k=k)(subject(model, x))
    off = found["nll"] + model.log_prob(x).mean().item()
    assert off > 4 * first_order(model, x, k)
    assert found["ess_few"] == 1
    assert "nll_mc_se" not in found


class Known(Given):
    """Examples whose log p(x) is known."""

    def exact_log_prob(self, batch):
        return torch.full((len(batch["x"]),), -3.0)


@pytest.mark.parametrize(
    ("quantity", "told"), [("log p(x)", {"exact_nll": 3.0}), ("log p(x | y)", {})]
)
def test_a_known_log_p_stands_beside_a_bound_on_it_and_on_nothing_else(quantity, told):
    model = wide_ppca()
    found = subject(model, data(4))
    report = replace(found.composition.report, quantity=quantity)
    made = replace(found.composition, data=Known(data(4)), report=report)
    numbers = ImportanceSampling(k=2)(replace(found, composition=made))
    assert {n: value for n, value in numbers.items() if n.startswith("exact")} == told


@pytest.mark.parametrize("k", [1, 5])
def test_few_samples_tell_nothing_of_their_error(k):
    """Of one alone the first order says 0."""
    model, x = near_ppca(), data(20)
    found = ImportanceSampling(k=k)(subject(model, x))
    assert found["ess_few"] == 20
    assert "nll_mc_se" not in found


def near_ppca() -> PPCAModel:
    """A q that is a little off the posterior, and a little wider."""
    model = wide_ppca()
    loc, covariance = model.exact_posterior()
    model.set_posterior(0.9 * loc, 0.5 * covariance.diagonal().log() + 0.1)
    return model


def test_the_measure_averages_over_all_batches_or_the_first_examples():
    model = wide_ppca(posterior=FullGaussian)
    model.set_exact_posterior()
    x = data(BATCH + 10)
    nll = -model.log_prob(x)
    every, first = (ImportanceSampling(k=3, examples=n)(subject(model, x)) for n in (0, 7))
    assert every["nll"] == pytest.approx(nll.mean().item())
    assert every["nll_se"] == pytest.approx(nll.std().item() / math.sqrt(len(x)))
    assert (every["examples"], first["examples"]) == (len(x), 7)
    assert first["nll"] == pytest.approx(nll[:7].mean().item())
    assert every["ess"] == pytest.approx(3)
    assert every["ess_min"] == pytest.approx(3)


# ------------------------------------------------------------------------------ rate, distortion
def test_rate_and_distortion_add_up_to_the_bound_which_is_the_closed_form():
    model = wide_ppca()
    found = RateDistortion(k=10)(subject(model, repeated(model, 1000)))
    assert found["bound"] == pytest.approx(-(found["rate"] + found["distortion"]), abs=1e-10)
    exact = model.closed_form_bound().item()
    assert abs(found["bound"] - exact) < largest_z() * found["bound_se"]
    assert 0 < found["bound_se"] < 0.05
    kl = infer(model.vae, model.batch, 1).kl().mean().item()
    assert found["rate"] == pytest.approx(kl)
    assert found["rate_se"] == pytest.approx(0, abs=1e-10)


def test_the_bound_of_examples_is_the_mean_of_theirs():
    model, x = wide_ppca(), data(6)
    found = RateDistortion(k=100)(subject(model, x.repeat(200, 1)))
    exact = mean_bound(model, x)
    assert abs(found["bound"] - exact) < largest_z() * found["bound_se"]


def mean_bound(model: PPCAModel, x: torch.Tensor) -> float:
    """Of the closed form, over examples."""
    total = 0.0
    for one in x:
        model.x = one
        total += model.closed_form_bound().item()
    return total / len(x)


# ----------------------------------------------------------------------------- what codes carry
def clusters(sd: float) -> tuple[PPCAModel, torch.Tensor]:
    """Five codes on a line with this spread, and 200 examples of each."""
    model = golden_ppca()
    model.set_posterior(torch.tensor([[1.0, 0.0]]), torch.tensor([math.log(sd)]))
    x = torch.tensor([-2.0, -0.7, 0.0, 0.4, 1.9]).view(5, 1).repeat(200, 2)
    return model, x


def integral(model: PPCAModel, x: torch.Tensor, kernel: float) -> tuple[float, float]:
    """I(x; z) and KL(q(z) ‖ p(z)) over a fine grid of z."""
    z = torch.linspace(-8, 8, 40_001).unsqueeze(1)
    p = torch.distributions.Normal(x[:5, 0], kernel)
    log_each, log_prior = p.log_prob(z), torch.distributions.Normal(0.0, 1.0).log_prob(z[:, 0])
    log_q = log_each.logsumexp(1) - math.log(5)
    dz = (z[1] - z[0]).item()
    information = (log_each.exp() * (log_each - log_q.unsqueeze(1))).sum() * dz / 5
    return information.item(), ((log_q.exp() * (log_q - log_prior)).sum() * dz).item()


@pytest.mark.parametrize("sd", [0.1, 0.5, 1.5])
def test_information_and_marginal_kl_are_those_of_the_mixture_of_posteriors(sd):
    """Copies of an example leave q(z) as it is and bring the draws to judge by."""
    model, x = clusters(sd)
    information, marginal = integral(model, x, sd)
    found = Information(examples=1000)(subject(model, x))
    for name, exact in (("mutual_information", information), ("marginal_kl", marginal)):
        assert abs(found[name] - exact) < largest_z(6) * found[f"{name}_se"], name
        assert found[f"{name}_se"] < 0.1
    assert 0.2 < information < math.log(5) + 1e-9
    assert found["ceiling"] == pytest.approx(math.log(1000))


def test_information_and_marginal_kl_add_up_to_the_rate():
    model, x = wide_ppca(), data(1000)
    found = Information(examples=1000)(subject(model, x))
    rate = RateDistortion()(subject(model, x))["rate"]
    evidence = infer(model.vae, {"x": x}, 1, noise=subject(model, x).noise(3))
    draws = evidence.q["z"].log_prob - evidence.p["z"].log_prob
    both = found["mutual_information"] + found["marginal_kl"]
    assert both == pytest.approx(draws.mean().item())
    assert_mean((draws - evidence.kl()).flatten(), 0.0)
    assert abs(both - rate) < largest_z() * (draws - evidence.kl()).std() / math.sqrt(1000)


def test_codes_that_never_overlap_carry_as_much_as_the_examples():
    model = golden_ppca()
    model.set_posterior(torch.tensor([[1.0, 0.0]]), torch.tensor([-8.0]))
    x = torch.arange(30.0).unsqueeze(1).expand(30, 2)
    found = Information()(subject(model, x))
    assert found["mutual_information"] == pytest.approx(math.log(30)) == found["ceiling"]


@pytest.mark.parametrize("posterior", ["Gaussian", "FullGaussian"])
@pytest.mark.parametrize("entries", [1, 40, 4_000_000])
def test_the_aggregate_posterior_is_the_mean_of_all_posteriors(monkeypatch, posterior, entries):
    """Whatever the chunk, against a loop over both."""
    monkeypatch.setitem(aggregate_posterior.__globals__, "ENTRIES", entries)
    model = wide_ppca() if posterior == "Gaussian" else wide_ppca(posterior=FullGaussian)
    x, z = data(7), data(5)[:, :2]
    found = aggregate_posterior(model.vae, {"x": x}, {"z": z})
    expected = []
    for value in z:
        densities = [model.vae.posterior(one).log_prob(value).exp() for one in x]
        expected.append(sum(densities) / len(x))
    assert_close(found, torch.stack(expected).log())


# ---------------------------------------------------------------------------------------- probe
def labelled(shift: float) -> tuple[PPCAModel, torch.Tensor, torch.Tensor]:
    """Three classes of unlike size along the first code, so far apart."""
    y = torch.tensor([0, 0, 0, 1, 1, 2]).repeat(60)
    x = data(len(y)) + shift * torch.nn.functional.one_hot(y, 3)
    model = wide_ppca()
    model.set_posterior(torch.eye(3)[:2], torch.zeros(2))
    return model, x, y


def test_separable_codes_are_told_apart_without_an_error():
    model, x, y = labelled(100.0)
    found = Probe()(subject(model, x, y))
    assert found["linear"] == found["knn"] == 1.0
    assert found["majority"] == 0.5
    assert found["train"] == found["examples"] == len(y)


def test_codes_that_know_nothing_do_no_better_than_the_majority():
    """Accuracies are counts out of 360, judged as such."""
    model, x, y = labelled(0.0)
    order = torch.randperm(len(y))
    train, test = Given(x, y), Given(x[order], y)
    held = subject(model, x, y)
    held.composition.data.split = lambda part: (train if part == "train" else test).split(part)
    found = Probe()(held)
    error = math.sqrt(0.25 / len(y))
    assert found["linear"] - 0.5 < largest_z() * error
    assert found["knn"] - 0.5 < largest_z() * error


def test_a_probe_sees_the_first_training_examples_alone():
    model, x, y = labelled(100.0)
    found = Probe(train=12, examples=30, neighbours=1)(subject(model, x, y))
    assert (found["train"], found["examples"]) == (12, 30)
    assert found["linear"] == 1.0


def test_a_probe_learns_from_so_many_labels_of_each_class():
    model, x, y = labelled(100.0)
    found = Probe(labels=9)(subject(model, x, y))
    assert found["train"] == 9
    assert found["svm"] == found["linear"] == 1.0
    with pytest.raises(Inapplicable, match=r"60 examples. Use probe.labels=180"):
        Probe(labels=240)(subject(model, x, y))


class PartlyKnown(Given):
    """The same, of which some training labels are known; the others are wrong there."""

    def __init__(self, x: torch.Tensor, y: torch.Tensor) -> None:
        super().__init__(x, y)
        self.known = torch.arange(len(y)) % 20 < 6

    @property
    def spec(self) -> Spec:
        fields = {**super().spec.fields, "labelled": Field((), Support.LABEL, 2)}
        return Spec(fields, len(self.x))

    def split(self, part):
        y = torch.where(self.known, self.y, (self.y + 1) % 3) if part == "train" else self.y
        columns = {"x": self.x, "y": y, "labelled": self.known.long()}
        return InMemorySplit({name: Column(stored) for name, stored in columns.items()})


def test_a_probe_learns_from_known_labels_alone():
    model, x, y = labelled(100.0)
    held = subject(model, x, y)
    data = PartlyKnown(x, y)
    found = Probe()(replace(held, composition=replace(held.composition, data=data)))
    assert (found["train"], found["linear"], found["svm"]) == (int(data.known.sum()), 1.0, 1.0)


def test_a_support_vector_machine_is_of_few_examples(monkeypatch):
    model, x, y = labelled(100.0)
    monkeypatch.setattr("vaebench.measures.probes.MOST_OF_SVM", len(y) - 1)
    assert "svm" not in Probe()(subject(model, x, y))
    assert "svm" in Probe(train=len(y) - 1)(subject(model, x, y))


def test_a_probe_needs_labels():
    with pytest.raises(Inapplicable, match="no labels"):
        Probe()(subject(wide_ppca(), data(10)))


# ------------------------------------------------------------------------------- gap and annealing
def test_the_gaps_are_those_of_the_closed_form():
    """Each within its own Monte Carlo error, plus what the optimiser may miss."""
    model, x = wide_ppca(), data(8)
    found = InferenceGap(examples=8, k=10_000)(subject(model, x))
    precision = model.exact_posterior()[1].inverse()
    approximation = 0.5 * (precision.diagonal().log().sum() - precision.logdet()).item()
    log_p = model.log_prob(x).mean().item()
    amortisation = log_p - mean_bound(model, x) - approximation
    assert amortisation > 0.1
    for name, exact in (("approximation", approximation), ("amortisation", amortisation)):
        error = found[f"{name}_gap_mc_se"]
        assert 0 < error < 0.02
        assert abs(found[f"{name}_gap"] - exact) < 4 * error + 1e-3, name
    assert found["log_p"] == pytest.approx(log_p, abs=0.01)
    together = found["approximation_gap"] + found["amortisation_gap"]
    assert together == pytest.approx(found["log_p"] - found["bound"], abs=1e-10)


def test_a_gap_to_what_no_sample_finds_has_no_error_that_is_too_small():
    """Not even the best q of its family covers a posterior as long and thin as this one."""
    model, x = thin_ppca(), 5 * data(8)
    found = InferenceGap(examples=8, k=500, steps=300)(subject(model, x))
    precision = model.exact_posterior()[1].inverse()
    approximation = 0.5 * (precision.diagonal().log().sum() - precision.logdet()).item()
    assert found["approximation_gap"] < approximation - 0.5
    assert found["ess_few"] > 0
    assert "approximation_gap_mc_se" not in found
    assert found["amortisation_gap_mc_se"] > 0


def thin_ppca() -> PPCAModel:
    """Two latents of which the data show the sum alone."""
    w = torch.tensor([[8.0, 8.0], [-4.0, -4.0], [6.0, 6.0]])
    model = PPCAModel(w, 0.05, torch.zeros(3))
    model.set_posterior(torch.zeros(2, 3), torch.full((2,), -2.0))
    return model


def test_the_parts_of_a_bound_do_not_pile_up(monkeypatch):
    """Each holds all that the decoder gave: 20 of them are gigabytes of MNIST."""
    parts, alive = [], []

    def watched(*args):
        alive.append(sum(part() is not None for part in parts))
        evidence = infer_at(*args)
        parts.append(weakref.ref(evidence))
        return evidence

    monkeypatch.setattr("vaebench.measures.gaps.infer_at", watched)
    InferenceGap(examples=3, k=100, steps=1)(subject(wide_ppca(), data(3)))
    assert len(alive) == 2 * CHUNKS
    assert max(alive) <= 1


def test_annealing_agrees_with_the_exact_likelihood():
    model = wide_ppca()
    found = AnnealedImportance(examples=10, temperatures=100)(subject(model, data(10)))
    assert found["gap"] == pytest.approx(found["simulated_upper"] - found["simulated_lower"])
    assert abs(found["gap"]) < 0.1
    assert found["nll"] == pytest.approx(-model.log_prob(data(10)).mean().item(), abs=0.1)


# ---------------------------------------------------------------------------- names and options
def options(*given: str) -> Measures:
    return read("evaluate", given, Measures)[1]


def test_measures_are_selected_by_name():
    assert select(NAMES, options()) == list(NAMES)
    assert select([], options()) == []
    assert select(["probe", "rate"], options()) == ["probe", "rate"]


def test_an_unknown_measure_is_refused_with_the_nearest():
    with pytest.raises(Refusal, match=r"Did you mean measures=\[likelihood\]\?"):
        select(["likelyhood"], options())
    with pytest.raises(Refusal, match="there are likelihood, terms, rate"):
        select(["xyz"], options())
    with pytest.raises(
        Refusal, match=r"^eval\.measures=\[likelyhood\].* eval\.measures=\[likelihood\]\?"
    ):
        select(["likelyhood"], options(), "eval.measures")


@pytest.mark.parametrize(
    "word", ["k=0", "examples=-1", "ais.chains=0", "gap.lr=0", "gap.lr=nan", "probe.neighbours=0"]
)
def test_an_option_too_small_to_mean_anything_is_refused(word):
    with pytest.raises(Refusal, match="must be at least"):
        select(NAMES, options(word))


def test_an_option_of_a_measure_that_is_not_asked_for_does_not_matter():
    assert select(["rate"], options("ais.chains=0")) == ["rate"]


def test_k_and_examples_are_those_of_the_measures_unless_said_otherwise():
    found = options("k=7", "examples=3", "rate.examples=5")
    assert (found.likelihood.k, found.likelihood.examples) == (7, 3)
    assert (found.rate.k, found.rate.examples, found.probe.examples) == (10, 5, 3)


def test_what_else_is_measured_changes_no_number():
    model, x, y = labelled(1.0)
    small = ["k=5", "gap.k=20", "gap.steps=3", "ais.temperatures=3", "ais.examples=4"]
    chosen = options(*small, "gap.examples=4")
    held = subject(model, x, y)
    together = dict(measure(chosen, list(NAMES), held))
    assert list(together) == list(NAMES)
    timed = {"sampling"}  # a clock's numbers are others each time
    for name in (name for name in NAMES if name not in timed):
        torch.manual_seed(99)
        assert dict(measure(chosen, [name], subject(model, x, y))) == {name: together[name]}


def test_every_stream_of_noise_is_another():
    held, like = subject(wide_ppca(), data(2)), torch.zeros(())
    draws = [held.noise(stream).normal((50,), like) for stream in (0, 1, 2, 2)]
    assert torch.equal(draws[2], draws[3])
    assert len(torch.stack(draws)[:, 0].unique()) == 3


def test_a_seed_changes_what_is_drawn():
    model = wide_ppca()
    first, second = (
        ImportanceSampling(k=5)(subject(model, data(9), seed=seed))["nll"] for seed in (0, 1)
    )
    assert first != second


# --------------------------------------------------------------------------------- what applies
def test_a_reconstruction_alone_has_no_bound_to_measure():
    held = subject(wide_ppca(), data(20), torch.arange(20) % 2)
    held.composition.objective.has_bound = False
    # Their reason is another.
    others = ("classification", "predictive", "class_samples")
    others += ("disentanglement", "equivariance", "transfer", "overlap", "pose", "swaps")
    names = [name for name in NAMES if name not in others]
    found = dict(measure(options("k=3", "outliers=noise"), names, held))
    refused = {name for name, reason in found.items() if isinstance(reason, str)}
    of_bounds = {"likelihood", "rate", "information", "gap", "ais", "sampling", "udr", "blur"}
    of_bounds |= {"modalities"}
    assert refused == of_bounds
    assert all("reconstruction alone" in found[name] for name in refused)


def test_a_point_has_units_and_codes():
    model = wide_ppca(posterior=PointMass)
    held = subject(model, data(50))
    held.composition.objective.has_bound = False
    found = dict(measure(options(), ["units"], held))["units"]
    assert found == {"active_units": 2.0, "dimensions": 2}


# ---------------------------------------------------------------------------------- latent table
def test_the_table_of_latents_has_moments_and_draws_of_every_example():
    model, x, y = labelled(1.0)
    table = latent_table(subject(model, x, y))
    assert {name: value.shape for name, value in table.items()} == {
        "z.mean": (len(y), 2),
        "z.sample": (len(y), 2),
        "y": (len(y),),
    }
    z = {name: torch.from_numpy(value) for name, value in table.items()}
    assert_close(z["z.mean"], x[:, :2])
    assert torch.equal(z["y"], y)
    assert_mean(z["z.sample"] - z["z.mean"], 0.0)
    assert_mean((z["z.sample"] - z["z.mean"]).square(), 1.0)


def test_the_first_so_many_examples_come_in_their_own_order():
    model, x, y = labelled(1.0)
    held = subject(model, x, y)
    assert torch.equal(held.batch(0)["x"], x)
    assert [len(b["x"]) for b in held.batches()] == [BATCH, len(x) - BATCH]
    assert torch.equal(held.batch(5)["y"], y[:5])


def test_a_model_without_a_latent_has_no_latents_to_look_at():
    held = subject(wide_ppca(), data(5))
    report = replace(held.composition.report, latents=())
    bare = replace(held, composition=replace(held.composition, report=report))
    with pytest.raises(Inapplicable, match="no latents"):
        _ = bare.latents
