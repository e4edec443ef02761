"""The words of a command line: which are overrides, which say nothing, which say two things."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from vaebench.errors import Refusal
from vaebench.runs.layout import option_of
from vaebench.suggest import command_line, nearest, typed, use

COMPOSING = ("check", "train")
OF_RUNS = ("compare", "evaluate", "resume", "sample")
BY_THEMSELVES = ("doctor", "new", "report")
COMMANDS = (*COMPOSING, *OF_RUNS, *BY_THEMSELVES, "list", "study")

Names = Mapping[str, Collection[str]]
"""Groups, and what each has to choose from."""

SURE = 0.75
"""How near a lone word must be to a name: it may be any of a hundred."""


def given(args: Iterable[str]) -> dict[str, str]:
    """The overrides of a command line: key → word."""
    words = [a for a in args if not a.startswith("-") and ("=" in a or a.startswith("~"))]
    return {option_of(word): word for word in words}


def check_words(overrides: Sequence[str], found: Names, args: Sequence[str]) -> None:
    """Refuses overrides of nothing, and several choices of a group or values of an option, of which
    Hydra would take the last.

    Args:
        overrides: as they were typed.
        args: the whole command line.

    Raises:
        Refusal: naming the word, or both.
    """
    once = not {"-m", "--multirun"} & set(args) and "study" not in args[:1]
    for word in overrides:
        name, is_set, value = word.partition("=")
        if is_set and not option_of(word):
            raise Refusal(f"{word!r} sets nothing: an option is written name=value")
        if option_of(word).startswith("suggested"):
            raise Refusal(f"no option {option_of(word)!r} of yours: only data sets suggest")
        if name in found and value.startswith("["):
            several = use(grid(args, word, f"{name}={value.strip('[]')}")) if once else ""
            raise Refusal(f"{word}: a run has one choice of each group.{several}")
    check_once(overrides, args)


def check_once(overrides: Iterable[str], args: Sequence[str] = ("study",)) -> None:
    """Refuses two overrides of one option that differ.

    Args:
        args: the whole command line, where both of them could make a grid.
    """
    seen: dict[str, str] = {}
    for word in overrides:
        name, _, value = word.lstrip("+").partition("=")
        first = seen.setdefault(name, word)
        before = first.partition("=")[2]
        if before != value:
            both = [typed(word), typed(first), *_both(first, word, args)]
            raise Refusal(f"{name} is given twice, as {before} and as {value}.{use(*both)}")


def _both(first: str, second: str, args: Sequence[str]) -> list[str]:
    """What makes a grid of two overrides of one option."""
    value = second.partition("=")[2]
    if "," in first.partition("=")[2] + value or "study" in args[:1]:
        return []
    both = f"{first},{value}"
    if {"-m", "--multirun"} & set(args):
        return [typed(both)]
    return [grid([arg for arg in args if arg != second], first, both)]


def grid(args: Sequence[str], word: str = "", several: str = "") -> str:
    """The same command line as a grid, perhaps with another word in place of one."""
    words = args[1:] if "check" in args[:1] else args
    return command_line("-m", *(several if arg == word else arg for arg in words))


def unreadable(word: str, found: Names, args: Sequence[str]) -> str:
    """What to say of a word that is no override."""
    if "=" in word:
        return f"cannot read the override {word!r}; quote what a shell or YAML would take apart"
    if word in COMMANDS:
        line = commanded(word, word, args)
        return f"{word!r} is a command, and stands before all else.{use(*filter(None, [line]))}"
    groups = [group for group in found if word in found[group]]
    if len(groups) > 1 and "model" not in groups:
        meant = ", ".join(f"{group}={word}" for group in groups)
        return f"{word!r} alone does not say of which group: {meant}"
    near = nearest_word(word, found, args)
    told = f"{word!r} is neither a command nor an option of the form name=value."
    return f"{told} Did you mean {near}?" if near else told


def nearest_word(word: str, found: Names, args: Sequence[str]) -> str | None:
    """The override or command line that a lone word may be a misspelling of."""
    named: dict[str, list[str]] = {}
    for group in found:
        for choice in found[group]:
            named.setdefault(choice, []).append(f"{group}={choice}")
    meant: dict[str, str | None] = {
        name: f"model={name}" if name in found.get("model", ()) else of[0]
        for name, of in named.items()
        if len(of) == 1 or name in found.get("model", ())
    }
    meant |= {group: command_line("list", group) for group in found}
    meant |= {name: line for name in COMMANDS if (line := commanded(name, word, args))}
    near = nearest(word, meant, SURE)
    return meant[near] if near else None


def commanded(name: str, word: str, args: Sequence[str]) -> str | None:
    """A command with what else was typed that it can take; None where it lacks what it needs.

    Args:
        name: of the command.
        word: what stands for it now.
    """
    rest = [arg for arg in args if arg != word and arg not in COMMANDS]
    if name in COMPOSING:
        return command_line(name, *rest)
    names = [arg for arg in rest if arg not in given(rest).values() and not arg.startswith("-")]
    if name in OF_RUNS and not names:
        return None
    return None if name in ("new", "study") and not names else command_line(name, *names)
