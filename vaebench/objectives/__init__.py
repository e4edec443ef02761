"""Objectives: a bound and its gradient estimator, chosen apart."""

from vaebench.objectives.base import Estimate, Objective, honest_terms
from vaebench.objectives.constrained import CapacityControlled, Constrained
from vaebench.objectives.elbo import ELBO
from vaebench.objectives.estimated import Estimated
from vaebench.objectives.inverse_graphics import InverseGraphics
from vaebench.objectives.iwae import IWAE
from vaebench.objectives.likelihood import MaximumLikelihood
from vaebench.objectives.passes import CrossModal, Disentangled
from vaebench.objectives.piwae import PIWAE
from vaebench.objectives.reconstruction import Reconstruction
from vaebench.objectives.regularized import Regularized
from vaebench.objectives.semi_supervised import SemiSupervised
from vaebench.objectives.wake_sleep import RWS, WakeSleep
