"""Studies by name."""

from vaebench.measures.studies.base import Findings, Study
from vaebench.measures.studies.energies import FlowEnergies
from vaebench.measures.studies.gaps import FlowGaps, PriorSampling
from vaebench.measures.studies.gradients import GradientVariance

__all__ = ["STUDIES", "Findings", "Study"]

STUDIES: dict[str, type[Study]] = {
    "flow_energies": FlowEnergies,
    "flow_gaps": FlowGaps,
    "gradient_variance": GradientVariance,
    "prior_sampling": PriorSampling,
}
