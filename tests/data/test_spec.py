"""Made-up examples have the shape and support that their field declares."""

import pytest
import torch

from vaebench.data import Field, Spec, Support

FIELDS = {
    "real": Field((2, 3)),
    "unit": Field((2, 3), Support.UNIT),
    "levels": Field((2, 3), Support.LEVELS, 5),
    "bits": Field((2, 3), Support.BINARY, 2),
    "label": Field((), Support.LABEL, 7),
}


@pytest.mark.parametrize("batch_size", [1, 2, 500])
def test_an_example_has_the_batch_size_and_shape_asked_for(batch_size):
    batch = Spec(FIELDS, 10).example(batch_size)
    assert {name: tuple(v.shape) for name, v in batch.items()} == {
        name: (batch_size, *field.shape) for name, field in FIELDS.items()
    }


def test_an_example_takes_exactly_the_values_of_its_support():
    batch = Spec(FIELDS, 10).example(500)
    assert batch["real"].min() < -1
    assert 0 <= batch["unit"].min() < batch["unit"].max() <= 1
    assert (4 * batch["levels"]).unique().tolist() == [0, 1, 2, 3, 4]
    assert batch["bits"].unique().tolist() == [0, 1]
    assert batch["label"].unique().tolist() == list(range(7))
    assert batch["label"].dtype is torch.int64


def test_an_example_is_a_function_of_its_seed_alone():
    spec = Spec(FIELDS, 10)
    before = torch.get_rng_state()
    first, second, other = spec.example(), spec.example(), spec.example(seed=1)
    assert all(torch.equal(first[name], second[name]) for name in FIELDS)
    assert not torch.equal(first["real"], other["real"])
    assert torch.equal(torch.get_rng_state(), before)
