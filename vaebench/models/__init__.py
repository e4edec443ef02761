"""Models: dependency structure as two programs."""

from vaebench.models.base import Model, Refine, Split, unrefined
from vaebench.models.hierarchical import Hierarchical
from vaebench.models.made import MADE
from vaebench.models.vae import VAE

__all__ = ["MADE", "VAE", "Hierarchical", "Model", "Refine", "Split", "unrefined"]
