"""Measures of a model: likelihoods, and pictures drawn from it."""
