"""Swaps: of a model whose latents are what they are called, and of one whose content leaks into pose."""

from __future__ import annotations

import pytest
import torch

from tests.hands import CPU, LATENT, hands
from vaebench.check import Report
from vaebench.composition import Composition
from vaebench.data import Hands, Split
from vaebench.distributions import DiagNormal
from vaebench.measures.base import Inapplicable, Subject
from vaebench.measures.swaps import Swaps
from vaebench.models import DVAE


class Told(Hands):
    """Whose images are pose and content, side by side."""

    def made(self, rows, generator):
        batch = super().made(rows, generator)
        return batch | {"x": torch.cat([batch["pose"].flatten(1), batch["content"]], 1)}


class Oracle(DVAE):
    """Its latents are pose and content; `leak` of the content is in the pose that it draws."""

    def __init__(self, leak):
        torch.nn.Module.__init__(self)
        self.refine, self.leak = None, leak
        self.observed, self.parts = ("x",), {"pose": "z_pose", "content": "z_content"}

    def recognise(self, q, batch):
        pose, content = batch["x"].split([63, 10], -1)
        q("z_pose", near(pose))
        q("z_content", near(content))

    def generate(self, p, batch):
        pose, content = (p(n, near(torch.zeros(w))) for n, w in (("z_pose", 63), ("z_content", 10)))
        p("x", near(torch.cat([pose + self.leak * content[..., :1], content], -1)))
        p("pose", near(pose.unflatten(-1, (21, 3)), 2))


def near(mean, dims=1):
    return DiagNormal(mean, torch.full((), -9.0), dims)


def measured(leak):
    torch.set_default_dtype(torch.float32)
    data = Told(size=16, examples=60, data_seed=0, split=Split("random", 10, 20))
    roles = {"x": "observed", "pose": "observed", "content": "observed"}
    report = Report("log p(x, pose, content)", roles, ("z_pose", "z_content"))
    return Swaps()(Subject(Composition(data, Oracle(leak), None, report), CPU))


def test_latents_that_are_what_they_are_called_keep_what_is_not_exchanged():
    found = measured(0.0)
    for name in ("reconstruction", "content_swapped", "pose_swapped", "content_moves"):
        assert found[name] == pytest.approx(0, abs=1e-3), name
    for name in ("pose_moves", "pose_left"):
        assert found[name] == pytest.approx(found["poses_apart"]), name
    assert found["poses_apart"] > 10
    assert found["examples"] == 20


def test_content_that_leaks_into_the_picture_s_pose_moves_it():
    found = measured(0.1)
    assert found["content_moves"] > 3
    assert found["content_swapped"] > 3
    assert found["content_ratio"] == pytest.approx(
        found["content_swapped"] / found["reconstruction"], rel=1e-5
    )


def test_models_without_such_parts_do_not_apply():
    for model in (("model=cross_modal", LATENT), ("model=dvae", "model.parts=[view]", LATENT)):
        with pytest.raises(Inapplicable, match="no latents of pose and content"):
            Swaps()(hands(*model))
