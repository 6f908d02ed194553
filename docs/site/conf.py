"""The site, built by `make site`; its sources are the checkout's own README, docs and notebooks."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

import mathjax

sys.path.insert(0, str(Path(__file__).parent))

project = "adhelpers"
author = "The adhelpers authors"
version = release = version_of("adhelpers")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_copybutton",
    "pages",
    "rooms",
]
include_patterns = ["*.md", "docs/*.md", "docs/api/*.rst", "notebooks/*.ipynb", "result/README.md"]
root_doc = "README"

nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4

autosummary_generate = False
autodoc_typehints = "none"
default_role = "py:obj"
numpydoc_show_class_members = False
toc_object_entries_show_parents = "hide"

html_theme = "sphinx_book_theme"
html_theme_options = {"navbar_persistent": []}
html_context = {"default_mode": "auto"}
html_title = "adhelpers"
html_favicon = "static/icon.svg"
html_static_path = ["static", str(Path(mathjax.__file__).parent / "static/mathjax/es5/tex-svg.js")]
html_css_files = ["site.css"]
html_extra_path = ["index.html"]
html_show_copyright = False
mathjax_path = "tex-svg.js"
