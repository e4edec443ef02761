"""`vaebench evaluate RUN` and `vaebench.load(RUN)`, and what both say of a model known exactly."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

import vaebench
from tests.commands.conftest import QUICK
from tests.fast import first_of
from vaebench.distributions import Noise
from vaebench.errors import Refusal
from vaebench.inference import Annealing, drawn, log_mean_exp, simulate
from vaebench.measures.likelihood import importance

SMALL = ["k=50", "ais.temperatures=5", "ais.examples=4", "gap.examples=4", "gap.steps=5"]
SMALL += ["gap.k=100"]
PPCA = ["dataset=ppca", "nets.hidden=[]", "trainer.max_epochs=3", "logger=none"]

RUNS = {
    "run": [*QUICK, "logger=csv"],
    "auto": ["model=autoencoder", *QUICK, "logger=csv"],
    "limited": ["objective=constrained", "objective.multiplier_lr=0.1", *QUICK, "logger=csv"],
    "average": [
        *("model=hierarchical", "trainer.average=0.9", "weights=gaussian", "anneal=linear"),
        *("anneal.steps=1000", *QUICK, "logger=csv"),
    ],
    "exact": [*PPCA, "eval.k=5"],
    "words": ["model=rnnlm", "dataset=topics", "trainer.max_steps=3", "eval.k=5", "logger=csv"],
    "yard": PPCA,
    # Three epochs of the plain VAE leave examples on which not one of 5000 samples counts: L_5000
    # is nats below log p(x) there, whatever its error says. This encoder is better.
    "near": [*PPCA, "model=iwae", "k=20", "optimizer.lr=0.1"],
}


def evaluation(folder: Path) -> dict[str, object]:
    return json.loads((folder / "evaluation.json").read_text())


def of(numbers: dict[str, object], measure: str) -> dict[str, object]:
    return {n: v for n, v in numbers.items() if n.startswith(f"{measure}/")}


# ------------------------------------------------------------------------------------ the command
def test_every_measure_is_printed_and_kept(here, copied):
    folder = copied("run")
    done = here("evaluate", "run", *SMALL)
    assert done.code == 0, done.err
    assert done.err == ""
    assert "log p(x) · test split · best.ckpt" in done.out
    assert re.search(r"likelihood · k=50 · examples=400 · \d+\.\d s", done.out)
    assert re.search(r"│ nll +│ +\d+\.\d{3} │ +0\.\d{3} │", done.out)
    found = evaluation(folder)
    measures = ["likelihood", "terms", "rate", "units", "information", "gap", "ais", "probe"]
    measures += ["sampling", "blur"]
    others = {"classification", "class_samples", "outliers", "predictive"}
    others |= {"disentanglement", "udr"}
    others |= {"equivariance", "transfer", "modalities", "overlap", "pose", "swaps"}
    assert {name.partition("/")[0] for name in found} == {*measures, *others}
    assert found["outliers/does_not_apply"].startswith("no outliers are named")
    assert found["classification/does_not_apply"].startswith("one label is to be observed")
    assert found["likelihood/nll"] == pytest.approx(-found["rate/bound"], abs=2)
    assert found["likelihood/k"] == 50
    assert 1 <= found["likelihood/ess_min"] <= found["likelihood/ess"] <= 50
    assert found["probe/linear"] > found["probe/majority"]
    assert (found["gap/examples"], found["gap/k"]) == (4, 100)
    assert (found["ais/examples"], found["ais/temperatures"]) == (4, 5)
    assert found["sampling/examples"] == 64
    assert found["sampling/milliseconds"] > 0
    for name in measures:
        assert found[f"{name}/split"] == "test"
        assert found[f"{name}/checkpoint"] == "best.ckpt"
        assert found[f"{name}/seed"] == 0


def test_dimensions_are_compared_to_those_of_other_runs_of_the_same_data(here, copied):
    folder = copied("run")
    copied("average")
    copied("yard")
    others = "udr.others=[run,average]"
    done = here("evaluate", "run", "measures=[udr]", others, "udr.examples=100")
    assert done.code == 0, done.err
    found = evaluation(folder)
    assert (found["udr/runs"], found["udr/examples"]) == (2, 100)
    assert 0 < found["udr/udr"] <= 1
    done = here("evaluate", "run", "measures=[udr]", "udr.others=[yard]")
    assert (done.code, done.err) == (2, "vaebench: udr.others=[yard] is not of this run's x\n")


def test_a_second_call_replaces_what_it_measures_alone(here, copied):
    folder = copied("run")
    assert (
        here("evaluate", "run", "measures=[likelihood,rate]", "k=10", "likelihood.k=50").code == 0
    )
    before = evaluation(folder)
    assert here("evaluate", "run", "measures=[likelihood]", "k=20").code == 0
    after = evaluation(folder)
    assert before.keys() == after.keys()
    assert of(before, "rate") == of(after, "rate") != {}
    assert (before["likelihood/k"], after["likelihood/k"]) == (50, 20)
    assert before["likelihood/nll"] != after["likelihood/nll"]


def test_a_seed_fixes_every_number_and_another_changes_them(here, copied):
    folder, found = copied("run"), []
    for seed in (0, 0, 1):
        assert here("evaluate", "run", f"seed={seed}", *SMALL).code == 0
        numbers = evaluation(folder)
        found.append({n: v for n, v in numbers.items() if "seconds" not in n})
    assert found[0] == found[1]
    drawn = ["likelihood/nll", "rate/distortion", "information/mutual_information", "ais/nll"]
    assert all(found[0][name] != found[2][name] for name in (*drawn, "gap/bound"))


@pytest.mark.parametrize("name", first_of(["run", "auto", "limited", "average", "exact", "words"]))
def test_the_numbers_of_a_runs_own_test_are_found_again(here, copied, name):
    """To the last bit, at the same k and seed: there is one implementation of them."""
    folder = copied(name)
    measures = "terms" if name == "auto" else "terms,likelihood"
    assert here("evaluate", name, f"measures=[{measures}]", "k=5").code == 0
    found, own = evaluation(folder), json.loads((folder / "summary.json").read_text())
    plain = {n.partition("/")[2]: v for n, v in found.items() if n.startswith("terms/")}
    plain |= {n.partition("/")[2]: v for n, v in found.items() if n.startswith("likelihood/")}
    told = {n: v for n, v in own.items() if n.startswith("test")}
    assert "test/loss" in told
    assert ("test/nll" in told) == (name != "auto")
    assert ("test/exact_nll" in told) == (name == "exact")
    assert ("test/perplexity" in told) == (name == "words")
    again = {n: plain[n.removeprefix("test/").replace("test_", "")] for n in told}
    assert again == told


def test_another_seed_is_another_likelihood_within_its_noise(here, copied):
    folder, draws = copied("run"), []
    own = json.loads((folder / "summary.json").read_text())["test/nll"]
    for seed in range(1, 9):
        assert here("evaluate", "run", "measures=[likelihood]", "k=5", f"seed={seed}").code == 0
        draws.append(evaluation(folder)["likelihood/nll"])
    assert len({*draws, own}) == 9
    spread = np.std(draws, ddof=1)
    assert abs(np.mean(draws) - own) < 5.4 * math.sqrt(1 + 1 / 8) * spread  # t of 7


@pytest.mark.parametrize("name", ["run", "auto", "limited", "average"])
def test_what_validation_told_of_the_best_weights_is_measured_again(here, copied, name):
    """To the last bit: the same terms, by the same draws; the objective's own state is among them."""
    folder = copied(name)
    assert here("evaluate", name, "measures=[terms]", "split=val", "weights=best").code == 0
    found, own = evaluation(folder), json.loads((folder / "summary.json").read_text())
    told = {n: v for n, v in own.items() if n.startswith(("val/", "val_kl/"))}
    assert {f"val/{n}" for n in ("loss", "recon", "active_units")} <= told.keys()
    assert told == {n: found[n.replace("val_", "terms/").replace("val/", "terms/")] for n in told}


