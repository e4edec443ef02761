"""What tells runs apart: nothing that somebody chose is lost, nothing that only follows is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from vaebench.runs.find import Run
from vaebench.runs.groups import also_differ, columns, differing, groups
from vaebench.runs.influence import Influence

VAE = {"choices.model": "vae", "choices.objective": "elbo", "config.k": 1}
IWAE = {"choices.model": "iwae", "choices.objective": "iwae", "config.k": 5}
PLAIN = {
    "choices.posterior": "gaussian",
    "choices.prior": "normal",
    "choices.refine": "none",
    "choices.anneal": "none",
    "config.trainer.average": 0.0,
    "config.posterior._target_": "Gaussian",
}
RICH = {
    "choices.posterior": "iaf",
    "choices.prior": "vamp",
    "choices.refine": "hamiltonian",
    "choices.anneal": "linear",
    "config.trainer.average": 0.999,
    "config.posterior._target_": "IAF",
    "config.posterior.K": 2,
    "config.prior.components": 50,
    "config.refine.steps": 4,
    "config.anneal.steps": 1000,
}


def made_up(options: dict, *, folder: Path = Path("nowhere"), typed: tuple[str, ...] = ()) -> Run:
    """A run of the default VAE but for these options, and what was typed for it."""
    if typed:
        (folder / ".hydra").mkdir(parents=True)
        (folder / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(list(typed)))
    about = {"quantity": "log p(x)", "seed": 0, "choices.dataset": "digits", "config.seed": 0}
    return Run(folder, about | VAE | options)


def test_of_options_that_split_the_runs_alike_every_one_is_named():
    runs = [made_up(PLAIN), made_up(RICH)]
    assert differing(runs) == ["posterior", "refine", "prior", "anneal", "trainer.average"]
    assert columns(runs) == ["posterior", "refine", "prior"]
    line = also_differ(runs)
    assert line == (
        "also differ: anneal=none/linear, trainer.average=0.0/0.999 (with posterior=gaussian/iaf)"
    )
    assert groups(runs)[1].label == "posterior=iaf refine=hamiltonian prior=vamp"


def test_what_a_model_brings_by_its_own_defaults_is_not_named_again():
    runs = [made_up(VAE), made_up(IWAE)]
    assert differing(runs) == ["model"]
    assert also_differ(runs) == ""


def test_what_a_model_brings_is_told_of_several_at_once():
    darn = {"choices.model": "darn", "choices.posterior": "bernoulli", "choices.objective": "elbo"}
    runs = [made_up({"choices.posterior": "gaussian"} | m) for m in (VAE, IWAE, darn)]
    assert differing(runs) == ["model"]


def test_what_does_not_follow_from_the_model_is_named_though_the_model_splits_alike():
    runs = [
        made_up(VAE | {"config.optimizer.lr": 1e-3}),
        made_up(IWAE | {"config.optimizer.lr": 3e-3}),
    ]
    assert differing(runs) == ["model", "optimizer.lr"]


def test_what_was_typed_is_named_though_a_shown_choice_could_have_brought_it(tmp_path):
    vae = made_up(VAE, folder=tmp_path / "a", typed=("k=1",))
    iwae = made_up(IWAE, folder=tmp_path / "b", typed=("model=iwae", "k=5"))
    assert differing([vae, iwae]) == ["model", "k"]
    iwae = made_up(IWAE, folder=tmp_path / "c", typed=("model=iwae",))
    assert differing([made_up(VAE), iwae]) == ["model"]


def test_a_length_that_was_typed_is_no_default_of_its_flow(tmp_path):
    flows = [
        made_up(
            {"choices.posterior": name, "config.posterior.K": K},
            folder=tmp_path / name,
            typed=(f"posterior={name}", f"posterior.K={K}"),
        )
        for name, K in (("planar", 10), ("nice", 40))
    ]
    assert differing(flows) == ["posterior", "posterior.K"]
    for run in flows:
        (run.folder / ".hydra" / "overrides.yaml").write_text(
            f"- posterior={run.options['posterior']}"
        )
    assert differing([made_up(run.summary, folder=run.folder) for run in flows]) == ["posterior"]


def test_a_default_that_changed_between_two_versions_is_named():
    runs = [made_up({"config.optimizer.lr": rate}) for rate in (1e-3, 3e-3)]
    assert differing(runs) == ["optimizer.lr"]


def test_where_the_data_lie_makes_no_other_run():
    runs = [made_up({"config.data_dir": d, "config.dataset.data_dir": d}) for d in "ab"]
    assert len(groups(runs)) == 1


@pytest.mark.parametrize(
    ("choices", "option", "source"),
    [
        ({("model", "iwae")}, "objective", "model"),
        ({("model", "iwae"), ("objective", "iwae")}, "k", "model"),
        ({("model", "sequence_autoencoder")}, "nets", "model"),  # by the model that it builds on
        ({("model", "draw")}, "trainer.clip_norm", "model"),
        ({("model", "vae"), ("dataset", "digits")}, "model.latent_dim", "dataset"),
        ({("experiment", "iwae_swap")}, "k", "objective"),  # by the name of the choice
        ({("experiment", "sentences"), ("model", "rnnlm")}, "anneal.steps", "likelihood.keep"),
        ({("posterior", "of_somebody")}, "posterior.width", "posterior"),
    ],
)
def test_conf_tells_what_may_follow_from_what(choices, option, source):
    assert source in Influence(choices).sources(option)


def test_nothing_follows_from_what_it_does_not_touch():
    influence = Influence({("model", "iwae"), ("objective", "iwae"), ("posterior", "iaf")})
    assert influence.sources("prior") == set()
    assert "posterior" not in influence.sources("objective")


def test_labels_that_are_drawn_by_the_seed_make_no_other_experiment_and_others_do():
    def drawn(seed, labels):
        return made_up({"seed": seed, "config.seed": seed, "config.dataset.label_seed": labels})

    assert len(groups([drawn(1, 1), drawn(2, 2)])) == 1
    assert len(groups([drawn(1, 1), drawn(1, 2)])) == 2


def test_codes_of_a_run_of_each_seed_make_one_experiment():
    runs = [made_up({"seed": n, "config.seed": n, "config.dataset.run": f"m1/{n}"}) for n in (1, 2)]
    assert len(groups(runs)) == 1
