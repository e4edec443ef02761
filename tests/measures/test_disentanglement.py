"""Scores of disentanglement: their ceilings, chance, and worked examples by the published definitions."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import torch

from vaebench.data import Split, Sprites
from vaebench.measures.blur import edges
from vaebench.measures.disentanglement import SCORES
from vaebench.measures.disentanglement.base import Coded, examples_of
from vaebench.measures.disentanglement.information import entropies, information, mig, modularity
from vaebench.measures.disentanglement.interventions import irs
from vaebench.measures.disentanglement.predictors import dci, of_importance, sap, separate_scores
from vaebench.measures.disentanglement.rankings import udr
from vaebench.measures.disentanglement.votes import beta_vae_score, factor_vae_score


@cache
def true_factors(n=10_000, grid=(3, 6, 40, 32, 32)):
    """Factors of dSprites as codes of themselves."""
    data = Sprites(path="", grid=grid, split=Split("random", 1, 1))
    numbers = torch.randint(data.size, (n,), generator=torch.Generator().manual_seed(0))
    v = data.values(numbers).numpy()
    return Coded(v.astype(float), v)


def with_codes(z, of=None):
    of = of or true_factors(4000, (3, 4, 4, 8, 8))
    return Coded(z, of.v)


def noise(of, d=6):
    return np.random.default_rng(0).normal(size=(len(of), d))


# ------------------------------------------------------------------------------ ceiling and chance
CEILINGS = {
    "beta_vae_score": 1.0,
    "factor_vae_score": 1.0,
    "mig": 0.90,
    "disentanglement": 1.0,
    "completeness": 1.0,
    "informativeness": 1.0,
    "sap": 0.23,
    "modularity": 1.0,
    "irs": 1.0,
}


@pytest.mark.parametrize("name", SCORES)
def test_true_factors_of_dsprites_reach_the_tabled_ceiling(name):
    for key, value in SCORES[name](true_factors()).items():
        assert value == pytest.approx(CEILINGS[key], abs=0.01), key


def test_noise_scores_by_chance():
    of = true_factors(4000, (3, 4, 4, 8, 8))
    found = {}
    for score in SCORES.values():
        found |= score(with_codes(noise(of), of))
    votes = 4.5 * math.sqrt(0.2 * 0.8 / 1000)
    for name in ("beta_vae_score", "factor_vae_score"):
        assert found[name] == pytest.approx(0.2, abs=votes)
    for name in ("mig", "disentanglement", "completeness", "sap"):
        assert 0 <= found[name] < 0.03, name
    guess = np.mean([1 / levels for levels in (3, 4, 4, 8, 8)])
    assert found["informativeness"] == pytest.approx(guess, abs=0.03)


def test_a_rotation_of_the_code_lowers_all_but_how_well_it_is_read():
    of = true_factors(4000, (3, 4, 4, 8, 8))
    z = (of.v - of.v.mean(0)) / of.v.std(0)
    mixed, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5)))
    for score, bar in ((mig, 0.5), (dci, 0.7), (irs, 0.8), (factor_vae_score, 0.95)):
        straight, rotated = score(with_codes(z, of)), score(with_codes(z @ mixed, of))
        name = next(iter(straight))
        assert rotated[name] < bar * straight[name] + 1e-9, name


# -------------------------------------------------------------------------------- worked examples
V = np.array([[a, b] for a in range(2) for b in range(2)] * 50)
"""Two independent bits."""


def test_information_is_the_entropy_of_a_copy_and_0_of_another_factor():
    found = information(Coded(V[:, :1].astype(float), V))
    assert found == pytest.approx(np.array([[math.log(2), 0.0]]), abs=1e-12)
    assert entropies(Coded(V[:, :1], V)) == pytest.approx([math.log(2)] * 2)


def test_the_gap_is_over_the_second_dimension_that_knows_the_factor():
    copies = Coded(V[:, [0, 0, 1]].astype(float), V)
    assert mig(copies) == {"mig": pytest.approx(0.5)}  # factor 0 twice: no gap; factor 1 once
    both = Coded((2 * V[:, :1] + V[:, 1:]).astype(float), V)
    assert mig(both) == {"mig": pytest.approx(1.0)}  # one dimension knows all: no second one


def test_a_dimension_of_two_factors_alike_is_not_modular_and_one_of_none_counts_0():
    both = (2 * V[:, :1] + V[:, 1:]).astype(float)
    assert modularity(Coded(both, V)) == {"modularity": pytest.approx(0.0, abs=1e-9)}
    two = np.concatenate([both, V[:, :1]], 1)
    assert modularity(Coded(two, V)) == {"modularity": pytest.approx(0.5)}
    constant = np.concatenate([np.zeros((200, 1)), V[:, :1]], 1)
    assert modularity(Coded(constant, V)) == {"modularity": pytest.approx(0.5)}


def test_importance_by_hand():
    """D: 1 - H(¾, ¼) and 1, weighed 2 : 1; C: the columns (3, 0)/3 and (1, 2)/3."""
    table = np.array([[3.0, 1.0], [0.0, 2.0]])
    h = lambda p: -(p * math.log2(p) + (1 - p) * math.log2(1 - p))  # noqa: E731
    found = of_importance(table)
    assert found["disentanglement"] == pytest.approx((4 * (1 - h(0.25)) + 2) / 6)
    assert found["completeness"] == pytest.approx((1 + 1 - h(1 / 3)) / 2)
    assert of_importance(np.zeros((2, 2))) == {"disentanglement": 0.0, "completeness": 0.0}


def test_a_machine_that_sees_one_dimension_tells_its_bit_and_guesses_the_other():
    rng = np.random.default_rng(0)
    v = rng.integers(2, size=(4000, 2))
    table = separate_scores(Coded(4.0 * v[:, :1] - 2, v))
    assert table[0, 0] == 1.0
    assert table[0, 1] == pytest.approx(0.5, abs=0.05)
    assert sap(Coded(np.repeat(4.0 * v[:, :1] - 2, 2, 1), v))["sap"] < 0.05


def test_what_strays_within_a_factor_is_subtracted_from_its_reach():
    """z = a + b/2 of two bits: reach ¾; a fixed, it strays by ¼, b fixed by ½."""
    z = V[:, :1] + 0.5 * V[:, 1:]
    assert irs(Coded(z, V)) == {"irs": pytest.approx(1 - 0.25 / 0.75)}
    assert irs(Coded(0 * z, V)) == {"irs": 0.0}


def test_votes_are_right_where_one_dimension_is_silent_with_its_factor():
    rng = np.random.default_rng(0)
    v = rng.integers(4, size=(4000, 3))
    assert factor_vae_score(Coded(v.astype(float), v)) == {"factor_vae_score": 1.0}
    assert factor_vae_score(Coded(0.0 * v, v)) == {"factor_vae_score": pytest.approx(1 / 3)}
    lost = v.astype(float)
    lost[:, 2] = 0  # what is left says of factor 2 one of the other two, by chance
    assert factor_vae_score(Coded(lost, v))["factor_vae_score"] == pytest.approx(2 / 3, abs=0.06)
    assert beta_vae_score(Coded(lost, v))["beta_vae_score"] > 0.95  # the third: when neither is


@pytest.mark.parametrize("seeds", [(0, 0), (0, 1)])
def test_a_seed_fixes_what_is_drawn(seeds):
    of = true_factors(4000, (3, 4, 4, 8, 8))
    first, second = (factor_vae_score(Coded(noise(of), of.v, seed)) for seed in seeds)
    assert (first == second) == (seeds[0] == seeds[1])


# -------------------------------------------------------------------------------------------- UDR
def test_a_permutation_and_other_signs_are_alike_and_a_rotation_is_not():
    rng = np.random.default_rng(0)
    z, kl = rng.normal(size=(3000, 4)), np.ones(4)
    other = -np.exp(z[:, [2, 0, 3, 1]])  # ranks alone count
    exact = udr(z, kl, other, kl)
    assert exact == pytest.approx(1.0, abs=0.1)
    assert exact > udr(z, kl, z @ np.linalg.qr(rng.normal(size=(4, 4)))[0], kl) + 0.2
    assert udr(z, kl, rng.normal(size=(3000, 4)), kl) < 0.03


def test_udr_by_hand_counts_informative_dimensions_alone():
    """R = [[1, 0], [0, 0]]: column and row 0 are one to one, and the constant is like nothing; where
    it counts as informative of one run, 2 of 3 dimensions are found again."""
    a = np.array([[0, 0], [1, 0], [2, 0], [3, 0]], float)
    kl = np.array([1.0, 0.0])
    assert udr(a, kl, a, kl) == pytest.approx(1.0)
    assert udr(a, np.zeros(2), a, np.zeros(2)) == 0.0
    assert udr(a, np.array([1.0, 1.0]), a, kl) == pytest.approx(2 / 3)


# ------------------------------------------------------------------------------------------ drawing
def test_examples_are_the_same_for_every_model_of_a_seed():
    data = Sprites(path="", grid=[3, 2, 2, 4, 4], split=Split("random", 0.2, 0.2))
    first, again, other = (examples_of(data, 50, seed)["x"] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


# -------------------------------------------------------------------------------------------- blur
def test_edges_of_a_point_and_of_a_smoothed_one():
    """The Laplacian of a point is -4 and four 1s: over 9 pixels 20/8 by Bessel's correction."""
    image = torch.zeros(1, 1, 5, 5)
    image[0, 0, 2, 2] = 1
    assert edges(image).item() == pytest.approx(20 / 8)
    blurred = torch.nn.functional.avg_pool2d(torch.rand(3, 1, 20, 20), 3, 1)
    assert (edges(blurred) < edges(torch.rand(3, 1, 20, 20)) / 4).all()
    assert edges(torch.full((2, 3, 8, 8), 0.7)).max() == pytest.approx(0.0, abs=1e-9)
