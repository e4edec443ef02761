"""Nets: `[*, *in_shape]` → `[*, *out_shape]`."""

from vaebench.nets.base import Family
from vaebench.nets.conv import Conv
from vaebench.nets.mlp import MLP

__all__ = ["MLP", "Conv", "Family"]
