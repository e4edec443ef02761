"""The four parts of docs/guide/own.md: few lines, on the axes of the matrix, and with everything else."""

from __future__ import annotations

import re
import sys

import pytest
import torch

import vaebench
from tests.docs import pages
from tests.matrix.cells import Matrix
from vaebench.cli import conf_dir
from vaebench.errors import Incompatible, Refusal

PAGE = pages.ROOT / "docs/guide/own.md"
PARTS = {
    "posterior": "laplace",
    "objective": "entropic",
    "estimator": "twice",
    "dataset": "bars",
}
FILES = [block for block in pages.blocks(PAGE) if block.file]


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """The folder that the page makes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder := tmp_path_factory.mktemp("own"))
        for block in FILES:
            pages.write(block)
        patch.syspath_prepend(folder / "mine")
        yield folder / "mine"
    sys.modules.pop("parts", None)


def test_all_four_take_less_than_forty_lines():
    (parts,) = (b for b in FILES if b.file == "mine/parts.py")
    assert sum(bool(line.strip()) for line in parts.text.splitlines()[1:]) < 40
    choices = {f"mine/conf/{group}/{name}.yaml" for group, name in PARTS.items()}
    assert choices <= {b.file for b in FILES}


def test_they_are_on_the_axes_of_the_matrix(mine):
    axes = Matrix([mine / "conf", conf_dir()]).axes
    for group, name in PARTS.items():
        assert name in {variant.name for variant in axes[group]}


GOES = [
    "posterior=laplace model=hierarchical objective=iwae k=3",
    "posterior=laplace estimator=dreg model=iwae prior=vamp",
    "objective=entropic posterior=iaf estimator=stl",
    "objective=entropic posterior=categorical estimator=enumerate model.latent_dim=1",
    "estimator=twice model=draw model.T=2",
    "estimator=twice objective=miwae weights=gaussian",
    "dataset=bars nets=conv likelihood=autoregressive likelihood.hidden=[8]",
    "dataset=bars model=bernoulli_mixture",
]


@pytest.mark.parametrize("line", GOES)
def test_each_goes_with_what_is_there(mine, line):
    small = (
        [] if {"conv", "mixture", "draw"} & set(re.split("[ =_]", line)) else ["nets.hidden=[20]"]
    )
    made = vaebench.compose([f"--config-dir={mine / 'conf'}", *line.split(), *small])
    batch = made.data.split("train").first(10).batch(torch.arange(10))
    assert made.objective(made.model, batch, torch.tensor(0)).loss.isfinite()


def test_with_a_limit_of_what_they_are_they_are_refused(mine):
    line = "posterior=bernoulli prior=bernoulli estimator=twice"
    with pytest.raises(
        Refusal, match=r"estimator=twice needs a path .*posterior=bernoulli"
    ) as error:
        vaebench.compose([f"--config-dir={mine / 'conf'}", *line.split()])
    assert isinstance(error.value.__cause__, Incompatible)
