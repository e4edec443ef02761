"""Wrong command lines: one line on standard error, exit code 2, and nothing left behind."""

from __future__ import annotations

import re
import shlex

import pytest

from tests.fast import some_of
from vaebench.suggest import suggestions

WRONG = {
    # command line: what the one line must say
    "modle=iwae": "no option 'modle'. Did you mean model=iwae?",
    "model=iwaee": "Did you mean model=iwae?",
    "model=": "dcign, dip_vae, draw, draw_classifier, dvae, factor_vae, factorized, generator, gmm,",
    "model=unconditional objective=elbo estimator=nvil": "objective=elbo is about latents, and",
    "model=unconditional objective=discriminator": "objective=discriminator is about latents, and",
    "k=abc": "k=abc: an integer was expected",
    "k=0": "k=0: must be at least 1",
    "k=1.5": "k=1.5: an integer was expected",
    "seed=-1": "seed=-1: must be at least 0",
    "trainer.max_epoch=3": "Did you mean trainer.max_epochs=3?",
    "trainer.max_steps=0": "must be at least 1",
    "trainer=cup": "Did you mean trainer=cpu?",
    "trainer.accelerator=tpu": "one of auto, cpu, gpu, mps",
    "lr=0.1": "Did you mean optimizer.lr=0.1?",
    "latent_dim=3": "Did you mean model.latent_dim=3?",
    "suggested.latent_dim=3": "only data sets suggest",
    "optimizer.lr=-1": "must not be negative. Use optimizer.lr=0.001.",
    "optimizer.lr=fast": "a number was expected",
    "objective.beta=abc": "a number was expected",
    "objective.beta=-1": "must not be negative",
    "objective.M=4": "objective.M is read by objective=",
    "model=iwae estimator=stll": "Did you mean estimator=stl?",
    "+objective.betta=1": "Did you mean objective.beta=1?",
    "objective.kl=analytic prior=vamp": "Use objective.kl=mc",
    "posterior=delta": "Use objective=reconstruction or posterior=gaussian",
    "model=autoencoder k=3": "Use k=1 or posterior=gaussian",
    "model=iwae posterior=delta": "Use objective=reconstruction",
    "prior=vamp objective=reconstruction": "Use prior=normal",
    "prior=mixture prior.components=0": "at least 1",
    "dataset=ppca likelihood=bernoulli": "Use likelihood=gaussian",
    "dataset=ppca likelihood=categorical": "Use likelihood=gaussian",
    "dataset=ppca nets=conv": "Use nets=mlp",
    "dataset=ppca nets=residual": "nets=residual: convolutions need images",
    "nets=conv nets.up=unpol": "Did you mean nets.up=unpool?",
    "nets=residual nets.blocks=-1": "must be at least 0",
    "dataset=ppca model=draw": "Use model.attention=false",
    "model=draw model.T=0": "model.T=0: at least 1",
    "model=draw model.attention=false model.read=3": "there is no grid",
    "model=draw prior=vamp": "Use prior=mixture.",
    "dataset=topics nets=mlp": "reads numbers; the data are tokens",
    "likelihood=sentence": "the data are binary",
    "dataset=images": "an .npz file, such as dataset.path=~/photos",
    "dataset=images dataset.path=/nowhere": "no such folder or file",
    "dataset=arrays": "or a folder of .npy files, such as dataset.path=~/faces.npz",
    "dataset=arrays dataset.path=/nowhere": "no such file or folder",
    "dataset.binarize=dynamc": "Did you mean dataset.binarize=dynamic?",
    "dataset.dequantize=true": "needs dataset.binarize=none",
    "dataset.split.val=5000": "too few",
    "dataset.split.kind=official dataset.split.test=0": "has no official split",
    "likelihood=gaussian likelihood.scale=0": "must be positive",
    "nets.hidden=3": "a list was expected. Use nets.hidden=[3]",
    "nets.hidden=[a]": "an integer was expected",
    "nets.activation=swish": "one of tanh, relu",
    "eval.checkpoint=bst": "Did you mean eval.checkpoint=best?",
    "model=vae,iwae": "vaebench -m model=vae,iwae",
    "-m k=1,abc": "k=abc: an integer was expected",
    "-m k=1,0": "k=0: must be at least 1",
    "-m model=iwae estimator=stl,stll": "Did you mean estimator=stl?",
    "dataset.split.kind=official": "an official split brings its test set",
    "+foo=1": "no option 'foo'",
    "+trainer.foo=1": "no option 'trainer.foo'",
    "+objectiv.beta=4": "Did you mean objective.beta=4?",
    "++suggested.latent_dim=3": "only data sets suggest",
    "objective.k=7": "Use k=7",
    "objective.beta=nan": "a number was expected",
    "prior=mixture ~prior.components": "prior.components must be given",
    "+posterior.latent=5": "the program supplies it",
    "likelihood=gaussian likelihood.scale=inf": "must be positive",
    "dataset.split.val=inf": "a whole number, or a fraction below 1",
    "dataset.split.val=1.5": "a whole number, or a fraction below 1",
    "posterior=null": "no such choice; there are bernoulli, categorical, delta",
    "seed=5000000000": "must be below 2^32",
    "anneal=linear objective=reconstruction": "Use anneal=none",
    "anneal=linear anneal.steps=-1": "at least 0",
    "anneal=inverse_temperature anneal.start=2": "must lie in [0, 1]",
    "anneal=inverse_temperature objective.free_bits=0.1": "Use objective.free_bits=0 or anneal=li",
    "schedule=cosin": "Did you mean schedule=cosine?",
    "schedule=cosine schedule.warmup=2": "a fraction of the run",
    "trainer.patience=-1": "must be at least 0",
    "check posterior=delta": "Use objective=reconstruction",
    "check -m k=1,2": "without -m",
    "resume nowhere": "is no run folder",
    "evaluatte": "neither a command nor an option",
    "lists": "Did you mean vaebench list?",
    "list posteriors": "Did you mean vaebench list posterior?",
    "--foo": "unrecognized arguments: --foo",
    "~model": "model must be given",
    "posterior._target_=nowhere.Head": "cannot be imported",
    "~likelihood": "likelihood must be given",
    "~k": "k must be given",
    "eval.K=5": "Did you mean eval.k=5?",
    "iwae": "Did you mean model=iwae?",
    "dataset": "Did you mean vaebench list dataset?",
    "chek posterior=full_gaussian": "Did you mean vaebench check posterior=full_gaussian",
    "list anneal prior": "takes one group",
    "resume": "takes one run folder",
    "dataset=digts": "Did you mean dataset=digits?",
    "posterior=flow": "there are bernoulli, categorical, delta, free, full_gaussian, gaussian",
    "evl.k=5": "Did you mean eval.k=5?",
    "epochs=3": "Did you mean trainer.max_epochs=3?",
    "components=5": "Did you mean model=bernoulli_mixture model.components=5?",
    "prior.components=20": "is read by prior=autoregressive and prior=mixture and prior=vamp",
    "+dataset.split.knd=last": "Did you mean dataset.split.kind=last?",
    "+nets.init_=he": "Did you mean nets.init=he?",
    "eval.k=0": "must be at least 1",
    "k=": "an integer was expected",
    "optimizer.lr=0.1,0.01": "several values make a grid",
    "optimizer.betas=[2,3]": "each must lie in [0, 1)",
    "model.latent_dim=0": "at least 1",
    "objective.beta=inf": "on made-up data",
    "objective.free_bits=-1": "must not be negative",
    "objective=constrained objective.limit=-1": "must not be negative",
    "schedule=stages schedule.stages=1": "at least 2",
    "schedule=plateau schedule.factor=2": "between 0 and 1",
    "anneal=cyclical anneal.ramp=0": "a part of the cycle",
    "likelihood=gaussian likelihood.variance=learned": "one of fixed, global",
    "likelihood=gaussian likelihood.min_scale=0.1": "does nothing with likelihood.variance=fixed",
    "nets=conv nets.channels=[]": "at least one convolution",
    "nets.hidden=[200,0]": "every width must be at least 1",
    "nets.hidden=[200": "cannot read the override",
    "trainer.devices=2": "Use trainer=ddp",
    "trainer.devices=-1": "must be at least 1",
    "model.observed=foo": "Use model.observed=x",
    "trainer=ddp trainer.devices=1": "Use trainer.devices=2.",
    "trainer.devices=0": "must be at least 1",
    "trainer.average=1.5": "must be below 1",
    "trainer.on_nan=skp": "Did you mean trainer.on_nan=skip?",
    "trainer.devices=2 trainer.strategy=dpp": "Did you mean trainer.strategy=ddp?",
    "trainer.precision=half": "one of float32",
    "trainer.compile=maybe": "true or false was expected",
    "trainer.clip_norm=nan": "must be at least 0",
    "init_from=nowhere": "is no run folder",
    "dataset=frey_faces data_dir=nowhere": "Frey faces are not in nowhere",
    "dataset=ppca dataset.noise=0": "must be positive",
    "dataset=ppca dataset.dim=1": "dataset.latent_dim=2: between 1 and dataset.dim=1",
    "dataset=ppca dataset.size=10": "Use dataset.split.val=0.1 dataset.split.test=0.1",
    "dataset=ppca dataset.split.kind=official dataset.split.test=0": "has no official split",
    "baseline=learned": "estimator=auto has no baseline. Use baseline=none or estimator=score.",
    "baseline=learned objective=wake_sleep": "estimator=auto has no baseline. Use baseline=none.",
    "estimator=score baseline=leave_one_out": "compares the samples of an example",
    "estimator=score baseline=constant": "baseline.value must be given",
    "estimator=score baseline.decay=2": "must lie in [0, 1]",
    "estimator=score baseline=learned baseline.hidden=0": "at least 1",
    "model=iwae k=1 estimator=vimco": "compares the samples of an example",
    "objective=piwae k=1 estimator=vimco": "compares the samples of an example",
    "posterior=bernoulli prior=bernoulli objective.temperature=0.1": "Did you mean estimator=concrete "
    "estimator.temperature=0.1?",
    "posterior=bernoulli estimator.temperature=0.1": "is read by estimator=concrete and "
    "estimator=straight_through_concrete, not by what was chosen here",
    "posterior=bernoulli estimator=concrete estimator.temperature=0": "must be positive",
    "estimator=concrete": "relaxes discrete latents, and posterior=gaussian has none",
    "posterior=bernoulli estimator=pathwise": "Use estimator=auto",
    "posterior=bernoulli prior=normal": "infers bits at site 'z', and prior=normal is a density",
    "posterior=categorical prior=normal": "infers classes (1 of 10) at site 'z', and prior=normal is a "
    "density of real numbers. Use prior=categorical or posterior=gaussian.",
    "posterior=categorical prior=bernoulli": "is a density of bits. Use prior=categorical or "
    "posterior=bernoulli.",
    "posterior=categorical prior=mixture": "Use prior=categorical or posterior=gaussian.",
    "posterior=categorical prior=flow": "Use prior=categorical or posterior=gaussian.",
    "posterior=categorical prior=autoregressive": "Use prior=categorical or posterior=gaussian.",
    "posterior=categorical prior=learned_gaussian": "Use prior=categorical or posterior=gaussian.",
    "prior=categorical": "which posterior=gaussian does not infer. Use prior=normal or "
    "posterior=categorical.",
    "posterior=bernoulli prior=categorical": "Use prior=bernoulli or posterior=categorical.",
    "posterior=categorical posterior.classes=1": "at least 2. Use posterior.classes=10.",
    "posterior=categorical refine=hamiltonian": "posterior=categorical infers classes (1 of 10)",
    "posterior=categorical estimator=pathwise": "Use estimator=auto",
    "model=helmholtz posterior=categorical": "is a net of bits, and posterior=categorical infers classes",
    "likelihood=label": "is of labels; the data are binary. Use likelihood=bernoulli.",
    "model=made model.observed=y likelihood=label": "makes parameters of each pixel",
    "eval.measures=[classification]": "one label is to be observed, and the model observes none. Use "
    "eval.measures=[].",
    "prior=bernoulli": "infers real numbers at site 'z', and prior=bernoulli is a density of bits",
    "posterior=planar estimator=score": "scores only its own samples",
    "estimator=stl objective.kl=analytic": "has no score of q to drop",
    "model=helmholtz posterior=gaussian": "is a net of bits",
    "model=helmholtz refine=hamiltonian": "moves latents along a slope",
    "model=hierarchical model.layers=[]": "at least one layer",
    "model=hierarchical model.layers=[5,0]": "at least one layer, each at least 1 wide",
    "model=hierarchical objective.kl=analytic": "p in ['z2', 'z1']",
    "model=hierarchical prior=vamp": "its z2 depends on a draw of z1",
    "model=hierarchical objective=reconstruction": "is never trained",
    "objective=rws prior=vamp": "in prior=vamp both use posterior.net.1.weight: one would learn from "
    "itself. Use prior=mixture or objective=",
    "model.observed=why": "generates why, and the data hold x, y. Use model.observed=x",
    "model.observed=[x,x]": "model=vae generates a name twice. Use model.observed=[x]",
    "model.observed=[]": "model=vae generates nothing. Use model.observed=[x]",
    "model.conditions=[why]": "is conditioned on why, and the data hold x, y. Use model.conditions=[]",
    "model.conditions=[x]": "is conditioned on x, which it generates. Use model.conditions=[]",
    "model.conditions=[y,y]": "is conditioned on y twice. Use model.conditions=[y]",
    "model.conditions=y": "a list was expected. Use model.conditions=[y].",
    "dataset=ppca model=cvae": "is conditioned on y, and the data hold x. Use model.conditions=[]",
    "dataset=ppca model=classifier": "generates y, and the data hold x. Use ",
    "model=classifier model.observed=x model.conditions=[]": "Use model.conditions=[y]",
    "prior=conditional": "is p(z | y) of conditions y, and model=vae has none. Use ",
    "model=cvae prior=vamp": "in model=cvae q reads x, y. Use prior=mixture.",
    "model=draw model.conditions=[x]": "which it generates. Use model.conditions=[]",
    "objective=wake_sleep posterior=planar": "scores only its own samples",
    "objective=piwae refine=hamiltonian": "holds p constant along q's path",
    "objective=piwae objective.M=0": "at least 1",
    "objective=miwae objective.M=0": "at least 1",
    "objective=ciwae objective.elbo_share=2": "must lie in [0, 1]",
    "model=iwae estimator=score baseline=leave_one_out": "gives one signal",
    "estimator=stl objective.free_bits=0.1": "Use objective.free_bits_per=site",
    "likelihood=autoregressive likelihood.kernel=5": "does nothing with likelihood.net=made. Use "
    "likelihood.kernel=0 or likelihood.net=pixel_cnn.",
    "likelihood.net=pixel_cnn": "is read by likelihood=autoregressive and likelihood=pixel_cnn and ",
    "likelihood=pixel_cnn likelihood.hidden=[]": "Use likelihood.hidden=[32,32,32,32,32,32,32].",
    "likelihood=pixel_rnn dataset=topics": "likelihood=pixel_rnn needs pixels; the data are tokens.",
    "posterior=free prior=vamp": "its parameters are sought for each example. Use prior=",
    "posterior=semi_amortised model=hierarchical": "asks an encoder for them. Use posterior=",
    "posterior=semi_amortised posterior.steps=0": "posterior.steps=0: must be positive",
    "dataset=ppca likelihood=autoregressive likelihood.pixel=bernoulli": "Use likelihood.pixel=auto",
    "baseline.decay=0.3": "is read by baseline=learned and baseline=optimal and baseline=running",
    "model=helmholtz estimator=straight_through estimator.temperature=0.1": "Use estimator=concrete",
    "objective=reconstruction prior=learned_gaussian weights=map": "is never trained",
    "weights.sd=2": "weights.sd is read by weights=map, not by what was chosen here. Use weights=map.",
    "weights=map weights.sd=0": "weights.sd=0: must be positive and finite. Use weights.sd=1.0.",
    "weights=map weights.sd=inf": "must be positive and finite. Use weights.sd=1.0.",
    "weights=map weights.of=[postrior]": "weights.of=[postrior]: there are posterior, likelihood. "
    "Did you mean weights.of=[posterior]?",
    "weights=map weights.of=posterior": "a list was expected. Use weights.of=[posterior].",
    "model=hierarchical posterior=bernoulli prior=vamp": "Use prior=bernoulli.",
    "dataset.binarize=none dataset.dequantize=true likelihood=autoregressive "
    "likelihood.pixel=categorical": "Use likelihood.pixel=auto",
    "weights=gaussian weights.relative_sd=0": "Use weights.relative_sd=0.1",
    "eval.weight_samples=5": "weights=point has no noise: they would all be the same. Use "
    "eval.weight_samples=0.",
    "weights=gaussian eval.weight_samples=5 eval.measures=[terms]": "is of likelihood and classification "
    "alone. Use eval.weight_samples=0.",
    "weights=dropout weights.rate=1": "must lie in (0, 1). Use weights.rate=0.2.",
    "weights=dropout_a weights.alpha=0": "must be positive and finite. Use weights.alpha=0.25.",
    "weights=dropout_b weights.alpha=1 weights.kl=cubic": "Use weights.kl=sigmoid.",
    "weights=dropout_a weights.estimator=per_example": "belongs to another weights. Use weights=dropout_b",
    "weights=gaussian weight_prior=normal weight_prior.sd=0": "Use weight_prior.sd=1.0.",
    "weight_prior=normal": "has nothing to do: weights=point has no weight_prior. Use weight_prior=fitted",
    "weights=local_gaussian objective=iwae k=3": "samples of different models against each other. Use "
    "weights.estimator=shared or k=1",
    "weights=local_gaussian estimator=stl": "is called 2 times in one step of estimator=stl: each time "
    "it would be another net. Use weights.estimator=shared",
    "weights=dropout_b refine=hamiltonian": "in one step of refine=hamiltonian",
    "weights=dropout prior=vamp": "in one step of model=vae: each time it would be another net. Use "
    "weights.estimator=shared.",
    "weights=dropout_a model=draw model.T=2": "in one step of model=draw: each time it would be another "
    "net. Use weights.estimator=shared.",
    "weights=local_gaussian model=helmholtz model.layers=[6,3] objective=wake_sleep": "in one step of "
    "objective=wake_sleep: each time it would be another net. Use weights.estimator=shared",
    "prior=autoregressive_bits": "is a density of bits. Use prior=autoregressive or posterior=bernoulli.",
    "dataset.split.val=-1": "at least one validation example",
    "k=1e3": "k=1e3: an integer was expected. Use k=1000.",
    "k=5.0": "Use k=5.",
    "nets.hidden=[2e2]": "Use nets.hidden=[200].",
    "prior=null": "Use prior=normal.",
    "model=made prior=null": "Use prior=none.",
    "model=helmholtz prior=none": "prior=none: model=helmholtz needs one. Use prior=bernoulli.",
    "check check": "'check' is a command, and stands before all else. Use vaebench check",
    "check list": "Use vaebench list",
    "nonsense": "'nonsense' is neither a command nor an option of the form name=value.",
    "gaussian": "does not say of which group: likelihood=gaussian, posterior=gaussian, weights=gaussian",
    "=3": "'=3' sets nothing",
    "+k=3": "Use k=3.",
    "~prior=vamp": "there is no such thing to take away. Use vaebench logger=csv.",
    "model.prior=none": "a choice with options of its own stands there, not a value. Use vaebench",
    "eval=3": "each set as eval.NAME=value. Use vaebench",
    "k=${foo}": "k: ${foo} refers to no option. Use k=1.",
    "eval.k=null": "eval.k=null: an integer was expected. Use eval.k=100.",
    "model=vae model=iwae": "model is given twice, as vae and as iwae. Use model=iwae or model=vae or "
    "vaebench -m model=vae,iwae logger=csv.",
    "refine.steps=0": "is read by refine=hamiltonian, not by what was chosen here. Use vaebench",
    "refine=hamiltonian refine.steps=0": "Use vaebench refine=none logger=csv.",
    "estimator=vimco": "estimator=vimco is for bounds of importance weights, which objective=elbo is "
    "not. Use estimator=auto or objective=iwae.",
    "estimator=dreg": "which objective=elbo is not. Use estimator=auto or objective=iwae.",
    "model=iwae estimator=nvil": "estimator=nvil is for bounds of the ELBO, which objective=iwae is "
    "not. Use estimator=auto or objective=elbo.",
    "objective=constrained estimator=stl": "leaves out the score of q, of which objective=constrained "
    "makes no use. Use estimator=auto or objective=elbo.",
    "objective=piwae estimator=dreg": "with estimator=pathwise or vimco, and estimator=dreg of k=8 is "
    "neither. Use estimator=auto.",
    "objective=piwae k=1 posterior=bernoulli prior=bernoulli": "is neither. Use k=5.",
    "objective=rws estimator=stl": "estimator=stl has nothing to do: objective=rws has no estimator. "
    "Use estimator=auto.",
    "model=made estimator=score": "objective=likelihood has no estimator. Use estimator=auto.",
    "model=iwae objective.estimator=stl": "objective.estimator=stl: estimator is a group of its own. "
    "Use estimator=stl.",
    "objective.estimator=stll": "estimator is a group of its own. Did you mean estimator=stl?",
    "-m model=iwae objective.estimator=stl,dreg": "estimator is a group of its own. Use estimator=stl.",
    "objective.anneal=linear": "objective.anneal=linear: anneal is a group of its own. Use anneal=linear.",
    "objective=rws objective.estimator=stl": "is read by objective=",
    "posterior=full_gaussian posterior.K=2": "Use vaebench posterior=full_gaussian logger=csv.",
    "baseline.hidden=3": "Use baseline=learned estimator=score.",
    "baseline=learned baseline.hidden=3": "Use vaebench baseline=none logger=csv or "
    "estimator=score.",
    "optimizer=sgd optimizer.momentum=-1": "Use optimizer.momentum=0.9.",
    "hydra/launcher=nope": "Use hydra/launcher=basic.",
    "dataset.binarize=none dataset.dequantize=true likelihood=categorical": "the data are continuous "
    "grey values in [0, 1]",
}

