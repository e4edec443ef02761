"""Whatever composes answers `evaluate` and `sample`: with numbers and pictures, or in one line.

Which of the two is no matter of chance: `TABLE` says what each measure and picture is of.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, reduce

import pytest
import torch
from hydra.core.hydra_config import HydraConfig
from PIL import Image

from tests.matrix.cells import APART, Cell, Matrix, Variant
from tests.matrix.run import composed, offered
from vaebench.cli import conf_dir
from vaebench.composition import Composition, compose
from vaebench.errors import Refusal
from vaebench.measures.base import Subject, evaluating
from vaebench.measures.blur import Blur
from vaebench.measures.class_samples import ClassSamples
from vaebench.measures.classification import Classification, Predictive
from vaebench.measures.disentanglement import UDR, Disentanglement, Equivariance
from vaebench.measures.evaluation import NAMES, Measures, measure, why_not
from vaebench.measures.gaps import AnnealedImportance, InferenceGap
from vaebench.measures.likelihood import ImportanceSampling
from vaebench.measures.modalities import Modalities, Overlap
from vaebench.measures.outliers import Outliers
from vaebench.measures.pose import PoseError
from vaebench.measures.probes import Probe
from vaebench.measures.rates import Information, RateDistortion, Units
from vaebench.measures.sampling import Sampling
from vaebench.measures.swaps import Swaps
from vaebench.measures.terms import Terms
from vaebench.measures.transfer import Transfer
from vaebench.pictures import PICTURES, View, draw

FOLDERS = [conf_dir()]
AXES = ("dataset", "nets", "likelihood", "posterior", "refine", "weights", "prior")
PLAIN = {"dataset": "digits", "nets": "mlp", "likelihood": "bernoulli", "posterior": "gaussian"}
PLAIN |= {
    "refine": "none",
    "weights": "point",
    "prior": "normal",
    "estimator": "auto",
    "objective": "elbo",
    "model": "vae",
}
READS_WORDS = ("rnnlm", "sentence_vae", "sequence_autoencoder")
PLANE = "model.latent_dim=2"
MODAL = "model=cross_modal"
EXAMPLES = 12
TINY = Measures(
    likelihood=ImportanceSampling(k=5, examples=EXAMPLES),
    terms=Terms(examples=EXAMPLES),
    rate=RateDistortion(examples=EXAMPLES),
    units=Units(examples=EXAMPLES),
    information=Information(examples=EXAMPLES),
    gap=InferenceGap(examples=3, k=40, steps=2, samples=2),
    ais=AnnealedImportance(examples=3, chains=2, temperatures=3, leapfrog=2),
    probe=Probe(train=200, examples=EXAMPLES),
    classification=Classification(examples=EXAMPLES),
    predictive=Predictive(samples=3, examples=EXAMPLES),
    class_samples=ClassSamples(train=50, samples=3, examples=EXAMPLES),
    outliers=Outliers(of=["noise"], k=3, samples=2, examples=EXAMPLES),
    sampling=Sampling(examples=EXAMPLES),
    disentanglement=Disentanglement(examples=200),
    equivariance=Equivariance(examples=200),
    transfer=Transfer(examples=EXAMPLES),
    modalities=Modalities(k=3, examples=EXAMPLES),
    overlap=Overlap(train=20, examples=EXAMPLES),
    pose=PoseError(examples=EXAMPLES),
    swaps=Swaps(examples=EXAMPLES),
    udr=UDR(examples=EXAMPLES),
    blur=Blur(examples=EXAMPLES),
)


# ---------------------------------------------------------------------- what is looked at, by name
@cache
def cells() -> dict[str, Cell]:
    """The default; each variant of each axis in its place; each model with what it chooses itself,
    on data that it is made for; and a latent that is a plane."""
    matrix = Matrix(FOLDERS)
    plain = [matrix.plain(group, PLAIN[group]) for group in matrix.axes]
    found = {"": Cell(tuple(plain)), PLANE: Cell(tuple(plain), (PLANE,))}
    for i, group in enumerate(matrix.axes):
        for variant in matrix.axes[group] if group in AXES else ():
            if variant != plain[i]:
                cell = Cell((*plain[:i], variant, *plain[i + 1 :]))
                found[f"{group}={variant}"] = cell
    grid = ("dataset.grid=[3,2,2,4,4]", "dataset.split.val=0.2", "dataset.split.test=0.2")
    sprites = Variant("dataset", "sprites", small=grid)
    found["dataset=sprites"] = Cell((sprites, *plain[1:]))
    for model in (model for model in matrix.axes["model"] if model.name not in APART):
        data = matrix.plain("dataset", "topics" if model.name in READS_WORDS else "digits")
        found[f"model={model}"] = Cell((data, model))
    digits, crossing = matrix.plain("dataset", "digits"), matrix.plain("model", "cross_modal")
    found[MODAL] = Cell((digits, crossing), ("model.observed=[x,y]",))
    return found


Reasons = Mapping[str, str]
"""A choice → words of the line that says why something does not apply to it."""


def because(reason: str, *choices: str) -> Reasons:
    """One reason of several choices."""
    return dict.fromkeys(choices, reason)


WORDS = ("dataset=topics", *(f"model={model}" for model in READS_WORDS))
EXACT = ("model=classifier", "model=conv_classifier", "model=draw_classifier")
EXACT += ("model=bayes_classifier",)
CLASSIFIERS = (*EXACT, "model=ram")
MIXTURES = ("model=bernoulli_mixture", "model=gmm")
WITHOUT = ("factorized", "made", "pixel_cnn", "pixel_rnn", "ppca", "rnnlm", "unconditional")
WITHOUT_LATENTS = (*EXACT, *MIXTURES, *(f"model={model}" for model in WITHOUT))
NO_LATENTS = because("no latents", *WITHOUT_LATENTS)
NO_BOUND = because(
    "trained on reconstruction alone",
    *("posterior=delta", "model=autoencoder", "model=sequence_autoencoder"),
)
NO_LABELS = because("no labels", "dataset=ppca", *WORDS)
NO_IMAGE = because("is no image", "dataset=ppca", *CLASSIFIERS, *WORDS)
DISCRETE = (
    "posterior=bernoulli",
    "posterior=categorical",
    "model=darn",
    "model=helmholtz",
    "model=m2",
)
BITS = because("is discrete", *DISCRETE)
NO_DENSITY = {"refine=hamiltonian": "no density", "posterior=planar": "density at a given z"}
A_LABEL = because("is a single number", *CLASSIFIERS)
CONDITIONS = because("under y the prior", "model=cvae", "model=generator")
CONDITIONS |= {"model=ram": "under x the prior"}
NO_PARAMETERS = {"model=draw": "take turns", "model=hierarchical": "depends on another latent's"}
NO_PARAMETERS |= {"model=ram": "take turns", MODAL: "conditional of its own"}
NO_PARAMETERS |= because("sought for each", "posterior=free", "posterior=semi_amortised")


def but(*exceptions: Reasons) -> Callable[[str], set[str]]:
    """Why something does not apply to a choice: for reasons that are listed; else it does."""
    return lambda choice: {reasons[choice] for reasons in exceptions if choice in reasons}


def only(choices: tuple[str, ...], reason: str, *more: Reasons) -> Callable[[str], set[str]]:
    """Of what is for these choices alone: to others for this reason, or for one that is listed."""
    return lambda choice: but(*more)(choice) | (set() if choice in choices else {reason})


OF_CLASSES = ("model=cvae", "model=m2")
ONE_PLANE = "one latent of two dimensions"
TABLE: dict[str, Callable[[str], set[str]]] = {
    "likelihood": but(NO_BOUND),
    "terms": but(),
    "rate": but(NO_BOUND, NO_LATENTS),
    "units": but(NO_LATENTS),
    "information": but(NO_BOUND, NO_LATENTS, NO_DENSITY, CONDITIONS),
    "gap": but(NO_BOUND, NO_LATENTS, BITS, NO_PARAMETERS),
    "ais": but(NO_BOUND, NO_LATENTS, BITS),
    "probe": but(NO_LATENTS, NO_LABELS),
    "classification": only(
        CLASSIFIERS, "one label is to be observed", {MODAL: "no y of known probability"}
    ),
    "predictive": only(
        ("model=bayes_classifier",),
        "one label is to be observed",
        because("the weights have no noise", *EXACT[:-1], "model=ram"),
        {MODAL: "the model has latents"},
    ),
    "class_samples": only(
        ("model=cvae",), "no latent is a class", NO_BOUND, NO_LATENTS, {"model=m2": "is a cluster"}
    ),
    "outliers": but(
        because("no outliers are made", *WORDS),
        {MODAL: "outliers are of one observed name"},
    ),
    "sampling": but(NO_BOUND),
    "disentanglement": only(("dataset=sprites",), "no known factors"),
    "equivariance": only(("dataset=sprites",), "no known factors"),
    "transfer": only((), "no view of the data can be withheld"),
    "modalities": only((MODAL,), "has no modalities", NO_BOUND),
    "overlap": only((MODAL,), "has no modalities"),
    "pose": only((), "no joints in millimetres"),
    "swaps": only((), "no latents of pose and content"),
    "udr": only((), "no runs of other seeds are named", NO_BOUND, NO_LATENTS),
    "blur": but(NO_BOUND, NO_LATENTS, NO_IMAGE),
    "data": but(NO_IMAGE),
    "reconstructions": but(NO_LATENTS, NO_IMAGE),
    "samples": but(NO_BOUND, because("holds sentences", *WORDS), A_LABEL),
    "manifold": only((PLANE,), ONE_PLANE, NO_BOUND, NO_LATENTS, NO_IMAGE),
    "classes": only((*OF_CLASSES,), "no latent is a class", NO_BOUND, NO_LATENTS, NO_IMAGE),
    "styles": only((*OF_CLASSES,), "no latent is a class", NO_BOUND, NO_LATENTS, NO_IMAGE),
    "components": only((*MIXTURES,), "is no mixture", NO_BOUND, NO_IMAGE),
    "canvas": only(("model=draw",), "paints no canvas"),
    "strokes": only(("model=draw",), "paints no canvas", NO_BOUND),
    "filters": only(("model=draw",), "paints no canvas"),
    "glimpses": only(("model=draw_classifier", "model=ram"), "looks through no glimpses"),
    "sentences": only((*WORDS,), "holds no sentences", NO_BOUND),
    "paraphrases": only((*WORDS,), "holds no sentences", NO_LATENTS),
    "homotopies": only((*WORDS,), "holds no sentences", NO_LATENTS),
    "posteriors": only((PLANE, "dataset=ppca"), ONE_PLANE, NO_BOUND, NO_LATENTS),
    "prior_walk": but(NO_BOUND, NO_LATENTS, because("is no image", "dataset=ppca", *CLASSIFIERS)),
    "interpolations": but(NO_LATENTS, NO_IMAGE),
    "traversals": but(NO_LATENTS, NO_IMAGE),
    "arithmetic": but(NO_LATENTS, NO_IMAGE),
    "pca": but(NO_LATENTS),
    "tsne": but(NO_LATENTS),
    "modality_map": only((MODAL,), "has no modalities"),
    "skeletons": only((), "no joints in millimetres"),
    "walks": only((), "does not make several images", NO_LATENTS),
    "factors": only(("dataset=sprites",), "no known factors"),
    "equivariances": only(("dataset=sprites",), "no known factors"),
    "sweeps": only(("dataset=sprites",), "no known factors"),
    "sides": only((), "no view of the data can be withheld"),
    "parts": only((), "no view of the data can be withheld"),
}
"""A measure or picture → why it does not apply to a choice; no reason: it does.

