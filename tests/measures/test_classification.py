"""Error, calibration and Brier score of models whose p(y | x) is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.theorems import assert_mean, class_and_style, elbo, labelled_spec, scattered
from vaebench.check import Report
from vaebench.composition import Composition
from vaebench.data import Column, Dataset, Field, InMemorySplit, Spec, Support
from vaebench.heads import Conditional
from vaebench.heads.likelihoods import Label
from vaebench.inference import infer_at_values, outline
from vaebench.measures.base import BATCH, Inapplicable, Subject
from vaebench.measures.classification import BINS, Classification, Predictive, calibration_error
from vaebench.measures.evaluation import Measures, measure
from vaebench.models import RAM, RecognitionFirst, Unconditional
from vaebench.nets.weights import gaussian
from vaebench.objectives import MaximumLikelihood, SemiSupervised


class Told(Dataset):
    """Logits x `[N, 3]`, or whatever a label is told by, and labels `[N]`."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x, y
        self.spec_ = Spec(
            {"x": Field(tuple(x.shape[1:])), "y": Field((), Support.LABEL, 3)}, len(x)
        )

    @property
    def spec(self) -> Spec:
        return self.spec_

    def split(self, part):
        return InMemorySplit({"x": Column(self.x), "y": Column(self.y)})

    @property
    def protocol(self):
        return {}


