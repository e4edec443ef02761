"""Studies by name."""

from vaebench.measures.studies.base import Findings, Study
from vaebench.measures.studies.energies import FlowEnergies
from vaebench.measures.studies.gaps import FlowGaps, PriorSampling

__all__ = ["STUDIES", "Findings", "Study"]

STUDIES: dict[str, type[Study]] = {
    "flow_energies": FlowEnergies,
    "flow_gaps": FlowGaps,
    "prior_sampling": PriorSampling,
}
