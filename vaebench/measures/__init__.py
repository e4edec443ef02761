"""Measures of a model: likelihoods, rates, gaps, probes, outliers and disentanglement."""
