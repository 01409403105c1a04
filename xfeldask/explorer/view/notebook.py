"""What a notebook shows pages with, all of it from what is installed: there may be no internet."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from typing import Any

import panel as pn
from panel import reactive
from panel.io import resources


@cache
def load_notebook() -> None:
    """Load what pages are shown with, once.

    Panel writes the style sheets of what is shown first into the notebook, and has the browser ask its own site for
    those of what comes later, such as a tab that is opened.
    """
    pn.extension(inline=True)
    reactive.patch_stylesheet = resources.patch_stylesheet = take_installed  # type: ignore[attr-defined]


def take_installed(stylesheet: Any, _: str) -> None:
    """Let a style sheet of Panel's bring its text with it, whatever site it would be looked for on.

    Parameters
    ----------
    stylesheet : bokeh.models.ImportedStyleSheet

    Examples
    --------
    >>> from bokeh.models import ImportedStyleSheet
    >>> sheet = ImportedStyleSheet(url=resources.CDN_DIST + "css/button.css")
    >>> take_installed(sheet, "")
    >>> sheet.url[:28]
    'data:text/css;base64,Omhvc3Q'
    """
    for site in (resources.CDN_DIST, resources.LOCAL_DIST):
        name = stylesheet.url.partition("?")[0].removeprefix(site)
        path = resources.DIST_DIR / name
        if name != stylesheet.url and path.is_file():
            stylesheet.url = "data:text/css;base64," + b64encode(path.read_bytes()).decode()
