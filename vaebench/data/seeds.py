"""Seeds of independent streams, derived from a run's one seed."""

from __future__ import annotations

import numpy as np

ORDER, BINARIZATION, EVALUATION, PICTURES, RANK = range(5)


def derived(seed: int, stream: int, *more: int) -> int:
    """A seed for one stream of a run, independent of all others.

    Hashed, since a generator seeded with the run's own seed would repeat the run's noise, and
    torch's CPU generator reads no more than 32 bits of a seed.
    """
    return int(np.random.SeedSequence([seed, stream, *more]).generate_state(1)[0])
