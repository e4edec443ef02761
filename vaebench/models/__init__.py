"""Models: dependency structure as two programs."""

from vaebench.models.base import Model, Split
from vaebench.models.vae import VAE

__all__ = ["VAE", "Model", "Split"]
