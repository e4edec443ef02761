"""Sentences that a model makes: samples, ways between two, and what one posterior holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vaebench.data import Field, Support, as_text
from vaebench.distributions import TokenSequence
from vaebench.errors import Incompatible
from vaebench.inference import generate_at, infer, simulate
from vaebench.measures.base import Inapplicable, Subject
from vaebench.pictures.journeys import along, drawn_pairs, linear, walk_of_images
from vaebench.pictures.view import Point, View

SAMPLES, PAIRS, EXAMPLES, DRAWS = 20, 5, 8, 3
TABLE = ".tsv"
POINTS = 7  # of a way, ends included


def sentences(view: View) -> list[Path]:
    """Samples from the model: the best sentence at z ~ p(z), and one drawn there word by word."""
    view.subject.need_bound()
    x = _tokens(view)
    noise, n = view.noise, min(SAMPLES, len(view))
    given = {name: value[:n] for name, value in view.given.items()}
    p = _language(simulate(view.subject.model, n, given, noise)[x.name].dist, n)
    best, drawn = x.said(view.decoding.best(p)[0]), x.said(view.decoding.drawn(p, noise)[0])
    kind = "greedy" if view.decoding.beam == 1 else f"beam of {view.decoding.beam}"
    kinds = {kind: best, "drawn": drawn}
    rows = [[str(i + 1), kind, said[i]] for i in range(n) for kind, said in kinds.items()]
    if not view.subject.roles[0]:  # without a latent the best sentence is always the same
        rows = [rows[0], *rows[1::2]]
    return [_write(view.folder / "sentences.tsv", ("sample", "decoding", "sentence"), rows)]


@torch.no_grad()
def paraphrases(view: View) -> list[Path]:
    """A sentence, what the mean of its posterior decodes to, and what some samples of it do."""
    _ = view.subject.latents
    x, model = _tokens(view), view.subject.model
    n = min(EXAMPLES, len(view))
    some = {name: value[:n] for name, value in view.batch.items()}
    means = {name: z[:n] for name, z in view.codes.items()}
    draws = infer(model, some, DRAWS, noise=view.noise).p[x.name].dist
    of_draws = view.decoding.best(_language(draws, n, DRAWS))
    columns = {"x": x.said(view.batch[x.name][:n]), "mean": x.said(_at(view, means, x.name, some))}
    columns |= {f"sample {i + 1}": x.said(rows) for i, rows in enumerate(of_draws)}
    rows = [[str(i + 1), of, said[i]] for i in range(n) for of, said in columns.items()]
    return [_write(view.folder / "paraphrases.tsv", ("example", "z", "sentence"), rows)]


def homotopies(view: View) -> list[Path]:
    """The best sentences along the straight way between the codes of two."""
    _ = view.subject.latents
    x, n = _tokens(view), min(2 * PAIRS, len(view) // 2 * 2)
    if n < 2:
        raise Inapplicable("one sentence has nowhere to go: at least two are needed")
    a, b = ({name: z[i:n:2] for name, z in view.codes.items()} for i in (0, 1))
    own = x.said(view.batch[x.name][:n])
    return [_save_ways(view.folder / "homotopies.tsv", view, a, b, range(0, n, 2), own)]


def prior_walk(view: View) -> list[Path]:
    """Ways between pairs of draws z ~ p(z): the best sentences along them, or images."""
    if not has_sentences(view.subject):
        return walk_of_images(view)
    return [_save_ways(view.folder / "prior_walk.tsv", view, *drawn_pairs(view, PAIRS))]


def _save_ways(
    path: Path, view: View, a: Point, b: Point, examples: Sequence[int], own: Sequence[str] = ()
) -> Path:
    """The best sentences along the straight ways between points `[n, *event]` by latent.

    Args:
        examples: whose conditions each way is under.
        own: sentences to show at the ends of the ways, two of each.
    """
    x, t = _tokens(view), torch.linspace(0, 1, POINTS, device=view.subject.device)
    at = torch.tensor(examples, device=t.device).repeat_interleave(POINTS)
    given = {name: value[at] for name, value in view.given.items()}
    said = x.said(_at(view, along(linear, a, b, t), x.name, given))
    far, rows = [f"{part:.2f}" for part in t.tolist()], []
    for i in range(len(examples)):
        way = list(zip(far, said[i * POINTS : (i + 1) * POINTS], strict=True))
        if own:
            way = [("x", own[2 * i]), *way, ("x'", own[2 * i + 1])]
        rows += [[str(i + 1), place, sentence] for place, sentence in way]
    return _write(path, ("pair", "t", "sentence"), rows)


@dataclass(frozen=True)
class Tokens:
    """The name of the batch that holds sentences, and how to write them out."""

    name: str
    field: Field

    def said(self, rows: Tensor) -> list[str]:
        """Rows of tokens `[n, l]` as text."""
        return [as_text(row, self.field.symbols, self.field.joiner) for row in rows.cpu()]


def has_sentences(subject: Subject) -> bool:
    """Whether a model generates any."""
    fields = subject.composition.data.spec.fields
    return any(fields[name].support is Support.TOKENS for name in subject.roles[1])


def _tokens(view: View) -> Tokens:
    fields = view.subject.composition.data.spec.fields
    for name in view.observed:
        if fields[name].support is Support.TOKENS:
            return Tokens(name, fields[name])
    raise Inapplicable(f"{view.observed[0]} holds no sentences")


def _at(view: View, z: Point, name: str, given: dict[str, Tensor]) -> Tensor:
    """The best sentences at given latents, `[n, L]`."""
    conditions = {key: value for key, value in given.items() if key in view.given}
    trace = generate_at(view.subject.model, z, conditions, view.noise)
    return view.decoding.best(_language(trace[name].dist, len(next(iter(z.values())))))[0]


def _language(p: object, n: int, k: int = 1) -> TokenSequence:
    """A density of n sentences with contexts `[k, n, C]`, whatever it left to broadcasting."""
    if not isinstance(p, TokenSequence):
        raise Incompatible(f"{type(p).__name__} decodes no sentences")
    return TokenSequence(p.language, p.context.expand(k, n, -1), p.length)


def _write(path: Path, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Path:
    """A table of text, its columns apart by tabs; no symbol of a vocabulary holds white space."""
    lines = ["\t".join(row) for row in (head, *rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def read_table(path: Path) -> tuple[list[str], list[list[str]]]:
    """The columns' names and the rows of what was written here."""
    head, *rows = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines())
    return head, rows
