"""The embedded sentences: English, each once, and nothing of the code around them."""

from __future__ import annotations

import re
import sys
from collections import Counter

import pytest
import torch

from vaebench.data import Split, Topics, as_text
from vaebench.errors import DataError

PARTS = ("train", "val", "test")
OPTIONS = {
    "vocabulary": 10_000,
    "min_count": 2,
    "lower": True,
    "max_length": 30,
    "bucket": True,
    "split": Split("random", 0.1, 0.1),
}


def topics(**options) -> Topics:
    return Topics(**(OPTIONS | options))


@pytest.fixture(scope="module")
def written() -> dict[str, list[str]]:
    """The sentences of each split as they are read."""
    groups, _ = topics(lower=False).texts()
    return {part: [" ".join(s) for s in group] for part, group in groups.items()}


@pytest.fixture(scope="module")
def everything(written) -> list[str]:
    return [s for part in PARTS for s in written[part]]


def test_there_are_enough_sentences_to_train_on(everything):
    assert len(everything) > 1000


def test_every_sentence_begins_with_a_capital_letter_and_ends(everything):
    assert [s for s in everything if not re.fullmatch(r"[A-Z].*[.!?]", s)] == []


def test_no_sentence_holds_a_character_of_code(everything):
    code = re.compile(r"[_=<>\[\]{}|\\*/+#@$%^&~`]|\.\.|\w\(")
    assert [s for s in everything if code.search(s)] == []


def test_sentences_are_of_3_to_30_words(everything):
    lengths = {len(s.split()) for s in everything}
    assert (min(lengths), max(lengths)) == (3, 30)


def test_the_most_frequent_words_are_those_of_english(everything):
    counts = Counter(word for s in everything for word in s.lower().split() if word.isalpha())
    (first, _), *others = counts.most_common(10)
    assert first == "the"
    assert {"a", "is", "of", "to"} <= {word for word, _ in others}


def test_names_and_numbers_are_few_among_the_words(everything):
    found = [word for s in everything for word in s.split() if re.search(r"\w", word)]
    assert sum(bool(re.search(r"\d|[a-z][A-Z]", word)) for word in found) < 0.03 * len(found)


@pytest.mark.parametrize("lower", [True, False])
def test_no_sentence_comes_twice(lower):
    (group,) = topics(lower=lower).read().values()
    assert len(set(group)) == len(group)


def test_a_test_sentence_is_none_of_training(written):
    assert not set(written["train"]) & (set(written["val"]) | set(written["test"]))


def test_sentences_are_the_same_in_every_run():
    torch.manual_seed(1)
    first = topics().protocol
    torch.manual_seed(2)
    assert topics().protocol == first


def test_letters_are_lower_case_unless_wanted_otherwise():
    lower, as_written = (topics(lower=b).spec["x"].symbols for b in (True, False))
    assert all(word == word.lower() for word in lower)
    assert {"The", "the", "Python"} <= set(as_written)


def test_words_that_occur_once_are_unknown():
    data = topics()
    groups, _ = data.texts()
    counts = Counter(word for sentence in groups["train"] for word in sentence)
    known = set(data.spec["x"].symbols[3:])
    assert known == {word for word, n in counts.items() if n > 1}
    assert data.protocol["unknown"]["train"] == sum(n == 1 for n in counts.values())


def test_a_batch_reads_as_sentences():
    data = topics()
    field = data.spec["x"]
    for row in data.split("test").batch(torch.arange(20))["x"]:
        sentence = as_text(row, field.symbols, field.joiner)
        assert 3 <= len(sentence.split()) <= 30
        assert sentence[-1] in ".!?"


def test_the_protocol_and_a_note_name_the_version_of_python():
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    data = topics()
    assert data.protocol["python"] == version
    assert f"Python {version}" in data.notes[0]
    assert data.protocol["left_out"] > 0
    assert "have more than 30 words" in data.notes[1]


def test_a_python_without_its_documentation_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(DataError, match="comes without pydoc_data") as refused:
        _ = topics().spec
    assert "\n" not in str(refused.value)
