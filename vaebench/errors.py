"""What vaebench says no to, and how: one line that names what, why and what to use instead."""


class Refusal(ValueError):
    """A choice that cannot be carried out. The command prints it in one line and exits with 2."""


class Incompatible(Refusal):
    """Two choices that do not go together; the message names both and an override that works."""


class DataError(Refusal):
    """Data that are missing, corrupt, or of another shape or range than declared."""


class RunFailed(RuntimeError):
    """A run that had begun and ended early. The command prints it in one line and exits with 1."""

    ends_grid = False
    """Whether the jobs after it in a grid are not to start: somebody asked to stop."""
