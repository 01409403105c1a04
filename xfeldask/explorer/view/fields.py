"""Fields that can be read on light and on dark."""

from __future__ import annotations

from typing import Any

import panel as pn

# Bokeh draws the arrow black in both themes
ARROW = """
select.bk-input:not([multiple]) { background-image: url('data:image/svg+xml;utf8,\
<svg viewBox="0 0 25 20" xmlns="http://www.w3.org/2000/svg"><path d="M0 0h25L12.5 20z" fill="gray"/></svg>') }
"""


def choice(**options: Any) -> pn.widgets.Select:
    """Make a list to choose from; a browser shows it sooner than one of Material's."""
    return pn.widgets.Select(stylesheets=[ARROW], **options)
