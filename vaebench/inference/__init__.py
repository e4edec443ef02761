"""Inference: evidence about a batch from samples of q."""

from vaebench.inference.ais import Annealing
from vaebench.inference.codes import (
    common_draws,
    conditions,
    depends_on_draws,
    drawn,
    encode,
    expected,
    generate_at,
    roles,
    simulate,
)
from vaebench.inference.hamiltonian import Hamiltonian
from vaebench.inference.infer import (
    batch_size,
    frozen,
    infer,
    infer_at_values,
    log_mean_exp,
    rescore,
    stream,
)
from vaebench.inference.leapfrog import leapfrog
from vaebench.inference.outline import Outline, outline
from vaebench.inference.replay import Kept, Replay
from vaebench.inference.scores import scores
from vaebench.inference.shown import Shown
from vaebench.inference.target import Target
from vaebench.inference.values import all_values, discrete_beside_others, strata
