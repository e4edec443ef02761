"""Pictures of a run: what the model makes, what its latents mean, and how it was trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from vaebench.measures.base import applied, check_known
from vaebench.pictures.classes import classes, components, styles
from vaebench.pictures.curves import curves
from vaebench.pictures.decoding import Decoding
from vaebench.pictures.factors import factors
from vaebench.pictures.glimpses import glimpses
from vaebench.pictures.hands import skeletons, swaps, walks
from vaebench.pictures.journeys import arithmetic, interpolations, traversals
from vaebench.pictures.maps import modality_map, pca, tsne
from vaebench.pictures.meaning import equivariances, sweeps
from vaebench.pictures.posteriors import posteriors
from vaebench.pictures.samples import data, manifold, reconstructions, samples
from vaebench.pictures.sentences import (
    has_sentences,
    homotopies,
    paraphrases,
    prior_walk,
    sentences,
)
from vaebench.pictures.strokes import canvas, filters, strokes
from vaebench.pictures.transfer import parts, sides
from vaebench.pictures.view import View

Picture = Callable[[View], list[Path]]

OF_IMAGES = (data, reconstructions, samples, manifold)
OF_CLASSES = (classes, styles, components)
OF_A_CANVAS = (canvas, strokes, filters)
OF_PLACES = (glimpses,)
OF_PARTS = (skeletons, walks, swaps, modality_map)
OF_VIEWS = (sides, parts)
OF_SENTENCES = (sentences, paraphrases, homotopies)
OF_LATENTS = (posteriors, interpolations, prior_walk, traversals, arithmetic, pca, tsne)
OF_FACTORS = (factors, equivariances, sweeps)
PICTURES: dict[str, Picture] = {
    picture.__name__: picture
    for picture in (
        *OF_IMAGES,
        *OF_CLASSES,
        *OF_A_CANVAS,
        *OF_PLACES,
        *OF_VIEWS,
        *OF_PARTS,
        *OF_SENTENCES,
        *OF_LATENTS,
        *OF_FACTORS,
    )
}
"""By the name of their function, in the order in which they are drawn."""


def select(pictures: Sequence[str]) -> list[str]:
    """Names of pictures, each known; all if none is named.

    Raises:
        Refusal: one is not.
    """
    check_known("pictures", pictures, PICTURES)
    return list(pictures) or list(PICTURES)


def draw(view: View, names: Sequence[str]) -> Iterator[tuple[str, list[Path] | str]]:
    """Each picture's name, and its files or why it does not apply."""
    view.folder.mkdir(parents=True, exist_ok=True)
    return applied({name: PICTURES[name] for name in names}, view)
