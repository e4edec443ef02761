"""Exact answers need float64."""

from tests.theorems import in_float64

__all__ = ["in_float64"]
