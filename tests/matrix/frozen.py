"""The numbers of compositions that together hold every choice, to be compared after a redesign.

    python -m tests.matrix.frozen write FILE     30 steps of each, its metrics as JSON
    python -m tests.matrix.frozen compare FILE   the same again, and every difference beyond 1e-6
    python -m tests.matrix.frozen few FILE       10 steps of a few: what test_frozen.py compares

The first two on the same machine, in one thread: another processor rounds otherwise.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from vaebench.cli import main
from vaebench.config.words import given
from vaebench.runs.layout import option_of

TOLERANCE = 1e-6
STEPS, FEW_STEPS = 30, 10
SMALL = (
    "trainer.batch_size=50",
    "trainer.log_every=10",
    "eval.k=6",
    "eval.examples=40",
    "logger=csv",
)
TOPICS = "dataset=topics likelihood.embedding=6 likelihood.hidden=8"
HANDS = (
    "dataset.size=16 dataset.examples=200 nets.images.channels=[4] nets.images.hidden=20 "
    "nets.vectors.hidden=[20] model.latent_dim=3"
)
COMPOSITIONS = (
    "model=vae",
    "model=vae objective.free_bits=0.05",
    "model=vae k=3 objective.kl=mc objective.beta=2 schedule=cosine optimizer=adamw",
    "model=vae posterior=full_gaussian prior=learned_gaussian estimator=stl",
    "model=vae posterior=planar posterior.K=2 prior=mixture anneal=linear anneal.steps=20",
    "model=vae posterior=radial posterior.K=2 likelihood=gaussian dataset.binarize=none",
    "model=vae posterior=nice posterior.K=2 likelihood=categorical dataset.binarize=none",
    "model=vae posterior=realnvp posterior.K=2 prior=flow trainer.average=0.9 schedule=stages",
    "model=vae posterior=iaf posterior.K=2 prior=autoregressive objective.free_bits=0.1 "
    "objective.free_bits_per=site",
    "model=vae likelihood=gaussian_amortised dataset=ppca anneal=sigmoid optimizer=sgd "
    "optimizer.lr=1e-4",
    "model=vae prior=vamp prior.components=5 anneal=cyclical anneal.period=10",
    "model=vae refine=hamiltonian refine.steps=2 trainer.clip_norm=1",
    "model=vae weights=gaussian objective=iwae k=3 estimator=dreg",
    "model=vae weights=local_gaussian weight_prior=normal",
    "model=vae weights=gaussian weights.estimator=per_example weight_prior=scale_mixture nets=conv",
    "model=vae weights=gaussian weight_prior=log_uniform posterior=iaf",
    "model=vae weights=dropout",
    "model=vae weights=dropout_a weights.learned=unit weights.kl=cubic",
    "model=vae weights=dropout_b weights.estimator=shared objective=iwae k=3 estimator=stl",
    "model=bayes_classifier eval.measures=[terms,predictive]",
    "model=vae nets=conv optimizer=adamax",
    "model=vae nets=residual weights=map weights.sd=1 optimizer=rmsprop",
    "model=vae nets=linear likelihood=autoregressive likelihood.hidden=[16]",
    "model=vae objective=constrained schedule=plateau trainer.max_epochs=2",
    "model=vae objective=capacity anneal=linear anneal.steps=20",
    "model=vae objective=reconstruction optimizer=adagrad",
    "model=vae objective=miwae objective.M=3 k=2",
    "model=vae objective=ciwae k=4",
    "model=vae objective=piwae objective.M=2 k=3",
    "model=vae dataset=ppca prior=normal objective=iwae k=7 estimator=one_of_k",
    "model=iwae",
    "model=iwae estimator=stl objective.beta=0.7",
    "model=autoencoder",
    "model=beta_vae",
    "model=beta_tcvae",
    "model=beta_tcvae objective.regularizers.total_correlation.minibatch=weighted k=2",
    "model=factor_vae posterior=iaf posterior.K=2",
    "model=dip_vae posterior=full_gaussian",
    "model=dip_vae objective.regularizers.dip.kind=I",
    "model=info_vae prior=mixture",
    "model=info_vae objective.regularizers.mmd.kernel=imq",
    "model=vae dataset=sprites dataset.grid=[3,2,2,4,4] dataset.split.val=0.2 "
    "dataset.split.test=0.2",
    "model=dcign dataset.size=16 dataset.grid=[6,4,2,4] dataset.split.val=0.2 dataset.split.test=0.2 "
    "nets.channels=[4] nets.hidden=20",
    "model=chairs dataset.size=16 dataset.grid=[6,4,2] dataset.split.val=0.2 dataset.split.test=0.2 "
    "nets.images.channels=[4] nets.images.hidden=20 trainer.batch_size=10",
    "model=cross_modal dataset=digits model.observed=[x,y] model.latent_dim=4",
    "model=cross_modal dataset=digits model.observed=[x,y] model.latent_dim=4 model.combine=mixture "
    "objective.bound=iwae k=4 objective.passes=[x:x+y,y:y,x+y:x]",
    f"model=cross_modal {HANDS}",
    f"model=dvae {HANDS}",
    "model=hierarchical model.layers=[6,3]",
    "model=hierarchical model.layers=[6,3] objective=iwae k=4 estimator=dreg",
    "model=helmholtz model.layers=[6,3]",
    "model=helmholtz model.layers=[6,3] objective=wake_sleep",
    "model=helmholtz model.layers=[6,3] objective=rws k=3",
    "model=helmholtz model.layers=[6,3] objective=iwae k=3",
    "model=helmholtz model.layers=[6,3] objective=piwae k=3 objective.M=2",
    "model=vae posterior=bernoulli prior=bernoulli estimator=score baseline=learned",
    "model=vae posterior=bernoulli prior=autoregressive_bits estimator=score baseline=optimal",
    "model=vae posterior=bernoulli prior=bernoulli estimator=score k=3 baseline=leave_one_out",
    "model=vae posterior=bernoulli prior=bernoulli estimator=score baseline=constant "
    "baseline.value=-30",
    "model=vae posterior=bernoulli prior=bernoulli estimator=score baseline=none",
    "model=vae posterior=bernoulli prior=bernoulli estimator=concrete",
    "model=vae posterior=bernoulli prior=bernoulli estimator=straight_through",
    "model=vae posterior=bernoulli prior=bernoulli objective=iwae "
    "estimator=straight_through_concrete",
    "model=vae posterior=categorical posterior.classes=4",
    "model=vae posterior=categorical prior.learned=false objective=iwae k=3 estimator=concrete",
    "model=m2 nets.hidden=[20]",
    "model=m2 nets.hidden=[20] objective=semi_supervised dataset.labels=50 k=2",
    "model=darn",
    "model=draw model.T=3 model.hidden=8 model.latent_dim=3",
    "model=conv_classifier nets.channels=[2,3] nets.hidden=8",
    "model=draw_classifier model.glimpses=3 model.hidden=8 model.read=4",
    "model=ram model.glimpses=3 model.hidden=8 model.read=4 baseline.hidden=10",
    "model=ram model.glimpses=3 model.hidden=8 model.read=4 estimator.reward=right",
    "model=ram model.grid=3 model.hidden=8 objective=iwae k=3 estimator=vimco baseline=none",
    "model=made model.masks=2 model.hidden=[16]",
    "model=pixel_cnn likelihood.hidden=[6,6] likelihood.kernel=3",
    "model=pixel_rnn likelihood.hidden=[6]",
    "model=vae posterior=free posterior.steps=5",
    "model=vae posterior=semi_amortised posterior.steps=3",
    "model=unconditional",
    "model=bernoulli_mixture model.components=3 model.iterations=5",
    "model=gmm model.components=3 model.fit=gradient likelihood.covariance=full",
    "model=ppca likelihood.rank=3 model.fit=gradient",
    "model=unconditional model.observed=y likelihood=label eval.measures=[classification]",
    f"model=rnnlm {TOPICS}",
    f"model=sentence_vae {TOPICS} nets.embedding=6 nets.hidden=8 likelihood.keep=0.6",
    f"model=sequence_autoencoder {TOPICS} nets.embedding=6 nets.hidden=8",
)

FEW = (
    "model=vae",
    "model=vae posterior=planar posterior.K=2 prior=mixture anneal=linear anneal.steps=20",
    "model=vae weights=gaussian objective=iwae k=3 estimator=dreg",
    "model=hierarchical model.layers=[6,3]",
    "model=vae posterior=bernoulli prior=bernoulli estimator=score baseline=learned",
    f"model=sentence_vae {TOPICS} nets.embedding=6 nets.hidden=8 likelihood.keep=0.6",
)
"""Of these: closed-form and sampled KLs, a schedule, noise in weights, several latents, bits, words."""


def measured(composition: str, steps: int = STEPS) -> dict[str, float]:
    """The metrics of a run of the real command.

    Raises:
        AssertionError: it does not run.
    """
    with tempfile.TemporaryDirectory() as folder:
        own = given(composition.split())
        small = [word for word in SMALL if option_of(word) not in own]
        words = [f"trainer.max_steps={steps}", *small, *own.values()]
        words.append(f"hydra.run.dir={folder}/run")
        told = io.StringIO()
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            code = main(words)
        assert code == 0, f"{composition}: {told.getvalue()}"
        summary = json.loads(Path(folder, "run", "summary.json").read_text(encoding="utf-8"))
    return {
        name: value
        for name, value in summary.items()
        if ("/" in name or name == "parameters") and isinstance(value, int | float)
    }


def differences(
    before: Mapping[str, float], now: Mapping[str, float], tolerance: float = TOLERANCE
) -> list[str]:
    """A line for each number that is another one, or gone, or new."""
    told = []
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if old is None or new is None or abs(old - new) > tolerance * max(1.0, abs(old)):
            told.append(f"{name}: {old} → {new}")
    return told


def write(path: Path, compositions: Sequence[str] = COMPOSITIONS, steps: int = STEPS) -> None:
    """Measures them all."""
    found = {}
    for composition in compositions:
        found[composition] = measured(composition, steps)
        print(f"{len(found)} of {len(compositions)}: {composition}", flush=True)
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def compare(path: Path) -> int:
    """Measures them again; how many differ."""
    changed = 0
    for composition, before in json.loads(path.read_text(encoding="utf-8")).items():
        lines = differences(before, measured(composition))
        changed += bool(lines)
        print(
            "\n  ".join([f"{'DIFFERS' if lines else 'same   '} {composition}", *lines]), flush=True
        )
    print(f"{changed} differ")
    return changed


def run(arguments: Sequence[str]) -> int:
    """The exit code."""
    os.environ.setdefault("WANDB_MODE", "offline")
    torch.set_num_threads(1)
    command, path = arguments
    if command in ("write", "few"):
        write(Path(path), *((FEW, FEW_STEPS) if command == "few" else ()))
        return 0
    return min(1, compare(Path(path)))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
