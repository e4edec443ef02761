"""A posterior and a data set from outside the package join the matrix by existing in its folders."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.matrix.cells import RELATIVES, Matrix
from tests.matrix.run import Runner
from vaebench.cli import conf_dir, main

FILES = {
    "posterior/laplace.yaml": """
        # Laplace posterior q(z|x), heavier tails than a Gaussian
        _target_: outside_heads.LaplacePosterior
        _partial_: true
        """,
    "dataset/blobs.yaml": """
        # @package _global_
        # Three labelled Gaussian blobs in the plane, whose log p(x) is known
        defaults:
          - override /likelihood: gaussian
        suggested:
          latent_dim: 2
          scale: ${dataset.noise}
        dataset:
          _target_: outside_data.Blobs
          size: 3000
          noise: 0.5
          split: {_target_: vaebench.data.Split, kind: last, val: 100, test: 100}
        """,
    "outside_heads.py": """
        from torch.distributions import Independent, Laplace

        from vaebench.distributions import Torch
        from vaebench.heads import Head


        class LaplacePosterior(Head):
            def __init__(self, latent):
                super().__init__()
                self.param_shape = (2 * latent.numel,)

            def forward(self, params):
                loc, log_scale = params.chunk(2, -1)
                return Torch(Independent(Laplace(loc, log_scale.exp(), validate_args=False), 1))
        """,
    "outside_data.py": """
        import math

        import torch
        from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

        from vaebench.data import Column, Dataset, Field, InMemorySplit, Spec, Support


        class Blobs(Dataset):
            def __init__(self, *, size: int, noise: float, split):
                angle = torch.arange(3) * 2 * math.pi / 3
                centres = 2 * torch.stack([angle.cos(), angle.sin()], -1)
                parts = Independent(Normal(centres, noise), 1)
                self.density = MixtureSameFamily(Categorical(torch.ones(3) / 3), parts)
                generator = torch.Generator().manual_seed(0)
                self.y = which = torch.randint(3, (size,), generator=generator)
                self.x = centres[which] + noise * torch.randn(size, 2, generator=generator)
                self.index = split.indices(size)

            @property
            def spec(self):
                train = self.x[self.index["train"]]
                x, y = Field((2,), mean=train.mean(0)), Field((), Support.LABEL, 3, torch.ones(3) / 3)
                return Spec({"x": x, "y": y}, len(train))

            def split(self, part):
                rows = self.index[part]
                return InMemorySplit({"x": Column(self.x[rows]), "y": Column(self.y[rows])})

            @property
            def protocol(self):
                return {}

            def exact_log_prob(self, batch):
                return self.density.log_prob(batch["x"].cpu()).double()
        """,
}
PRIORS = {
    "prior/moved.yaml": """
        # N(by, I)
        _target_: outside_priors.Moved
        _partial_: true
        by: 0.5
        """,
    "prior/of_class.yaml": """
        # A Gaussian of each class
        _target_: outside_priors.OfClass
        _partial_: true
        """,
    "outside_priors.py": """
        import torch
        from torch import nn

        from vaebench.distributions import DiagNormal
        from vaebench.heads import ConditionalPrior, Prior


        class Moved(Prior):
            def __init__(self, latent, *, by: float):
                super().__init__()
                self.register_buffer("loc", torch.full(latent.shape, by))

            def forward(self):
                return DiagNormal(self.loc, torch.zeros_like(self.loc))


        class OfClass(ConditionalPrior):
            def __init__(self, latent, conditions):
                super().__init__()
                ((name, field),) = conditions.items()
                self.reads, self.each = (name,), nn.Embedding(field.levels, 2 * latent.numel)

            def forward(self, label):
                return DiagNormal(*self.each(label).chunk(2, -1))
        """,
}
"""Of the two kinds that need nothing of the model's own."""

OPEN = {"dataset": "blobs", "nets": "mlp", "likelihood": "gaussian", "posterior": "laplace"}
"""Where the two from outside meet every prior, objective and model, and nothing is in the way."""