# Nothing to paste: what is missing is the user's own, or nobody can know what was meant.
NO_SUGGESTION = {
    "dataset=images",
    "dataset=images dataset.path=/nowhere",
    "dataset=arrays",
    "dataset=arrays dataset.path=/nowhere",
    "init_from=nowhere",
    "resume nowhere",
    "resume",
    "evaluatte",
    "nonsense",
    "gaussian",
    "=3",
    "nets.hidden=[200",
    "+foo=1",
    "+trainer.foo=1",
    "+posterior.latent=5",
    "--foo",
    "estimator=score baseline=constant",
}
LIBRARY = re.compile(
    "AnyNode|ListConfig|NoneType|group override|full_key|Error merging|Interpolation|search path|"
    "not Optional|Invalid |pickle|Traceback|defaults list|append to|Could not"
)
"""What OmegaConf, Hydra, torch and NumPy say of such lines."""

ONE_STEP = ("trainer.max_steps=1", "eval.k=1", "eval.examples=1")


@pytest.fixture(scope="module")
def known():
    """Command lines → what they came to and the YAMLs they left, each alone in an empty folder."""
    return {}


@pytest.fixture
def once(here, known, tmp_path):
    """A command, run only where nobody knows yet what it comes to: many a suggestion is the same."""

    def run(*args):
        if args not in known:
            empty = tmp_path / str(len(known))
            empty.mkdir()
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(empty)
                known[args] = here(*args), list(empty.rglob("*.yaml"))
        return known[args]

    return run


