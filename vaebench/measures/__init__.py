"""Measures of a model: likelihoods, rates, gaps and probes."""
