"""The user's own sentences: words, vocabulary, rows of token numbers, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vaebench.composition.build import check_batch
from vaebench.data import (
    EOS,
    PAD,
    UNK,
    ByLength,
    Column,
    Shuffled,
    Split,
    Support,
    Text,
    as_text,
    as_tokens,
    numbers,
)
from vaebench.data.access import integers
from vaebench.data.text.corpus import Rows
from vaebench.data.text.tokens import SPECIAL, characters, vocabulary, words
from vaebench.errors import DataError, Refusal

LINES = [
    "the cat sat on the mat",
    "A dog, too!",
    "the dog sat",
    "one",
    "two two",
    "three three three",
    "Ça alors",
    "the end",
    "a cat and a dog",
    "who knows?",
]
OPTIONS = {
    "unit": "word",
    "lower": False,
    "vocabulary": 10_000,
    "min_count": 1,
    "max_length": 60,
    "bucket": True,
    "split": Split("last", 2, 3),
}


@pytest.fixture
def text(tmp_path):
    """Lines and options → the data set."""

    def opened(lines: list[str] = LINES, **options) -> Text:
        path = tmp_path / "sentences.txt"
        path.write_text("\n".join(lines), encoding="utf-8")
        return Text(path=str(path), **(OPTIONS | options))

    return opened


def written(data: Text, part: str) -> list[str]:
    """The sentences of a split, from their rows."""
    split, field = data.split(part), data.spec["x"]
    rows = split.batch(torch.arange(len(split)))["x"]
    return [as_text(row, field.symbols, field.joiner) for row in rows]


# -------------------------------------------------------------------------------- words and characters
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("the cat\tsat ", "the cat sat"),
        ("Stop!", "Stop !"),
        ('He said: "(no)".', 'He said : " ( no ) " .'),
        ("well-known isn't 3.14", "well-known isn't 3.14"),
        ("so... what?!!", "so ... what ? !!"),
        ("e.g. the U.S., 3.5. End.", "e.g. the U.S. , 3.5 . End ."),
        ("__init__ takes $5", "__init__ takes $ 5"),
        ("-- <unk> <pad>", "-- <unk> < pad >"),
        ("¿qué? हिन्दी।", "¿ qué ? हिन्दी ।"),
    ],
)
def test_punctuation_at_the_ends_of_a_word_stands_alone(line, expected):
    assert words(line) == expected.split()


@pytest.mark.parametrize("line", LINES)
def test_the_words_of_written_out_words_are_the_same(line):
    assert words(" ".join(words(line))) == words(line)


def test_white_space_is_one_character():
    assert characters(" a \t b\u00a0c") == ["a", " ", "b", " ", "c"]


# ----------------------------------------------------------------------------------------- vocabulary
def test_frequent_symbols_come_first_and_equally_frequent_ones_in_order():
    sentences = [["b", "a", "c"], ["c", "d", "c"]]
    assert vocabulary(sentences, 100, 1) == (*SPECIAL, "c", "a", "b", "d")
    assert vocabulary(reversed(sentences), 100, 1) == (*SPECIAL, "c", "a", "b", "d")


@pytest.mark.parametrize("most", [3, 4, 6, 7])
def test_no_more_symbols_are_known_than_were_asked_for_without_padding(most):
    known = vocabulary([["b", "a", "c"], ["c", "d", "c"]], most, 1)
    assert len(known) - 1 == min(most, 6)


def test_symbols_rarer_than_asked_for_are_unknown():
    assert vocabulary([["b", "a", "c"], ["c", "a", "c"]], 100, 2) == (*SPECIAL, "c", "a")


def test_special_symbols_are_where_their_numbers_say():
    assert (SPECIAL[PAD], SPECIAL[EOS], SPECIAL[UNK]) == ("<pad>", "<eos>", "<unk>")
    assert vocabulary([[*SPECIAL, "a"]], 100, 1) == (*SPECIAL, "a")


def test_the_vocabulary_is_that_of_the_training_split_alone(text):
    data = text()
    seen = {word for line in LINES[:5] for word in words(line)}
    assert set(data.spec["x"].symbols) == seen | set(SPECIAL)
    assert written(data, "val") == ["<unk> <unk> <unk>", "<unk> <unk>"]


# ----------------------------------------------------------------------------------- there and back
@pytest.mark.parametrize("line", LINES)
def test_decoding_undoes_encoding(line):
    for take, joiner in ((words, " "), (characters, "")):
        symbols = vocabulary(map(take, LINES), 100, 1)
        ids = as_tokens(numbers(symbols), take(line))
        assert as_text(ids, symbols, joiner) == joiner.join(take(line))
        assert as_text(torch.tensor(ids), symbols, joiner) == joiner.join(take(line))


def test_encoding_ends_a_sentence_once_and_knows_no_more_than_the_vocabulary():
    number = numbers((*SPECIAL, "a", "b"))
    assert as_tokens(number, ["b", "x", "a"]) == [4, UNK, 3, EOS]
    assert as_tokens(number, []) == [EOS]


def test_words_that_are_called_like_padding_or_an_end_are_neither():
    assert as_tokens(numbers((*SPECIAL, "a")), SPECIAL) == [UNK, UNK, UNK, EOS]


def test_decoding_stops_at_the_first_end_and_drops_padding():
    symbols = (*SPECIAL, "a", "b")
    assert as_text([3, PAD, 4, EOS, 3, EOS], symbols) == "a b"
    assert as_text([3, UNK], symbols) == "a <unk>"
    assert as_text([EOS], symbols) == as_text([], symbols) == ""


# --------------------------------------------------------------------------------------- the data set
@pytest.mark.parametrize("unit", ["word", "character"])
def test_rows_are_the_sentences_of_the_file_in_its_order(text, unit):
    data = text(unit=unit)
    assert data.split("train").columns["x"].lengths.tolist() == [
        len(words(line) if unit == "word" else line) + 1 for line in LINES[:5]
    ]
    expected = [" ".join(words(s)) if unit == "word" else s for s in LINES[:5]]
    assert written(data, "train") == expected


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_a_row_is_tokens_then_one_end_then_padding(text, part):
    split = text().split(part)
    x, lengths = split.columns["x"].stored, split.columns["x"].lengths
    column, last = torch.arange(x.shape[1]), lengths.unsqueeze(1) - 1
    assert torch.equal(x == EOS, column == last)
    assert torch.equal(x == PAD, column > last)


def test_the_spec_counts_symbols_sentences_and_the_longest_with_its_end(text):
    data = text([*LINES[:-1], "one two three four five six seven"])
    field = data.spec["x"]
    assert field.shape == (8,)
    assert field.support is Support.TOKENS
    assert field.levels == len(field.symbols) == 3 + 12
    assert data.spec.size == 5
    assert (field.joiner, text(unit="character").spec["x"].joiner) == (" ", "")


def test_a_batch_is_as_wide_as_its_longest_sentence(text):
    train = text().split("train")
    assert train.batch(torch.tensor([3, 4]))["x"].shape == (2, 3)
    assert train.batch(torch.tensor([4, 0]))["x"].shape == (2, 7)
    assert train.batch(torch.tensor([3]))["x"].dtype is torch.int64
    assert train.columns["x"].stored.dtype is torch.int32


def test_empty_lines_byte_order_marks_and_line_ends_of_windows_are_no_words(tmp_path):
    path = tmp_path / "windows.txt"
    path.write_bytes(b"\xef\xbb\xbfone\r\n\r\n  \ntwo\r\nthree\x0bfour\r\n")
    data = Text(path=str(path), **(OPTIONS | {"split": Split("last", 1, 1)}))
    assert written(data, "train") == ["one"]
    assert data.corpus.parts["test"].lengths.tolist() == [3]


def test_lower_case_makes_one_word_of_two(text):
    def known(lower: bool) -> set[str]:
        data = text(["A cat", "a cat", "x", "y"], lower=lower, split=Split("last", 1, 1))
        return set(data.spec["x"].symbols) - set(SPECIAL)

    assert known(lower=False) == {"A", "a", "cat"}
    assert known(lower=True) == {"a", "cat"}


def test_a_vocabulary_keeps_the_most_frequent_words(text):
    """Three times `the`, twice each of `dog`, `sat` and `two`."""
    data = text(vocabulary=4)
    assert data.spec["x"].symbols == (*SPECIAL, "the", "dog")
    assert written(data, "train")[2:4] == ["the dog <unk>", "<unk>"]


@pytest.mark.parametrize(("unit", "limit"), [("word", 3), ("character", 11)])
def test_longer_sentences_are_left_out_of_every_split_and_the_run_says_so(text, unit, limit):
    data = text(max_length=limit, unit=unit, split=Split("last", 1, 1))
    kept = [s for s in LINES if len(words(s) if unit == "word" else s) <= limit]
    assert 3 < len(kept) < 9
    assert written(data, "train")[0] == kept[0]
    assert sum(data.protocol["split"]["sizes"].values()) == len(kept)
    assert data.protocol["left_out"] == 10 - len(kept)
    assert data.notes[0].startswith(
        f"{10 - len(kept)} of 10 sentences have more than {limit} {unit}s"
    )
    assert data.spec["x"].shape == (limit + 1,)


def test_without_a_limit_none_is_left_out_and_nothing_is_said(text):
    data = text([*LINES, " ".join(["word"] * 500)], max_length=0)
    assert data.spec["x"].shape == (501,)
    assert data.protocol["left_out"] == 0
    assert data.notes == []


def test_the_protocol_counts_tokens_ends_and_unknown_words(text):
    protocol = text(vocabulary=4).protocol
    assert protocol["split"]["sizes"] == {"train": 5, "val": 2, "test": 3}
    counts = [len(words(line)) for line in LINES]
    parts = {"train": counts[:5], "val": counts[5:7], "test": counts[7:]}
    assert protocol["tokens"] == {part: sum(n) for part, n in parts.items()}
    assert protocol["tokens_and_ends"] == {part: sum(n) + len(n) for part, n in parts.items()}
    assert protocol["unknown"] == {"train": 12, "val": 5, "test": 8}
    assert protocol["vocabulary"] == 4


@pytest.mark.parametrize(
    "other",
    [["the pig sat on the mat", *LINES[1:]], [*LINES[2::-1], *LINES[3:]]],
    ids=["another word", "another order"],
)
def test_the_protocol_tells_files_of_the_same_counts_apart(text, other):
    one, same, changed = (text(lines).protocol for lines in (LINES, LINES, other))
    assert one == same
    assert changed["tokens"] == one["tokens"]
    assert changed["digest"] != one["digest"]


def test_a_random_split_is_the_same_in_every_run(text):
    split = Split("random", 3, 3)
    torch.manual_seed(1)
    first = written(text(split=split), "train")
    torch.manual_seed(2)
    assert written(text(split=split), "train") == first
    assert first != written(text(split=Split("last", 3, 3)), "train")


def test_whether_batches_are_bucketed_is_the_option(text):
    assert isinstance(text().split("train").arrangement, ByLength)
    assert isinstance(text(bucket=False).split("train").arrangement, Shuffled)


# ------------------------------------------------------------------------------------ what is refused
def refusal(data: Text) -> str:
    with pytest.raises(DataError) as refused:
        _ = data.spec
    assert "\n" not in str(refused.value)
    return str(refused.value)


def at(path: Path, **options) -> Text:
    return Text(path=str(path), **(OPTIONS | options))


def test_a_file_that_is_missing_or_a_folder_is_refused_by_name(tmp_path):
    line = refusal(at(tmp_path / "lost.txt"))
    assert f"dataset.path={tmp_path / 'lost.txt'}: no such file" in line
    assert "one sentence a line" in line
    assert f"dataset.path={tmp_path}: a folder" in refusal(at(tmp_path))


def test_another_encoding_is_refused_with_the_place_that_shows_it(tmp_path):
    path = tmp_path / "latin.txt"
    path.write_bytes("one\nça\n".encode("latin-1"))
    assert refusal(at(path)) == f"{path} is not UTF-8 text (byte 0xe7 at 4); save it as UTF-8"


@pytest.mark.parametrize("content", ["", "\n \n\t\n"])
def test_a_file_without_sentences_is_refused(tmp_path, content):
    path = tmp_path / "empty.txt"
    path.write_text(content)
    assert refusal(at(path)) == f"{path} holds no sentence; write one a line"


@pytest.mark.parametrize("lines", [1, 2])
def test_a_file_that_cannot_be_divided_is_refused_as_lines(text, lines):
    line = refusal(text(["All on one line. Or on two."] * lines))
    assert f"holds {lines} of the 3 sentences that are the least to divide" in line
    assert line.endswith("Use dataset=topics.")


def test_a_limit_that_leaves_no_sentence_is_refused(text):
    line = refusal(text(["one two three", "four five"] * 5, max_length=1))
    assert line.startswith("dataset.max_length=1: no sentence is left, since the shortest has 2")
    assert line.endswith("Use dataset.max_length=0.")


def test_fewer_sentences_than_a_split_wants_are_refused(text):
    assert "10 examples are too few to hold out 6 and 4" in refusal(text(split=Split("last", 6, 4)))


def test_a_count_that_no_word_reaches_is_refused(text):
    assert refusal(text(min_count=4)) == (
        "dataset.min_count=4: no word occurs as often in the training split. "
        "Use dataset.min_count=1."
    )


@pytest.mark.parametrize(
    ("option", "value", "smallest"),
    [("vocabulary", 2, 3), ("min_count", 0, 1), ("max_length", -1, 0)],
)
def test_options_that_mean_nothing_are_refused(text, option, value, smallest):
    with pytest.raises(DataError, match=rf"dataset\.{option}={value}: .* at least {smallest}"):
        text(**{option: value})
    assert text(**{option: smallest}).spec["x"].levels > 3


def test_an_official_split_is_refused_since_there_is_none(text):
    with pytest.raises(DataError, match=r"Use dataset\.split\.kind=random dataset\.split\.test"):
        text(split=Split("official", 3))


# --------------------------------------------------------------------------- batches against the spec
class Changed(Text):
    """Says one thing, and holds what a test makes of it."""

    def split(self, part):
        split = super().split(part)
        split.columns = {"x": Column(self.change(split.columns["x"].stored), integers)}
        return split


@pytest.fixture
def changed(text):
    def opened(change) -> Changed:
        data = Changed(path=str(text().path), **OPTIONS)
        data.change = change
        return data

    return opened


def test_batches_narrower_than_the_spec_are_as_the_spec_says(text, changed):
    check_batch(text())
    check_batch(changed(lambda x: x))
    check_batch(changed(lambda x: x[:, :2]))


@pytest.mark.parametrize("number", [-1, 15])
def test_token_numbers_beyond_the_vocabulary_are_refused(changed, number):
    with pytest.raises(Refusal, match=r"x has token numbers outside \[0, 15\)"):
        check_batch(changed(lambda x: torch.where(x == EOS, number, x)))
    check_batch(changed(lambda x: torch.where(x == EOS, 14, x)))


def test_batches_wider_than_the_spec_are_refused(changed):
    with pytest.raises(Refusal, match=r"x is \(8,\) in a batch, \(7,\) in the spec"):
        check_batch(changed(lambda x: torch.nn.functional.pad(x, (0, 1))))


def test_rows_are_padded_to_the_width_asked_for():
    rows = Rows.of([[5, 1], [1], [6, 7, 1]], 4)
    assert rows.tokens.tolist() == [[5, 1, 0, 0], [1, 0, 0, 0], [6, 7, 1, 0]]
    assert rows.lengths.tolist() == [2, 1, 3]
