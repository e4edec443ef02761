"""`vaebench study` and `vaebench experiment=…` as commands."""

import csv
import itertools
import json

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import open_dict

from tests.fast import first_of
from vaebench.config.parts import cells
from vaebench.config.schema import register
from vaebench.paths import conf_dir
from vaebench.runs.report.record import study as read_study
from vaebench.suggest import typed

pytestmark = pytest.mark.usefixtures("undrawn")

TINY = {
    "flow_energies": ["energies=[2]", "flows=[planar]", "lengths=[2]", "steps=3", "batch=8"],
    "flow_gaps": ["posteriors=[gaussian,iaf,hamiltonian]", "K=1", "steps=3", "batch=8"],
    "gradient_variance": [
        "model=helmholtz",
        "model.layers=[3,2]",
        "ks=[1,2]",
        "repeats=4",
        "reference=4",
        "examples=3",
        "trained=2",
    ],
    "local_reparam": [
        "model=bayes_classifier",
        "nets.hidden=[4]",
        "batches=[5,10]",
        "repeats=3",
        "trained=2",
    ],
    "prior_sampling": ["dims=[1,2]", "samples=50", "examples=4"],
}


@pytest.mark.parametrize("name", first_of(TINY))
def test_a_study_leaves_a_table_its_options_and_pictures(here, tmp_path, monkeypatch, name):
    monkeypatch.setattr("vaebench.studies.gradients.WARM_UP", 2)
    done = here("study", name, *TINY[name], "out=found")
    assert done.code == 0, done
    with (tmp_path / "found" / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert all(value for row in rows for value in row.values())
    about = json.loads((tmp_path / "found" / "study.json").read_text())
    assert about["option.seed"] == 0
    words = ["vaebench", "study", name, *map(typed, TINY[name])]
    assert sorted(about["command"].split()) == sorted(words)
    kept = {row.words for row in read_study(tmp_path / "found").rows}
    assert len(kept) == len(rows)  # what tells rows apart is no measurement
    written = {line.split()[-1] for line in done.out.splitlines() if line.startswith("written")}
    assert {str(p.relative_to(tmp_path)) for p in (tmp_path / "found").iterdir()} == written
    assert (name == "flow_gaps") == (not list((tmp_path / "found").glob("*.png")))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "there are flow_energies"),
        ("flow_energy", "Did you mean vaebench study flow_energies?"),
        ("flow_gaps stepz=3", "Did you mean steps=3?"),
        ("flow_gaps steps=x", "steps=x"),
        ("flow_gaps steps=0", "steps=0: must be positive"),
        ("flow_gaps posteriors=[nothing]", "there are gaussian"),
        ("flow_energies energies=[7]", "there are 1, 2, 3 and 4"),
        ("flow_energies flows=[plain]", "there are planar"),
        ("prior_sampling more", "takes options alone"),
        ("gradient_variance estimators=[reinforce]", "there are pathwise"),
        ("gradient_variance ks=[0]", "ks=0: must be positive"),
        ("gradient_variance model=made", "without latents"),
        ("local_reparam", "are not drawn locally. Use weights=local_gaussian."),
        ("local_reparam weights=dropout", "are not drawn locally. Use weights=local_gaussian."),
        ("local_reparam weights=local_gaussian batches=[5000]", "there are 1197 training examples"),
        ("local_reparam weights=local_gaussian repeats=1", "at least 2, for an error"),
        ("gradient_variance modle=vae", "Did you mean model=vae?"),
        ("gradient_variance posterior=delta", "Use objective=reconstruction"),
    ],
)
def test_a_wrong_line_is_refused_in_one_line(here, line, said):
    done = here("study", *line.split())
    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert said in done.err


def test_an_experiment_is_a_grid_of_ordinary_runs(here, tmp_path):
    small = ["dataset=digits", "model.latent_dim=2", "nets.hidden=[8]", "trainer.max_steps=1"]
    small += ["eval.k=1", "eval.examples=2", "logger=none", "hydra.sweep.dir=grid"]
    done = here("experiment=nf_table2", *small, "posterior.K=0,2")
    assert done.code == 0, done
    assert "4 of 4 jobs finished" in done.out
    summaries = [json.loads(p.read_text()) for p in tmp_path.rglob("summary.json")]
    flows = sorted((s["choices.posterior"], s["config.posterior.K"]) for s in summaries)
    assert flows == [("nice", 0), ("nice", 2), ("planar", 0), ("planar", 2)]


def cells_of(*words):
    """The jobs of a grid, option → value each, composed without any training."""
    register()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        cfg = compose("config", [*words[:1]], return_hydra_config=True)
        with open_dict(cfg):
            cfg.hydra.overrides.task = [*words]
        found = cells(cfg)
        return [dict(word.split("=", 1) for word in cell) for cell in found]


