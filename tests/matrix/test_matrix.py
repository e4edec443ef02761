"""No crash, no NaN, no third state: what can be chosen trains, or is refused in a line that leads on.

`make test` runs cells in which any two choices meet; `make slow` runs them all and writes a table.
"""

from __future__ import annotations

import itertools
import os

import pytest

from tests.matrix.cells import APART, AXES, RELATIVES, Cell, Matrix
from tests.matrix.full import CSV, judge_some, write
from tests.matrix.run import Broken, Outcome, Runner, check_leads_on, check_names, offered
from vaebench.cli import conf_dir

YARDSTICK = {"dataset": "ppca", "nets": "mlp", "likelihood": "gaussian"}
YARDSTICK |= {"refine": "none", "weights": "point"}
"""Where log p(x) is known, and nothing but posterior, prior and objective can be in the way."""

KINDS = {
    "posterior": ("gaussian", "planar", "bernoulli"),
    "prior": ("normal", "bernoulli", "vamp"),
    "model": ("vae", "hierarchical", "helmholtz"),
}
"""What differs in what an estimator may ask of it: a path and a density at any value, one at own
samples alone, bits; priors of either, and one made of q; one latent, several, several of bits."""

OF_CODES = {
    "objective": tuple(o for o in RELATIVES.values() if o != "beta"),
    "prior": KINDS["prior"],
}
OF_CODES |= {"model": ("vae", "hierarchical")}
OF_CODES |= {"posterior": ("gaussian", "full_gaussian", "iaf", "bernoulli", "delta")}
"""What an ELBO is less is of q's codes, and of several latents': with densities by dimension, joint
ones, moments in closed form or none, bits, and points."""

CLASSIFIERS = ("bayes_classifier", "classifier", "conv_classifier", "draw_classifier", "ram")
PIXELS = ("made", "pixel_cnn", "pixel_rnn")

NOT_MADE_FOR = {
    ("draw", "ppca"),
    ("pixel_cnn", "ppca"),
    *itertools.product((*CLASSIFIERS, "cvae"), ("ppca", "topics")),
    *((model, "topics") for model in (*PIXELS, "darn", "draw", "helmholtz", "m2")),
    *((model, "topics") for model in ("bernoulli_mixture", "factorized", "gmm", "ppca")),
    ("bernoulli_mixture", "ppca"),
    *(("generator", data) for data in ("ppca", "topics")),
    *itertools.product(("chairs", "cross_modal", "dcign", "dvae"), ("digits", "ppca", "topics")),
    *itertools.product(("rnnlm", "sentence_vae", "sequence_autoencoder"), ("digits", "ppca")),
}
"""Models whose own choices other data need: labels, factors, masks, no grid of filters, nets that read words, bits or
numbers with a closed form. All others
train: a pair that no longer does, or that does at last, changes this list."""

MATRIX = Matrix([conf_dir()])
ESTIMATED = ("elbo", "iwae", "constrained", "capacity", "reconstruction", "piwae")
"""Objectives with an estimator, a class each."""

OF_OTHER_DATA = (
    "inverse_graphics",
    "weighted",
    "pooled",
    "unpooled",
    "cross_modal",
    "disentangled",
)
"""Of several factors, images or modalities, or nets that are another choice's options."""

OF_A_KIND = {
    "generator": {"dataset": "digits", "model": "generator"},
    "semi_supervised": {"dataset": "digits", "model": "m2", "objective": "semi_supervised"},
}
"""What goes with one kind of data, or of models, alone, and there with any posterior: elsewhere little
else would be tried than the way back."""

LIKE_OTHERS = ("bernoulli_mixture", "factorized", "gmm", "draw_classifier")
"""Densities without latents or nets have a use for what `made` has, and a classifier that looks around for what `ram` has."""

LEFT_OUT = (*OF_A_KIND, *LIKE_OTHERS, *APART, *RELATIVES.values(), *OF_OTHER_DATA)
OTHERS = {
    group: tuple(v.name for v in MATRIX.axes[group] if v.name not in LEFT_OUT)
    for group in ("objective", "model", "nets")
}
ANY = MATRIX.pairwise(plain=("objective",), only=OTHERS, estimator="auto")
OF_Q_AND_P = [
    *MATRIX.pairwise(only=KINDS, estimator="auto", **YARDSTICK),
    *itertools.chain(*(MATRIX.pairwise(only=KINDS, objective=o, **YARDSTICK) for o in ESTIMATED)),
    *MATRIX.pairwise(only=OF_CODES, estimator="auto", **YARDSTICK),
]
"""How an objective estimates its gradient concerns q and p."""

CELLS = [*ANY, *OF_Q_AND_P]

QUICK, LONG = 60, 300


def plain(**choices):
    """The cell of these choices, without further options."""
    return Cell(tuple(MATRIX.plain(group, choices[group]) for group in AXES if group in choices))


