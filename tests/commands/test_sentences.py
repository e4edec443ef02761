"""Sentences from the real command: training, perplexity, decoding and tables of text."""

from __future__ import annotations

import csv
import json
import math

import pytest
import torch

from tests.fast import first_of
from vaebench import load
from vaebench.data import as_text
from vaebench.training.machine import multiplies_bfloat16

TINY = ["trainer.max_epochs=1", "trainer.batch_size=200", "eval.k=2", "logger=csv"]
TINY += ["likelihood.hidden=8", "likelihood.embedding=8"]
NETS = ["nets.hidden=8", "nets.embedding=8"]
DRAWN = True
CPU = torch.device("cpu")
RUNS = {
    "vae": ["model=sentence_vae", *TINY, *NETS],
    "lm": ["model=rnnlm", *TINY],
    "auto": ["model=sequence_autoencoder", *TINY, *NETS],
    "digits": ["trainer.max_epochs=1", "eval.k=2", "logger=csv"],
}


def table(path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def summary(folder) -> dict:
    return json.loads((folder / "summary.json").read_text())


@pytest.mark.parametrize("name", ["vae", "lm"])
def test_perplexity_is_nats_per_token_with_the_end_counted_and_without(trained, name):
    found = summary(trained(name))
    sentences = found["protocol.split.sizes.test"]
    assert found["test/tokens"] == found["protocol.tokens_and_ends.test"]
    assert found["test/tokens_without_end"] == found["test/tokens"] - sentences
    nats = found["test/nll"] * sentences
    for suffix in ("", "_without_end"):
        expected = math.exp(nats / found[f"test/tokens{suffix}"])
        assert found[f"test/perplexity{suffix}"] == pytest.approx(expected, rel=1e-4)


def test_each_test_sentence_keeps_its_own_bound(trained):
    folder = trained("vae")
    values = [float(line) for line in (folder / "examples.csv").read_text().splitlines()[1:]]
    found = summary(folder)
    assert len(values) == found["protocol.split.sizes.test"]
    assert sum(values) / len(values) == pytest.approx(found["test/nll"], rel=1e-5)


def test_a_language_model_is_exact_and_an_autoencoder_has_no_bound(trained):
    assert summary(trained("lm"))["test/nll"] == pytest.approx(summary(trained("lm"))["test/loss"])
    assert "test/nll" not in summary(trained("auto"))


def test_a_run_leaves_samples_paraphrases_and_ways_between_two_sentences(trained):
    folder = trained("vae") / "pictures"
    made = table(folder / "sentences.tsv")
    assert [row["decoding"] for row in made[:4]] == ["greedy", "drawn"] * 2
    ways = table(folder / "homotopies.tsv")
    assert [row["t"] for row in ways[:9]] == [
        "x",
        "0.00",
        "0.17",
        "0.33",
        "0.50",
        "0.67",
        "0.83",
        "1.00",
        "x'",
    ]
    beside = table(folder / "paraphrases.tsv")
    assert [row["z"] for row in beside[:5]] == ["x", "mean", "sample 1", "sample 2", "sample 3"]
    # The way begins at what the first sentence's own mean decodes to.
    assert ways[1]["sentence"] == beside[1]["sentence"]
    assert all(len(row["sentence"].split()) <= 31 for row in made)


def test_a_walk_goes_from_one_draw_of_the_prior_to_another(here, copied):
    folder = copied("vae")
    assert here("sample", "vae", "pictures=[prior_walk]", "n=7").code == 0
    ways = table(folder / "pictures" / "prior_walk.tsv")
    assert [row["t"] for row in ways[:7]] == [
        "0.00",
        "0.17",
        "0.33",
        "0.50",
        "0.67",
        "0.83",
        "1.00",
    ]
    assert [row["pair"] for row in ways[::7]] == ["1", "2", "3"]
    assert len(ways) == 21


def test_tables_of_sentences_reach_the_loggers(command, tmp_path):
    tiny = ["model=sentence_vae", "trainer.max_steps=2", "eval.k=1", "eval.examples=20", *NETS]
    for name in ("wandb", "tensorboard"):
        done = command(*tiny, f"logger={name}", f"hydra.run.dir={name}")
        assert done.code == 0, done
    made = [path.name for path in tmp_path.glob("wandb/wandb/offline-run-*/files/media/table/*")]
    events = b"".join(p.read_bytes() for p in (tmp_path / "tensorboard").rglob("events.*"))
    for picture in ("sentences", "paraphrases", "homotopies"):
        assert any(name.startswith(picture) for name in made)
        assert picture.encode() in events


def test_a_language_model_draws_and_has_no_ways(here, copied):
    folder = copied("lm") / "pictures"
    names = {path.name for path in folder.iterdir()}
    assert "sentences.tsv" in names
    assert not names & {"homotopies.tsv", "paraphrases.tsv"}
    for picture in ("homotopies", "prior_walk"):
        done = here("sample", "lm", f"pictures=[{picture}]")
        assert done.code == 2
        assert "no latents" in done.err


def test_decoding_is_chosen_when_sampling(here, copied):
    folder = copied("vae") / "pictures"
    assert here("sample", "vae", "pictures=[sentences]", "beam=3", "temperature=0.5").code == 0
    assert table(folder / "sentences.tsv")[0]["decoding"] == "beam of 3"
    narrow = ["pictures=[sentences]", "top_p=0.000001"]
    assert here("sample", "vae", *narrow).code == 0
    rows = table(folder / "sentences.tsv")
    assert [r["sentence"] for r in rows[::2]] == [r["sentence"] for r in rows[1::2]]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("vae temperature=0", "temperature=0"),
        ("vae beam=0", "beam=0"),
        ("vae top_p=2", "top_p=2"),
        ("vae pictures=[homotopies] temperature=2", "Use pictures=[sentences]"),
        ("digits beam=2", "this run makes none"),
        ("digits pictures=[sentences]", "holds no sentences"),
    ],
)
def test_senseless_decoding_is_one_line(here, copied, words, line):
    name, *options = words.split()
    copied(name)
    done = here("sample", name, *options)
    assert done.code == 2, done
    assert line in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_the_other_pictures_of_sentences_say_why_they_do_not_apply(here, copied):
    copied("vae")
    done = here("sample", "vae", "n=12")
    assert done.code == 0, done
    for name in ("data", "reconstructions", "samples", "canvas", "interpolations"):
        (line,) = [text for text in done.out.splitlines() if text.split()[0] == name]
        assert "does not apply" in line


