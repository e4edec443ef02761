"""Every theorem of this folder is checked in float64, from a seed of its own."""

from tests.theorems import in_float64

__all__ = ["in_float64"]
