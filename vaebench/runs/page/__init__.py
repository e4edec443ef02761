"""One self-contained HTML page that compares runs, written once or served while they train."""

from vaebench.runs.page.build import build
