"""What to use instead: found by trying, so that whatever is suggested works."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from vaebench.config.groups import PLAINEST
from vaebench.config.options import config_of, options_of, unread, with_choice
from vaebench.config.words import given
from vaebench.errors import Incompatible, Refusal
from vaebench.paths import conf_dir
from vaebench.runs.layout import option_of
from vaebench.suggest import override, typed

TRIALS = 480
"""Compositions that are tried at most: half a minute, where nearly every part is at fault."""

DEPTH = 10
"""Refusals on the way to one suggestion at most; an override may take back an earlier one."""

ENOUGH = 2
"""Choices of a part that lead to another refusal, after which no further one is tried."""


@dataclass(frozen=True, eq=False)
class Line:
    """A command line.

    Attributes:
        words: its overrides.
        cfg: what they come to.
    """

    words: tuple[str, ...]
    cfg: DictConfig


def remedies(
    error: Incompatible, cfg: DictConfig, assemble: Callable[[DictConfig], Any]
) -> list[str]:
    """Overrides that a composition goes with: one of each part to blame, nearest first; nothing
    outside of the command, where nobody knows what else there is.

    Args:
        error: what it is refused for.
        cfg: its config.
        assemble: builds a config; raises a refusal.
    """
    if not HydraConfig.initialized():
        return []
    return Search(HydraConfig.get(), assemble).remedies(error, cfg)


class Search:
    """Tries other choices and options in the place of what was typed.

    Args:
        hydra: what Hydra knows of the command line.
        assemble: builds a config; raises a refusal.
    """

    def __init__(self, hydra: HydraConf, assemble: Callable[[DictConfig], Any]) -> None:
        self.assemble, self.left = assemble, TRIALS
        self.lines: dict[frozenset[str], Line] = {}
        self.known: dict[Line, Refusal | None] = {}
        self.words = tuple(hydra.overrides.task)
        self.choices = {k: str(v) for k, v in hydra.runtime.choices.items()}
        own = [s for s in hydra.runtime.config_sources if s.schema == "file" and s.path]
        self.folders = [*(Path(s.path) for s in own if s.provider != "main"), conf_dir()]

    def remedies(self, error: Incompatible, cfg: DictConfig) -> list[str]:
        """What works as Hydra composes it."""
        line = Line(self.words, cfg)
        found = self._find(error, line, (str(error),))
        return [self._joined(line, new) for new in found if self._holds(line, new)]

    def _find(self, error: Incompatible, line: Line, path: tuple[str, ...]) -> list[str]:
        """Those that work by themselves; else the first that does with more of them."""
        taken_back = any(option.endswith(".") for option in error.options)
        found: list[str] = []
        beyond: list[tuple[str, Line, Any]] = []
        for candidates in self._candidates(error, line):
            passed = 0
            for new in candidates:
                if passed == ENOUGH or self.left <= 0:
                    break
                tried, outcome = self._try(line, new)
                if outcome is None:
                    found.append(new)
                    break
                if self._is_further(outcome, new, path):
                    beyond.append((new, tried, outcome))
                    passed += 1
            if found and (len(path) > 1 or (taken_back and "." in option_of(found[-1]))):
                return found  # of an option taken back, whoever typed it need change no part
        if found or len(path) == DEPTH:
            return found
        for new, tried, outcome in beyond:
            if more := self._find(outcome, tried, (*path, str(outcome))):
                return [self._joined(line, new, more[0])]
        return []

    def _is_further(self, outcome: Refusal, new: str, path: tuple[str, ...]) -> bool:
        """Whether something else is to blame now."""
        return (
            isinstance(outcome, Incompatible)
            and str(outcome) not in path
            and (bool(outcome.options) or outcome.parts[:1] != (option_of(new),))
        )

    def _candidates(self, error: Incompatible, line: Line) -> Iterator[Sequence[str]]:
        """For each option, and each part that is to blame, what may stand there instead."""
        for option in error.options:
            yield self._defaults(option, line) if option.endswith(".") else [option]
        for part in error.parts:
            others = {self._choice(other, line.words) for other in error.parts if other != part}
            yield self._choices(part, line.words, others)

    def _defaults(self, prefix: str, line: Line) -> list[str]:
        """Options that were typed, each taken back."""
        part = prefix.rstrip(".")
        own = options_of(self.folders, part)[self._choice(part, line.words)]
        cfg = OmegaConf.merge(line.cfg, {part: own})
        typed = [name for name in given(line.words) if name.startswith(prefix)]
        defaults = {n: OmegaConf.select(cfg, n) for n in typed if not OmegaConf.is_missing(cfg, n)}
        return [override(name, default) for name, default in defaults.items()]

    def _choice(self, part: str, words: Sequence[str]) -> str:
        return given(words).get(part, f"{part}={self.choices.get(part)}").partition("=")[2]

    def _choices(self, part: str, words: Sequence[str], others: Container[str]) -> list[str]:
        """Other choices of a part: those first that are called like the other parts to blame, then
        those that read the same options, then the plainest, and last those made of several."""
        options, now = options_of(self.folders, part), self._choice(part, words)
        own = {name for name in options.get(now, {}) if not name.startswith("_")}

        def distance(name: str) -> tuple[bool, float, bool, bool, int, str]:
            other = {option for option in options[name] if not option.startswith("_")}
            both = own | other
            alike = len(own & other) / len(both) if both else 1.0
            nested = any(isinstance(value, DictConfig) for value in options[name].values())
            plainest = name == PLAINEST.get(part)
            return name not in others, -alike, not plainest, nested, len(name), name

        return [f"{part}={name}" for name in sorted({*options} - {now}, key=distance)]

    def _with(self, line: Line, new: str) -> Line:
        """The line with some overrides taken over, and without what those leave nobody to read."""
        for word in shlex.split(new):
            name = option_of(word)
            idle = unread(self.folders, word, line.words) if "." not in name else []
            kept = (w for w in line.words if option_of(w) != name and w not in idle)
            words = (*kept, word)
            if (same := frozenset(words)) not in self.lines:  # whichever of them came first
                now = self._choice(name, line.words)
                cfg = with_choice(line.cfg, self.folders, now, word, words)
                self.lines[same] = Line(words, cfg)
            line = self.lines[same]
        return line

    def _try(self, line: Line, new: str) -> tuple[Line, Refusal | None]:
        """The line with some overrides taken over, and what that is refused for."""
        try:
            line = self._with(line, new)
        except Exception as error:  # what Hydra objects to
            return line, Refusal(str(error))
        if line not in self.known:
            self.left -= 1
            self.known[line] = self._outcome(line.cfg)
        return line, self.known[line]

    def _outcome(self, cfg: DictConfig) -> Refusal | None:
        try:
            self.assemble(cfg)
        except Refusal as refusal:
            return refusal
        except Exception as error:  # somebody else's class
            return Refusal(str(error))
        return None

    def _holds(self, line: Line, new: str) -> bool:
        """Whether it works as Hydra composes it, with all that it brings along."""
        with contextlib.suppress(Exception):
            self.assemble(config_of(self.folders, self._with(line, new).words))
            return True
        return False

    def _joined(self, line: Line, *suggestions: str) -> str:
        """One of several, as it is typed: what they add to the line together. A later override takes the
        place of an earlier one of its group, and takes options away that it leaves nobody to read."""
        end = reduce(self._with, suggestions, line)
        return " ".join(typed(word) for word in end.words if word not in line.words)