NOT_REAL = {
    "posterior": ("bernoulli", "categorical"),
    "model": ("vae",),
    "objective": ("elbo",),
    "estimator": ("auto",),
}
"""Where priors of bits and classes meet the data from outside."""

OF_IMAGES = {"chairs", "dcign", "draw_classifier", "generator", "ram"}
"""Models that look at images or make them, which these data are none of."""

OF_OTHERS = {"inverse_graphics", "weighted", "semi_supervised", *RELATIVES.values()}
"""Objectives of several factors, images or classes, which these data have none of, and those that stand
beside the elbo in test_matrix.py."""

PLAIN = ("objective",)
"""How gradients are estimated is told apart by q's draws, of which the package has all kinds."""


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """The folder of a user's own."""
    folder = tmp_path_factory.mktemp("outside")
    written(folder, FILES)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield folder
    for name in FILES:
        sys.modules.pop(Path(name).stem, None)


def written(folder, files):
    """The files, in a user's folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip())


@pytest.fixture(scope="module")
def matrix(outside):
    return Matrix([outside, conf_dir()])


def test_they_are_on_the_axes_and_take_nothing_away(matrix):
    package = Matrix([conf_dir()])
    for group, axis in matrix.axes.items():
        more = {"posterior": ["laplace"], "dataset": ["blobs"]}.get(group, [])
        assert {v.name for v in axis} == {v.name for v in package.axes[group]} | {*more}


def test_their_cells_train_or_are_refused_like_any_others(outside, matrix):
    runner = Runner([outside, conf_dir()], steps=40)
    rest = {"refine": "none", "weights": "point"} | {n: OPEN[n] for n in ("nets", "likelihood")}
    left_out = {"model": OF_IMAGES, "objective": OF_OTHERS, "nets": {"pooled", "unpooled"}}
    only = {
        group: tuple(v.name for v in matrix.axes[group] if v.name not in names)
        for group, names in left_out.items()
    }
    cells = [
        *matrix.pairwise(plain=PLAIN, only=only, estimator="auto"),
        *matrix.pairwise(plain=PLAIN, only=only, **OPEN),
        *matrix.pairwise(plain=PLAIN, only=NOT_REAL, dataset="blobs", **rest),
    ]
    ours = [cell for cell in cells if {"laplace", "blobs"} & {v.name for v in cell.variants}]
    outcomes = {cell: runner.judge(cell) for cell in ours}
    # Where a cell was refused, those count that its refusal led to.
    trained = {
        c: {v.name for v in c.variants} for c, o in runner.by_cell.items() if o.state == "trained"
    }
    met = set().union(*(names for names in trained.values() if names & {"laplace", "blobs"}))
    for group in ("model", "prior"):
        assert met >= {v.name for v in matrix.axes[group] if not v.preset} - OF_IMAGES
    judged = {cell: o for cell, o in outcomes.items() if o.error >= 0}
    assert judged
    assert not {c: o for c, o in judged.items() if o.excess(len(judged)) > 0}


def test_the_command_takes_them_from_its_config_dir(outside, tmp_path):
    chosen = ["posterior=laplace", "dataset=blobs", "model=iwae", "logger=csv"]
    done = subprocess.run(
        [sys.executable, "-m", "vaebench", "check", "--config-dir", outside, *chosen],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(outside)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "posterior=laplace" in done.stdout
    assert "dataset=blobs" in done.stdout


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["prior=moved"], ""),
        (["model=cvae", "prior=of_class"], ""),
        (["prior=of_class"], "prior=of_class is p(z | y) of conditions y, and model=vae has none"),
    ],
    ids=["plain", "of conditions", "of none"],
)
def test_priors_of_ones_own_are_built_of_what_their_kind_reads(words, reason, tmp_path, capfd):
    written(tmp_path, PRIORS)
    quick = ["trainer.max_steps=3", "eval.k=2", "logger=csv", f"hydra.run.dir={tmp_path}/run"]
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        code = main(["--config-dir", str(tmp_path), *words, *quick])
    sys.modules.pop("outside_priors", None)
    assert code == (2 if reason else 0)
    assert reason in capfd.readouterr().err
    assert (tmp_path / "run" / "summary.json").exists() == (not reason)
