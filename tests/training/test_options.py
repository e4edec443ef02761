"""What the options of training promise: averages, precision, compilation, other runs' weights."""

from __future__ import annotations

import pytest
import pytorch_lightning as pl
import torch
from rich.console import Console
from torch import nn
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from tests.fast import first_of
from tests.training.test_system import config, trained
from vaebench.composition import compose
from vaebench.errors import Refusal
from vaebench.nets.attention import PARAMETERS
from vaebench.training import build_system, build_trainer, fit, machine, prepare, ready
from vaebench.training.average import WeightAverage, evaluated

SHORT = ("trainer.max_epochs=1", "trainer=cpu", "eval.checkpoint=last")


def weights(system):
    return {name: value.clone() for name, value in system.model.state_dict().items()}


# ---------------------------------------------------------------------------------------- averages
def test_the_average_is_the_recursion_that_its_formula_says():
    model = nn.Linear(2, 1, bias=False)
    average = WeightAverage(model, decay=0.5)
    by_hand, path = model.weight.detach().clone(), torch.randn(6, 1, 2)
    for t, value in enumerate(path, 1):
        with torch.no_grad():
            model.weight.copy_(value)
        average.update(model, t)
        d = min(0.5, (1 + t) / (10 + t))
        by_hand = d * by_hand + (1 - d) * value
    average.swap(model)
    assert_close(model.weight.detach(), by_hand)
    average.swap(model)
    assert torch.equal(model.weight, path[-1])


