"""From a composed config to objects, or to a refusal that says what to use instead."""

from __future__ import annotations

from functools import partial

from omegaconf import DictConfig

from vaebench.composition.build import Composition, assemble, instantiate
from vaebench.composition.remedies import remedies
from vaebench.config.chosen import in_words
from vaebench.data import Dataset
from vaebench.errors import Incompatible
from vaebench.suggest import use


def compose(cfg: DictConfig) -> Composition:
    """Builds data, model and objective, and holds them against the rules.

    Raises:
        Refusal: one line on what is wrong with the choices.
    """
    data: dict[str, Dataset] = {}  # read once, whatever else is tried with them
    try:
        composition = assemble(cfg, data)
    except Incompatible as error:
        found = remedies(error, cfg, partial(assemble, data=data))
        raise Incompatible(in_words(str(error)) + use(*found)) from error
    notes = composition.report.notes
    notes[:] = [in_words(note) for note in notes]
    return composition