def run(once, line):
    """A command line of the table; no wandb where it would train."""
    own = line.split()[0] in ("list", "lists", "resume")
    return once(*line.split(), *([] if own else ["logger=csv"]))


@pytest.mark.parametrize("line", some_of(WRONG, every=6))
def test_a_wrong_command_line_is_refused_in_one_line(once, line):
    done, left = run(once, line)
    assert done.code == 2, done
    assert len(done.err.splitlines()) == 1, done.err
    assert WRONG[line] in done.err
    assert not LIBRARY.search(done.err)
    assert [text for text in done.out.splitlines() if not text.startswith("composing ")] == []
    assert left == []


@pytest.mark.matrix
@pytest.mark.parametrize("line", WRONG)
def test_every_suggestion_works_when_it_is_pasted(once, line):
    said = run(once, line)[0].err.strip()
    assert bool(suggestions(said)) == (line not in NO_SUGGESTION), said
    for suggestion in suggestions(said):
        words = paste(line.split(), shlex.split(suggestion), said)
        done, _ = try_out(once, words)
        assert done.code == 0, (words, done.err)
        assert done.err == ""


def test_most_wrong_command_lines_get_a_suggestion():
    assert set(WRONG) >= NO_SUGGESTION
    assert len(WRONG) >= 75
    assert len(WRONG) - len(NO_SUGGESTION) >= 45


