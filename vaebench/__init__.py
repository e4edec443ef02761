"""vaebench: train, evaluate and compare variational autoencoders and their extensions."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vaebench.commands.loaded import load

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def __getattr__(name: str) -> Any:
    # torch takes seconds to import: `vaebench --help` must not wait for what only programs need.
    if name == "load":
        from vaebench.commands.loaded import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
