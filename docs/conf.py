"""The documentation: `make docs`, or `sphinx-build -W docs build/docs`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from sphinx.application import Sphinx
from systems import write_pages

import vaebench

project, author = "vaebench", "the authors of vaebench"
version = release = vaebench.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["examples"]
html_theme, html_title = "furo", "vaebench"
html_show_copyright = html_show_sphinx = False
default_role = "literal"  # single backticks, as in the docstrings
smartquotes = False  # --config-dir is no dash

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["misc.highlighting_failure"]  # of what a terminal shows

autodoc_typehints = "description"
autodoc_member_order = "bysource"
autodoc_typehints_description_target = "documented_params"
napoleon_numpy_docstring = False
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True

write_pages(Path(__file__).parent / "systems")  # from the heads of conf/experiment/*.yaml


def keep_colons(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Napoleon takes what stands before a colon of a property's docstring for its type."""
    if what == "property":
        lines[:] = [line.replace(": ", "\N{RATIO} ") for line in lines]


def setup(app: Sphinx) -> None:
    """Before napoleon's, which has 500."""
    app.connect("autodoc-process-docstring", keep_colons, priority=400)