A choice that is refused stands for what its refusal leads to.
"""


def as_expected(name: str, choice: str, found: object) -> None:
    """What was found is a refusal where the table has reasons, and for one of them."""
    reasons = TABLE[name](choice)
    if not isinstance(found, str):
        assert not reasons, f"{name} applies to {choice}: it was not to, {reasons}"
        return
    assert "\n" not in found
    assert any(reason in found for reason in reasons), f"{name} of {choice}: {found}"


def test_every_measure_and_picture_has_its_row_and_every_reason_a_choice():
    assert {*TABLE} == {*NAMES, *PICTURES}
    reasons = (NO_LATENTS, NO_BOUND, NO_LABELS, NO_IMAGE, BITS, NO_DENSITY, NO_PARAMETERS)
    reasons += (CONDITIONS,)
    assert {choice for each in reasons for choice in each} <= {*cells()}


DECODED = ("interpolations", "traversals", "arithmetic")
ELSEWHERE = dict.fromkeys(("data", "pca", "tsne", *DECODED), ("nets", "weights", "prior"))
"""Pictures → axes that they do not depend on but by numbers: there the plain choice stands for all."""


def drawn_for(choice: str) -> list[str]:
    """Pictures that a choice is tried at: all that it has to do with, or that are refused it."""
    axis = choice.partition("=")[0]
    return [n for n in PICTURES if axis not in ELSEWHERE.get(n, ()) or TABLE[n](choice)]


@contextmanager
def composition(cell: Cell) -> Iterator[Composition]:
    """As it is before training; where a cell is refused, what the refusal says is followed."""
    matrix = Matrix(FOLDERS)
    for _ in PLAIN:
        with composed(cell, FOLDERS) as cfg:
            try:
                made = compose(cfg)
            except Refusal as refusal:
                cell = reduce(matrix.using, offered(str(refusal))[0], cell)
                continue
            yield made
            return


@pytest.fixture(scope="module", params=cells(), ids=lambda choice: choice or "plain")
def choice(request):
    """By its name."""
    return request.param


@pytest.fixture(scope="module")
def shared(choice):
    """What is looked at, composed once for measures and pictures, and what Hydra knows of it."""
    with composition(cells()[choice]) as made:
        evaluating(made, torch.device("cpu"))
        yield Subject(made, torch.device("cpu")), HydraConfig.instance().cfg


@pytest.fixture
def subject(shared, monkeypatch):
    """What is looked at, as if it had just been chosen."""
    found, chosen = shared
    monkeypatch.setattr(HydraConfig.instance(), "cfg", chosen)
    return found


@pytest.fixture
def quick(monkeypatch):
    """t-SNE takes as long as all other pictures together; where points end is no matter here."""
    monkeypatch.setattr("sklearn.manifold.TSNE.fit_transform", lambda self, z: z[:, :2])


def test_every_measure_gives_numbers_or_says_why_not(subject, choice):
    found = dict(measure(TINY, list(NAMES), subject))
    assert list(found) == list(NAMES)
    for name, numbers in found.items():
        as_expected(name, choice, numbers)
        known = why_not(getattr(TINY, name), subject)  # before anything is trained
        assert known == (numbers if isinstance(numbers, str) else "")
        if not isinstance(numbers, str):
            assert all(math.isfinite(v) for v in numbers.values()), (name, numbers)


@pytest.mark.usefixtures("quick")
def test_every_picture_is_drawn_or_says_why_not(subject, choice, tmp_path):
    names = drawn_for(choice)
    found = dict(draw(View(subject, tmp_path, EXAMPLES), names))
    assert list(found) == names
    for name, files in found.items():
        as_expected(name, choice, files)
        for path in () if isinstance(files, str) else files:
            if path.suffix == ".tsv":
                assert len(path.read_text().splitlines()) > 2
                continue
            with Image.open(path) as image:
                assert image.convert("L").getextrema()[0] < image.convert("L").getextrema()[1]
