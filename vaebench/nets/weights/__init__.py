"""Weights that are known for sure, under a prior or not, or only up to noise."""

from vaebench.nets.weights.base import WeightNoise
from vaebench.nets.weights.dropout import BinaryDropout, GaussianDropout, dropout, dropout_a
from vaebench.nets.weights.gaussian import (
    AdaptiveNoise,
    GaussianNoise,
    RelativeNoise,
    dropout_b,
    gaussian,
)
from vaebench.nets.weights.numbers import WeightPrior, maximum_a_posteriori, point
