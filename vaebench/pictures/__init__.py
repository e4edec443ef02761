"""Pictures of a run: what the model makes, what its latents mean, and how it was trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from vaebench.errors import Refusal
from vaebench.measures.base import Inapplicable
from vaebench.pictures.curves import curves
from vaebench.pictures.decoding import Decoding
from vaebench.pictures.journeys import arithmetic, interpolations, traversals
from vaebench.pictures.maps import pca, tsne
from vaebench.pictures.posteriors import posteriors
from vaebench.pictures.samples import data, manifold, reconstructions, samples
from vaebench.pictures.sentences import has_sentences, homotopies, paraphrases, sentences
from vaebench.pictures.strokes import canvas, filters, strokes
from vaebench.pictures.view import View
from vaebench.pictures.walks import prior_walk
from vaebench.progress import doing
from vaebench.suggest import unknown

Picture = Callable[[View], list[Path]]

PICTURES: dict[str, Picture] = {
    "data": data,
    "reconstructions": reconstructions,
    "samples": samples,
    "manifold": manifold,
    "canvas": canvas,
    "strokes": strokes,
    "filters": filters,
    "sentences": sentences,
    "paraphrases": paraphrases,
    "homotopies": homotopies,
    "posteriors": posteriors,
    "interpolations": interpolations,
    "prior_walk": prior_walk,
    "traversals": traversals,
    "arithmetic": arithmetic,
    "pca": pca,
    "tsne": tsne,
}


def select(pictures: Sequence[str]) -> list[str]:
    """Names of pictures, each known; all if none is named.

    Raises:
        Refusal: one is not.
    """
    if wrong := unknown("pictures", pictures, PICTURES):
        raise Refusal(wrong)
    return list(pictures) or list(PICTURES)


def draw(view: View, names: Sequence[str]) -> Iterator[tuple[str, list[Path] | str]]:
    """Each picture's name, and its files or why it does not apply."""
    view.folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        try:
            with doing(name):
                found: list[Path] | str = PICTURES[name](view)
        except Inapplicable as reason:
            found = str(reason)
        yield name, found
