"""Studies by name."""

from vaebench.studies.base import Findings, ModelStudy, Study
from vaebench.studies.energies import FlowEnergies
from vaebench.studies.flow_gaps import FlowGaps, PriorSampling
from vaebench.studies.gradients import GradientVariance
from vaebench.studies.local_reparam import LocalReparameterization

STUDIES: dict[str, type[Study] | type[ModelStudy]] = {
    "flow_energies": FlowEnergies,
    "flow_gaps": FlowGaps,
    "gradient_variance": GradientVariance,
    "local_reparam": LocalReparameterization,
    "prior_sampling": PriorSampling,
}
