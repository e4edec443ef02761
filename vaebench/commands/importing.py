"""Imports that take seconds."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """While open, nothing looks for garbage: modules are made to last, and to walk over all of them
    again and again takes a fifth of the time that it takes to import them.

    Nor are they looked at later, in the middle of training. What the job of a grid before this one
    left is garbage, however, so that this is true of the first import alone.
    """
    if gc.get_freeze_count() or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
