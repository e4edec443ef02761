"""The test at the end of training: which measures, of which weights, and that nothing else changes."""

from __future__ import annotations

import pytest
import pytorch_lightning as pl
import torch
from rich.console import Console

from tests.training.test_resume import BEHIND
from tests.training.test_system import config, trained
from vaebench.composition import compose
from vaebench.errors import Refusal
from vaebench.measures.base import Subject, named
from vaebench.measures.likelihood import ImportanceSampling
from vaebench.measures.terms import Terms
from vaebench.training import build_system, build_trainer, fit, prepare
from vaebench.training.checkpoints import checkpoint_of
from vaebench.training.system import System

SHORT = ("trainer.max_steps=5", "trainer=cpu", "eval.examples=30")
NOISY = ("weights=gaussian", "objective=iwae", "k=3")  # its training differs from evaluation
EXPLICIT = "eval.measures=[likelihood,terms]"


def of_the_test(metrics):
    return {name: value for name, value in metrics.items() if name.startswith("test")}


def test_training_itself_tests_nothing():
    assert not [name for name in vars(System) if name.startswith(("test_", "on_test"))]


@pytest.mark.parametrize("average", ["0", "0.9"])
@pytest.mark.parametrize("which", ["best", "last"])
def test_the_measured_weights_are_those_of_the_checkpoint_and_stay(tmp_path, which, average):
    cfg = config(*BEHIND, "trainer=cpu", f"eval.checkpoint={which}", f"trainer.average={average}")
    system, _, result = trained(tmp_path, cfg)
    _, held = checkpoint_of(tmp_path, which)
    other = checkpoint_of(tmp_path, "last" if which == "best" else "best")[1]
    assert held["global_step"] != other["global_step"]
    for name in ("val/bound", "train/bound"):
        assert result.metrics[name] == held["vaebench"]["latest"][name]
    whose = "average" if average != "0" else "model"
    for name, value in system.model.named_parameters():
        key = name if whose == "model" else name.replace(".", "/")
        assert torch.equal(value, held["state_dict"][f"{whose}.{key}"])
    subject = Subject(system.composition, torch.device("cpu"))
    again = Terms()(subject)
    assert result.metrics["test/bound"] == again["bound"]
    nll = ImportanceSampling(k=2)(subject)
    assert result.metrics["test/nll"] == nll["nll"]
    each = result.tested.examples["test/nll"]
    assert torch.equal(each, subject.kept["nll"])
    assert each.double().mean().item() == result.metrics["test/nll"]


def test_the_objectives_own_state_is_that_of_the_checkpoint(tmp_path):
    cfg = config("objective=constrained", *BEHIND, "trainer=cpu")
    _, _, result = trained(tmp_path, cfg)
    _, held = checkpoint_of(tmp_path, "best")
    preimage = held["state_dict"]["objective.regularizers.limit.preimage"]
    last = checkpoint_of(tmp_path, "last")[1]["state_dict"]["objective.regularizers.limit.preimage"]
    assert preimage != last, "the last weights are the best: the test shows nothing"
    multiplier = torch.nn.functional.softplus(preimage)
    assert result.metrics["test/multiplier"] == pytest.approx(multiplier.item())


def test_any_measure_may_be_asked_for_and_comes_under_its_name(tmp_path):
    cfg = config(*SHORT, "eval.measures=[probe,units,likelihood]")
    _, _, result = trained(tmp_path, cfg)
    found = of_the_test(result.metrics)
    assert {"test/probe/linear", "test/probe/knn", "test/units/active_units"} <= found.keys()
    assert {"test/nll", "test/nll_se", "test/units_kl/z.0"} <= found.keys()
    assert found["test/probe/examples"] == 30
    assert not {"test/bound", "test/loss", "test/ess", "test/k", "test/examples"} & found.keys()


def test_no_measure_may_be_asked_for(tmp_path):
    _, _, result = trained(tmp_path, config(*SHORT, "eval.measures=[]"))
    assert of_the_test(result.metrics) == {}
    assert result.tested.examples == {}
    assert "val/bound" in result.metrics


