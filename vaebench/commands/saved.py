"""What a run folder says about its run, and the run's model back from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import setup_globals
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import Tensor
from yaml import YAMLError

from vaebench.compose import Composition, compose
from vaebench.distributions import Distribution, Noise
from vaebench.errors import Refusal
from vaebench.inference import decode, drawn, encode, expected, infer, roles, simulate
from vaebench.measures.base import Subject
from vaebench.measures.likelihood import log_likelihood
from vaebench.models import Model
from vaebench.paths import conf_dir
from vaebench.schema import Accelerator, Config
from vaebench.training import root_device
from vaebench.training.checkpoints import run_folder, weights_of


def load_config(folder: Path) -> tuple[DictConfig, dict[str, str]]:
    """The composed config of a run and its choices, as the run saw them."""
    setup_globals()  # the resolvers that a config may use outside a Hydra run too
    try:
        HydraConfig.instance().cfg = OmegaConf.load(folder / ".hydra" / "hydra.yaml")
        saved = OmegaConf.load(folder / ".hydra" / "config.yaml")
        cfg = OmegaConf.merge(OmegaConf.structured(Config), saved)
        for group in [str(name) for name in cfg if OmegaConf.is_missing(cfg, name)]:
            # A run of an older version, which knew no such group: it was as the default is now.
            cfg[group] = OmegaConf.load(conf_dir() / group / f"{_default(group)}.yaml")
    except (OSError, YAMLError, OmegaConfBaseException, TypeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise Refusal(f"{folder}/.hydra is not of a run of this program: {reason}") from error
    choices = HydraConfig.instance().cfg.hydra.runtime.choices
    return cfg, {group: choice for group, choice in choices.items() if "/" not in group}


def _default(group: str) -> str:
    """What a run chooses of a group unless told otherwise."""
    defaults = OmegaConf.load(conf_dir() / "config.yaml").defaults
    return next(entry[group] for entry in defaults if group in entry)


class Weights(Enum):
    """Which checkpoint of a run."""

    evaluated = "evaluated"  # that of its `eval.checkpoint`
    best = "best"
    last = "last"


class Held(Enum):
    """Which split is looked at."""

    test = "test"
    val = "val"
    train = "train"


@dataclass
class Looking:
    """Options of every command that looks at a finished run."""

    split: Held = Held.test
    seed: int = 0
    weights: Weights = Weights.evaluated
    data_dir: str = ""
    accelerator: Accelerator = Accelerator.auto


@dataclass(frozen=True)
class Saved:
    """A run, composed again, with its trained weights.

    Attributes:
        folder: where it lies.
        cfg: its config.
        composition: data, model in evaluation mode, objective.
        device: where the model is.
        checkpoint: the file of its weights.
    """

    folder: Path
    cfg: DictConfig
    composition: Composition
    device: torch.device
    checkpoint: Path


def open_run(
    path: str,
    *,
    data_dir: str = "",
    accelerator: Accelerator = Accelerator.auto,
    weights: Weights = Weights.evaluated,
) -> Saved:
    """A run as it was trained.

    Args:
        path: the run folder.
        data_dir: where data lie now, if they moved.

    Raises:
        Refusal: no run folder, no checkpoint or a corrupt one, data that are not there.
    """
    folder = run_folder(path)
    cfg, _ = load_config(folder)
    if data_dir:
        cfg.data_dir = data_dir
    name = cfg.eval.checkpoint.value if weights is Weights.evaluated else weights.value
    checkpoint, state = weights_of(folder, name)
    composition = compose(cfg)
    try:
        composition.model.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise Refusal(f"{checkpoint} is not of the model in {path}: {reason}") from error
    device = root_device(accelerator.value)
    composition.model.to(device).eval()
    return Saved(folder, cfg, composition, device, checkpoint)


def look_at(path: str, options: Looking) -> tuple[Saved, Subject]:
    """A run, and its model with the examples that the options name."""
    saved = open_run(
        path,
        data_dir=options.data_dir,
        accelerator=options.accelerator,
        weights=options.weights,
    )
    return saved, Subject(saved.composition, saved.device, options.split.value, options.seed)


class Loaded:
    """A trained model for programs: `load(run)`.

    Data and latents are tensors for models of one observed name and one latent, and dicts by name
    for all others. Values are means unless said otherwise; of sentences, rows of tokens as greedy
    decoding finds them, which `vaebench.data.decode` writes out.

    Attributes:
        model: the module.
        data: its data set.
        latents: names of the latents.
        observed: names of what the model generates.
    """

    def __init__(self, saved: Saved) -> None:
        self.folder, self.cfg, self.device = saved.folder, saved.cfg, saved.device
        self.model: Model = saved.composition.model
        self.data, self.objective = saved.composition.data, saved.composition.objective
        example = Subject(saved.composition, saved.device).batch(1)
        self.latents, self.observed = roles(self.model, example)

    @torch.no_grad()
    def posterior(self, x: Any) -> Any:
        """q(z | x) of examples `[B, *shape]`: a `Distribution`, by name where there are several."""
        evidence = infer(self.model, self._batch(x, self.observed), 1)
        found: dict[str, Distribution] = {n: evidence.q[n].dist for n in self.latents}
        return self._single(found)

    def encode(self, x: Any) -> Any:
        """E_q[z | x], `[B, *event]`."""
        return self._single(encode(self.model, self._batch(x, self.observed)))

    def decode(self, z: Any) -> Any:
        """E[x | z] of latents `[B, *event]`."""
        trace = decode(self.model, self._batch(z, self.latents), {})
        return self._single({name: expected(trace, name) for name in self.observed})

    def sample(self, n: int, *, seed: int = 0, mean: bool = True) -> Any:
        """E[x | z] at n draws z ~ p(z), or draws of x itself.

        Raises:
            ValueError: for n < 1.
            Refusal: the prior was not trained.
        """
        if n < 1:
            raise ValueError(f"n={n}: at least one sample")
        if not self.objective.has_bound:
            raise Refusal("trained on reconstruction alone: the prior means nothing")
        trace = simulate(self.model, n, {}, Noise(self._generator(seed)))
        read: Callable[..., Tensor] = expected if mean else drawn
        return self._single({name: read(trace, name) for name in self.observed})

    def log_prob(self, x: Any, *, k: int = 100, seed: int = 0) -> Tensor:
        """L_k, the importance-weighted lower bound on log p(x) in nats, `[B]`.

        Raises:
            Refusal: the model was trained without a bound.
        """
        if not self.objective.has_bound:
            raise Refusal("trained on reconstruction alone: there is no bound on log p(x)")
        noise = Noise(self._generator(seed))
        return log_likelihood(self.model, self._batch(x, self.observed), k, noise)

    def _generator(self, seed: int) -> torch.Generator:
        return torch.Generator(self.device).manual_seed(seed)

    def _batch(self, values: Any, names: tuple[str, ...]) -> dict[str, Tensor]:
        """Values by name, on the device."""
        if not isinstance(values, dict):
            if len(names) != 1:
                raise TypeError(f"a dict with {', '.join(names)} is needed")
            values = {names[0]: values}
        return {name: self._own(torch.as_tensor(value)) for name, value in values.items()}

    def _own(self, value: Tensor) -> Tensor:
        """On the model's device; floats of its precision, which numpy's are not."""
        floats = value.is_floating_point()
        return value.to(self.device, torch.get_default_dtype() if floats else value.dtype)

    def _single(self, values: dict[str, Any]) -> Any:
        return next(iter(values.values())) if len(values) == 1 else values


def load(run: str | Path, *, data_dir: str = "", accelerator: str = "auto") -> Loaded:
    """A run folder becomes a model with `encode`, `decode`, `sample` and `log_prob`.

        >>> from vaebench import load
        >>> vae = load("runs/vae-digits/2026-11-21_07-01-29-083430")  # doctest: +SKIP
        >>> x = vae.data.split("test").first(8).batch(torch.arange(8))["x"]  # doctest: +SKIP
        >>> vae.decode(vae.encode(x)).shape  # doctest: +SKIP
        torch.Size([8, 1, 8, 8])

    Args:
        run: the run folder.
        data_dir: where data lie now, if they moved.
        accelerator: `auto`, `cpu`, `gpu` or `mps`.

    Raises:
        Refusal: what is missing, in one line.
    """
    return Loaded(open_run(str(run), data_dir=data_dir, accelerator=Accelerator(accelerator)))
