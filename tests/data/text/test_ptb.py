"""The Penn Treebank: where its files are looked for, and the counts that everybody reports."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
import torch

from tests.data.test_real_data import needs
from vaebench.data import UNK, PennTreebank, as_text
from vaebench.data.text.ptb import FILES
from vaebench.errors import DataError

LINES = {
    "train": [" mr. <unk> is here ", " N years old ", " the <unk> <unk> of the board "],
    "val": [" the board is old "],
    "test": [" mr. who is <unk> ", " it is a very long sentence "],
}
OPTIONS = {"vocabulary": 10_000, "min_count": 1, "max_length": 0, "bucket": True}


class Small(PennTreebank):
    """Whose files are whole with a few sentences."""

    sizes: ClassVar = {part: len(lines) for part, lines in LINES.items()}


def treebank(root: Path, kind: type[PennTreebank] = Small, **options) -> PennTreebank:
    return kind(data_dir=str(root), **(OPTIONS | options))


def write(folder: Path) -> Path:
    """Small files under the names of the real ones."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, name in FILES.items():
        (folder / name).write_text("".join(f"{line}\n" for line in LINES[part]))
    return folder


def sentences(data: PennTreebank, part: str) -> list[str]:
    split, symbols = data.split(part), data.spec["x"].symbols
    return [as_text(row, symbols) for row in split.batch(torch.arange(len(split)))["x"]]


def refusal(data: PennTreebank) -> str:
    with pytest.raises(DataError) as refused:
        _ = data.spec
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    "folder", [".", "ptb", "simple-examples/data", "ptb/simple-examples/data", "PennTreebank"]
)
def test_sentences_are_those_of_the_files_by_their_official_split(tmp_path, folder):
    write(tmp_path / folder)
    data = treebank(tmp_path)
    assert sentences(data, "train") == [line.strip() for line in LINES["train"]]
    assert sentences(data, "val") == ["the board is old"]
    assert sentences(data, "test") == ["mr. <unk> is <unk>", "<unk> is <unk> <unk> <unk> <unk>"]
    assert data.protocol["split"] == {
        "kind": "official",
        "sizes": {"train": 3, "val": 1, "test": 2},
    }


def test_what_is_unknown_in_the_files_is_our_unknown_word(tmp_path):
    write(tmp_path)
    data = treebank(tmp_path)
    assert data.spec["x"].symbols.count("<unk>") == 1
    assert data.protocol["unknown"] == {"train": 3, "val": 0, "test": 7}
    assert data.split("train").columns["x"].stored[0, 1] == UNK


def test_words_are_split_at_white_space_alone(tmp_path):
    write(tmp_path)
    assert {"mr.", "<unk>"} <= set(treebank(tmp_path).spec["x"].symbols)


def test_a_limit_leaves_longer_sentences_out_of_every_split(tmp_path):
    write(tmp_path)
    data = treebank(tmp_path, max_length=4)
    assert data.protocol["split"]["sizes"] == {"train": 2, "val": 1, "test": 1}
    assert data.protocol["left_out"] == 2
    assert "2 of 6 sentences have more than 4 words" in data.notes[0]


def test_without_files_the_refusal_says_where_they_belong_and_come_from(tmp_path):
    line = refusal(treebank(tmp_path))
    assert line.startswith(f"{tmp_path / 'ptb' / FILES['train']} is missing")
    assert all(name in line for name in (*FILES.values(), "simple-examples", "data_dir="))
    assert line.endswith("Use dataset=topics.")


@pytest.mark.parametrize("lost", FILES.values())
def test_one_missing_file_is_named_where_the_others_are(tmp_path, lost):
    (write(tmp_path / "simple-examples/data") / lost).unlink()
    assert f"{tmp_path / 'simple-examples/data' / lost} is missing" in refusal(treebank(tmp_path))


@pytest.mark.parametrize("name", FILES.values())
def test_a_file_of_another_length_is_refused(tmp_path, name):
    with (write(tmp_path) / name).open("a") as file:
        file.write(" more\n")
    assert f"{name} holds" in refusal(treebank(tmp_path))


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (write(tmp_path) / "ptb.test.txt").write_bytes(b"\xff\xfe")
    assert "ptb.test.txt is not UTF-8 text" in refusal(treebank(tmp_path))


# ------------------------------------------------------------------------------------- the real files
@pytest.fixture(scope="module")
def real() -> PennTreebank:
    return treebank(needs(*(f"ptb/{name}" for name in FILES.values())), PennTreebank)


def test_the_treebank_has_the_published_counts(real):
    protocol = real.protocol
    assert protocol["split"]["sizes"] == {"train": 42_068, "val": 3370, "test": 3761}
    assert protocol["tokens_and_ends"] == {"train": 929_589, "val": 73_760, "test": 82_430}
    assert protocol["tokens"]["train"] == 929_589 - 42_068
    assert protocol["unknown"] == {"train": 45_020, "val": 3485, "test": 4794}
    assert protocol["vocabulary"] == 10_000
    assert protocol["left_out"] == 0


def test_no_word_of_the_treebank_is_unknown_but_those_that_were_made_so(real):
    counts = (real.root / "ptb" / FILES["test"]).read_text().split().count("<unk>")
    assert real.protocol["unknown"]["test"] == counts


def test_the_first_test_sentence_reads_as_in_the_file(real):
    path = real.root / "ptb" / FILES["test"]
    first = path.read_text().splitlines()[0].strip()
    assert sentences(real, "test")[0] == first