def test_the_diagonal_gaussian_of_the_flows_is_trained_once():
    found = [(c["posterior"], int(c["posterior.K"])) for c in cells_of("experiment=nf_table2")]
    flows = itertools.product(("planar", "nice"), (10, 20, 40, 80))
    assert sorted(found) == sorted([("planar", 0), *flows])


def test_an_importance_weighted_bound_of_one_sample_is_the_vae_and_is_not_trained_again():
    found = [(c["objective"], int(c["k"])) for c in cells_of("experiment=iwae_table1")]
    rows = [("elbo", 1), ("elbo", 5), ("elbo", 50), ("iwae", 5), ("iwae", 50)]
    assert sorted(found) == sorted(2 * rows)  # one and two layers


def test_a_vae_of_several_samples_follows_the_sampled_bound_as_the_paper_does():
    vaes = [c for c in cells_of("experiment=iwae_table1") if c["objective"] == "elbo"]
    assert {c["objective.kl"] for c in vaes} == {"mc"}


def test_what_the_command_line_says_holds_in_every_part_of_a_grid_and_no_job_comes_twice():
    found = cells_of("experiment=nf_table2", "posterior=nice", "seed=1,2")
    jobs = [(c["posterior"], int(c["posterior.K"]), int(c["seed"])) for c in found]
    assert sorted(jobs) == [("nice", K, s) for K in (0, 10, 20, 40, 80) for s in (1, 2)]


@pytest.mark.parametrize("name", [p.stem for p in (conf_dir() / "experiment").glob("*.yaml")])
def test_no_experiment_has_a_job_twice(name):
    found = [tuple(sorted(cell.items())) for cell in cells_of(f"experiment={name}")]
    assert len({*found}) == len(found) > (name != "none")


@pytest.mark.parametrize("name", ["nf_table2", "nf_cifar"])
@pytest.mark.parametrize(("budget", "updates"), [("small", 2000), ("full", 500_000)])
def test_the_experiments_on_flows_temper_as_the_paper_does(name, budget, updates):
    register()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        cfg = compose("config", [f"experiment={name}", f"budget={budget}"])
    anneal = instantiate(cfg.anneal)
    assert anneal.tempers
    assert anneal.start == 0.01
    assert cfg.trainer.max_steps == updates
    assert anneal.steps / updates == 10_000 / 500_000


def test_a_budget_sets_the_sizes_of_an_experiment(here):
    sizes = {}
    for budget in ("small", "full"):
        done = here("--cfg", "job", "--resolve", "experiment=iaf_mnist", f"budget={budget}")
        sizes[budget] = next(x for x in done.out.splitlines() if "max_epochs" in x)
    assert int(sizes["full"].split()[-1]) > 10 * int(sizes["small"].split()[-1])


def test_a_budget_without_an_experiment_does_nothing_and_is_refused(here):
    done = here("check", "budget=full")
    assert done.code == 2
    assert "budget=full has nothing to do" in done.err


@pytest.mark.parametrize("name", first_of(["nf_table2", "iaf_mnist", "hvi"]))
@pytest.mark.parametrize("budget", ["small", "full"])
def test_every_experiment_composes_at_both_budgets(here, name, budget):
    done = here("check", f"experiment={name}", f"budget={budget}", "dataset=digits")
    assert done.code == 0, done
    assert done.out.splitlines()[-1] == "ok"


def test_a_swap_begins_where_the_run_of_the_other_objective_ended(here, tmp_path):
    small = ["dataset=digits", "model.latent_dim=2", "nets.hidden=[8]", "trainer.max_steps=1"]
    small += ["eval.k=1", "eval.examples=2", "logger=none", "hydra.sweep.dir=grid", "k=2"]
    done = here("experiment=iwae_swap", *small)
    assert done.code == 0, done
    for objective, other in (("elbo", "iwae"), ("iwae", "elbo")):
        path = tmp_path / "grid" / f"swapped-{objective}-0" / "summary.json"
        begun = json.loads(path.read_text())["config.init_from"]
        assert begun == f"grid/begun-{other}-0"


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("experiment", "jobs"), [("iwae_table1", 10), ("wake_sleep", 12), ("darn", 2)]
)
def test_an_experiment_runs_to_its_end(here, experiment, jobs):
    small = ["dataset=digits", "trainer.max_steps=1", "eval.k=1", "eval.examples=2", "logger=none"]
    done = here(f"experiment={experiment}", *small, "hydra.sweep.dir=grid")
    assert done.code == 0, done
    assert f"{jobs} of {jobs} jobs finished" in done.out
