"""The user's own arrays: columns by name, in memory or mapped, and one line for what cannot be."""

import re

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from vaebench.data import (
    Arrays,
    ByFactor,
    ByLabel,
    InMemorySplit,
    Loader,
    MappedSplit,
    Split,
    Support,
)
from vaebench.data.arrays.base import in_bytes
from vaebench.errors import DataError

N = 40
DRAWN = np.random.default_rng(0)
ARRAYS = {
    "x": DRAWN.integers(0, 256, (N, 6, 5), dtype=np.uint8),
    "y": np.arange(N) % 3,
    "place": DRAWN.normal(size=(N, 4)),
    "angle": DRAWN.random(N, dtype=np.float32),
    "half": DRAWN.normal(size=(N, 2, 3, 2)).astype(np.float16),
    "mask": DRAWN.random((N, 6, 5)) > 0.5,
    "colour": DRAWN.integers(0, 256, (N, 6, 5, 3), dtype=np.uint8),
    "short": DRAWN.integers(0, 9, (N, 2), dtype=np.int16),
    "large": DRAWN.integers(0, 2**17, N).astype(np.uint32),
    "foreign": DRAWN.integers(0, 9, N).astype(">i4"),
    "turned": np.asfortranarray(DRAWN.normal(size=(N, 3))),
    "labelled": np.arange(N) % 4 == 0,
}


def own(path, **options) -> Arrays:
    defaults = {
        "observed": "x",
        "columns": [],
        "support": [],
        "split": Split("random", 8, 8),
        "labelled": 0,
        "factors": [],
        "memory": "2GB",
    }
    return Arrays(path=str(path), **(defaults | options))


def npz(folder, arrays=ARRAYS, save=np.savez):
    save(folder / "own.npz", **arrays)
    return folder / "own.npz"


def folder_of(folder, arrays=ARRAYS):
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def whole(data, part="train"):
    split = data.split(part)
    return split.batch(torch.arange(len(split)))


def refusal(path, **options):
    with pytest.raises(DataError) as refused:
        _ = own(path, **options).spec
    line = str(refused.value)
    assert "\n" not in line
    return line


# ----------------------------------------------------------------------------------------- columns
SPEC = {
    "x": ((1, 6, 5), Support.LEVELS, 256),
    "y": ((), Support.LABEL, 3),
    "place": ((4,), Support.REAL, 0),
    "angle": ((1,), Support.REAL, 0),
    "half": ((2, 3, 2), Support.REAL, 0),
    "mask": ((1, 6, 5), Support.BINARY, 2),
    "colour": ((3, 6, 5), Support.LEVELS, 256),
    "short": ((2,), Support.LABEL, int(ARRAYS["short"].max()) + 1),
    "large": ((), Support.LABEL, int(ARRAYS["large"].max()) + 1),
    "foreign": ((), Support.LABEL, int(ARRAYS["foreign"].max()) + 1),
    "turned": ((3,), Support.REAL, 0),
    "labelled": ((), Support.LABEL, 2),
}


@pytest.mark.parametrize("memory", ["2GB", "1KB"])
def test_what_an_array_is_follows_from_its_type_and_shape(tmp_path, memory):
    spec = own(npz(tmp_path), memory=memory).spec
    assert spec.size == N - 16
    assert {n: (f.shape, f.support, f.levels) for n, f in spec.fields.items()} == SPEC


@pytest.mark.parametrize("memory", ["2GB", "1KB"])
@pytest.mark.parametrize("write", [npz, folder_of])
def test_batches_hold_the_arrays_of_their_examples(tmp_path, write, memory):
    data = own(write(tmp_path), memory=memory)
    rows = Split("random", 8, 8).indices(N)["val"].numpy()
    batch = whole(data, "val")
    layout = {"x": lambda a: a[:, None] / 255, "mask": lambda a: a[:, None]}
    layout |= {"colour": lambda a: np.moveaxis(a, -1, 1) / 255, "angle": lambda a: a[:, None]}
    for name, array in ARRAYS.items():
        expected = np.ascontiguousarray(layout.get(name, np.asarray)(array[rows]))
        labels = SPEC[name][1] is Support.LABEL
        kind = torch.int64 if labels else torch.float32
        assert batch[name].dtype is kind
        assert_close(batch[name], torch.from_numpy(expected.astype("i8" if labels else "f4")))
        assert data.spec[name].fits(batch[name])


