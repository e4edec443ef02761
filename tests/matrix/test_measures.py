"""Whatever composes answers `evaluate` and `sample`: with numbers and pictures, or in one line."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce

import pytest
import torch
from PIL import Image

from tests.matrix.cells import Cell, Matrix
from tests.matrix.run import composed, offered
from vaebench.cli import conf_dir
from vaebench.compose import Composition, compose
from vaebench.errors import Refusal
from vaebench.measures.base import Subject
from vaebench.measures.evaluation import NAMES, Measures, measure
from vaebench.measures.gaps import AnnealedImportance, InferenceGap
from vaebench.measures.likelihood import ImportanceSampling
from vaebench.measures.pictures import PICTURES, View, draw
from vaebench.measures.probes import Probe
from vaebench.measures.rates import Information, RateDistortion, Units

FOLDERS = [conf_dir()]
AXES = ("dataset", "nets", "likelihood", "posterior", "refine", "weights", "prior", "model")
PLAIN = {"dataset": "digits", "nets": "mlp", "likelihood": "bernoulli", "posterior": "gaussian"}
PLAIN |= {
    "refine": "none",
    "weights": "point",
    "prior": "normal",
    "objective": "elbo",
    "model": "vae",
}
EXAMPLES = 12
TINY = Measures(
    likelihood=ImportanceSampling(k=5, examples=EXAMPLES),
    rate=RateDistortion(examples=EXAMPLES),
    units=Units(examples=EXAMPLES),
    information=Information(examples=EXAMPLES),
    gap=InferenceGap(examples=3, k=40, steps=2, samples=2),
    ais=AnnealedImportance(examples=3, chains=2, temperatures=3, leapfrog=2),
    probe=Probe(train=200, examples=EXAMPLES),
)


def cells() -> list[Cell]:
    """The default, and each variant of each axis in its place."""
    matrix = Matrix(FOLDERS)
    plain = [matrix.plain(group, PLAIN[group]) for group in matrix.axes]
    found = {Cell(tuple(plain)).id: Cell(tuple(plain))}
    for i, group in enumerate(matrix.axes):
        for variant in matrix.axes[group] if group in AXES else ():
            cell = Cell((*plain[:i], variant, *plain[i + 1 :]))
            found.setdefault(cell.id, cell)
    return list(found.values())


@contextmanager
def composition(cell: Cell) -> Iterator[Composition]:
    """As it is before training; where a cell is refused, what the refusal says is followed."""
    matrix = Matrix(FOLDERS)
    for _ in AXES:
        with composed(cell, FOLDERS) as cfg:
            try:
                made = compose(cfg)
            except Refusal as refusal:
                cell = reduce(matrix.using, offered(str(refusal))[0], cell)
                continue
            yield made
            return


@pytest.fixture
def subject(request):
    """What is looked at."""
    with composition(request.param) as made:
        made.model.eval()
        yield Subject(made, torch.device("cpu"))


@pytest.mark.parametrize("subject", cells(), ids=lambda c: c.id, indirect=True)
def test_every_measure_gives_numbers_or_says_why_not(subject):
    found = dict(measure(TINY, list(NAMES), subject))
    assert list(found) == list(NAMES)
    for name, numbers in found.items():
        if isinstance(numbers, str):
            assert numbers, name
            assert "\n" not in numbers
        else:
            assert all(math.isfinite(v) for v in numbers.values()), (name, numbers)
    if subject.composition.objective.has_bound:
        assert not isinstance(found["likelihood"], str)
    if subject.roles[0]:
        assert not isinstance(found["units"], str)


@pytest.mark.parametrize("subject", cells(), ids=lambda c: c.id, indirect=True)
def test_every_picture_is_drawn_or_says_why_not(subject, tmp_path):
    names = [name for name in PICTURES if name != "tsne"]
    found = dict(draw(View(subject, tmp_path, EXAMPLES), names))
    assert list(found) == names
    for files in found.values():
        if isinstance(files, str):
            assert files
            assert "\n" not in files
            continue
        for path in files:
            if path.suffix == ".tsv":
                assert len(path.read_text().splitlines()) > 2
                continue
            with Image.open(path) as image:
                assert image.convert("L").getextrema()[0] < image.convert("L").getextrema()[1]
    assert isinstance(found["pca"], str) == (not subject.roles[0])