def paste(words, new, said):
    """What a user makes of a suggestion.

    A command replaces the line. An override goes over that of the same option or group, else
    after a typo, or an option that is a group, over the word that the refusal calls wrong, else to
    the end.
    """
    if new[0] == "vaebench":
        return new[1:]
    line = said.removeprefix("vaebench: ")
    wrong = (re.match(r".*?'([^']+)'", line) or re.match(r"([\w.]+)", line))[1]
    over = {option(word) for word in new}
    if not over & {option(word) for word in words} and re.search("Did you mean|is a group", line):
        over = {option(word) for word in words if f"{option(word)}.".startswith(f"{wrong}.")}
        assert over, f"{line} quotes no word of {words}"
    return [*(word for word in words if option(word) not in over), *new]


def option(word):
    """The option or group that a word sets."""
    return word.lstrip("+~").partition("=")[0]


def try_out(once, words):
    """Dry-runs a corrected line; a grid trains one step of each of its jobs."""
    if words[:1] == ["list"]:
        return once(*words)
    if "-m" in words:
        return once(*words, *({"logger=csv"} - set(words)), *ONE_STEP)
    return once(*([] if words[:1] == ["check"] else ["check"]), *words)


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
    assert suggestions(done.err.strip()) == ["dataset=digits"]
    assert here("check", "dataset=digits", "data_dir=empty").code == 0


def test_a_folder_that_holds_a_run_suggests_another(here, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "metrics.csv").touch()
    (tmp_path / "one-2").mkdir()
    done = here("hydra.run.dir=one", "logger=csv")
    assert done.code == 2
    assert suggestions(done.err.strip()) == ["hydra.run.dir=one-3"]