@pytest.mark.parametrize("write", [npz, folder_of])
def test_mapped_batches_and_specs_are_those_of_memory_bit_for_bit(tmp_path, write):
    path = write(tmp_path)
    memory, mapped = own(path), own(path, memory="1KB")
    assert isinstance(memory.split("train"), InMemorySplit)
    assert isinstance(mapped.split("train"), MappedSplit)
    for a, b in zip(
        *(Loader(d.split("train"), 5, shuffle=True) for d in (memory, mapped)), strict=True
    ):
        assert a.keys() == b.keys()
        assert all(torch.equal(a[name], b[name]) for name in a)
    assert mapped.spec == memory.spec
    for name, field in memory.spec.fields.items():
        assert field.mean is None or torch.equal(field.mean, mapped.spec[name].mean)
    assert mapped.protocol == memory.protocol


def test_the_mean_is_that_of_the_training_examples(tmp_path):
    data = own(npz(tmp_path))
    train = whole(data)
    for name in ("x", "place", "mask"):
        assert_close(data.spec[name].mean, train[name].mean(0))
    shares = torch.nn.functional.one_hot(train["y"], 3).float().mean(0)
    assert_close(data.spec["y"].mean, shares)
    assert data.spec["large"].mean is None, "of more classes than examples"


def test_arrays_stay_on_disk_where_they_take_more_than_memory(tmp_path):
    arrays = {"x": ARRAYS["place"], "y": ARRAYS["y"]}
    size = sum(a.nbytes for a in arrays.values())
    path = npz(tmp_path, arrays)
    assert isinstance(own(path, memory=size).split("val"), InMemorySplit)
    assert own(path, memory=size).notes == []
    above = own(path, memory=size - 1)
    assert isinstance(above.split("val"), MappedSplit)
    assert above.notes[0].endswith("and stay on disk")
    stored = above.split("val").columns["x"].stored
    assert stored.dtype is torch.uint8
    assert len(stored) == N


def test_packed_arrays_are_held_in_memory_and_a_note_says_so(tmp_path):
    data = own(npz(tmp_path, save=np.savez_compressed), memory="1KB")
    assert isinstance(data.split("train"), InMemorySplit)
    assert "are in memory all the same: they are packed" in data.notes[0]
    assert torch.equal(whole(data)["x"], whole(own(npz(tmp_path)))["x"])


def test_another_array_is_observed_when_asked_for(tmp_path):
    arrays = {"image": ARRAYS["x"], "y": ARRAYS["y"]}
    batch = whole(own(npz(tmp_path, arrays), observed="image"))
    assert set(batch) == {"x", "y"}
    assert batch["x"].shape == (N - 16, 1, 6, 5)


def test_columns_that_are_not_asked_for_are_not_read(tmp_path):
    arrays = ARRAYS | {"told": np.array([{"by": "hand"}], dtype=object)}
    data = own(npz(tmp_path, arrays), columns=["x", "y"])
    assert set(whole(data)) == set(data.spec.fields) == {"x", "y"}


DECLARED = {
    "binary": (np.arange(N * 6, dtype=np.uint8).reshape(N, 2, 3) % 2, (Support.BINARY, 2)),
    "levels": (np.arange(N * 6).reshape(N, 2, 3) % 5, (Support.LEVELS, 5)),
    "unit": (DRAWN.random((N, 7)), (Support.UNIT, 0)),
    "real": (np.arange(N * 2).reshape(N, 2) - 9, (Support.REAL, 0)),
    "label": (np.arange(N) % 4 * 1.0, (Support.LABEL, 4)),
}


