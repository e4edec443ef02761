"""Normalizing flows."""

from vaebench.distributions.flows.autoregressive import InverseAutoregressive
from vaebench.distributions.flows.coupling import Coupling, Scaling
from vaebench.distributions.flows.flow import Flow
from vaebench.distributions.flows.planar import Planar
from vaebench.distributions.flows.radial import Radial
from vaebench.distributions.flows.transform import Inverse, Transform
