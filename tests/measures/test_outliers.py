"""Scores of outliers where log p(x), KL and reconstruction are known, and what is left out and why."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from scipy.stats import chi2
from torch.testing import assert_close

from tests.measures.test_classification import of_nets
from tests.measures.test_classification import subject as by_logits
from tests.measures.test_evaluation import Given, subject
from tests.theorems import assert_mean, wide_ppca
from vaebench.check import Report
from vaebench.data import Column, Field, InMemorySplit, Support
from vaebench.distributions import DiagNormal, StandardNormal, kl_divergence
from vaebench.heads.posteriors import FullGaussian
from vaebench.measures.base import Inapplicable
from vaebench.measures.classification import Predictive
from vaebench.measures.outliers import DATA, Outliers, differ, reasons


def exact():
    """A linear-Gaussian model whose q is p(z | x), so that L_K is log p(x) at any K."""
    model = wide_ppca(posterior=FullGaussian)
    model.set_exact_posterior()
    return model


def drawn(model, n: int, seed: int = 3) -> torch.Tensor:
    """x ~ p(x)."""
    normal = torch.randn(n, len(model.w), generator=torch.Generator().manual_seed(seed))
    return normal @ torch.linalg.cholesky(model.covariance).T


def beside(held, **sets: torch.Tensor):
    """The subject with other examples by name."""
    others = {name: (InMemorySplit({"x": Column(x)}),) for name, x in sets.items()}
    return replace(held, others=others)


def scored(held, *of: str, **options):
    numbers = Outliers(of=[*of], **{"k": 3} | options)(held)
    return numbers, held.sets


# -------------------------------------------------------------------------------------- the scores
def test_scores_are_what_they_are_called_of_a_gaussian():
    model = exact()
    x, far = drawn(model, 30), 3 * drawn(model, 20, seed=4)
    held = beside(subject(model, x), far=far)
    _, sets = scored(held, "far")
    for name, examples in ((DATA, x), ("far", far)):
        nll = -model.log_prob(examples)
        assert_close(sets[name]["nll"], nll)
        assert_close(sets[name]["typicality"], (nll + model.log_prob(x).mean()).abs())
        # At the exact posterior the bound is log p(x): what is left is Monte Carlo of the distortion.
        assert_mean(sets[name]["kl"] + sets[name]["recon"] - nll, 0.0)


def test_kl_is_the_closed_form_of_each_example():
    model = exact()
    x = drawn(model, 12)
    _, sets = scored(beside(subject(model, x), far=4 * x), "far")
    loc, covariance = model.exact_posterior()
    q = torch.distributions.MultivariateNormal(4 * x @ loc.T, covariance)
    p = torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2))
    known = torch.distributions.kl_divergence(q, p)
    assert_close(sets["far"]["kl"], known)


def test_the_likeliest_example_of_all_is_an_outlier_that_typicality_alone_tells():
    """At the mode -log p is least of all, so that its AUROC is 0. There |-log p - H| is D/2, and
    less where χ²_D < 2 D: of three dimensions in 89 % of the data."""
    model = exact()
    held = beside(subject(model, drawn(model, 4000)), mode=torch.zeros(4000, 3))
    found, sets = scored(held, "mode", samples=1)
    assert found["mode/nll/auroc"] == 0
    typical = sets["mode"]["typicality"][0].item()
    h = -model.log_prob(drawn(model, 4000)).mean() + model.log_prob(torch.zeros(3))
    assert typical == pytest.approx(h.item())
    share = chi2.cdf(3 + 2 * typical, 3) - chi2.cdf(3 - 2 * typical, 3)
    assert typical == pytest.approx(1.5, abs=0.1)
    assert abs(found["mode/typicality/auroc"] - share) < 4.5 * math.sqrt(share * (1 - share) / 4000)


def test_a_ratio_to_the_run_itself_is_nothing_and_to_another_is_the_difference_of_both():
    model, other = exact(), exact()
    other.noise *= 2
    other.vae.likelihood.head.log_scale += math.log(2)
    other.set_exact_posterior()
    x, far = drawn(model, 20), 5 * drawn(model, 20, seed=8)
    held = beside(subject(model, x), far=far)
    _, alone = scored(replace(held, baseline=subject(model, x), sets={}), "far")
    assert_close(alone["far"]["ratio"], torch.zeros(20))
    _, both = scored(replace(held, baseline=subject(other, x), sets={}), "far")
    assert_close(both["far"]["ratio"], other.log_prob(far) - model.log_prob(far))


def test_kl_to_the_prior_grows_without_bound_as_q_narrows():
    """KL(N(μ, σ²) ‖ N(0, 1)) = -log σ + (σ² + μ² - 1)/2: log 10 more with each tenth of σ."""
    for loc in (0.0, 2.0):
        log_scale = -math.log(10) * torch.arange(1, 41).unsqueeze(1)
        q = DiagNormal(torch.full((40, 1), loc), log_scale)
        kl = kl_divergence(q, StandardNormal(torch.zeros(1)))
        known = -log_scale + ((2 * log_scale).exp() + loc**2 - 1) / 2
        assert_close(kl, known.squeeze(1))
        assert_close(kl[11:].diff(), torch.full((28,), math.log(10)))
        assert (kl.diff() > 0).all()
        assert kl[-1] > 90


def test_the_score_of_a_narrow_q_grows_without_bound_too():
    """The encoder of a VAE told to be surer and surer of its z."""
    model = wide_ppca()
    x, found = drawn(model, 5), []
    for log_scale in (-1.0, -10.0, -100.0, -1000.0):
        model.set_posterior(torch.zeros(2, 3), torch.full((2,), log_scale))
        _, sets = scored(beside(subject(model, x), same=x), "same", k=1)
        found.append(sets["same"]["kl"][0].item())
    assert found == pytest.approx(
        [2 * (-s + (math.exp(2 * s) - 1) / 2) for s in (-1, -10, -100, -1000)]
    )


def test_scores_that_are_no_matter_of_the_sample_do_not_depend_on_how_examples_are_batched():
    model = exact()
    x = drawn(model, 600)
    _, sets = scored(beside(subject(model, x), same=x), "same")
    for score, values in sets[DATA].items():
        assert_close(values, sets["same"][score])


def test_so_many_examples_are_of_all_splits_of_a_set_together():
    model = exact()
    held = subject(model, drawn(model, 30))
    parts = tuple(InMemorySplit({"x": Column(drawn(model, 8, seed))}) for seed in range(3))
    held = replace(held, others={"parts": parts})
    for examples, count in ((0, 24), (10, 10), (30, 24)):
        _, sets = scored(held, "parts", examples=examples)
        assert len(sets["parts"]["nll"]) == count
        assert len(sets[DATA]["nll"]) == examples or 30
    first = torch.cat([part.batch(torch.arange(8))["x"] for part in parts])[:10]
    _, sets = scored(held, "parts", examples=10)
    assert_close(sets["parts"]["nll"], -model.log_prob(first))


def test_noise_has_the_marginals_and_not_the_correlation():
    model = exact()
    held = subject(model, drawn(model, 3000))
    found, sets = scored(held, "noise")
    assert found["noise/nll/auroc"] > 0.5 + 5 * found["noise/nll/auroc_se"]
    _, again = scored(subject(model, drawn(model, 3000)), "noise")
    assert torch.equal(sets["noise"]["nll"], again["noise"]["nll"])


def test_an_entropy_tells_inputs_of_which_a_classifier_knows_nothing():
    """Of p(y | x) = softmax(x): log 3 of zeros, less of what is sure."""
    x = torch.tensor([[4.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 0.5]])
    held = by_logits(x, torch.arange(3))
    flat = InMemorySplit({"x": Column(torch.zeros(2, 3)), "y": Column(torch.tensor([0, 1]))})
    held = replace(held, others={"flat": (flat,)})
    found, sets = scored(held, "flat")
    p = x.softmax(1)
    assert_close(sets[DATA]["entropy"], -(p * p.log()).sum(1).double(), atol=1e-6, rtol=1e-6)
    assert_close(sets["flat"]["entropy"], torch.full((2,), math.log(3)).double())
    assert found["flat/entropy/auroc"] == 1
    assert {*sets[DATA]} == {"entropy"}
    assert held.notes["nll"] == "the model has no density of x"


def test_an_entropy_is_of_the_average_over_nets():
    held = of_nets(0.8)
    _, sets = scored(held, "noise", samples=400)
    predicted = Predictive(samples=400)(held)
    assert sets[DATA]["entropy"].mean().item() == pytest.approx(predicted["entropy"], abs=0.05)
    assert predicted["information"] > 0.1


# ------------------------------------------------------------------------------- what is left out
def test_what_means_nothing_is_left_out_with_its_reason_and_is_no_number():
    model = exact()
    held = subject(model, drawn(model, 10))
    found, _ = scored(held, "noise")
    assert {*held.notes} == {"ratio", "complexity", "entropy"}
    assert "outliers.baseline=RUN" in held.notes["ratio"]
    assert held.notes["complexity"] == "x is real numbers: there is nothing to pack"
    assert not [name for name in found if "ratio" in name or "complexity" in name]


def test_a_model_of_reconstruction_alone_has_one_score():
    held = subject(exact(), drawn(exact(), 10))
    held.composition.objective.has_bound = False
    _, sets = scored(held, "noise")
    assert {*sets[DATA]} == {"recon"}
    assert all("reconstruction alone" in held.notes[score] for score in ("nll", "kl", "ratio"))


def test_a_model_without_latents_has_no_score_of_them_and_one_sample():
    held = subject(exact(), drawn(exact(), 10))
    bare = replace(
        held, composition=replace(held.composition, report=Report("", {"x": "observed"}, ()))
    )
    found = reasons(Outliers(of=["noise"]), bare)
    assert found["kl"] == found["recon"] == "the model has no latents"
    assert "nll" not in found


@pytest.mark.parametrize(
    ("of", "told"),
    [
        ([], r"no outliers are named, as in outliers=\[noise\]"),
        (["mnist"], r"outliers=\[mnist\]: these data make rotated, inverted"),
        (["rotated"], r"outliers=\[rotated\]: x of shape \[3\] is no square image"),
        (["inverted"], r"outliers=\[inverted\]: x is real numbers, which have no inverse"),
        (["without"], r"dataset.without=\[\] leaves none out"),
    ],
)
def test_sets_that_these_data_do_not_make_are_refused(of, told):
    with pytest.raises(Inapplicable, match=told):
        Outliers(of=of)(subject(exact(), drawn(exact(), 10)))


def test_labels_and_several_names_are_refused():
    held = subject(exact(), drawn(exact(), 10))
    two = Report("", {"x": "observed", "y": "observed"}, ("z",))
    data = Given(drawn(exact(), 10), torch.arange(10))
    several = replace(held, composition=replace(held.composition, data=data, report=two))
    with pytest.raises(Inapplicable, match="one observed name; there are x, y"):
        Outliers(of=["noise"])(several)
    y = Report("", {"x": "extra", "y": "observed"}, ("z",))
    label = replace(held, composition=replace(held.composition, data=data, report=y))
    with pytest.raises(Inapplicable, match="y is labels of classes"):
        Outliers(of=["noise"])(label)


def test_examples_of_another_shape_or_kind_are_told():
    bits, grey = Field((1, 2, 2), Support.BINARY, 2), Field((1, 2, 2), Support.LEVELS, 17)
    assert differ(bits, bits) == ""
    assert differ(grey, bits) == "is [1, 2, 2] of 17 grey levels in [0, 1], not [1, 2, 2] of binary"
    assert differ(replace(grey, levels=256), grey)
    assert differ(replace(bits, shape=(1, 3, 2)), bits).startswith("is [1, 3, 2]")