@pytest.mark.parametrize(
    ("words", "line"),
    first_of(
        [
            ("dataset=topics nets=mlp", "Use nets=recurrent"),
            ("dataset=topics likelihood=bernoulli", "Use likelihood=sentence"),
            ("likelihood=sentence", "the data are binary"),
            ("nets=recurrent", "reads tokens; the data are numbers"),
            ("model=sentence_vae likelihood.keep=1.5", "must lie in [0, 1]"),
            ("model=sentence_vae trainer.compile=true", "Use trainer.compile=false"),
            ("model=rnnlm anneal=linear", "anneal=linear has nothing to do"),
            ("model=sentence_vae prior=vamp", "Use prior=mixture"),
            ("model=sentence_vae refine=hamiltonian", "Use refine=none"),
            ("model=unconditional weights=gaussian", "Use weights="),
            ("model=made dataset=topics", "makes parameters of each pixel"),
        ]
    ),
)
def test_what_does_not_go_with_sentences_is_refused_in_one_line(here, words, line):
    done = here(*words.split())
    assert done.code == 2, done
    assert line in done.err
    assert len(done.err.strip().splitlines()) == 1


@pytest.mark.skipif(not multiplies_bfloat16(CPU), reason="a CPU without products of bfloat16")
def test_nets_of_sentences_train_in_bfloat16(here):
    words = ["model=sentence_vae", *TINY, *NETS, "trainer.precision=bfloat16"]
    assert here(*words, "trainer.max_steps=2", "hydra.run.dir=low").code == 0


def test_annealed_importance_sampling_joins_simulated_sentences_with_real_ones(here, copied):
    copied("vae")
    tiny = ["ais.examples=3", "ais.chains=2", "ais.temperatures=3", "ais.leapfrog=2"]
    assert here("evaluate", "vae", "measures=[ais]", *tiny).code == 0


def test_an_evaluation_states_the_token_counts_too(here, copied):
    folder = copied("vae")
    assert here("evaluate", "vae", "k=3", "measures=[likelihood]").code == 0
    found = json.loads((folder / "evaluation.json").read_text())
    kept = {name.rpartition("/")[2]: value for name, value in _flat(found).items()}
    assert kept["tokens"] == summary(folder)["test/tokens"]
    assert kept["perplexity"] > 1


def _flat(tree: dict, prefix: str = "") -> dict[str, float]:
    found = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}/")
        else:
            found[prefix + name] = value
    return found


def test_a_loaded_run_encodes_decodes_and_draws_sentences(trained):
    model = load(trained("vae"))
    x = model.data.split("test").first(3).batch(torch.arange(3))["x"]
    field = model.data.spec["x"]
    rebuilt = model.decode(model.encode(x))
    assert rebuilt.shape == (3, *field.shape)
    assert all(isinstance(as_text(row, field.symbols, field.joiner), str) for row in rebuilt)
    assert model.log_prob(x, k=2).shape == (3,)
    for mean in (True, False):
        assert model.sample(4, mean=mean).shape == (4, *field.shape)
