"""Heads: parameters to distributions. Posteriors, priors and likelihoods."""

from vaebench.heads.base import (
    Conditional,
    Head,
    Likelihood,
    Prior,
    latent_field,
)
