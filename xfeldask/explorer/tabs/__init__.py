"""What stands below the plots: one module a tab, each a function of the session and its pictures."""

from __future__ import annotations

from collections.abc import Callable

import panel as pn

from xfeldask.explorer.pictures import Pictures
from xfeldask.explorer.session import Session
from xfeldask.explorer.tabs.gallery import gallery
from xfeldask.explorer.tabs.histograms import histograms
from xfeldask.explorer.tabs.orientation import orientation
from xfeldask.explorer.tabs.provenance import provenance
from xfeldask.explorer.tabs.shot import shot
from xfeldask.explorer.tabs.space import space
from xfeldask.explorer.tabs.statistics import statistics
from xfeldask.explorer.tabs.verdict import verdict

Tab = Callable[[Session, Pictures], pn.viewable.Viewable]

TABS: dict[str, Tab] = {
    "shot": shot,
    "gallery": gallery,
    "verdict": verdict,
    "statistics": statistics,
    "histograms": histograms,
    "orientation": orientation,
    "latent space": space,
    "provenance": provenance,
}
"""By name, in the order of the page."""
