"""What an objective takes from the reconstruction."""

from vaebench.objectives.regularizers.base import AlongPath, MakesRegularizer, Regularizer
from vaebench.objectives.regularizers.capacity import Capacity
from vaebench.objectives.regularizers.dip import DIP
from vaebench.objectives.regularizers.discriminator import Discriminator
from vaebench.objectives.regularizers.divergence import Divergence, KLEstimate
from vaebench.objectives.regularizers.free_bits import FreeBits
from vaebench.objectives.regularizers.kl import KL
from vaebench.objectives.regularizers.limit import Limit
from vaebench.objectives.regularizers.mmd import MMD
from vaebench.objectives.regularizers.total_correlation import TotalCorrelation
from vaebench.objectives.regularizers.weights import ObservedWeights
