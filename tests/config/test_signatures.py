"""Options against the signatures of their classes, in our own words."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import Enum
from typing import Any, Literal

import pytest
from hydra.utils import get_object
from omegaconf import OmegaConf

from vaebench.cli import conf_dir
from vaebench.config.signatures import check_options, check_value, positional, required, signature
from vaebench.data import Split
from vaebench.errors import Refusal


class Part(Enum):
    """Some words."""

    test = "test"
    train = "train"


WRONG = {
    "k=1000.0": (1e3, int, "an integer was expected. Use k=1000."),
    "k=2.5": (2.5, int, "an integer was expected"),
    "k=0.0": (0.0, int, "an integer was expected"),
    "k=true": (True, int, "an integer was expected"),
    "k=null": (None, int, "an integer was expected"),
    "k=[2.0,3]": ([2.0, 3], list[int], "integers were expected. Use k=[2,3]."),
    "k[1]=2.5": ([2, 2.5], list[int], "an integer was expected"),
    "k=a": ("a", list[str], "a list was expected. Use k=[a]."),
    "k=tst": ("tst", Part, "one of test, train was expected. Did you mean k=test?"),
    "k=on": ("on", Literal["off"], "one of off was expected"),
    "k=0.5": (0.5, Split, "a choice with options of its own stands there"),
    "k=none": ("none", Split, "a choice with options of its own stands there"),
    "k=3": (3, Callable[[int], int], "a choice with options of its own stands there"),
    "k=stl": ("stl", Callable[[int], int], "a choice with options of its own stands there"),
}


@pytest.mark.parametrize("shown", WRONG)
def test_a_value_of_another_type_is_refused_as_it_is_typed(shown):
    value, hint, said = WRONG[shown]
    with pytest.raises(Refusal) as refused:
        check_value("k", value, hint)
    line = str(refused.value)
    assert line.startswith(f"{shown}: ")
    assert said in line
    assert ("Use" in line) == ("Use" in said)


@pytest.mark.parametrize(
    ("value", "hint"), [([], list[int]), ([2, 3], list[int]), ("test", Part), (2, float)]
)
def test_a_value_of_its_type_passes(value, hint):
    check_value("k", value, hint)


def test_a_class_that_cannot_be_imported_is_one_line_alone(caplog):
    cfg = OmegaConf.create({"posterior": {"_target_": "nowhere.Head"}})
    with pytest.raises(Refusal, match=r"posterior\._target_=nowhere\.Head cannot be imported"):
        check_options(cfg)
    assert caplog.records == []


class Base:
    def __init__(self, model, *, k: int, sd: float = 1.0) -> None: ...


class Own(Base):
    def __init__(self, *, name: str, **rest) -> None:
        super().__init__(None, **rest)


class Closed(Own):
    def __init__(self, *, name: str = "a") -> None: ...


def anything(model, *, k: int, **rest) -> None: ...


def test_a_class_of_ones_own_passes_options_on_to_its_bases():
    assert signature(Own) == ({"model": Any, "name": str, "k": int, "sd": float}, False)
    assert (required(Own), positional(Own)) == ({"k", "name"}, {"model"})
    assert signature(Closed) == ({"name": str}, False)
    assert signature(anything) == ({"model": Any, "k": int}, True)
    assert (required(anything), positional(anything)) == ({"k"}, {"model"})


@pytest.mark.parametrize("group", ["objective", "nets"])
def test_an_editor_sees_every_option_of_objectives_and_nets(group):
    nodes = [OmegaConf.load(path) for path in sorted((conf_dir() / group).glob("*.yaml"))]
    targets = {n.get(group, n).get("_target_") for n in nodes} - {None}
    assert len(targets) > 3
    for target in targets:
        kinds = {p.kind for p in inspect.signature(get_object(target)).parameters.values()}
        assert inspect.Parameter.VAR_KEYWORD not in kinds, target
