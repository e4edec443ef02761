"""`vaebench.load(RUN)`: what a program may give it, and what it gives back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from tests.fast import first_of
from vaebench import load
from vaebench.commands.loaded import Loaded
from vaebench.data import EOS, PAD, UNK
from vaebench.distributions import Noise
from vaebench.errors import Refusal
from vaebench.inference import stream

SHORT = ["trainer.max_steps=3", "eval.k=2", "eval.examples=20", "logger=none"]
TINY = ["likelihood.hidden=8", "likelihood.embedding=8"]
NETS = ["nets.hidden=8", "nets.embedding=8"]
RUNS = {
    "vae": [*SHORT, "nets.hidden=[20]"],
    "grey": [*SHORT, "nets.hidden=[20]", "dataset.binarize=none", "likelihood=gaussian"],
    "deep": ["model=hierarchical", *SHORT, "nets.hidden=[20]", "model.layers=[6,4]"],
    "cvae": ["model=cvae", "prior=conditional", *SHORT, "nets.hidden=[20]"],
    "made": ["model=made", *SHORT],
    "auto": ["model=autoencoder", *SHORT, "nets.hidden=[20]"],
    "sentences": ["model=sentence_vae", *SHORT, *TINY, *NETS],
    "lm": ["model=rnnlm", *SHORT, *TINY],
}
EVERY = pytest.mark.parametrize("name", first_of(name for name in RUNS if name != "cvae"))
WITH_LATENTS = pytest.mark.parametrize("name", ["vae", "grey", "deep", "sentences"])
WITHOUT = pytest.mark.parametrize("name", ["made", "lm"])


@pytest.fixture
def loaded(trained):
    return lambda name: load(trained(name))


def takes_data(vae: Loaded) -> list:
    """Whatever of it reads examples."""
    scores = [vae.log_prob, vae.bound] if vae.objective.has_bound else []
    return scores + ([vae.encode, vae.posterior, vae.reconstruct] if vae.latents else [])


# -------------------------------------------------------------------------------------- examples
@EVERY
def test_examples_are_those_that_every_other_method_takes(loaded, name):
    vae = loaded(name)
    for part in ("train", "val", "test"):
        x = vae.examples(part, 5)
        assert len(x) == 5
        for method in takes_data(vae):
            method(x)
    assert len(vae.examples()) == len(vae.data.split("test"))


def test_examples_of_a_binarized_training_split_are_bits_drawn_by_the_seed(loaded):
    vae = loaded("vae")
    x = vae.examples("train", 50)
    assert set(x.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(x, vae.examples("train", 50))
    assert not torch.equal(x, vae.examples("train", 50, seed=1))
    assert torch.equal(vae.examples("test", 8), vae.data.split("test").batch(torch.arange(8))["x"])
    with pytest.raises(Refusal, match=r"x spans .*: the model's data lie in \[0, 1\]"):
        vae.encode(vae.data.split("train").columns["x"].stored[:8])  # thresholds, which nobody sees


def test_no_such_examples_are_refused(loaded):
    vae = loaded("vae")
    with pytest.raises(Refusal, match="part=tset: there are train, val, test"):
        vae.examples("tset", 3)
    with pytest.raises(Refusal, match="n=-1"):
        vae.examples("test", -1)


# ----------------------------------------------------------------------------------- one rule
@EVERY
def test_a_single_example_is_refused_and_a_batch_of_one_is_not(loaded, name):
    vae = loaded(name)
    x = vae.examples("test", 3)
    for method in takes_data(vae):
        with pytest.raises(Refusal, match=r"^x is \[.*\], a single example: .* Use x\[None\]\.$"):
            method(x[0])
        method(x[0][None])


@WITH_LATENTS
def test_the_same_rule_holds_for_latents(loaded, name):
    vae = loaded(name)
    z = vae.encode(vae.examples("test", 3))
    last = vae.latents[-1]
    one = {n: value[0] for n, value in z.items()} if isinstance(z, dict) else z[0]
    with pytest.raises(Refusal, match=rf"a single example: .* Use {vae.latents[0]}\[None\]"):
        vae.decode(one)
    with pytest.raises(Refusal, match=rf"^{last} is \[3, 99\]: a batch \[B, \d+\] is needed\.$"):
        vae.decode({last: torch.zeros(3, 99)})


@pytest.mark.parametrize(
    ("name", "change", "line"),
    [
        ("vae", lambda x: x[:, :, :7], r"x is \[3, 1, 7, 8\]: a batch \[B, 1, 8, 8\] is needed"),
        ("vae", lambda x: x.flatten(1), r"x is \[3, 64\]: a batch \[B, 1, 8, 8\] is needed"),
        ("vae", lambda x: x[:0], "x holds no example"),
        ("vae", lambda x: x * 255, r"x spans 0 to 255: the model's data lie in \[0, 1\]"),
        ("vae", lambda x: x - 1, r"x spans -1 to 0"),
        ("vae", lambda x: x * torch.nan, "x has values that are not finite"),
        ("vae", lambda x: x + 0j, "x is complex64: real numbers are needed"),
        ("vae", lambda x: "digits", "x is a str: an array or a tensor is needed"),
        ("vae", lambda x: {"z": x}, "'z' is unknown; a dict with x is needed"),
        ("vae", lambda x: {"y": torch.zeros(3)}, "x is missing: a dict with x is needed"),
        ("grey", lambda x: x * 2, r"x spans 0 to 2: the model's data lie in \[0, 1\]"),
        ("sentences", lambda x: x.float(), "x is float32: whole numbers are needed"),
        ("sentences", lambda x: x + 10**6, r"x spans .*: 0 to \d+ are known"),
        ("sentences", lambda x: -x, "x spans -"),
        ("sentences", lambda x: x.repeat(1, 9), r"a batch \[B, l ≤ 31\] is needed"),
        ("sentences", lambda x: x.fill_(UNK), "x has a row that is no sentence"),
        ("sentences", lambda x: x.flip(1), "x has a row that is no sentence"),
        ("sentences", lambda x: ["a list"], "x is a list: .* which tokens\\(\\) makes of text"),
    ],
)
def test_what_is_no_batch_is_refused_in_a_line(loaded, name, change, line):
    vae = loaded(name)
    for method in takes_data(vae):
        with pytest.raises(Refusal, match=line) as refused:
            method(change(vae.examples("test", 3)))
        assert "\n" not in str(refused.value)


def test_bits_alone_are_scored_and_grey_values_encoded(loaded):
    vae = loaded("vae")
    x = vae.reconstruct(vae.examples("test", 3))
    assert vae.encode(x).shape == (3, 10)
    for score in (vae.log_prob, vae.bound):
        with pytest.raises(Refusal, match=r"of grey values there is no probability\. Use \(x > 0"):
            score(x)
        score(x > 0.5)


def test_whole_numbers_and_truth_values_do_as_well(loaded):
    vae = loaded("vae")
    x = vae.examples("test", 4)
    for other in (x.bool(), x.byte(), x.numpy().astype(np.float64), x.tolist()):
        assert torch.equal(vae.log_prob(other), vae.log_prob(x))


def test_a_whole_batch_of_the_data_may_be_given(loaded):
    vae = loaded("vae")
    batch = vae.data.split("test").batch(torch.arange(4))
    assert batch.keys() == {"x", "y"}
    assert torch.equal(vae.encode(batch), vae.encode(batch["x"]))


def test_latents_that_are_left_out_are_drawn_by_the_seed(loaded):
    vae = loaded("deep")
    z = vae.encode(vae.examples("test", 5))
    assert z.keys() == {"z1", "z2"}
    top = {"z2": z["z2"]}
    assert torch.equal(vae.decode(top), vae.decode(top))
    assert not torch.equal(vae.decode(top), vae.decode(top, seed=1))
    assert torch.equal(vae.decode(z), vae.decode({"z1": z["z1"]}, seed=3))  # of z1 alone is x made
    with pytest.raises(Refusal, match="differ in number: 5 of z1, 2 of z2"):
        vae.decode({"z1": z["z1"], "z2": z["z2"][:2]})
    with pytest.raises(Refusal, match="a dict with some of z1, z2"):
        vae.decode({})
    with pytest.raises(Refusal, match=r"Did you mean z1\?"):
        vae.decode({"z_1": z["z1"]})


@pytest.mark.parametrize("name", ["vae", "deep", "sentences"])
def test_nothing_depends_on_the_global_generator(loaded, name):
    vae = loaded(name)
    x, state = vae.examples("test", 3), torch.get_rng_state()
    assert_close(vae.encode(x), vae.encode(x), rtol=0, atol=0)
    vae.bound(x, k=3), vae.sample(2), vae.decode(vae.encode(x)), vae.posterior(x)
    assert torch.equal(state, torch.get_rng_state())


# --------------------------------------------------------------------------------- without latents
@WITHOUT
def test_without_latents_there_is_nothing_to_encode_or_decode(loaded, name):
    vae = loaded(name)
    x = vae.examples("test", 3)
    for method in (vae.encode, vae.posterior, vae.decode, vae.reconstruct):
        with pytest.raises(Refusal, match="the model has no latents: there is nothing to"):
            method(x)
    exact = vae.log_prob(x)
    assert_close(vae.bound(x, k=7), exact)
    assert torch.equal(vae.log_prob(x, k=1, seed=5), exact)
    assert len(vae.sample(2, mean=False)) == 2


# ------------------------------------------------------------------------------------------ bound
def test_the_bound_is_the_mean_of_its_pieces(loaded, monkeypatch):
    monkeypatch.setitem(stream.__globals__, "CHUNK", 7 * 64 * 3)  # pieces of 1, 7, 7 and 2 samples
    vae = loaded("vae")
    x = vae.examples("test", 3)
    noise = Noise(torch.Generator().manual_seed(4))
    with torch.no_grad():
        pieces = [e.recon - e.kl() for e in stream(vae.model, {"x": x}, 17, noise)]
    assert [len(piece) for piece in pieces] == [1, 7, 7, 2]
    assert_close(vae.bound(x, k=17, seed=4), torch.cat(pieces).mean(0))
    assert not vae.bound(x).requires_grad


def test_reconstructions_are_decoded_codes(loaded):
    vae = loaded("vae")
    x = vae.examples("test", 3)
    assert torch.equal(vae.reconstruct(x), vae.decode(vae.encode(x)))
    auto = loaded("auto")
    assert auto.reconstruct(auto.examples("test", 3)).shape == (3, 1, 8, 8)


@pytest.mark.parametrize("method", ["bound", "log_prob"])
def test_what_has_no_bound_scores_nothing_and_no_sample_no_number(loaded, method):
    with pytest.raises(Refusal, match="there is no bound"):
        getattr(loaded("auto"), method)(loaded("auto").examples("test", 2))
    with pytest.raises(Refusal, match="k=0"):
        getattr(loaded("vae"), method)(loaded("vae").examples("test", 2), k=0)


# -------------------------------------------------------------------------------------- sentences
@pytest.mark.parametrize("name", ["sentences", "lm"])
def test_rows_as_they_are_stored_score_as_rows_of_a_batch(loaded, name):
    """32 bits a token, and padded to the longest sentence of all."""
    vae = loaded(name)
    x, kept = vae.examples("test", 4), vae.data.split("test").columns["x"].stored[:4]
    assert kept.dtype is torch.int32
    assert kept.shape[1] > x.shape[1]
    assert_close(vae.log_prob(kept), vae.log_prob(x))
    assert_close(vae.log_prob(kept.numpy()), vae.log_prob(x))


@pytest.mark.parametrize("name", ["sentences", "lm"])
def test_tokens_become_text_and_text_tokens_again(loaded, name):
    vae = loaded(name)
    x = vae.examples("test", 20)
    said = vae.text(x)
    assert all(isinstance(line, str) and "<pad>" not in line for line in said)
    assert torch.equal(vae.tokens(said), x)
    assert vae.text(vae.sample(3))[0] == vae.text(vae.sample(3)[:1])[0]


def test_a_sentence_is_read_as_the_data_are(loaded):
    vae = loaded("sentences")
    symbols = vae.data.spec["x"].symbols
    (row,) = vae.tokens("The list, qwxyz!")
    assert row[-1] == EOS
    assert row[3] == UNK
    assert [symbols[i] for i in row[:3]] == ["the", "list", ","]
    both = vae.tokens(["The list.", "The"])
    assert both[1].tolist()[1:] == [EOS, PAD, PAD]
    assert vae.log_prob(both, k=2).shape == (2,)
    with pytest.raises(Refusal, match=r"has 40 words; the longest sentence of the data has 30"):
        vae.tokens("the " * 40)


def test_images_have_neither_tokens_nor_text(loaded):
    vae = loaded("vae")
    for call in (lambda: vae.tokens("a"), lambda: vae.text(vae.examples("test", 1))):
        with pytest.raises(Refusal, match="the data are no text but x"):
            call()


# -------------------------------------------------------------------------------- under conditions
def test_examples_of_a_model_under_conditions_hold_them_and_its_methods_take_both(loaded):
    cvae = loaded("cvae")
    batch = cvae.examples("test", 5)
    assert (cvae.conditions, {n: len(v) for n, v in batch.items()}) == (("y",), {"x": 5, "y": 5})
    for method in takes_data(cvae):
        method(batch)
        with pytest.raises(Refusal, match="a dict with x, y is needed"):
            method(batch["x"])
    other = {**batch, "y": (batch["y"] + 1) % 10}
    assert (cvae.log_prob(other, k=20) - cvae.log_prob(batch, k=20)).abs().min() > 1e-4


def test_what_is_made_of_latents_depends_on_what_is_given(loaded):
    cvae = loaded("cvae")
    z, ones = torch.zeros(3, 10), {"y": torch.ones(3, dtype=torch.long)}
    one = cvae.decode(z, given=ones)
    assert_close(cvae.decode(z, given={"y": [1, 1, 4]})[:2], one[:2])
    assert (cvae.decode(z, given={"y": [1, 1, 4]})[2] - one[2]).abs().max() > 1e-4
    made = cvae.sample(3, given=ones)
    assert torch.equal(made, cvae.sample(3, given={"y": np.ones(3, dtype=int)}))
    assert not torch.equal(made, cvae.sample(3, given={"y": [2, 2, 2]}))
    batch = cvae.examples("test", 4)
    given = {"y": batch["y"]}
    assert_close(cvae.reconstruct(batch), cvae.decode(cvae.encode(batch), given=given))


@pytest.mark.parametrize(
    ("name", "given", "line"),
    [
        ("cvae", {}, "y is missing: given is to be a dict with y"),
        ("cvae", {"y": [1, 2]}, "given is of 2 examples, and 3 are asked for"),
        ("cvae", {"y": [1, 2, 10]}, "y spans 1 to 10: 0 to 9 are known"),
        ("cvae", {"y": [1, 2, 3], "x": 1}, "'x' is unknown; a dict with y is needed"),
        ("vae", {"y": [1, 2, 3]}, "given=y: the model has no conditions"),
    ],
)
def test_conditions_that_are_not_the_models_are_refused(loaded, name, given, line):
    model = loaded(name)
    for call in (
        lambda: model.sample(3, given=given),
        lambda: model.decode(torch.zeros(3, 10), given=given),
    ):
        with pytest.raises(Refusal, match=line):
            call()


# ------------------------------------------------------------------------------------ what it is
@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("vae", ["log p(x)", "x [1, 8, 8] binary", "z [10]", "vae/checkpoints/best.ckpt on "]),
        ("deep", ["z1 [6]", "z2 [4]"]),
        ("made", ["log p(x)", "no latents"]),
        ("auto", ["reconstruction", "z ["]),
        ("sentences", ["x [31] tokens", "z ["]),
    ],
)
def test_it_says_what_it_is(loaded, name, parts):
    told = repr(loaded(name))
    assert "\n" not in told
    for part in parts:
        assert part in told
