"""What to use instead: found by trying, so that whatever is suggested works."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from vaebench.config.groups import PLAINEST
from vaebench.config.options import config_of, options_of, taken_over
from vaebench.config.words import given
from vaebench.errors import Incompatible, Refusal
from vaebench.paths import conf_dir
from vaebench.runs.layout import option_of
from vaebench.suggest import override

TRIALS = 150
"""Compositions that are tried at most: half a minute, where nearly every part is at fault."""

DEPTH = 8
"""Overrides of one suggestion at most."""

ENOUGH = 2
"""Choices of a part that lead to another refusal, after which no further one is tried."""


def remedies(error: Incompatible, assemble: Callable[[DictConfig], Any]) -> list[str]:
    """Overrides that a composition goes with: one of each part to blame, nearest first; nothing
    outside of the command, where nobody knows what else there is.

    Args:
        error: what it is refused for.
        assemble: builds a config; raises a refusal.
    """
    if not HydraConfig.initialized():
        return []
    hydra = HydraConfig.get()
    return Search(hydra, assemble).find(error, hydra.overrides.task, (str(error),))


class Search:
    """Tries other choices and options in the place of what was typed.

    Args:
        hydra: what Hydra knows of the command line.
        assemble: builds a config; raises a refusal.
    """

    def __init__(self, hydra: HydraConf, assemble: Callable[[DictConfig], Any]) -> None:
        self.assemble, self.left = assemble, TRIALS
        self.choices = {k: str(v) for k, v in hydra.runtime.choices.items()}
        own = [s for s in hydra.runtime.config_sources if s.schema == "file" and s.path]
        self.folders = [*(Path(s.path) for s in own if s.provider != "main"), conf_dir()]

    def find(self, error: Incompatible, words: Sequence[str], path: tuple[str, ...]) -> list[str]:
        """Those that work by themselves; else the first that does with more of them.

        Args:
            error: what the words are refused for.
            words: overrides of a command line.
            path: what was in the way so far.
        """
        taken_back = any(option.endswith(".") for option in error.options)
        found: list[str] = []
        beyond: list[tuple[str, Incompatible]] = []
        for candidates in self._candidates(error, words):
            passed = 0
            for new in candidates:
                if passed == ENOUGH or self.left <= 0:
                    break
                outcome = self._try(self._with(words, new))
                if outcome is None:
                    found.append(new)
                    break
                if isinstance(outcome, Incompatible) and _is_further(outcome, new, path):
                    beyond.append((new, outcome))
                    passed += 1
            if found and (len(path) > 1 or (taken_back and "." in option_of(found[-1]))):
                return found  # of an option taken back, whoever typed it need change no part
        if found or len(path) == DEPTH:
            return found
        for new, outcome in beyond:
            if more := self.find(outcome, self._with(words, new), (*path, str(outcome))):
                return [_joined(new, more[0])]
        return []

    def _candidates(self, error: Incompatible, words: Sequence[str]) -> Iterator[Sequence[str]]:
        """For each option, and each part that is to blame, what may stand there instead."""
        for option in error.options:
            yield self._defaults(option, words) if option.endswith(".") else [option]
        for part in error.parts:
            yield self._choices(part, words)

    def _defaults(self, prefix: str, words: Sequence[str]) -> list[str]:
        """Options that were typed, each taken back."""
        typed = {name: word for name, word in given(words).items() if name.startswith(prefix)}
        cfg = config_of(self.folders, [word for word in words if word not in typed.values()])
        defaults = {n: OmegaConf.select(cfg, n) for n in typed if not OmegaConf.is_missing(cfg, n)}
        return [override(name, default) for name, default in defaults.items()]

    def _choices(self, part: str, words: Sequence[str]) -> list[str]:
        """Other choices of a part: those first that read the same options, then the plainest."""
        now = given(words).get(part, f"{part}={self.choices.get(part)}").partition("=")[2]
        options = {
            name: {option for option in read if not option.startswith("_")}
            for name, read in options_of(self.folders, part).items()
        }
        own = options.pop(now, set())

        def distance(name: str) -> tuple[float, bool, int, str]:
            both = own | options[name]
            alike = len(own & options[name]) / len(both) if both else 1.0
            return -alike, name != PLAINEST.get(part), len(name), name

        return [f"{part}={name}" for name in sorted(options, key=distance)]

    def _with(self, words: Sequence[str], new: str) -> list[str]:
        return taken_over(self.folders, words, shlex.split(new))

    def _try(self, words: Sequence[str]) -> Refusal | None:
        """What a command line is refused for."""
        self.left -= 1
        try:
            self.assemble(config_of(self.folders, words))
        except Refusal as refusal:
            return refusal
        except Exception as error:  # what Hydra objects to, or somebody else's class
            return Refusal(str(error))
        return None


def _is_further(outcome: Incompatible, new: str, path: Sequence[str]) -> bool:
    """Whether something else is to blame now."""
    elsewhere = bool(outcome.options) or outcome.parts[:1] != (option_of(new),)
    return elsewhere and str(outcome) not in path


def _joined(*suggestions: str) -> str:
    """One of several, of which a later override takes the place of an earlier one of its group."""
    words = [word for suggestion in suggestions for word in shlex.split(suggestion)]
    return shlex.join({option_of(word): word for word in words}.values())
