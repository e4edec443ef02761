"""Likelihoods of modalities in closed form, and codes that tell theirs or do not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from tests.models.test_cross_modal import SPEC, exact, made, marginal
from tests.theorems import elbo, set_linear
from vaebench.check import Report
from vaebench.composition import Composition
from vaebench.data import Column, InMemorySplit
from vaebench.measures.base import Inapplicable, Subject
from vaebench.measures.modalities import Modalities, Overlap

N = 150


def batch():
    return SPEC.example(N)


def subject(model, observed=("rgb", "pose")) -> Subject:
    split = InMemorySplit({name: Column(value) for name, value in batch().items()})
    data = SimpleNamespace(split=lambda part: split, spec=SPEC)
    report = Report("log p(rgb, pose)", dict.fromkeys(observed, "observed"), ("z",))
    return Subject(Composition(data, model, elbo(model, SPEC), report), torch.device("cpu"))


def test_with_exact_experts_they_are_the_likelihoods_in_closed_form():
    model = exact()
    found = Modalities(k=2, examples=N)(subject(model))
    log_p = {
        "all": marginal(model, batch(), "rgb", "pose"),
        "rgb_alone": marginal(model, batch(), "rgb"),
        "pose_alone": marginal(model, batch(), "pose"),
    }
    log_p["rgb_given_rest"] = log_p["all"] - log_p["pose_alone"]
    log_p["pose_given_rest"] = log_p["all"] - log_p["rgb_alone"]
    for name, values in log_p.items():
        assert found[name] == pytest.approx(-values.mean().item(), abs=1e-4), name
        assert found[f"{name}_se"] == pytest.approx(values.std().item() / N**0.5, rel=1e-4)


def test_codes_of_one_q_do_not_tell_their_modality_and_those_of_places_apart_do():
    model = made()
    model.combine = "mixture"
    rates = []
    for apart in (0.0, 20.0):
        for bias, expert in zip((apart, 0.0), model.posterior.values(), strict=True):
            (layer,) = (m for m in expert.modules() if isinstance(m, torch.nn.Linear))
            set_linear(layer, torch.zeros_like(layer.weight), torch.tensor([bias, 0.0]))
        rates.append(Overlap(train=N)(subject(model)))
    same, told = rates
    assert same["chance"] == 0.5
    for kind in ("linear", "knn"):
        assert abs(same[kind] - 0.5) < 4 * same[f"{kind}_se"]
        assert told[kind] == 1.0
    assert same["examples"] == N


def test_a_model_of_one_name_has_no_modalities():
    model = made(observed="rgb")
    for measure in (Modalities(), Overlap()):
        with pytest.raises(Inapplicable, match="no modalities"):
            measure(subject(model, ("rgb",)))
