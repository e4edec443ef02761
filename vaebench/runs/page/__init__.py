"""One self-contained HTML page that compares runs: no server, no network."""

from vaebench.runs.page.build import build