def test_a_split_and_a_number_of_examples_are_looked_at(here, copied):
    folder = copied("run")
    assert here("evaluate", "run", "measures=[rate]", "split=val", "examples=7").code == 0
    found = evaluation(folder)
    assert (found["rate/split"], found["rate/examples"]) == ("val", 7)


def test_the_last_weights_can_be_chosen(here, copied):
    folder = copied("run")
    assert here("evaluate", "run", "measures=[rate]", "weights=last").code == 0
    assert evaluation(folder)["rate/checkpoint"] == "last.ckpt"


def test_latents_are_written_with_what_is_known_of_the_examples(here, copied):
    folder = copied("run")
    done = here("evaluate", "run", "measures=[units]", "latents=true", "split=val")
    assert done.code == 0, done.err
    assert "latents.npz" in done.out
    loaded = vaebench.load(folder)
    split = loaded.data.split("val")
    with np.load(folder / "latents.npz") as table:
        assert {n: v.shape for n, v in table.items()} == {
            "z.mean": (len(split), 10),
            "z.sample": (len(split), 10),
            "y": (len(split),),
        }
        assert_close(torch.from_numpy(table["z.mean"]), loaded.encode(loaded.examples("val")))
        assert torch.equal(torch.from_numpy(table["y"]), split.columns["y"].stored)
        assert (table["z.mean"] != table["z.sample"]).all()