@pytest.mark.parametrize("memory", ["2GB", "1"])
@pytest.mark.parametrize("support", DECLARED)
def test_a_declared_support_wins_over_the_type(tmp_path, support, memory):
    array, expected = DECLARED[support]
    data = own(npz(tmp_path, {"x": array}), support=[f"x:{support}"], memory=memory)
    field = data.spec["x"]
    assert (field.support, field.levels) == expected
    rows = data.index["train"].numpy()
    values = array[rows].astype(float) / (4 if support == "levels" else 1)
    assert_close(whole(data)["x"].double().flatten(), torch.from_numpy(values).flatten())


def test_bytes_that_are_declared_levels_have_all_256(tmp_path):
    data = own(npz(tmp_path, {"x": DECLARED["binary"][0]}), support=["x:levels"])
    assert data.spec["x"].levels == 256


# ------------------------------------------------------------------------------------ arrangements
def test_so_many_labelled_examples_meet_in_each_batch(tmp_path):
    split = own(npz(tmp_path), labelled=2).split("train")
    assert isinstance(split.arrangement, ByLabel)
    for batch in Loader(split, 6, shuffle=True):
        assert batch["labelled"].tolist() == [1] * 2 + [0] * (len(batch["y"]) - 2)


@pytest.mark.parametrize("memory", ["2GB", "1KB"])
@pytest.mark.parametrize("labelled", [0, 2])
def test_labels_may_be_drawn_of_any_arrays(tmp_path, memory, labelled):
    path = npz(tmp_path, {"x": ARRAYS["x"], "y": ARRAYS["y"], "short": ARRAYS["short"]})
    data = own(path, labels=6, label_seed=1, labelled=labelled, memory=memory)
    batch = whole(data)
    assert torch.bincount(batch["y"][batch["labelled"] == 1]).tolist() == [2] * 3
    assert not whole(data, "test")["labelled"].any()
    assert data.spec["labelled"].mean.tolist() == pytest.approx([18 / 24, 6 / 24])
    for some in Loader(data.split("train"), 8, shuffle=True):
        assert some["labelled"].sum() == 2  # a quarter of it, or as many as were asked for
    alone = own(path, labels=6, label_seed=1, unlabelled="drop", memory=memory)
    known = batch["labelled"].nonzero().squeeze(1)
    assert torch.equal(whole(alone)["x"], data.split("train").batch(known)["x"])
    assert (alone.spec.size, "labelled" in alone.spec.fields) == (6, False)


@pytest.mark.parametrize("memory", ["2GB", "1KB"])
def test_one_factor_varies_in_each_batch(tmp_path, memory):
    grid = torch.cartesian_prod(torch.arange(4), torch.arange(2), torch.arange(5)).numpy()
    arrays = {"x": ARRAYS["place"], "shape": grid[:, 0], "light": grid[:, 1:]}
    data = own(npz(tmp_path, arrays), factors=["shape", "light"], memory=memory)
    assert isinstance(data.split("train").arrangement, ByFactor)
    sizes = set()
    for batch in Loader(data.split("train"), 6, shuffle=True):
        factors = torch.cat([batch["shape"].unsqueeze(1), batch["light"]], 1)
        assert sum(len(column.unique()) > 1 for column in factors.unbind(1)) <= 1
        sizes.add(len(factors))
    assert max(sizes) > 1


