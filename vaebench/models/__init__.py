"""Models: dependency structure as two programs."""

from vaebench.models.base import Interleaved, Model, RecognitionFirst, Refine, unrefined
from vaebench.models.cross_modal import CrossModal
from vaebench.models.density import ConditionalDensity
from vaebench.models.draw import DRAW
from vaebench.models.dvae import DVAE
from vaebench.models.generator import Generator
from vaebench.models.glimpses import RAM, DRAWClassifier
from vaebench.models.hierarchical import Hierarchical
from vaebench.models.m2 import M2
from vaebench.models.made import MADE
from vaebench.models.mixture import Mixture
from vaebench.models.unconditional import Unconditional
from vaebench.models.vae import VAE
