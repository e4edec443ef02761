"""Measures of a model: likelihoods, rates, gaps, probes and outliers."""
