"""Wrong command lines: one line on standard error, exit code 2, and nothing left behind."""

from __future__ import annotations

import pytest

WRONG = {
    # command line: what the one line must say
    "modle=iwae": "no option 'modle'. Did you mean model=…?",
    "model=iwaee": "Did you mean model=iwae?",
    "model=": "there are autoencoder, iwae, vae",
    "k=abc": "k=abc: an integer was expected",
    "k=0": "k=0: must be at least 1",
    "k=1.5": "k=1.5: an integer was expected",
    "seed=-1": "seed=-1: must be at least 0",
    "trainer.max_epoch=3": "Did you mean trainer.max_epochs=…?",
    "trainer.max_steps=0": "must be at least 1",
    "trainer=cup": "Did you mean trainer=cpu?",
    "trainer.accelerator=tpu": "one of auto, cpu, gpu, mps",
    "lr=0.1": "Did you mean optimizer.lr=…?",
    "latent_dim=3": "Did you mean model.latent_dim=…?",
    "suggested.latent_dim=3": "only data sets suggest",
    "optimizer.lr=-1": "Invalid learning rate",
    "optimizer.lr=fast": "a number was expected",
    "objective.beta=abc": "a number was expected",
    "objective.beta=-1": "must not be negative",
    "objective.estimator=stl": "objective.estimator is read by objective=iwae",
    "model=iwae objective.estimator=stll": "Did you mean objective.estimator=stl?",
    "+objective.betta=1": "Did you mean objective.beta?",
    "objective.kl=analytic prior=vamp": "Use objective.kl=mc",
    "posterior=delta": "Use objective=reconstruction or posterior=gaussian",
    "model=autoencoder k=3": "Use k=1 or posterior=gaussian",
    "model=iwae posterior=delta": "Use objective=reconstruction",
    "prior=vamp objective=reconstruction": "Use prior=normal",
    "prior=mixture prior.components=0": "at least 1",
    "dataset=ppca likelihood=bernoulli": "Use likelihood=gaussian",
    "dataset=ppca likelihood=categorical": "Use likelihood=gaussian",
    "dataset=ppca nets=conv": "Use nets=mlp",
    "dataset=images": "dataset.path must be given",
    "dataset=images dataset.path=/nowhere": "no such folder or file",
    "dataset.binarize=dynamc": "Did you mean dataset.binarize=dynamic?",
    "dataset.dequantize=true": "needs dataset.binarize=none",
    "dataset.split.val=5000": "too few",
    "dataset.split.kind=official dataset.split.test=0": "has no official split",
    "likelihood=gaussian likelihood.scale=0": "must be positive",
    "nets.hidden=3": "a list was expected",
    "nets.hidden=[a]": "an integer was expected",
    "nets.activation=swish": "one of tanh, relu",
    "eval.checkpoint=bst": "Did you mean eval.checkpoint=best?",
    "model=vae,iwae": "vaebench -m model=vae,iwae",
    "-m k=1,abc": "k=abc: an integer was expected",
    "-m k=1,0": "k=0: must be at least 1",
    "-m model=iwae objective.estimator=stl,stll": "one of pathwise, stl, dreg",
    "dataset.split.kind=official": "an official split brings its test set",
    "+foo=1": "no option 'foo'",
    "+trainer.foo=1": "no option 'trainer.foo'",
    "+objectiv.beta=4": "Did you mean objective=…?",
    "++suggested.latent_dim=3": "only data sets suggest",
    "objective.k=7": "set k=… instead",
    "objective.beta=nan": "the loss is nan",
    "prior=mixture ~prior.components": "prior.components must be given",
    "+posterior.latent=5": "the program supplies it",
    "likelihood=gaussian likelihood.scale=inf": "vaebench:",
    "dataset.split.val=inf": "a whole number, or a fraction below 1",
    "dataset.split.val=1.5": "a whole number, or a fraction below 1",
    "posterior=null": "vaebench:",
    "seed=5000000000": "must be below 2^32",
    "anneal=linear objective=reconstruction": "Use anneal=none",
    "anneal=linear anneal.steps=0": "at least 1",
    "schedule=cosin": "Did you mean schedule=cosine?",
    "schedule=cosine schedule.warmup=2": "a fraction of the run",
    "trainer.patience=-1": "must be at least 0",
    "check posterior=delta": "Use objective=reconstruction",
    "check -m k=1,2": "without -m",
    "resume nowhere": "is no run folder",
    "evaluatte": "neither a command nor an option",
    "lists": "Did you mean list?",
    "list posteriors": "Did you mean vaebench list posterior?",
    "--foo": "unrecognized arguments: --foo",
    "~model": "model must be given",
    "posterior._target_=nowhere.Head": "cannot be imported",
}


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_command_line_is_refused_in_one_line(here, tmp_path, line):
    done = here(*line.split(), *([] if line.split()[0] in ("list", "resume") else ["logger=csv"]))
    assert done.code == 2, done
    assert len(done.err.splitlines()) == 1, done.err
    assert WRONG[line] in done.err
    assert done.out == ""
    assert list(tmp_path.rglob("*.yaml")) == []


def test_a_refusal_leaves_the_users_own_folders_alone(here, tmp_path):
    (tmp_path / "out" / "inner").mkdir(parents=True)
    for folder in (".", "out/inner", "new/deep"):
        assert here("posterior=delta", f"hydra.run.dir={folder}", "logger=csv").code == 2
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["inner", "out"]


def test_an_unwritable_run_folder_is_refused(here, tmp_path):
    (tmp_path / "taken").write_text("a file where a folder should go")
    done = here("hydra.run.dir=taken/run", "logger=csv")
    assert done.code == 2
    assert done.err.startswith("vaebench: cannot write the run folder")
    assert len(done.err.splitlines()) == 1


def test_a_truncated_data_file_is_refused(here, tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    header = b"\x00\x00\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (60000, 28, 28))
    for part in ("train", "t10k"):
        (raw / f"{part}-images-idx3-ubyte").write_bytes(header + bytes(1000))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(b"\x00\x00\x08\x01" + bytes(4))
    done = here("dataset=mnist", f"data_dir={tmp_path}", "logger=csv")
    assert done.code == 2
    assert "train-images-idx3-ubyte is truncated or corrupt: 1016 bytes" in done.err
    assert len(done.err.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_no_network_and_no_data_is_refused(here, tmp_path, monkeypatch):
    def offline(*args, **kwargs):
        raise OSError("Network is unreachable")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    done = here("dataset=mnist", "data_dir=empty", "logger=csv")
    assert done.code == 2
    assert "could not be downloaded" in done.err
    assert "data_dir=" in done.err
    assert len(done.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
