"""What vaebench says no to, and how: one line that names what, why and what to use instead."""

from __future__ import annotations


class Refusal(ValueError):
    """A choice that cannot be carried out. The command prints it in one line and exits with 2."""


class Incompatible(Refusal):
    """Choices that do not go together.

    Whoever raises it knows neither how a part was chosen nor what else there is: whoever composes
    the parts says `posterior=planar` for `this posterior`, and finds what to use instead.

    Args:
        why: what does not go with what.
        *parts: config groups of which another choice may be the way out, nearest first.
        options: overrides of options that may be; `part.`: any option of a part that was typed, taken
            back.
    """

    def __init__(self, why: str, *parts: str, options: tuple[str, ...] = ()) -> None:
        super().__init__(why)
        self.parts, self.options = parts, options


class DataError(Refusal):
    """Data that are missing, corrupt, or of another shape or range than declared."""


class RunFailed(RuntimeError):
    """A run that had begun and ended early. The command prints it in one line and exits with 1."""

    ends_grid = False
    """Whether the jobs after it in a grid are not to start: somebody asked to stop."""
