"""Heads: parameters to distributions. Posteriors, priors and likelihoods."""

from vaebench.heads.base import (
    Conditional,
    ConditionalPrior,
    Head,
    Likelihood,
    PosteriorPrior,
    Prior,
    latent_field,
)