ARRANGED = {
    "no such array": (
        ("y", {"labelled": 2}),
        r"labelled=2 needs an array labelled.*Use dataset\.lab",
    ),
    "none labelled": (("labelled", {"labelled": 2}), "labelled is to be 1 of some"),
    "no such factor": (
        ("y", {"factors": ["shade"]}),
        r"dataset\.factors=\[shade\]: there are x, y",
    ),
    "a real factor": (
        ("place", {"factors": ["place"]}),
        r"Use dataset\.support=\[place:label\]\.$",
    ),
    "two ways": (
        ("y", {"factors": ["y"], "labelled": 1}),
        r"Use dataset\.labelled=0 or dataset\.fac",
    ),
    "factors of few labels": (
        ("y", {"factors": ["y"], "labels": 6}),
        r"Use dataset\.labels=all or",
    ),
    "labels drawn and told": (
        ("labelled", {"labels": 6}),
        r"Use dataset\.labels=all or 'dataset\.columns=\[x\]'\.$|dataset\.columns=\[x\]",
    ),
    "labels of none": (("place", {"labels": 6}), r"no labels\. Use dataset\.labels=all\.$"),
    "fewer than none": (("y", {"labelled": -1}), r"Use dataset\.labelled=0\.$"),
}


@pytest.mark.parametrize("case", ARRANGED)
def test_an_arrangement_that_the_arrays_do_not_have_is_refused(tmp_path, case):
    (name, options), said = ARRANGED[case]
    arrays = {"x": ARRAYS["x"], name: ARRAYS[name] & False if name == "labelled" else ARRAYS[name]}
    with pytest.raises(DataError, match=said):
        own(npz(tmp_path, arrays), **options).split("train")


# ------------------------------------------------------------------------------ what cannot be read
X = {"x": ARRAYS["x"]}
NAN, INFINITE, HUGE = (np.where(np.arange(N) == 7, v, np.ones(N)) for v in (np.nan, np.inf, 1e300))
WRONG = {
    "nothing observed": ({"image": ARRAYS["x"]}, r"Use dataset\.observed=image\.$"),
    "unequal lengths": (X | {"y": np.arange(N - 1)}, r"x of shape \[40, 6, 5\], y of \[39\]"),
    "objects": (
        X | {"o": np.array([None] * N)},
        r"o holds values of type object.*columns=\[x\]\.$",
    ),
    "words": (X | {"o": np.array(["a"] * N)}, r"o holds values of type <U1.*columns=\[x\]\.$"),
    "complex": (X | {"o": np.ones(N) * 1j}, "o holds values of type complex128"),
    "one number": (X | {"o": np.array(3)}, "o holds one value alone"),
    "only words": ({"x": np.array(["a"] * N)}, "x holds values of type <U1, not a number a row.$"),
    "nan": ({"x": NAN}, "x holds nan or infinity"),
    "infinity": ({"x": INFINITE}, "x holds nan or infinity"),
    "beyond float32": ({"x": HUGE}, "x holds nan or infinity"),
    "negative labels": (
        X | {"y": ARRAYS["y"] - 1},
        r"from -1 to 1, which are not labels .*support=\[y:real\]\.$",
    ),
    "bits in bytes": (
        {"x": ARRAYS["x"] % 2},
        r"support=\[x:binary\] or dataset\.support=\[x:levels\]\.$",
    ),
    "no rows": ({"x": np.zeros((0, 3))}, "as many rows, and some"),
    "no entries": ({"x": np.zeros((N, 0))}, "as many rows, and some"),
    "row numbers": (X | {"index": np.arange(N)}, r"index is what .*Use dataset\.columns=\[x\]\.$"),
    "latents": (X | {"z": ARRAYS["place"]}, r"z is what .*Use dataset\.columns=\[x\]\.$"),
}


@pytest.mark.parametrize("memory", ["2GB", "1"])
@pytest.mark.parametrize("case", WRONG)
def test_arrays_that_are_no_columns_are_refused_in_one_line(tmp_path, case, memory):
    arrays, said = WRONG[case]
    path = npz(tmp_path, arrays)
    line = refusal(path, memory=memory)
    assert str(path) in line
    assert re.search(said, line)


