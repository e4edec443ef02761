"""The metrics that tables know something of; any other is a number in nats, better where lower."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """What a reader should know of a number, by the last word of its name.

    Attributes:
        name: e.g. `nll`, of `test/nll` and of all others that end so.
        higher: whether more of it is better.
        leads: whether it comes before others where a run's numbers are told.
        digits: behind the point.
        label: of its column beside the metric that runs are compared by; empty where it is no
            number to be read beside that.
        counts: what it counts the test examples by; empty where it counts none.
        unit: what it is measured in; empty where it is a bare number.
        quality: whether more or less of it is better at all; what a run costs or counts is not
            ranked.
    """

    name: str
    higher: bool = False
    leads: bool = False
    digits: int = 3
    label: str = ""
    counts: str = ""
    unit: str = ""
    quality: bool = True


NATS = "nats"

METRICS = (
    Metric("nll", leads=True, unit=NATS),
    Metric("exact_nll", leads=True, unit=NATS),
    Metric("bpd", leads=True, unit="bits/dim"),
    Metric("bound", higher=True, leads=True, unit=NATS),
    Metric("recon", higher=True, leads=True, unit=NATS),
    Metric("kl", leads=True, label="KL", unit=NATS),
    Metric("error", leads=True),
    Metric("perplexity_without_end", label="PPL w/o end"),
    Metric("perplexity", label="PPL"),
    Metric("accuracy", higher=True),
    Metric("linear", higher=True),
    Metric("knn", higher=True),
    Metric("active_units", higher=True, digits=0),
    *(
        Metric(name, digits=0, quality=False)
        for name in ("dimensions", "k", "train", "examples", "ess_few")
    ),
    *(Metric(name, digits=0, quality=False) for name in ("temperatures", "chains")),
    Metric("loss", unit=NATS),
    Metric("seconds", digits=1, unit="s", quality=False),
    Metric("compile_seconds", digits=1, unit="s", quality=False),
    Metric("peak_memory_mb", digits=0, unit="MB", quality=False),
    Metric("parameters", digits=0, quality=False),
    Metric("tokens", digits=0, counts="test tokens with end tokens", quality=False),
    Metric("tokens_without_end", digits=0, counts="without", quality=False),
)
"""In the order in which they are told."""

KNOWN = {metric.name: metric for metric in METRICS}

MAIN = ("test/nll", "test/loss", "val/loss")
"""What runs are compared by unless somebody says otherwise: the first that they have."""


def known(name: str) -> Metric:
    """What is known of a metric, by its last word."""
    last = name.rpartition("/")[2]
    return KNOWN.get(last, Metric(last))


def written(name: str, value: float) -> str:
    """A metric's value, with as many digits as it has a use for."""
    return f"{value:.{known(name).digits}f}"


def telling_order(name: str) -> tuple[float, str]:
    """Sorts those that lead before all others, which are told by their name."""
    metric = known(name)
    return (METRICS.index(metric) if metric.leads else math.inf), name


PARTS = ("test", "evaluation", "val", "train")


def reading_order(name: str) -> tuple[int, float, str]:
    """Sorts the test's before all others, and validation's before training's; what a run took last."""
    part = name.partition("/")[0] if "/" in name else ""
    return (PARTS.index(part) if part in PARTS else len(PARTS)), *telling_order(name)
