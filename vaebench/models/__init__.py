"""Models: dependency structure as two programs."""

from vaebench.models.base import Model, Refine, Split, unrefined
from vaebench.models.vae import VAE

__all__ = ["VAE", "Model", "Refine", "Split", "unrefined"]