@pytest.mark.parametrize("ending", ["trainer.max_steps=24", "trainer.max_epochs=2"])
def test_how_training_ended_is_nothing_to_the_test(tmp_path, ending):
    """Nor where the global generators stand, nor what else is measured."""
    tail = ("eval.checkpoint=last", "eval.examples=30", "trainer=cpu")
    usual = trained(tmp_path / "a", config("trainer.max_epochs=2", *tail))[2]
    cfg = config(ending, *tail, "eval.measures=[information,likelihood,probe,terms]")
    system = build_system(cfg, compose(cfg))
    trainer = build_trainer(cfg, system, tmp_path / "b", Console(quiet=True))

    class Draw(pl.Callback):
        def on_train_end(self, *args):
            torch.randn(7)

    trainer.callbacks.append(Draw())
    other = fit(cfg, system, trainer)
    own = {n: v for n, v in of_the_test(other.metrics).items() if n in of_the_test(usual.metrics)}
    assert own == of_the_test(usual.metrics)


def test_evaluation_leaves_the_global_generators_where_they_stood(tmp_path):
    cfg = config(*SHORT)
    composition = compose(cfg)
    composition.model.eval(), composition.objective.eval()
    torch.manual_seed(3)
    expected = torch.randn(2)
    torch.manual_seed(3)
    Terms(examples=5)(Subject(composition, torch.device("cpu")))
    assert torch.equal(torch.randn(2), expected)


# ------------------------------------------------------------------------ before anything is trained
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["eval.measures=[prob]"], r"Did you mean eval\.measures=\[probe\]\?$"),
        (
            ["eval.measures=[terms,probe]", "dataset=ppca"],
            r"^eval\.measures=\[probe\] does not apply: the data have no labels\. "
            r"Use eval\.measures=\[terms\]\.$",
        ),
        (["eval.measures=[likelihood]", "model=autoencoder"], r"Use eval\.measures=\[\]\.$"),
        (["eval.measures=[information]", "posterior=planar"], "scores only its own samples"),
        (["eval.measures=[gap]", "model=draw"], "take turns"),
        (["eval.measures=[ais]", "posterior=bernoulli", "prior=bernoulli"], "is discrete"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_training(tmp_path, words, said):
    with pytest.raises(Refusal, match=said):
        prepare(config(*words), tmp_path, Console(quiet=True))
    assert not list(tmp_path.iterdir())


def test_an_autoencoder_has_no_likelihood_and_nobody_is_told_so(tmp_path):
    cfg = config("model=autoencoder", *SHORT)
    composition, system, trainer = prepare(cfg, tmp_path, Console(quiet=True))
    result = fit(cfg, system, trainer)
    assert {"test/loss", "test/recon", "test/active_units"} <= of_the_test(result.metrics).keys()
    assert "test/nll" not in result.metrics
    assert result.tested.notes == []
    assert not [note for note in composition.report.notes if "measures" in note]


def test_looking_ahead_changes_no_number_of_training(tmp_path):
    found = []
    for words in ((), (EXPLICIT,)):
        cfg = config(*SHORT, *NOISY, *words)
        _, system, trainer = prepare(cfg, tmp_path / str(len(words)), Console(quiet=True))
        assert system.model.training
        found.append(fit(cfg, system, trainer).metrics)
    assert found[0] == found[1]


def test_what_turns_out_not_to_apply_is_noted(tmp_path):
    """Four examples to train on are too few for five neighbours; the rest is measured."""
    few = ("dataset.split.val=1400", "dataset.split.test=393", "trainer.batch_size=4")
    cfg = config(*SHORT, *few, "eval.measures=[probe,terms]")
    _, system, trainer = prepare(cfg, tmp_path, Console(quiet=True))
    result = fit(cfg, system, trainer)
    (note,) = result.tested.notes
    assert note.startswith("eval.measures: probe does not apply: probe.train=10000: 4 examples")
    assert "test/bound" in result.metrics


def test_a_kl_of_one_dimension_is_told_apart():
    assert named("test", {"kl": 1.0, "kl/z.0": 2.0}) == {"test/kl": 1.0, "test_kl/z.0": 2.0}
