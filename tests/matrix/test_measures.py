"""Whatever composes answers `evaluate` and `sample`: with numbers and pictures, or in one line."""

import math

import pytest
import torch
from PIL import Image

from tests.matrix.cells import Cell, Matrix
from tests.matrix.run import composed
from vaebench.cli import conf_dir
from vaebench.compose import compose
from vaebench.errors import Refusal
from vaebench.measures.base import Subject
from vaebench.measures.evaluation import NAMES, Measures, measure
from vaebench.measures.gaps import AnnealedImportance, InferenceGap
from vaebench.measures.likelihood import ImportanceSampling
from vaebench.measures.pictures import PICTURES, View, draw
from vaebench.measures.probes import Probe
from vaebench.measures.rates import Information, RateDistortion, Units

FOLDERS = [conf_dir()]
AXES = ("dataset", "nets", "likelihood", "posterior", "prior", "model")
PLAIN = {"dataset": "digits", "nets": "mlp", "likelihood": "bernoulli", "posterior": "gaussian"}
PLAIN |= {"prior": "normal", "objective": "elbo", "model": "vae"}
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
    """The default, and each variant of each axis in its place; a refusal's first way out is taken."""
    matrix = Matrix(FOLDERS)
    plain = [matrix.plain(group, PLAIN[group]) for group in matrix.axes]
    found = {Cell(tuple(plain)).id: Cell(tuple(plain))}
    for i, group in enumerate(matrix.axes):
        for variant in matrix.axes[group] if group in AXES else ():
            cell = Cell((*plain[:i], variant, *plain[i + 1 :]))
            if variant.name in ("delta", "autoencoder"):
                cell = matrix.using(cell, "objective=reconstruction")
                cell = matrix.using(cell, "posterior=delta")
            if variant.name == "ppca":
                cell = matrix.using(cell, "likelihood=gaussian")
            found.setdefault(cell.id, cell)
    return list(found.values())


@pytest.fixture
def subject(request):
    """A composition as it is before training."""
    with composed(request.param, FOLDERS) as cfg:
        try:
            composition = compose(cfg)
        except Refusal as refusal:
            pytest.skip(f"refused to begin with: {refusal}")
        composition.model.eval()
        yield Subject(composition, torch.device("cpu"))


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
            with Image.open(path) as image:
                assert image.convert("L").getextrema()[0] < image.convert("L").getextrema()[1]
    assert not isinstance(found["pca"], str)