class Softmax(RecognitionFirst):
    """p(y | x) = softmax(x)[y]."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.likelihood = Conditional(torch.nn.Identity(), Label(spec["y"]))

    def recognise(self, q, batch):
        """There is nothing to infer."""

    def generate(self, p, batch):
        p("y", self.likelihood(batch["x"]))


def subject(x: Tensor, y: Tensor, **options) -> Subject:
    data = Told(x, y)
    model = options.pop("model", Softmax(data.spec))
    objective = MaximumLikelihood(model, outline(model, data.spec), k=1)
    report = Report("log p(y | x)", {"x": "condition", "y": "observed"}, **options)
    return Subject(Composition(data, model, objective, report), torch.device("cpu"))


def logits(p: list[list[float]]) -> Tensor:
    return torch.tensor(p).log()


SURE = [[0.7, 0.2, 0.1], [0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.25, 0.5, 0.25]]


def test_error_and_brier_are_those_of_a_table_by_hand():
    held = subject(logits(SURE), torch.tensor([0, 1, 2, 0]))
    found = Classification()(held)
    assert found["error"] == pytest.approx(2 / 4)
    brier = [0.09 + 0.04 + 0.01, 0.49 + 0.64 + 0.01, 0.01 + 0.01 + 0.04, 0.5625 + 0.25 + 0.0625]
    assert found["brier"] == pytest.approx(sum(brier) / 4)
    assert found["error_se"] == pytest.approx(torch.tensor([0.0, 1, 0, 1]).std().item() / 2)
    assert found["examples"] == 4
    assert held.kept["error"].tolist() == [0, 1, 0, 1]


def test_calibration_is_that_of_the_same_table():
    """0.7 is right in one of two, 0.8 in one of one, 0.5 in none: |1 - 1.4|, |1 - .8|, |0 - .5|."""
    found = Classification()(subject(logits(SURE), torch.tensor([0, 1, 2, 0])))
    assert found["calibration"] == pytest.approx((0.4 + 0.2 + 0.5) / 4)


def test_a_confidence_on_the_edge_of_two_bins_is_of_the_lower():
    """0.4 = 6/15 is in (5/15, 6/15] with 0.35: two errors that make up for each other."""
    confidence, right = torch.tensor([0.4, 0.35, 0.41]), torch.tensor([1.0, 0.0, 0.0])
    assert calibration_error(confidence, right) == pytest.approx((0.25 + 0.41) / 3)
    for end in (0.0, 1.0):
        assert calibration_error(torch.tensor([end]), torch.tensor([1.0])) == 1 - end


def test_a_model_whose_labels_are_drawn_from_it_is_calibrated():
    """E[right - confidence] is 0 in each bin, and so its error vanishes as √(bins / N)."""
    generator = torch.Generator().manual_seed(0)
    n = 100_000
    x = 1.5 * torch.randn(n, 3, generator=generator)
    y = torch.multinomial(x.softmax(1), 1, generator=generator)[:, 0]
    held = subject(x, y)
    found = Classification()(held)
    assert found["calibration"] < math.sqrt(BINS / n)
    confidence = x.softmax(1).amax(1)
    assert_mean(held.kept["error"] + confidence, 1.0)
    bolder = Classification()(subject(3 * x, y))
    assert bolder["calibration"] > 0.1
    assert bolder["error"] == found["error"]
    assert bolder["brier"] > found["brier"]


def test_a_pass_over_several_batches_is_one_over_all():
    x, y = torch.randn(2 * BATCH + 3, 3), torch.randint(3, (2 * BATCH + 3,))
    held = subject(x, y)
    found = Classification()(held)
    assert_close(held.kept["error"], (x.argmax(1) != y).to(x))
    assert found["examples"] == len(x)
    assert Classification(examples=7)(held)["examples"] == 7


def test_a_model_without_conditions_errs_where_the_label_is_not_the_most_frequent():
    y = torch.tensor([2, 2, 1, 2, 0])
    data = Told(torch.zeros(5, 3), y)
    model = Unconditional(data.spec, likelihood=Label, observed="y")
    torch.nn.init.zeros_(model.params)
    with torch.no_grad():
        model.params[2] = 1.0
    assert Classification()(subject(data.x, y, model=model))["error"] == pytest.approx(0.4)


def test_where_places_are_drawn_the_label_is_told_by_the_mean_over_draws():
    x, y = torch.rand(40, 1, 6, 6), torch.randint(3, (40,))
    options = {"glimpses": 1, "hidden": 4, "read": 2, "scales": 2, "sd": 0.3, "grid": 3}
    options |= {"likelihood": Label, "observed": "y", "conditions": ["x"]}
    model = scattered(RAM(Told(x, y).spec, **options), seed=4)
    every = torch.eye(9).unsqueeze(1).expand(-1, 40, -1)
    evidence = infer_at_values(model, {"x": x, "y": y}, {"l1": every})
    weight = evidence.p["l1"].log_prob.exp().unsqueeze(-1)
    p = (weight * evidence.p["y"].dist.probabilities).sum(0).detach()
    brier = (p - torch.eye(3)[y]).square().sum(1).mean().item()
    held = subject(x, y, model=model, latents=("l1",))
    found = Classification(draws=4000)(held)
    assert found["brier"] == pytest.approx(brier, abs=1e-3)
    assert_close(held.kept["error"], (p.argmax(1) != y).to(x))
    assert Classification(draws=1)(held)["brier"] != pytest.approx(brier, abs=1e-3)


def test_what_observes_no_label_or_has_latents_is_told_so():
    x, y = logits(SURE), torch.tensor([0, 1, 2, 0])
    held = subject(x, y, latents=("z",))
    with pytest.raises(Inapplicable, match="has latents, and no y of known probability"):
        Classification().need(held)
    report = Report("log p(x)", {"x": "observed", "y": "extra"})
    made = held.composition
    other = Subject(Composition(made.data, made.model, made.objective, report), torch.device("cpu"))
    name, told = next(measure(Measures(), ["classification"], other))
    assert name == "classification"
    assert told == "one label is to be observed, and the model observes none"


# --------------------------------------------------------------------------- nets drawn from q(weights)
def of_nets(sd: float, estimator: str = "local") -> Subject:
    """Ten examples told by the identity, as a net with weights of this deviation."""
    generator = torch.Generator().manual_seed(3)
    x, y = 2 * torch.randn(10, 3, generator=generator), torch.arange(10) % 3
    model = Softmax(Told(x, y).spec)
    model.likelihood.net = torch.nn.Linear(3, 3)
    with torch.no_grad():
        model.likelihood.net.weight.copy_(torch.eye(3))
        model.likelihood.net.bias.zero_()
    gaussian(model, relative_sd=1.0, estimator=estimator)
    with torch.no_grad():
        model.likelihood.net.parametrizations.weight[0].log_sd.fill_(math.log(sd))
    return subject(x, y, model=model.eval())


def test_nets_that_are_all_alike_predict_what_the_means_do():
    held = of_nets(1e-6)
    found, alone = Predictive(samples=3)(held), Classification()(held)
    for name, value in alone.items():
        assert found[name] == pytest.approx(value, abs=1e-4)
    assert found["information"] == pytest.approx(0.0, abs=1e-4)
    assert found["samples"] == 3


@pytest.mark.parametrize("estimator", ["local", "per_example", "shared"])
def test_a_prediction_is_the_mean_over_nets(estimator):
    """Whoever sees which net: of E_W p(y | x, W), by weights drawn here."""
    held = of_nets(0.8, estimator)
    x, y = held.composition.data.x, held.composition.data.y
    weights = torch.eye(3) + 0.8 * torch.randn(20_000, 3, 3)
    each = torch.einsum("bi,sji->sbj", x, weights).softmax(-1)
    p = each.mean(0)
    found = Predictive(samples=1500)(held)
    entropy = -(p * p.log()).sum(1)
    within = -(each * each.log()).sum(2).mean()
    assert found["nll"] == pytest.approx(-p[torch.arange(10), y].log().mean().item(), abs=0.04)
    assert found["entropy"] == pytest.approx(entropy.mean().item(), abs=0.02)
    assert found["information"] == pytest.approx((entropy.mean() - within).item(), abs=0.02)
    assert found["information"] > 0.1


def test_classification_by_drawn_nets_is_of_their_average():
    held = of_nets(0.8)
    by_means, drawn = Classification()(held), Classification(weight_samples=1500)(held)
    predicted = Predictive(samples=1500)(held)
    assert drawn["weight_samples"] == 1500
    assert drawn["brier"] == pytest.approx(predicted["brier"], abs=0.02)
    assert abs(drawn["brier"] - by_means["brier"]) > 0.05


def test_after_a_prediction_the_weights_are_their_means_again():
    held = of_nets(0.8)
    before = Classification()(held)
    Predictive(samples=2)(held)
    assert Classification()(held) == before


def test_weights_without_noise_have_one_prediction():
    with pytest.raises(Inapplicable, match="the weights have no noise"):
        Predictive().need(subject(logits(SURE), torch.tensor([0, 1, 2, 0])))


# ------------------------------------------------------------------------- a latent class as a label
def of_class(*, semi_supervised: bool) -> Subject:
    """An M2 of ten examples, trained to tell the label or not."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randint(2, (10, 3), generator=generator).to(torch.get_default_dtype())
    data = Told(x, torch.arange(10) % 3)
    data.spec_ = labelled_spec()
    model = class_and_style(data.spec).eval()
    seen = outline(model, data.spec)
    objective = elbo(model, data.spec)
    if semi_supervised:
        objective = SemiSupervised(model, seen, k=1, bound="elbo", alpha=0.1)
    report = Report(seen.quantity, {**seen.roles}, seen.latents)
    return Subject(Composition(data, model, objective, report), torch.device("cpu"))


def test_the_class_that_was_made_to_be_the_label_tells_it():
    held = of_class(semi_supervised=True)
    found, data = Classification()(held), held.composition.data
    p = held.model.classifier.net(data.x).softmax(-1).detach()
    assert found["error"] == pytest.approx((p.argmax(1) != data.y).float().mean().item())
    brier = (p - torch.nn.functional.one_hot(data.y)).square().sum(1).mean()
    assert found["brier"] == pytest.approx(brier.item())


def test_clusters_are_no_labels():
    with pytest.raises(Inapplicable, match="one label is to be observed"):
        Classification().need(of_class(semi_supervised=False))
