"""How much of a metric each option decides."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from scipy.stats import kruskal, spearmanr

from vaebench.runs.importance import FEWEST, importance


@dataclass
class Made:
    """As much of a run as is looked at."""

    options: dict[str, Any]
    value: float | None
    found: dict[str, float] = field(default_factory=dict)

    def metrics(self):
        return {} if self.value is None else {"test/nll": self.value}


def made(n=40, seed=0):
    noise = np.random.default_rng(seed)
    rates, words = 10 ** noise.integers(-5, -1, n).astype(float), noise.choice(["a", "b", "c"], n)
    values = np.log10(rates) + 2 * (words == "b") + noise.normal(0, 0.5, n)
    options = [{"lr": r, "prior": w, "same": 1} for r, w in zip(rates, words, strict=True)]
    return [Made(o, v) for o, v in zip(options, values.tolist(), strict=True)], rates, words, values


def test_numbers_have_spearmans_rho():
    runs, rates, _, values = made()
    found = importance(runs, ["lr"], "test/nll")
    assert found["lr"] == pytest.approx(spearmanr(rates, values).statistic)


def test_words_have_the_root_of_what_kruskal_and_wallis_divide():
    """Their H is (n - 1) η²."""
    runs, _, words, values = made()
    eta = importance(runs, ["prior"], "test/nll")["prior"]
    h = kruskal(*(values[words == w] for w in np.unique(words))).statistic
    assert (len(runs) - 1) * eta**2 == pytest.approx(h)


def test_what_does_not_vary_or_is_too_little_says_nothing():
    runs, *_ = made()
    assert importance(runs, ["same", "absent"], "test/nll") == {}
    assert importance(runs[: FEWEST - 1], ["lr"], "test/nll") == {}
    assert importance([Made({"lr": 1.0}, None)] * 9, ["lr"], "test/nll") == {}
    truths = [Made({"flag": i % 2 == 0}, float(i % 2)) for i in range(8)]
    assert importance(truths, ["flag"], "test/nll") == {
        "flag": pytest.approx(1)
    }  # words, not numbers
