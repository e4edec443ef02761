"""Ways between draws from the prior, of whatever a model makes."""

from __future__ import annotations

from pathlib import Path

from vaebench.pictures.journeys import walk_of_images
from vaebench.pictures.sentences import has_sentences, walk_of_sentences
from vaebench.pictures.view import View


def prior_walk(view: View) -> list[Path]:
    """Ways between pairs of draws z ~ p(z): as images, or the best sentences along them."""
    walk = walk_of_sentences if has_sentences(view.subject) else walk_of_images
    return walk(view)