@pytest.fixture(scope="module")
def runner():
    return Runner([conf_dir()], QUICK, reasons=True)


# ----------------------------------------------------------------------------------- the cells
def trains_or_leads_on(cell, runner):
    """It trains below the exact log p, or is refused in a line that leads on."""
    outcome = runner.judge(cell)
    assert not outcome.excess(len(CELLS)) > 0, f"{cell}: {outcome}"


class TestAnyTwoChoices:
    """Classes, so that workers share them out."""

    @pytest.mark.parametrize("cell", ANY, ids=lambda cell: cell.id)
    def test_of_it_train_or_lead_on(self, cell, runner):
        trains_or_leads_on(cell, runner)


class TestWhatDecidesGradients:
    @pytest.mark.parametrize("cell", OF_Q_AND_P, ids=lambda cell: cell.id)
    def test_of_it_trains_or_leads_on(self, cell, runner):
        trains_or_leads_on(cell, runner)


@pytest.mark.parametrize("dataset", dict.fromkeys(v.name for v in MATRIX.axes["dataset"]))
@pytest.mark.parametrize("model", [v.name for v in MATRIX.axes["model"]])
def test_a_model_and_a_data_set_train_with_what_they_choose_themselves(model, dataset, runner):
    """Or, those that are listed and no others, say which choice of the model's is not made for
    these data: grids of filters are for images, pixels for numbers, words for sentences."""
    cell = plain(dataset=dataset, model=model)
    check_leads_on(cell, runner, MATRIX)
    refused = runner(cell).state == "refused"
    assert refused == ((model, dataset) in NOT_MADE_FOR)


@pytest.mark.parametrize("posterior", [v.name for v in MATRIX.axes["posterior"] if not v.preset])
@pytest.mark.parametrize("kind", OF_A_KIND)
def test_what_is_of_a_kind_trains_there_with_any_posterior_or_leads_on(kind, posterior, runner):
    check_leads_on(plain(posterior=posterior, **OF_A_KIND[kind]), runner, MATRIX)


def test_models_not_made_for_some_data_are_models_and_data_that_exist():
    names = ({v.name for v in MATRIX.axes[group]} for group in ("model", "dataset"))
    assert {*itertools.product(*names)} > NOT_MADE_FOR


@pytest.mark.slow
def test_thousands_of_cells_have_no_third_state_and_no_bound_above_the_exact_log_p(capsys):
    """Drawn afresh with MATRIX_SEED, as many as MATRIX_CELLS."""
    count, seed = (int(os.environ.get(f"MATRIX_{n}", d)) for n, d in (("CELLS", 4000), ("SEED", 0)))
    rows = judge_some([conf_dir()], LONG, count, seed)
    write(rows)
    states = {s: sum(r.state == s for r in rows) for s in ("trained", "refused", "broken")}
    with capsys.disabled():
        print(f"\n{len(rows)} cells, {states}: {CSV}")
    assert len(rows) == min(count, len(MATRIX))
    assert not [row for row in rows if row.state == "broken"]
    judged = [row for row in rows if row.outcome.error >= 0]
    assert judged
    assert not [row for row in judged if row.outcome.excess(len(judged)) > 0]


# ------------------------------------------------------------------------- what the matrix covers
def test_some_cells_are_different_ones_of_the_product():
    few = MATRIX.some(200, seed=1)
    assert len({*few}) == 200
    assert few == MATRIX.some(200, seed=1) != MATRIX.some(200, seed=2)
    whole = [*itertools.islice(MATRIX.product(), 50)]
    assert [MATRIX._cell(number) for number in range(50)] == whole


def test_any_two_choices_of_any_two_axes_meet_in_a_pairwise_cell():
    met = {pair for cell in MATRIX.pairwise() for pair in itertools.combinations(cell.variants, 2)}
    axes = [[v for v in axis if not v.preset] for axis in MATRIX.axes.values()]
    for one, other in itertools.combinations(axes, 2):
        assert met.issuperset(itertools.product(one, other))


def test_presets_are_in_no_pairwise_cell():
    presets = {v for axis in MATRIX.axes.values() for v in axis if v.preset}
    met = {v for cell in MATRIX.pairwise() for v in cell.variants}
    assert {"iwae", "pixel_cnn", "rnnlm"} < {v.name for v in presets}
    assert met.isdisjoint(presets)
    assert {"cvae", "darn", "helmholtz"} < {v.name for v in met if v.group == "model"}


def test_the_pairwise_cells_are_the_same_every_time():
    assert MATRIX.pairwise() == Matrix([conf_dir()]).pairwise()


def test_every_estimator_meets_every_objective_that_has_one():
    met = {frozenset(pair) for cell in CELLS for pair in itertools.combinations(cell.variants, 2)}
    for objective in ESTIMATED:
        plain = MATRIX.plain("objective", objective)
        assert met.issuperset(frozenset((plain, e)) for e in MATRIX.axes["estimator"])


