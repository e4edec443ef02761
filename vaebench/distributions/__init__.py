"""Distributions that carry their own noise, scores and closed forms."""

from vaebench.distributions.autoregressive import Autoregressive
from vaebench.distributions.base import GLOBAL, LISTED, Distribution, Noise, Score, Torch
from vaebench.distributions.categorical import LabelLogits, OneHot
from vaebench.distributions.delta import Delta
from vaebench.distributions.discrete import BernoulliLogits, CategoricalLevels
from vaebench.distributions.ensemble import Ensemble, product
from vaebench.distributions.gaussian import DiagNormal, FullNormal, StandardNormal
from vaebench.distributions.kl import has_kl, kl_divergence, register_kl
from vaebench.distributions.low_rank import LowRankNormal
from vaebench.distributions.mixture import Mixture
from vaebench.distributions.pathless import Pathless
from vaebench.distributions.sequence import TokenSequence
from vaebench.distributions.shaped import Shaped
