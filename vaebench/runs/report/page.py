"""The page of results: claims with their tests, and a table for each system. A function of files alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from vaebench.runs.report.claims import NOT_RUN, Test, Verdict, judged
from vaebench.runs.report.published import System
from vaebench.runs.report.record import Result, Row
from vaebench.runs.tables import main_metric_of, markdown

NONE = "–"

HEAD = """\
# Results

What runs of this program measured, beside what was published. `{command}` writes this page from the files in
`{folder}/`, which `{command} FOLDER` gathers from the run folders in FOLDER; nothing measured on it is typed.
A commit *by hand* was told to `vaebench report FOLDER commit=…`, of runs from before summaries named it.

Measured values are means over seeds ± their standard error; of one seed, ± the standard error over test examples
where the run told it. A published value is of the paper's own protocol and size, which `budget=small` does not
reach: it stands there to be aimed at. A row alone is run again by its words, as in
`vaebench experiment=NAME hydra.mode=RUN seed=0 WORDS`."""

CLAIMS = """\
## Claims

Each is a difference that a paper, or a theorem, says is above zero, tested in pairs: over common seeds (Student's t)
from three seeds on, otherwise over test examples (normal). It *held* where the difference has the sign and p < 0.05; one
that *does not hold* is told so, at the budget at which it was run."""


def page(
    systems: Sequence[System], results: Mapping[str, Result], command: str, folder: str
) -> str:
    """Everything in Markdown.

    Args:
        systems: in the order of the page; results of others stand at its end.
        results: by name.
        command: that writes the page.
        folder: of the result files.

    Raises:
        Refusal: a claim names what no row has.
    """
    known = {system.name for system in systems}
    others = [
        System(name, f"`{name}`", results[name].command) for name in results if name not in known
    ]
    every = [*systems, *others]
    parts = [HEAD.format(command=command, folder=folder), *_claims(every, results)]
    parts += [part for system in every for part in _system(system, results.get(system.name))]
    return "\n\n".join(parts) + "\n"


# ------------------------------------------------------------------------------------------- claims
def _claims(systems: Sequence[System], results: Mapping[str, Result]) -> Iterator[str]:
    lines = [
        [claim.name, f"[{system.name}](#{_anchor(system)})", *_verdict(verdict)]
        for system in systems
        for claim in system.claims
        for verdict in judged(claim, results.get(system.name))
    ]
    if lines:
        yield CLAIMS
        yield markdown(["claim", "of", "budget", "difference", "p", "over", ""], lines)


def _verdict(verdict: Verdict) -> list[str]:
    tests = verdict.tests
    told = f"**{verdict.told}**" if verdict.told != NOT_RUN else NOT_RUN
    return [
        verdict.budget or NONE,
        "; ".join(_plus_minus(t.difference, t.error, "+") for t in tests) or NONE,
        "; ".join(_p(t) for t in tests) or NONE,
        "; ".join(dict.fromkeys(t.over for t in tests)) or NONE,
        told,
    ]


def _p(test: Test) -> str:
    if math.isnan(test.p):
        return NONE
    return f"{test.p:.2g}" if test.p >= 1e-4 else "<1e-4"


# ------------------------------------------------------------------------------------------- systems
def _system(system: System, result: Result | None) -> Iterator[str]:
    yield f"## {system.title}"
    yield f"```sh\n{result.command if result else system.command}\n```"
    if system.note:
        yield system.note
    metrics = list(system.metrics) or _main(result)
    head = ["", "budget", *metrics, "n", "seconds", "commit"]
    published = [f"published: {p.metric}" for p in system.published]
    lines = [*_lines(system, result, metrics)]
    if not lines:
        yield "Not run."
        return
    yield markdown([*head, *published], lines)
    sources = [f"Published, {p.metric}: {p.source}; {p.verified}." for p in system.published]
    yield from filter(None, ["\n".join(f"- {line}" for line in sources), _machines(result)])


def _main(result: Result | None) -> list[str]:
    metrics = [set(run["metrics"]) for row in (result.rows if result else []) for run in row.runs]
    return [main_metric_of(metrics)]


def _lines(system: System, result: Result | None, metrics: Sequence[str]) -> Iterator[list[str]]:
    """The rows that were run, then those that something is published or claimed of, which were not."""
    rows = [row for row in (result.rows if result else []) if _is_shown(row, system)]
    for row in rows:
        yield [
            f"`{row.words or NONE}`",
            row.budget or NONE,
            *_measured(row, metrics),
            *_beside(system, row.words),
        ]
    run = {row.words for row in (result.rows if result else [])}
    for words in _awaited(system):
        if words not in run:
            empty = [NOT_RUN, *[""] * (len(metrics) + 2)]
            yield [f"`{words or NONE}`", NONE, *empty, *_beside(system, words)]


def _awaited(system: System) -> dict[str, None]:
    """Words of rows that something is published or claimed of."""
    published = [words for p in system.published for words in p.values]
    claimed = [e.ordered for c in system.claims for e in c.order if e.number is None]
    return dict.fromkeys([*published, *claimed])


def _is_shown(row: Row, system: System) -> bool:
    claimed = {e.ordered for c in system.claims for e in c.order}
    return set(system.shown) <= set(row.words.split()) or row.words in claimed


def _measured(row: Row, metrics: Sequence[str]) -> list[str]:
    means = [_plus_minus(*row.mean(metric)) for metric in metrics]
    seconds = sum(run["seconds"] for run in row.runs) / len(row.runs)
    commits = dict.fromkeys(run["commit"] for run in row.runs)
    count = len(row.runs)
    n = f"{count} seeds" if count > 1 else f"seed {row.runs[0]['seed']}"
    return [*means, n, f"{seconds:.0f}" if seconds else NONE, ", ".join(commits)]


def _beside(system: System, words: str) -> list[str]:
    return [p.values.get(words, "") for p in system.published]


def _machines(result: Result | None) -> str:
    runs = [run for row in (result.rows if result else []) for run in row.runs]
    found = dict.fromkeys(f"{run['machine']}, torch {run['torch']}" for run in runs)
    return f"Machine: {'; '.join(sorted(found))}." if found else ""


def _anchor(system: System) -> str:
    """As MyST and GitHub make it of a heading."""
    kept = (c for c in system.title.lower() if c.isalnum() or c in " -_")
    return "".join(kept).replace(" ", "-")


def _plus_minus(mean: float, error: float, sign: str = "") -> str:
    """To two digits of the error, to five of a number without."""
    if math.isnan(mean):
        return NONE
    if math.isnan(error) or not error:
        return f"{mean:{sign}.5g}"
    digits = 1 - math.floor(math.log10(error))
    if abs(mean) >= 1e6:
        return f"{mean:{sign}.3g} ± {error:.2g}"
    digits = max(digits, 0)
    return f"{mean:{sign}.{digits}f} ± {error:.{digits}f}"