def test_a_value_of_an_option_is_one_more_variant_of_its_objective():
    assert {"iwae", "elbo", "elbo,kl=mc"} <= {str(v) for v in MATRIX.axes["objective"]}


def test_data_that_need_files_stay_out_and_the_embedded_ones_have_every_support():
    assert {variant.name for variant in MATRIX.axes["dataset"]} == {"digits", "ppca", "topics"}
    assert len([v for v in MATRIX.axes["dataset"] if v.name == "digits"]) == 3


# -------------------------------------------------------------------- the tests are able to fail
def test_a_bound_half_a_nat_too_high_is_caught():
    runner = Runner([conf_dir()], LONG)
    cell = plain(**YARDSTICK, posterior="gaussian", prior="normal", objective="iwae", model="vae")
    honest = runner(cell)
    assert honest.excess(len(MATRIX)) <= 0
    raised = Outcome("trained", "", honest.bound + 0.5, honest.exact, honest.error)
    assert raised.excess(len(MATRIX)) > 0


@pytest.mark.parametrize(
    ("message", "overrides"),
    [
        ("no. Use a=b.", [["a=b"]]),
        ("no. Use a=b or c.d=e.", [["a=b"], ["c.d=e"]]),
        ("no. Use 'a=[1,2]' b=0.1 or +c.d=e.", [["a=[1,2]", "b=0.1"], ["+c.d=e"]]),
    ],
)
def test_overrides_are_offered_at_the_end_of_a_refusal(message, overrides):
    assert offered(message) == overrides


@pytest.mark.parametrize("message", ["no.", "no; use a=b", "no. Use another one.", "no. Use a."])
def test_a_refusal_without_an_override_is_caught(message):
    with pytest.raises(Broken, match="override"):
        offered(message)


REST = {"posterior": "gaussian", "prior": "normal", "objective": "iwae", "model": "vae"}
REST |= {"refine": "none", "weights": "point"}
PPCA = plain(dataset="ppca", nets="mlp", likelihood="bernoulli", **REST)


@pytest.mark.parametrize(
    "message",
    [
        "this does not go together",
        "likelihood=bernoulli does not go together",
        "likelihood=bernoulli does not go together. Use nets=mlp.",
        "likelihood=bernoulli, likelihood bernoulli, Bernoulli do not go together",
    ],
)
def test_a_refusal_that_names_one_side_is_caught(message):
    with pytest.raises(Broken, match="names"):
        check_names(PPCA, message)


def test_a_refusal_that_names_two_sides_passes():
    check_names(PPCA, "likelihood=bernoulli needs values in [0, 1]; the data are real numbers.")
    check_names(PPCA, "dataset=ppca does not go with Bernoulli. Use nets=mlp.")


def refusing(*rules):
    """A run in which a cell is refused by the first rule whose choice it has."""

    def run(cell):
        for choice, message in rules:
            if choice in cell.overrides:
                return Outcome("refused", message)
        return Outcome("trained")

    return run


def test_an_override_that_leads_on_in_two_steps_passes():
    rules = (
        ("likelihood=bernoulli", "a. Use likelihood=categorical."),
        (
            "likelihood=categorical",
            "b. Use likelihood=gaussian.",
        ),
    )
    check_leads_on(PPCA, refusing(*rules), MATRIX)


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        ([("nets=mlp", "a. Use nets=conv."), ("nets=conv", "b. Use nets=mlp.")], "circle"),
        ([("nets=mlp", "a. Use k=1.")], "circle"),
        ([("nets=mlp", "a. Use nets=conv."), ("nets=conv", "b.")], "offers no override"),
        ([("nets=mlp", "a.")], "offers no override"),
    ],
)
def test_refusals_that_do_not_lead_on_are_caught(rules, fault):
    with pytest.raises(Broken, match=fault):
        check_leads_on(PPCA, refusing(*rules), MATRIX)


def test_an_override_of_a_choice_that_does_not_exist_is_caught():
    with pytest.raises(KeyError, match="nets=transformer"):
        check_leads_on(PPCA, refusing(("nets=mlp", "a. Use nets=transformer.")), MATRIX)


def test_an_override_takes_the_place_of_what_it_overrides():
    mild = MATRIX.using(PPCA, "objective.beta=0.5")
    assert {"objective=iwae", "objective.beta=0.5"} <= {*mild.overrides}
    elbo = MATRIX.using(mild, "objective=elbo")
    assert elbo.overrides == MATRIX.using(PPCA, "objective=elbo").overrides
    milder = MATRIX.using(mild, "objective.beta=0.1")
    assert [o for o in milder.overrides if "beta" in o] == ["objective.beta=0.1"]
    stl = MATRIX.using(PPCA, "estimator=stl")
    assert [o for o in stl.overrides if "estimator" in o] == ["estimator=stl"]
    assert MATRIX.using(MATRIX.using(PPCA, "k=3"), "k=1").extra == ("k=1",)
