"""Fields that can be read on light and on dark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import panel as pn

# Bokeh draws the arrow black in both themes
ARROW = """
select.bk-input:not([multiple]) { background-image: url('data:image/svg+xml;utf8,\
<svg viewBox="0 0 25 20" xmlns="http://www.w3.org/2000/svg"><path d="M0 0h25L12.5 20z" fill="gray"/></svg>') }
"""


AS_WRITTEN = {"& .MuiToggleButton-root": {"textTransform": "none", "whiteSpace": "nowrap"}}
"""Of switches, whose words Material would write in capitals."""
BOXES = "label { font-size: 14px; min-height: 28px; } input { width: 17px; height: 17px; }"
BUTTON = """
.bk-btn { padding: 3px 10px !important; font-size: 13px !important; color: inherit !important;
  border: 1px solid gray !important; }
"""


def choice(**options: Any) -> pn.widgets.Select:
    """Make a list to choose from; a browser shows it sooner than one of Material's."""
    return pn.widgets.Select(stylesheets=[ARROW], **options)


def checks(colours: Sequence[str] = ("auto",), **options: Any) -> pn.widgets.CheckBoxGroup:
    """Make boxes to be ticked, each of a colour; a browser shows them sooner than those of Material."""
    each = (f"label:nth-of-type({i}) input {{ accent-color: {colour}; }}" for i, colour in enumerate(colours, 1))
    return pn.widgets.CheckBoxGroup(stylesheets=[" ".join([BOXES, *each])], **{"margin": 0, **options})


def button(label: str, **options: Any) -> Any:
    """Make a small button; a browser shows it sooner than one of Material's."""
    return pn.widgets.Button(label=label, variant="outline", stylesheets=[BUTTON], **{"margin": 5, **options})
