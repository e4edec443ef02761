"""Parameters of q that are sought example by example: tables, starts, and where an ascent ends."""

from functools import partial

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import in_float64
from vaebench.data import Field, Spec, Support
from vaebench.errors import Incompatible
from vaebench.heads.flows import PlanarFlow
from vaebench.heads.likelihoods import Bernoulli, Gaussian as Pixels
from vaebench.heads.posteriors import Bits, FullGaussian, Gaussian, PointMass
from vaebench.heads.priors import Normal, Vamp
from vaebench.heads.sought import FreeForm, SemiAmortised, Table, ascend
from vaebench.inference import infer
from vaebench.inference.freeform import bound
from vaebench.models import VAE
from vaebench.nets import MLP
from vaebench.trace import Trace

__all__ = ["in_float64"]

N = 6
