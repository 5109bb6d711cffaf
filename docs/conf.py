"""How the site is built: `make docs`. Offline: nothing is fetched, and the pages fetch nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import harness

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "vfi-harness"
author = "the authors of vfi-harness"
version = release = harness.__version__
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_click", "docstrings", "keys", "public_names"]
exclude_patterns = ["_build", "README.md"]

# every reference that is written must be found; `public_names` lets those go that lead out of the harness
nitpicky = True
nitpick_ignore = [("py:class", "harness.model.regions.Bucket")]  # of `Regions`, which makes them; nobody else needs to

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
suppress_warnings = ["myst.strikethrough"]
highlight_language = "text"

add_module_names = False
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "inherited-members": "Module,ABC,BaseException", "show-inheritance": True}
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = "vfi-harness"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {"top_of_page_buttons": []}
