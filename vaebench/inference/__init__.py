"""Inference: evidence about a batch from samples of q."""

from vaebench.inference.ais import Annealing
from vaebench.inference.codes import (
    conditions,
    decode,
    drawn,
    encode,
    expected,
    roles,
    simulate,
)
from vaebench.inference.hamiltonian import Hamiltonian
from vaebench.inference.infer import (
    Batch,
    batch_size,
    frozen,
    infer,
    log_mean_exp,
    rescore,
    stream,
)
from vaebench.inference.leapfrog import leapfrog

__all__ = [
    "Annealing",
    "Batch",
    "Hamiltonian",
    "batch_size",
    "conditions",
    "decode",
    "drawn",
    "encode",
    "expected",
    "frozen",
    "infer",
    "leapfrog",
    "log_mean_exp",
    "rescore",
    "roles",
    "simulate",
    "stream",
]
