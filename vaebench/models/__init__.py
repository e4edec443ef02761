"""Models: dependency structure as two programs."""

from vaebench.models.base import Model, Refine, Split, unrefined
from vaebench.models.made import MADE
from vaebench.models.vae import VAE

__all__ = ["MADE", "VAE", "Model", "Refine", "Split", "unrefined"]
