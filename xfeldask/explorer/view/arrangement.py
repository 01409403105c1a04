"""Where the parts of the page stand: plots and tabs share the window; where it is small, they follow each other."""

from __future__ import annotations

from collections.abc import Sequence

import panel as pn

from xfeldask.explorer.view.splitter import LEAST, PLOTS, Splitter

SMALL = "@media (max-width: 860px), (max-height: 560px)"
"""Windows in which plots and tabs cannot be used at once, such as that of a laptop at a zoom of 200 %."""
HEIGHT = 540
"""Of the row with the plots, where the page is as long as what it holds [pixels]."""
SHARE = "54%"
"""Of the window's height for the plots, unless somebody moves the bar."""
TABS = 150
"""Height that the tabs have at least [pixels]."""

PAGE = (
    ":host { flex: 1 1 0 !important; min-height: 0; }"
    f"{SMALL} {{ :host {{ flex: 0 0 auto !important; }} }}"
)  # fmt: skip
ROW = (
    f":host {{ flex: 0 0 auto !important; height: var({PLOTS}, {HEIGHT}px) !important; }}"
    f"{SMALL} {{ :host {{ height: auto !important; flex-direction: column !important; }} }}"
)
SHARED_ROW = (
    f":host {{ min-height: {LEAST}px; height: var({PLOTS}, {SHARE}) !important; max-height: calc(100% - {TABS}px); }}"
    f"{SMALL} {{ :host {{ height: auto !important; max-height: none; }} }}"
)
LATENT = (
    ":host { flex: 2 2 0 !important; min-width: 0; }"
    f"{SMALL} {{ :host {{ flex: 0 0 min(440px, 100vh - 80px) !important; }} }}"
)
CARDS = (
    ":host { flex: 3 3 0 !important; min-width: 0; }"
    f"{SMALL} {{ :host {{ flex: 0 0 420px !important; }} }}"
)  # fmt: skip
BELOW = (
    ":host { flex: 1 1 0 !important; min-height: 0; overflow: hidden auto; container-type: size; }"
    f"{SMALL} {{ :host {{ flex: 0 0 auto !important; overflow: visible; container-type: normal; }} }}"
)
BAR = f"{SMALL} {{ :host {{ display: none !important; }} }}"


def laid_out(
    above: Sequence[pn.viewable.Viewable],
    latent: pn.viewable.Viewable,
    cards: Sequence[pn.viewable.Viewable],
    below: pn.viewable.Viewable,
    fills: bool,
) -> pn.viewable.Viewable:
    """Lay out what is in the middle of the page.

    Parameters
    ----------
    above : what a person should see first
    latent : the latent plot
    cards : what stands beside it, from top to bottom
    below : the tabs
    fills : bool, the page fills the window, and its tabs scroll by themselves; else it is as long as what it holds
    """
    sides = [
        pn.Column(latent, sizing_mode="stretch_both", stylesheets=[LATENT]),
        pn.Column(*cards, sizing_mode="stretch_both", stylesheets=[CARDS]),
    ]
    row = [ROW, SHARED_ROW] if fills else [ROW]
    plots = pn.Row(*sides, height=HEIGHT, sizing_mode="stretch_width", stylesheets=row)
    tabs = pn.Column(below, sizing_mode="stretch_width", stylesheets=[BELOW] if fills else [])
    parts = [*above, plots, Splitter(stylesheets=[BAR]), tabs]
    return pn.Column(*parts, sizing_mode="stretch_width", stylesheets=[PAGE] if fills else [])
