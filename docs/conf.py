"""The site: `make docs` builds it, executes its notebooks, and fails on any warning."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pygments.lexers.shell import BashLexer
from sphinx.application import Sphinx

from xfeldask import __version__

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))
# kernels of notebooks inherit these
os.environ.setdefault("MATPLOTLIBRC", str(HERE / "_ext"))
os.environ["BASH_ENV"] = str(HERE / "_ext" / "plain.sh")
os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))

project = "xfeldask"
author = "the xfeldask developers"
copyright = author
version = release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
    "sphinx_design",
    "mathml",
    "names",
    "offline",
    "prose",
    "spaces",
    "streams",
    "variables",
]
exclude_patterns = ["_build", "_ext", "_templates"]
templates_path = ["_templates"]
default_role = "name"
nitpicky = False

toc_object_entries_show_parents = "hide"
autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {"exclude-members": "model_config, model_post_init"}
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_param = False
napoleon_custom_sections = [("Attributes", "params_style")]  # types are prose, and no names to be linked

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "substitution"]
myst_heading_anchors = 3
myst_substitutions = {"version": release}
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True
nb_output_stderr = "remove"  # progress
nb_ipywidgets_js = {}
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "pydata_sphinx_theme"
html_title = "xfeldask"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_math_renderer = "mathml"
ALONE = ("index", "install", "coming-from", "benchmarks", "changelog", "contributing", "cite")
html_sidebars = {page: [] for page in ALONE}
html_theme_options = {
    "logo": {"text": "xfeldask"},
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button"],
    "header_links_before_dropdown": 7,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "pygments_light_style": "tango",
    "pygments_dark_style": "monokai",
}


def setup(app: Sphinx) -> None:
    app.add_lexer("console", BashLexer)  # commands are written without a prompt
