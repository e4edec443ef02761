"""docs/architecture.md is about the house as it stands."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import vaebench

PACKAGE = Path(vaebench.__file__).parent
ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROOMS = sorted({path.parent for path in PACKAGE.rglob("*.py")} - {PACKAGE})
GROUPS = sorted(path for path in (ROOT / "conf").iterdir() if any(path.glob("*.yaml")))
NAMED = re.findall(r"`((?:vaebench|conf|tests|docs)/[^`]*|[\w.]+\.(?:toml|md))`", TEXT)


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_every_folder_of_the_package_is_named(room):
    assert f"`{room.relative_to(PACKAGE.parent).as_posix()}/`" in TEXT


@pytest.mark.parametrize("name", NAMED)
def test_what_is_named_exists(name):
    """NAME and GROUP stand for a new part's own."""
    assert (ROOT / name.split("NAME")[0].split("GROUP")[0]).exists()


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_every_config_group_is_named(group):
    assert f"conf/{group.name}/" in TEXT


def test_the_picture_has_the_floors_of_the_contract_in_their_order():
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    floors = [layer.split(" | ")[0] for layer in contract["contracts"][0]["layers"]]
    (picture,) = re.findall(r"flowchart TD\n\s+(.+)", TEXT)
    assert [f"vaebench.{floor}" for floor in picture.split(" --> ")] == floors