def test_training_with_an_average_takes_the_same_path_and_tests_the_average(tmp_path):
    plain, _, _ = trained(tmp_path / "plain", config(*SHORT))
    system, _, _ = trained(tmp_path / "average", config(*SHORT, "trainer.average=0.9"))
    state = torch.load(tmp_path / "average/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    for name, value in weights(plain).items():
        assert torch.equal(state[f"model.{name}"], value)
    for name, value in evaluated(state).items():
        assert torch.equal(weights(system)[name], value)
        assert not torch.equal(weights(plain)[name], value)


class Path(pl.Callback):
    """The weights after each step."""

    def __init__(self):
        self.weights = []

    def on_train_batch_end(self, trainer, system, *args):
        self.weights.append([p.detach().clone() for p in system.model.parameters()])


def test_a_run_averages_the_weights_of_each_of_its_steps(tmp_path):
    cfg = config(*SHORT, "trainer.average=0.9")
    system = build_system(cfg, compose(cfg))
    expected = [p.detach().clone() for p in system.model.parameters()]
    trainer = build_trainer(cfg, system, tmp_path, Console(quiet=True))
    trainer.callbacks.insert(0, path := Path())
    fit(cfg, system, trainer)
    for step, after in enumerate(path.weights, 1):
        d = (1 + step) / (10 + step)  # below 0.9 throughout
        expected = [
            d * mean + (1 - d) * weight for mean, weight in zip(expected, after, strict=True)
        ]
    assert len(path.weights) == trainer.global_step == 12
    for mean, weight in zip(expected, system.model.parameters(), strict=True):
        assert_close(weight.detach(), mean)


def test_validation_chooses_among_averages(tmp_path):
    cfg = config("trainer.max_epochs=4", "trainer=cpu", "trainer.average=0.9")
    result = trained(tmp_path / "average", cfg)[2]
    plain = trained(tmp_path / "plain", config("trainer.max_epochs=4", "trainer=cpu"))[2]
    assert result.metrics["train/bound"] == plain.metrics["train/bound"]
    assert result.metrics["val/bound"] != plain.metrics["val/bound"]


# --------------------------------------------------------------------------------------- precision
def test_bfloat16_is_for_nets_alone_and_for_training_alone():
    cfg = config("trainer.precision=bfloat16", "dataset.binarize=threshold")
    system = build_system(cfg, composition := compose(cfg))
    batch = composition.data.split("train").batch(torch.arange(100))
    exact = build_system(full := config("dataset.binarize=threshold"), compose(full))
    torch.manual_seed(1)
    low = system.objective(system.model, batch, torch.tensor(0))
    torch.manual_seed(1)
    high = exact.objective(exact.model, batch, torch.tensor(0))
    assert low.loss.dtype is torch.float32
    assert low.terms["recon"].dtype is torch.float32
    assert low.loss != high.loss
    assert_close(low.loss, high.loss, rtol=3e-3, atol=0)  # eight bits of mantissa, averaged out
    low.loss.backward()
    assert all(p.grad.dtype is torch.float32 for p in system.model.parameters())
    system.model.eval(), exact.model.eval()
    x = batch["x"]
    assert torch.equal(system.model.posterior(x).loc, exact.model.posterior(x).loc)


NETS = [
    "model=vae posterior=iaf posterior.K=2 prior=flow",
    "model=draw model.T=3",
    "model=draw model.T=2 model.attention=false model.read=0 model.write=0",
    "model=hierarchical",
    "model=made",
    "model=vae nets=conv",
    "model=sentence_vae dataset=topics",
    "model=sentence_vae dataset=topics nets.cell=gru likelihood.cell=gru",
]


@pytest.mark.parametrize("words", first_of(NETS))
def test_bfloat16_reaches_every_product_and_nothing_else(words):
    """Matrices of weights are multiplied in it, what comes out is float32, and near what float32 gives;
    gradients reach the same parameters."""
    found = {}
    for precision in ("bfloat16", "float32"):
        cfg = config(*words.split(), f"trainer.precision={precision}", "trainer.batch_size=20")
        torch.manual_seed(0)
        system = build_system(cfg, composition := compose(cfg))
        split = composition.data.split("train")
        batch = split.batch(torch.arange(20), torch.Generator().manual_seed(0))
        torch.manual_seed(1)
        with Products() as products:
            loss = system.objective(system.model.train(), batch, torch.tensor(0)).loss
        loss.backward()
        named = {n: p.grad for n, p in system.model.named_parameters() if p.grad is not None}
        found[precision] = loss.detach(), products.seen, named
    low, high = found["bfloat16"], found["float32"]
    assert low[0].dtype is torch.float32
    assert low[0] != high[0]
    assert_close(low[0], high[0], rtol=0.02, atol=0)
    assert high[1] == {torch.float32}
    assert low[1] == {torch.bfloat16}
    assert low[2].keys() == high[2].keys()
    assert all(gradient.dtype is torch.float32 for gradient in low[2].values())


class Products(TorchDispatchMode):
    """Precisions of the products of matrices, but for those that say where to look: five numbers, in
    pixels."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        name = function.overloadpacket.__name__
        if name in ("mm", "addmm", "convolution") and found.shape[-1] != PARAMETERS:
            self.seen.add(args[1].dtype)
        return found


@pytest.mark.parametrize(("low", "refused"), [(5.0, True), (1.6, True), (0.5, False)])
def test_a_cpu_without_products_of_bfloat16_is_asked_for_none(tmp_path, monkeypatch, low, refused):
    monkeypatch.setattr(machine, "_seconds", {torch.bfloat16: low, torch.float32: 1.0}.get)
    able = machine.multiplies_bfloat16.__wrapped__
    monkeypatch.setattr(ready, "multiplies_bfloat16", able)
    assert able(torch.device("cuda"))
    cfg = config("trainer.precision=bfloat16", "trainer=cpu")
    if not refused:
        prepare(cfg, tmp_path, Console(quiet=True))
        return
    with pytest.raises(Refusal, match=r"no such products, .* Use trainer.precision=float32"):
        prepare(cfg, tmp_path, Console(quiet=True))


# ------------------------------------------------------------------------------------- compilation
@pytest.mark.process  # of a compiler
@pytest.mark.parametrize(
    "model",
    [
        "vae",
        "iwae estimator=dreg prior=vamp",
        "vae weights=local_gaussian",
        pytest.param("vae refine=hamiltonian refine.steps=1", marks=pytest.mark.slow),
    ],
)
def test_compiled_training_takes_the_path_of_eager_training(tmp_path, model):
    """The same noise, the same estimator; what is left is the order of sums."""
    line = (*SHORT, f"model={model}".split()[0], *model.split()[1:], "nets.hidden=[20]")
    # 19 batches of 63 use all 1197 examples, so that no partial batch is dropped.
    line = (*line, "trainer.batch_size=63", "optimizer=sgd", "optimizer.lr=1e-4")
    eager, _, _ = trained(tmp_path / "eager", config(*line))
    fast, trainer, _ = trained(tmp_path / "compiled", config(*line, "trainer.compile=true"))
    assert trainer.global_step == 19
    assert_close(weights(fast), weights(eager), rtol=1e-4, atol=1e-5)


def test_compilation_drops_the_partial_batch_and_refuses_to_drop_all(tmp_path):
    cfg = config("trainer.compile=true", "trainer.batch_size=100", "trainer.max_epochs=1")
    system = build_system(cfg, compose(cfg))
    loader = _loader(system)
    assert len(loader) == 11
    assert [len(batch["x"]) for batch in loader] == [100] * 11
    with pytest.raises(Refusal, match=r"Use trainer.batch_size=1197\."):
        _loader(
            build_system(
                big := config("trainer.compile=true", "trainer.batch_size=2000"), compose(big)
            )
        )


def _loader(system):
    class Alone:
        global_rank, world_size, current_epoch = 0, 1, 0

    system._trainer = Alone()
    return system.train_dataloader()


# ----------------------------------------------------------------------------- other runs' weights
def saved_run(folder, *overrides):
    """A run folder with what a later run needs."""
    from omegaconf import OmegaConf

    cfg = config(*SHORT, *overrides)
    system, _, _ = trained(folder, cfg)
    (folder / ".hydra").mkdir()
    OmegaConf.save(cfg, folder / ".hydra" / "config.yaml")
    return system


@pytest.mark.parametrize("average", ["0", "0.9"])
def test_a_run_starts_from_the_weights_that_another_evaluated(tmp_path, average):
    first = saved_run(tmp_path, f"trainer.average={average}")
    cfg = config("model=iwae", "k=7", f"init_from={tmp_path}")
    second = build_system(cfg, compose(cfg))
    for name, value in weights(first).items():
        assert torch.equal(weights(second)[name], value)


@pytest.mark.parametrize(
    ("override", "why"),
    [
        ("nets.hidden=[7]", "compose the same model and nets"),
        ("model.latent_dim=3", r"\[20, 200\] in the run, \[6, 200\] here"),
        ("prior=mixture", "only this model has prior.logits"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(tmp_path, override, why):
    saved_run(tmp_path)
    cfg = config(override, f"init_from={tmp_path}")
    with pytest.raises(Refusal, match=why):
        build_system(cfg, compose(cfg))


def test_no_run_and_a_corrupt_one_are_refused(tmp_path):
    saved_run(tmp_path)
    checkpoint = tmp_path / "checkpoints" / "last.ckpt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:500])
    for run, why in ((tmp_path, "is corrupt"), (tmp_path / "none", "is no run folder")):
        cfg = config(f"init_from={run}")
        with pytest.raises(Refusal, match=why):
            build_system(cfg, compose(cfg))
    checkpoint.unlink()
    cfg = config(f"init_from={tmp_path}")
    with pytest.raises(Refusal, match=r"has no checkpoints/last\.ckpt"):
        build_system(cfg, compose(cfg))


# --------------------------------------------------------------------------------- other machines
def test_a_checkpoint_of_another_kind_of_device_goes_on_here(tmp_path):
    """It brings that device's noise, which there is no use for, and more processes than there are."""
    trained(tmp_path, config(*SHORT))
    path = tmp_path / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    (noise,) = checkpoint["vaebench"]["noise"]
    checkpoint["vaebench"]["noise"] = [noise | {"cuda": torch.zeros(16, dtype=torch.uint8)}] * 2
    checkpoint["vaebench"]["means"] *= 2
    torch.save(checkpoint, path)
    cfg = config(*SHORT, "trainer.max_epochs=2")
    system = build_system(cfg, compose(cfg))
    trainer = build_trainer(cfg, system, tmp_path, Console(quiet=True))
    fit(cfg, system, trainer, path)
    plain, _, _ = trained(tmp_path / "plain", cfg)
    for name, value in weights(plain).items():
        assert torch.equal(weights(system)[name], value)
