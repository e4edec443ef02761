"""Nets: `[*, *in_shape]` → `[*, *out_shape]`."""

from vaebench.nets.base import Family
from vaebench.nets.by_field import ByField
from vaebench.nets.conv import Conv
from vaebench.nets.mlp import MLP
from vaebench.nets.residual import Residual
from vaebench.nets.sentence import Recurrent
