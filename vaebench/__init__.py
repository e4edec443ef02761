"""vaebench: train, evaluate and compare variational autoencoders and their extensions."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vaebench.api import compare, compose, grid, run
    from vaebench.commands.loaded import load

__version__ = "0.1.0"
__all__ = ["__version__", "compare", "compose", "grid", "load", "run"]

API = dict.fromkeys(("compare", "compose", "grid", "run"), "vaebench.api")
API["load"] = "vaebench.commands.loaded"


def __getattr__(name: str) -> Any:
    # torch takes seconds to import: `vaebench --help` must not wait for what only programs need.
    if name in API:
        return getattr(import_module(API[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