def test_no_latents_are_written_unasked(here, copied):
    folder = copied("run")
    assert here("evaluate", "run", "measures=[units]").code == 0
    assert not (folder / "latents.npz").exists()


def test_what_was_measured_can_be_compared_by(here, copied):
    copied("run")
    assert here("evaluate", "run", "measures=[likelihood]", "k=20").code == 0
    nll = evaluation(Path("run"))["likelihood/nll"]
    done = here("compare", "run", "metric=evaluation/likelihood/nll")
    assert done.code == 0, done.err
    assert f"{nll:.3f}" in done.out
    assert "evaluation/likelihood/nll" in Path("compare.md").read_text()


# ---------------------------------------------------------------------------------- wrong lines
WRONG = {
    # what follows `vaebench evaluate`: what the one line must say
    "run exampels=5": "Did you mean examples=5?",
    "run ais.temperature=5": "Did you mean ais.temperatures=5?",
    "run xyz=5": "has no option 'xyz'",
    "run k=0": "k=0: must be at least 1",
    "run k=x": "k=x: an integer was expected. Use k=5000.",
    "run k=1.5": "k=1.5: an integer was expected",
    "run k=": "k=null: an integer was expected",
    "run examples=-1": "examples=-1: must be at least 0",
    "run gap.lr=0": "gap.lr=0.0: must be at least",
    "run ais.leapfrog=0": "ais.leapfrog=0: must be at least 1",
    "run rate.k=0": "rate.k=0: must be at least 1",
    "run split=tst": "one of test, val, train was expected",
    "run weights=lst": "one of evaluated, best, last was expected",
    "run latents=maybe": "latents=maybe: true or false was expected",
    "run measures=[likelyhood]": "Did you mean measures=[likelihood]?",
    "run measures=[xyz]": "there are likelihood, terms, rate, units, information, gap, ais, probe",
    "run accelerator=tpu": "one of auto, cpu, gpu, mps was expected",
    "nowhere": "is no run folder",
    "": "takes one run folder",
    "run run": "takes one run folder, not 2",
    # Each of these ended in a traceback once.
    "run seed=-1": "seed=-1",
    "run measures=[likelihood": "measures",
    "run measures=[gap] gap.lr=inf": "gap.lr=inf",
}


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_line_is_refused_in_one_line(here, copied, line):
    folder = copied("run")
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    here("--version")  # what a first run printed is read here
    done = here("evaluate", *line.split())
    assert done.code == 2, done
    assert len(done.err.splitlines()) == 1, done.err
    assert WRONG[line] in done.err
    assert done.out == ""
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_a_run_without_a_checkpoint_is_refused(here, copied):
    shutil.rmtree(copied("run") / "checkpoints")
    done = here("evaluate", "run")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "nothing was trained there yet" in done.err


