"""`vaebench study` and `vaebench experiment=…` as commands."""

import csv
import json

import pytest

TINY = {
    "flow_energies": ["energies=[2]", "flows=[planar]", "lengths=[2]", "steps=3", "batch=8"],
    "flow_gaps": ["posteriors=[gaussian,iaf,hamiltonian]", "K=1", "steps=3", "batch=8"],
    "prior_sampling": ["dims=[1,2]", "samples=50", "examples=4"],
}


@pytest.mark.parametrize("name", list(TINY))
def test_a_study_leaves_a_table_its_options_and_pictures(here, tmp_path, name):
    done = here("study", name, *TINY[name], "out=found")
    assert done.code == 0, done
    with (tmp_path / "found" / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert all(value for row in rows for value in row.values())
    about = json.loads((tmp_path / "found" / "study.json").read_text())
    assert about["option.seed"] == 0
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


@pytest.mark.parametrize("name", ["nf_table2", "iaf_mnist", "hvi"])
@pytest.mark.parametrize("budget", ["small", "full"])
def test_every_experiment_composes_at_both_budgets(here, name, budget):
    done = here("check", f"experiment={name}", f"budget={budget}", "dataset=digits")
    assert done.code == 0, done
    assert done.out.splitlines()[-1] == "ok"
