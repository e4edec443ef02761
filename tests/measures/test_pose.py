"""End-point errors: of predictions that are off by a known distance, and of what a model may look at."""

from __future__ import annotations

import sys

import pytest
import torch
from torch.testing import assert_close

from tests.hands import LATENT, hands
from vaebench.measures.pose import PoseError, predicted, reader

MODULE = sys.modules[PoseError.__module__]


@pytest.mark.parametrize(
    ("off", "pck", "auc"), [(0.0, 1.0, 1.0), (25.5, 1.0, 25 / 31), (60.0, 0, 0)]
)
def test_what_is_off_by_so_many_millimetres_has_that_error(monkeypatch, off, pck, auc):
    subject = hands("model=cross_modal", LATENT)
    shift = torch.tensor([0.0, off / 100, 0.0])
    told = lambda model, batch, names, **_: [batch[name] + shift for name in names]  # noqa: E731
    monkeypatch.setattr(MODULE, "predicted", told)
    found = PoseError()(subject)
    assert found["epe"] == pytest.approx(off, abs=1e-4)
    assert (found["pck"], found["pck_auc"]) == (pytest.approx(pck), pytest.approx(auc))
    batch, mean = subject.batch(30), subject.composition.data.spec["joints"].mean
    usual = 100 * (batch["joints"] - mean).norm(dim=-1).mean()
    assert found["epe_of_mean"] == pytest.approx(usual.item(), rel=1e-4)
    assert found["epe_gain"] == pytest.approx(usual.item() - off, rel=1e-3)
    assert found["examples"] == 30


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (("model=cross_modal", LATENT), "joints"),
        (("model=cross_modal", LATENT, "model.combine=mixture"), "joints"),
        (("model=dvae", LATENT), "pose"),
        (("model=classifier", "model.observed=joints"), "joints"),
    ],
)
def test_joints_are_read_of_the_image_alone(model, name):
    subject = hands(*model)
    latents = bool(subject.roles[0])
    reads, batch = reader(subject, ["x"], [name]), dict(subject.batch(5))
    (before,) = predicted(reads, batch, [name], latents=latents)
    assert before.shape == (5, 21, 3)
    others = {n: v if n == "x" else torch.full_like(v, torch.nan) for n, v in batch.items()}
    (after,) = predicted(reads, others, [name], latents=latents)
    assert_close(before, after)
    assert all(torch.tensor(v).isfinite() for v in PoseError()(subject).values())


def test_another_name_may_be_what_is_seen():
    subject = hands("model=cross_modal", "model.observed=[x,depth,joints]", LATENT)
    one, other = (PoseError(sees=sees)(subject)["epe"] for sees in (["x"], ["x", "depth"]))
    assert one != other


@pytest.mark.parametrize(
    ("model", "sees", "why"),
    [
        (("model=cross_modal", "model.observed=[x,depth]", LATENT), ["x"], "makes no joints"),
        (("model=cross_modal", LATENT), ["view"], "none of what this model observes"),
        (("model=vae", "model.observed=[x,joints]", LATENT), ["x"], "none can be hidden"),
        (("model=classifier", "model.observed=joints"), ["depth"], "the model reads x, not depth"),
    ],
)
def test_what_cannot_be_read_is_said(model, sees, why):
    with pytest.raises(ValueError, match=why):
        PoseError(sees=sees)(hands(*model))
