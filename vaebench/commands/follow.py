"""`vaebench compare FOLDER --follow`: the page while runs train, for this machine alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from vaebench.errors import Refusal
from vaebench.runs.page.serve import HERE, Followed, server


def follow(paths: Sequence[Path], title: str, port: int) -> None:
    """Serves the page until somebody interrupts.

    Args:
        paths: of runs, or folders that hold some.
        title: of the page.
        port: 0 for one that is free.

    Raises:
        Refusal: the port is taken.
    """
    console = Console()
    try:
        serving = server(Followed(paths, title), port)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Refusal(f"port={port}: {reason}. Use port=0.") from error
    address = f"http://{HERE}:{serving.server_address[1]}/"
    console.print(f"following at {address} (Ctrl-C ends it)", highlight=False, soft_wrap=True)
    try:
        serving.serve_forever()
    except KeyboardInterrupt:
        console.print("no longer following", highlight=False)
    finally:
        serving.server_close()