SAID = {
    "a support of no array": ({"support": ["q:real"]}, r"\[q:…\]: .* holds x, y, .* not q$"),
    "a misspelt support": ({"support": ["y:reel"]}, r"Did you mean dataset\.support=\[y:real\]\?$"),
    "no support": ({"support": ["y"]}, r"support=\[y\]: NAME:SUPPORT was expected, of real, unit"),
    "tokens": ({"support": ["y:tokens"]}, "NAME:SUPPORT was expected"),
    "binary of three": (
        {"support": ["y:binary"]},
        r"0 to 2, which are not binary\. Use dataset\.sup",
    ),
    "unit of three": ({"support": ["y:unit"]}, "which are not continuous grey values"),
    "labels of fractions": (
        {"support": ["angle:label"]},
        "angle holds numbers from .* which are not labels",
    ),
    "no such column": ({"columns": ["x", "why"]}, r"dataset\.columns=\[why\]: there are x, y"),
    "an observed name taken": ({"observed": "colour"}, "x is what a batch calls something else"),
    "an official split": ({"split": Split("official", 8)}, r"Use dataset\.split\.kind=random"),
}


@pytest.mark.parametrize("case", SAID)
def test_options_that_do_not_fit_the_arrays_are_refused_in_one_line(tmp_path, case):
    options, said = SAID[case]
    path = npz(tmp_path)
    with pytest.raises(DataError, match=said):
        _ = own(path, **options).spec


def test_a_path_of_nothing_is_refused_by_name(tmp_path):
    assert refusal(tmp_path / "nowhere.npz").endswith("nowhere.npz: no such file or folder")
    assert refusal(tmp_path).endswith("holds no .npy files")


def test_files_of_another_kind_are_refused_by_name(tmp_path):
    (tmp_path / "notes.txt").write_text("no arrays here")
    assert "neither an .npz file nor a folder" in refusal(tmp_path / "notes.txt")
    np.save(tmp_path / "x.npy", ARRAYS["x"])
    assert f"Use dataset.path={tmp_path}." in refusal(tmp_path / "x.npy")


@pytest.mark.parametrize("memory", ["2GB", "1"])
@pytest.mark.parametrize("keep", [0, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("write", [npz, folder_of])
def test_a_truncated_file_is_refused_by_name(tmp_path, write, keep, memory):
    path = write(tmp_path, {"x": ARRAYS["place"]})
    file = path if path.is_file() else path / "x.npy"
    content = file.read_bytes()
    file.write_bytes(content[: int(keep * len(content))])
    assert f"{file} is truncated or corrupt" in refusal(path, memory=memory)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_spoiled_bytes_are_refused_by_name(tmp_path, save):
    path = npz(tmp_path, X, save)
    content = bytearray(path.read_bytes())
    content[300:308] = bytes(255 - byte for byte in content[300:308])
    path.write_bytes(content)
    assert f"{path} is truncated or corrupt" in refusal(path)


@pytest.mark.parametrize(
    ("said", "size"),
    [("1KB", 1000), ("500 mb", 5e8), ("1.5GB", 1.5e9), ("2TB", 2e12), ("17", 17), (17, 17)],
)
def test_memory_is_said_in_units(said, size):
    assert in_bytes(said) == size


@pytest.mark.parametrize("said", ["", "GB", "-1GB", "1XB", "much", -1])
def test_memory_that_is_no_size_is_refused(tmp_path, said):
    with pytest.raises(DataError, match=r"Use dataset\.memory=4GB\.$"):
        own(npz(tmp_path, X), memory=said)


@pytest.mark.parametrize(("at", "value"), [(0, 0.5), (0, -1.0), (-1, 0.5), (-1, -1.0)])
def test_one_wrong_value_among_thousands_is_found(tmp_path, at, value):
    """Values are looked at in chunks."""
    y = np.ones(3000)
    y[at] = value
    line = refusal(npz(tmp_path, {"x": np.zeros(3000), "y": y}), support=["y:label"])
    assert re.search(rf"numbers from {value:g} to 1, which are not labels", line)
