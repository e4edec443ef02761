"""What to use instead: found by trying, so that whatever is suggested works."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from vaebench.config.groups import PLAINEST
from vaebench.config.options import config_of, options_of, unread
from vaebench.config.words import given
from vaebench.errors import Incompatible, Refusal
from vaebench.paths import conf_dir
from vaebench.runs.layout import option_of
from vaebench.suggest import override

Words = tuple[str, ...]

TRIALS = 40
"""Compositions that are tried at most: a few seconds."""

DEPTH = 3
"""Overrides of one suggestion at most."""

ENOUGH = 2
"""Choices of a part that lead to another refusal, after which no further one is tried."""


class Search:
    """Looks for overrides that a composition goes with.

    Args:
        assemble: builds a config; raises a refusal.
    """

    def __init__(self, assemble: Callable[[DictConfig], Any]) -> None:
        self.assemble, self.left = assemble, TRIALS
        self.known: dict[Words, Refusal | None] = {}

    def remedies(self, error: Incompatible) -> list[str]:
        """One of each part to blame, nearest first; nothing outside of the command, where nobody
        knows what else there is."""
        if not HydraConfig.initialized():
            return []
        hydra = HydraConfig.get()
        self.choices = {k: str(v) for k, v in hydra.runtime.choices.items()}
        own = [s for s in hydra.runtime.config_sources if s.schema == "file" and s.path]
        self.folders = [*(Path(s.path) for s in own if s.provider != "main"), conf_dir()]
        return self._find(error, tuple(hydra.overrides.task), (str(error),))

    def _find(self, error: Incompatible, words: Words, path: tuple[str, ...]) -> list[str]:
        """Those that work by themselves; else, that do with more of them."""
        found, deep = list[str](), len(path) > 1
        beyond: list[tuple[str, Incompatible]] = []
        for candidates in self._candidates(error, words):
            passed = 0
            for new in candidates:
                if passed == ENOUGH or self.left <= 0:
                    break
                outcome = self._outcome(self._with(words, new))
                if outcome is None:
                    found.append(new)
                    break
                if isinstance(outcome, Incompatible) and str(outcome) not in path:
                    beyond.append((new, outcome))
                    passed += 1
            if found and (deep or "." in option_of(found[-1])):
                return found  # of an option taken back, whoever typed it need change no part
        if found or len(path) == DEPTH:
            return found
        for new, outcome in beyond:
            more = self._find(outcome, self._with(words, new), (*path, str(outcome)))
            if more:
                return [f"{new} {more[0]}"]
        return []

    def _candidates(self, error: Incompatible, words: Words) -> Iterator[Sequence[str]]:
        """For each option, and each part that is to blame, what may stand there instead."""
        for option in error.options:
            yield [option]
        for part in error.parts:
            yield [*self._defaults(part, words), *self._choices(part, words)]

    def _defaults(self, part: str, words: Words) -> Iterator[str]:
        """What was typed of a part's options, taken back one by one."""
        typed = given(words)
        for name, word in typed.items():
            if not name.startswith(f"{part}."):
                continue
            with contextlib.suppress(Exception):
                cfg = config_of(self.folders, [w for w in words if w != word])
                value = OmegaConf.select(cfg, name)
                if value is not None:
                    yield override(name, value)

    def _choices(self, part: str, words: Words) -> list[str]:
        """Other choices of a part: first those that read the same options, then the default."""
        options = options_of(self.folders, part)
        now = given(words).get(part, f"{part}={self.choices.get(part)}").partition("=")[2]
        own = {name for name in options.get(now, {}) if not name.startswith("_")}

        def distance(name: str) -> tuple[float, bool, str]:
            other = {option for option in options[name] if not option.startswith("_")}
            both = own | other
            alike = len(own & other) / len(both) if both else 1.0
            return -alike, name != PLAINEST.get(part), name

        return [f"{part}={name}" for name in sorted({*options} - {now}, key=distance)]

    def _with(self, words: Words, new: str) -> Words:
        """The words with some of them taken over, and without what those leave nobody to read."""
        for word in shlex.split(new):
            idle = unread(self.folders, word, words) if "." not in option_of(word) else []
            words = (*(w for w in words if option_of(w) != option_of(word) and w not in idle), word)
        return words

    def _outcome(self, words: Words) -> Refusal | None:
        """What a composition is refused for."""
        if words not in self.known:
            self.left -= 1
            try:
                cfg = config_of(self.folders, words)
                with open_dict(cfg):
                    del cfg["hydra"]
                self.assemble(cfg)
                self.known[words] = None
            except Refusal as refusal:
                self.known[words] = refusal
            except Exception as error:
                self.known[words] = Refusal(str(error))
        return self.known[words]
