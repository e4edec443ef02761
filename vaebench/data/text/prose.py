"""The sentences of technical documentation: what is left without headings, code and tables."""

from __future__ import annotations

import re
from collections.abc import Iterator

RULE = re.compile(r"([^\w\s])\1{2,}")
"""The line under a heading, or a border."""

ITEM = re.compile(r"\s*(?:[*•]|\d+\.|\[\d+\])\s+(?=\S)")
"""What stands before the item of a list, or before a footnote."""

LABEL = re.compile(
    r"^(?:(?:Changed|New|Added|Deprecated|Removed) [a-z ]*version \d[\w., ]*(?::|\.$)"
    r"|(?:Note|See also|Warning|Important|Availability|Source code|CPython implementation detail):)"
    r" *"
)
HYPHEN = re.compile(r"(?<=\w-)\n(?=\w)")
LITERAL = re.compile(r'"(\w+(?: \w+)*)(?:\(\))?"')
"""A name or phrase of code, in the double quotes that stand for type of fixed width."""

EMPHASIS = re.compile(r"(?<!\w)(\*{1,2})(\w[^*]*)\1(?!\w)")
FOOTNOTE = re.compile(r"\s\[\d+\](?=[\s.,;:]|$)")
END = re.compile(r"(?<=[.!?])(?<!\be\.g\.)(?<!\bi\.e\.)\s+(?=[‘“(]?[A-Z])")
QUOTES = str.maketrans("‘’“”", "''\"\"")

SENTENCE = re.compile(r"[A-Z](?:[^\W_]|[ ,;:.!?‘’“”()–—-])*[.!?]")
"""Straight quotes are not among its characters: they stand in code."""

CODE = re.compile(r"[^\W_]\(|\.\.|(?<!\be)(?<!\bi)\.(?=[^\W\d])|^\w*(?:Error|Exception|Warning):")
"""A call, an ellipsis, a dotted name, which `e.g.` is not, or what ends a traceback."""

UNFINISHED = re.compile(r"\b(?:e\.g|i\.e)\.$")


def sentences(text: str) -> Iterator[str]:
    """Sentences of running text, each on one line.

    A sentence begins with a capital letter, ends in . ! or ?, and holds nothing that stands in code
    alone: no operator, bracket, underscore or quoted expression, no dotted name and no call.

    >>> list(sentences("Heading\\n=======\\n\\nA *list* is\\nmutable.  Try \\"x = []\\".\\n\\n   >>> [1]"))
    ['A list is mutable.']
    """
    for block in blocks(text):
        for sentence in END.split(_plain(block)):
            if _is_prose(sentence):
                yield sentence.translate(QUOTES)


def blocks(text: str) -> Iterator[str]:
    """Runs of lines of one indentation, without headings: paragraphs, items, pieces of code."""
    lines: list[str] = []
    indent = 0
    for line in text.splitlines():
        item = ITEM.match(line)
        body = line[item.end() :] if item else line.lstrip()
        begins = len(line) - len(body)
        if RULE.fullmatch(body.rstrip()):
            lines = []
            continue
        if lines and (item or not body or begins != indent):
            yield "\n".join(lines)
            lines = []
        if body:
            lines.append(body.rstrip())
            indent = begins
    if lines:
        yield "\n".join(lines)


def _plain(block: str) -> str:
    """One line, without labels and markup."""
    line = " ".join(HYPHEN.sub("", block).split())
    line = EMPHASIS.sub(r"\2", LABEL.sub("", line))
    return LITERAL.sub(r"\1", FOOTNOTE.sub("", line))


def _is_prose(sentence: str) -> bool:
    whole = SENTENCE.fullmatch(sentence) and not UNFINISHED.search(sentence)
    return bool(whole) and not CODE.search(sentence) and _is_closed(sentence)


def _is_closed(sentence: str) -> bool:
    """Whether no parenthesis or quotation began in one sentence and ends in another."""
    return all(sentence.count(a) == sentence.count(b) for a, b in ("()", "“”"))