def broken(whole: bytes) -> dict[str, bytes]:
    return {
        "empty": b"",
        "garbage": b"garbage",
        "cut": whole[: len(whole) // 2],
        "overwritten": whole[:5000] + bytes(1000) + whole[6000:],
    }


@pytest.mark.parametrize("how", ["empty", "garbage", "cut", "overwritten"])
def test_a_corrupt_checkpoint_is_refused(here, copied, how):
    path = copied("run") / "checkpoints" / "best.ckpt"
    path.write_bytes(broken(path.read_bytes())[how])
    done = here("evaluate", "run")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "best.ckpt is corrupt" in done.err


def test_a_run_of_a_version_that_knew_fewer_groups_is_measured(here, copied):
    config = copied("run") / ".hydra" / "config.yaml"
    text = config.read_text()
    older = re.sub(r"refine:\n(  .*\n)+", "", text).replace("  refine: ${refine}\n", "")
    assert older != text
    config.write_text(older)
    assert here("evaluate", "run", "measures=[units]").code == 0


def test_a_checkpoint_of_another_model_is_refused(here, copied):
    path = copied("run") / "checkpoints" / "best.ckpt"
    state = torch.load(path, weights_only=True)
    state["state_dict"].popitem()
    torch.save(state, path)
    done = here("evaluate", "run")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "best.ckpt is not of the model in run" in done.err


def test_weights_that_are_no_numbers_are_measured_as_such_or_refused_in_one_line(here, copied):
    path = copied("run") / "checkpoints" / "best.ckpt"
    state = torch.load(path, weights_only=True)
    for value in state["state_dict"].values():
        value.fill_(math.nan)
    torch.save(state, path)
    done = here("evaluate", "run", "measures=[likelihood]", "k=2")
    assert done.code in (0, 2)
    assert len(done.err.splitlines()) == (done.code == 2)


@pytest.mark.parametrize("train", [1, 3])
def test_a_probe_of_too_few_examples_is_told_in_one_line(here, copied, train):
    """Fewer than its neighbours, or of one class."""
    copied("run")
    done = here("evaluate", "run", "measures=[probe]", f"probe.train={train}")
    assert (done.code, len(done.err.splitlines())) == (2, 1)


# ------------------------------------------------------------------------------- no bound at all
def test_an_autoencoder_says_what_does_not_apply_and_gets_the_rest(here, copied):
    folder = copied("auto")
    done = here("evaluate", "auto")
    assert done.code == 0, done.err
    out = " ".join(done.out.split())
    for name in ("likelihood", "rate", "information", "gap", "ais"):
        assert f"{name}: does not apply: the model was trained on reconstruction alone" in out
    found = evaluation(folder)
    assert found["probe/linear"] > found["probe/majority"]
    assert found["units/dimensions"] == 10
    assert "likelihood/nll" not in found
    assert "reconstruction alone" in found["likelihood/does_not_apply"]


def test_an_inapplicable_measure_asked_for_by_name_is_refused(here, copied):
    folder = copied("auto")
    done = here("evaluate", "auto", "measures=[likelihood]")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "measures=[likelihood] does not apply" in done.err
    assert not (folder / "evaluation.json").exists()


def test_data_without_labels_have_nothing_to_probe(here, copied):
    copied("yard")
    done = here("evaluate", "yard", "measures=[probe]")
    assert done.code == 2
    assert "the data have no labels" in done.err


# --------------------------------------------------------------- a trained model, known exactly
class Exact:
    """A trained linear-Gaussian model in closed form, in float64.

    Attributes:
        loaded: the run.
        x: the first test examples, `[N, 8]`.
    """

    def __init__(self, folder: Path, examples: int) -> None:
        self.loaded = vaebench.load(folder)
        self.x = self.loaded.examples("test", examples).double()
        nets = (self.loaded.model.likelihood.net[1], self.loaded.model.posterior.net[1])
        (self.w, self.b), (self.a, self.c) = (
            (net.weight.detach().double(), net.bias.detach().double()) for net in nets
        )
        self.variance = self.loaded.cfg.likelihood.scale**2
        eye = torch.eye(self.w.shape[1]).double()
        self.precision = eye + self.w.T @ self.w / self.variance

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        """log N(x; b, W Wᵀ + σ² I)."""
        covariance = self.w @ self.w.T + self.variance * torch.eye(len(self.w)).double()
        return torch.distributions.MultivariateNormal(self.b, covariance).log_prob(x.double())

    def posterior_mean(self) -> torch.Tensor:
        """Λ⁻¹ Wᵀ (x - b) / σ²."""
        return torch.linalg.solve(self.precision, self.w.T @ (self.x - self.b).T).T / self.variance

    def divergence(self, loc: torch.Tensor, log_scale: torch.Tensor) -> torch.Tensor:
        """KL(N(loc, diag exp 2 log_scale) ‖ p(z | x)), `[N]`."""
        off = loc - self.posterior_mean()
        quadratic = torch.einsum("ni,ij,nj->n", off, self.precision, off)
        trace = (self.precision.diagonal() * (2 * log_scale).exp()).sum(-1)
        log_dets = 2 * log_scale.sum(-1) + self.precision.logdet()
        return 0.5 * (trace + quadratic - loc.shape[-1] - log_dets)

    def gaps(self) -> dict[str, float]:
        """Approximation and amortisation gap, means over the examples."""
        log_scale = -0.5 * self.precision.diagonal().log()
        best = self.divergence(self.posterior_mean(), log_scale.expand(len(self.x), -1))
        own = self.divergence(*(self.x @ self.a.T + self.c).chunk(2, -1))
        return {"approximation": best.mean().item(), "amortisation": (own - best).mean().item()}


def test_the_likelihood_is_the_exact_one_within_its_own_error(here, copied):
    folder = copied("near")
    assert here("evaluate", "near", "measures=[likelihood]", "k=5000").code == 0
    found, exact = evaluation(folder), Exact(folder, 500)
    nll, error = found["likelihood/nll"], found["likelihood/nll_mc_se"]
    assert found["likelihood/examples"] == 500
    assert found["likelihood/ess_min"] > 50
    assert 0 < error < 0.01
    assert abs(nll + exact.log_prob(exact.x).mean().item()) < 3 * error


def test_no_error_is_printed_that_the_likelihood_is_not_within(here, copied):
    """An encoder that leaves examples without one effective sample of 5000."""
    folder = copied("yard")
    done = here("evaluate", "yard", "measures=[likelihood]", "k=5000")
    assert done.code == 0, done.err
    found, exact = evaluation(folder), Exact(folder, 500)
    off = found["likelihood/nll"] + exact.log_prob(exact.x).mean().item()
    noise = Noise(torch.Generator().manual_seed(1))
    sampled = importance(exact.loaded.model, {"x": exact.x.float()}, 5000, noise)
    assert off > 4 * (sampled.variance.sum().sqrt() / 500).item()
    few = found["likelihood/ess_few"]
    assert found["likelihood/ess_min"] < 10
    assert 0 < few <= 500
    assert "likelihood/nll_mc_se" not in found
    assert "± Monte Carlo" not in done.out
    assert f"{few} of 500 examples have fewer than 10 effective samples" in done.out


def test_an_error_is_printed_where_all_examples_have_samples_enough(here, copied):
    copied("near")
    done = here("evaluate", "near", "measures=[likelihood]", "k=5000")
    assert "± Monte Carlo" in done.out
    assert re.search(r"│ nll +│ +\d+\.\d{3} │ +0\.\d{3} │ +0\.\d{3} │", done.out)
    assert "effective samples" not in done.out


def test_the_gaps_are_the_exact_ones_within_their_own_errors(here, copied):
    folder = copied("yard")
    assert here("evaluate", "yard", "measures=[gap]").code == 0
    found, exact = evaluation(folder), Exact(folder, 50).gaps()
    assert found["gap/examples"] == 50
    assert exact["approximation"] > 0.3
    assert exact["amortisation"] > 1
    for name, value in exact.items():
        error = found[f"gap/{name}_gap_mc_se"]
        assert abs(found[f"gap/{name}_gap"] - value) < 4 * error + 1e-3, name


def test_the_gaps_of_a_better_encoder_are_exact_too(here, copied):
    folder = copied("near")
    assert here("evaluate", "near", "measures=[gap]", "gap.examples=100").code == 0
    found, exact = evaluation(folder), Exact(folder, 100).gaps()
    for name, value in exact.items():
        error = found[f"gap/{name}_gap_mc_se"]
        assert abs(found[f"gap/{name}_gap"] - value) < 4 * error + 1e-3, name


def test_annealing_encloses_the_exact_likelihood_of_simulated_data(trained):
    """Without an encoder: that of this run is far off."""
    exact = Exact(trained("yard"), 1)
    model, noise = exact.loaded.model, Noise(torch.Generator().manual_seed(3))
    p = simulate(model, 30, {}, noise)
    batch, z = {"x": drawn(p, "x")}, {"z": drawn(p, "z").unsqueeze(0)}
    annealing = Annealing(model, 16, 300, 3, noise)
    annealing.tune(batch)
    log_p = exact.log_prob(batch["x"]).mean().item()
    lower = log_mean_exp(annealing.forward(batch)).mean().item()
    upper = -log_mean_exp(-annealing.backward(batch, z)).mean().item()
    assert log_p - 0.1 < lower < log_p + 0.05
    assert log_p - 0.05 < upper < log_p + 0.1


# ------------------------------------------------------------------------------ load, for programs
def test_codes_and_decodings_are_the_means_of_the_nets(trained):
    exact = Exact(trained("yard"), 9)
    loaded, x = exact.loaded, exact.x.float()
    z = loaded.encode(x)
    assert z.shape == (9, 2)
    assert_close(z.double(), (exact.x @ exact.a.T + exact.c)[:, :2], rtol=1e-4, atol=1e-4)
    assert_close(loaded.posterior(x).mean, z)
    decoded = loaded.decode(z)
    assert decoded.shape == (9, 8)
    assert_close(decoded.double(), z.double() @ exact.w.T + exact.b, rtol=1e-4, atol=1e-4)
    assert not decoded.requires_grad
    assert (loaded.latents, loaded.observed) == (("z",), ("x",))


def test_arrays_do_as_well_as_tensors(trained):
    loaded = vaebench.load(str(trained("run")))
    x = loaded.examples("test", 3)
    assert torch.equal(loaded.encode(x.numpy()), loaded.encode(x))
    assert torch.equal(loaded.encode({"x": x}), loaded.encode(x))


def test_arrays_of_double_precision_do_too(trained):
    """What numpy makes unless told otherwise."""
    loaded = vaebench.load(trained("run"))
    assert loaded.decode(np.zeros((2, 10))).shape == (2, 1, 8, 8)


def test_log_prob_is_the_importance_weighted_bound(trained):
    loaded = vaebench.load(trained("run"))
    x = loaded.examples("test", 6)
    noise = Noise(torch.Generator().manual_seed(4))
    found = loaded.log_prob(x, k=30, seed=4)
    assert found.shape == (6,)
    assert torch.equal(found, importance(loaded.model, {"x": x}, 30, noise).log_p)
    assert torch.equal(found, loaded.log_prob(x, k=30, seed=4))
    assert not torch.equal(found, loaded.log_prob(x, k=30, seed=5))


def test_log_prob_nears_the_exact_one(trained):
    exact = Exact(trained("near"), 20)
    found = exact.loaded.log_prob(exact.x.float(), k=5000).double()
    assert_close(found, exact.log_prob(exact.x), rtol=0, atol=0.2)


def test_the_bound_is_log_prob_less_the_divergence(trained):
    """log p(x) - KL(q ‖ p(z | x)); over seeds, whose mean is off by its own standard error."""
    exact = Exact(trained("yard"), 20)
    x = exact.x.float()
    found = torch.stack([exact.loaded.bound(x, k=20, seed=s) for s in range(50)]).double()
    loc, log_scale = (exact.x @ exact.a.T + exact.c).chunk(2, -1)
    expected = exact.log_prob(exact.x) - exact.divergence(loc, log_scale)
    error = found.std(0) / math.sqrt(len(found))
    assert ((found.mean(0) - expected).abs() < 5 * error + 1e-4).all()


def test_samples_are_reproduced_by_their_seed(trained):
    loaded = vaebench.load(trained("run"))
    before = torch.get_rng_state()
    means, again = loaded.sample(5, seed=1), loaded.sample(5, seed=1)
    assert means.shape == (5, 1, 8, 8)
    assert torch.equal(means, again)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(means, loaded.sample(5, seed=2))
    assert ((means > 0) & (means < 1)).all()
    drawn = loaded.sample(5, seed=1, mean=False)
    assert set(drawn.unique().tolist()) == {0.0, 1.0}


def test_samples_have_the_moments_of_the_model(trained):
    exact = Exact(trained("yard"), 1)
    x = exact.loaded.sample(20_000, mean=False).double()
    white = exact.w @ exact.w.T + exact.variance * torch.eye(8).double()
    error = (white.diagonal() / len(x)).sqrt()
    assert ((x.mean(0) - exact.b).abs() < 5 * error).all()
    assert_close(x.T.cov(), white, rtol=0, atol=0.1)


def test_no_sample_at_all_is_an_error(trained):
    with pytest.raises(ValueError, match="n=0"):
        vaebench.load(trained("run")).sample(0)


def test_an_autoencoder_codes_but_neither_samples_nor_scores(trained):
    loaded = vaebench.load(trained("auto"))
    x = loaded.examples("test", 3)
    assert loaded.decode(loaded.encode(x)).shape == x.shape
    with pytest.raises(Refusal, match="the prior means nothing"):
        loaded.sample(3)
    with pytest.raises(Refusal, match="no bound"):
        loaded.log_prob(x)


def test_loading_no_run_is_refused(tmp_path):
    with pytest.raises(Refusal, match="is no run folder"):
        vaebench.load(tmp_path)
