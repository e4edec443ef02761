"""Small hands, and small models of them."""

from __future__ import annotations

import torch
from hydra import compose as hydra_compose
from hydra import initialize_config_dir

from vaebench.cli import conf_dir
from vaebench.composition import compose
from vaebench.config.schema import register
from vaebench.measures.base import Subject, evaluating

CPU = torch.device("cpu")
SMALL = ["dataset.size=16", "dataset.examples=90", "dataset.split.val=10", "dataset.split.test=30"]
SMALL += ["nets.images.channels=[3]", "nets.images.hidden=8", "nets.vectors.hidden=[8]"]
SMALL += ["name=hands", "dataset=hands", "nets=by_field"]
LATENT = "model.latent_dim=3"


def hands(*words: str) -> Subject:
    """A model as it is before training, in evaluation mode."""
    torch.set_default_dtype(torch.float32)  # what data are made of
    register()
    with initialize_config_dir(str(conf_dir()), version_base=None):
        made = compose(hydra_compose("config", [*SMALL, *words]))
    evaluating(made, CPU)
    return Subject(made, CPU)
