"""`vaebench sample RUN`: pictures of what a finished run's model makes and what its latents mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from vaebench.commands.options import one_run, read
from vaebench.commands.saved import Looking, loggers_of, looking
from vaebench.commands.train import SHOWN_IN_PICTURES
from vaebench.errors import Refusal
from vaebench.pictures import Decoding, View, draw, has_sentences, select
from vaebench.runs.layout import PICTURES
from vaebench.runs.write import near, writing


@dataclass
class Options(Looking):
    """Of `vaebench sample`."""

    pictures: list[str] = field(default_factory=list)  # none named: all
    n: int = SHOWN_IN_PICTURES
    beam: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    out: str = ""  # not given: the run folder's pictures/


def sample(arguments: Sequence[str]) -> None:
    """Draws what applies, into the run folder and the run's logger.

    Raises:
        Refusal: an unknown option, no such run, a picture asked for by name that does not apply.
    """
    words, options = read("sample", arguments, Options)
    path = one_run("sample", words)
    names = select(options.pictures)
    if options.n < 1:
        raise Refusal(f"n={options.n}: must be at least 1")
    decoding = _decoding(options, names)
    with looking(path, options) as (console, saved, subject):
        if decoding != Decoding() and not has_sentences(subject):
            raise Refusal("beam, temperature and top_p decode sentences, and this run makes none")
        folder = Path(options.out).expanduser() if options.out else saved.folder / PICTURES
        written: list[Path] = []
        say = partial(console.print, highlight=False, markup=False, soft_wrap=True)
        with writing(folder):
            for name, found in draw(View(subject, folder, options.n, decoding), names):
                if not isinstance(found, str):
                    written += found
                    for picture in found:
                        say(f"{name:15} {near(picture)}")
                elif options.pictures:
                    raise Refusal(f"pictures=[{name}] does not apply: {found}")
                else:
                    say(f"{name:15} does not apply: {found}", style="dim")
        for logger in loggers_of(saved) if not options.out else ():
            logger.show(written)


def _decoding(options: Options, names: Sequence[str]) -> Decoding:
    decoding = Decoding(options.beam, options.temperature, options.top_p)
    if "sentences" not in names and (decoding.temperature, decoding.top_p) != (1, 1):
        raise Refusal(
            "temperature and top_p are of draws, which pictures=[sentences] alone shows. "
            "Use pictures=[sentences]."
        )
    return decoding
