"""What stands below the plots: one module a tab, each a function of the session, its pictures and what it hears."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import panel as pn
import panel_material_ui as pmui

from xfeldask.errors import XfeldaskError
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs.bench import bench
from xfeldask.explorer.tabs.clusters_tab import clusters
from xfeldask.explorer.tabs.compare import compare
from xfeldask.explorer.tabs.export import export
from xfeldask.explorer.tabs.gallery import gallery
from xfeldask.explorer.tabs.histograms import histograms
from xfeldask.explorer.tabs.kinds_tab import kinds, with_kinds
from xfeldask.explorer.tabs.orientation import orientation
from xfeldask.explorer.tabs.provenance import provenance
from xfeldask.explorer.tabs.reconstruction_tab import reconstruction
from xfeldask.explorer.tabs.shot import shot
from xfeldask.explorer.tabs.space import space
from xfeldask.explorer.tabs.statistics import statistics
from xfeldask.explorer.tabs.verdict import verdict
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.view.locking import locked
from xfeldask.explorer.view.mosaic import WHOLE
from xfeldask.explorer.view.widgets import sentence
from xfeldask.store.choosing.columns import Shots

Tab = Callable[[Session, Pictures, Watch], pn.viewable.Viewable]

TABS: dict[str, Tab] = {
    "shot": shot,
    "gallery": gallery,
    "verdict": verdict,
    "labels": bench,
    "clusters": clusters,
    "compare": compare,
    "statistics": statistics,
    "histograms": histograms,
    "orientation": orientation,
    "latent space": space,
    "provenance": provenance,
    "export": export,
}
"""By name, in the order of the page."""
MORE: dict[str, tuple[Tab, Callable[[Session], object]]] = {
    "kinds": (kinds, with_kinds),
    "reconstruction": (reconstruction, lambda session: session.rebuilt or session.grows),
}
"""Tabs that come after the others where a store has something for them, and what tells that."""
LASTING = ("labels", "clusters", "compare", "statistics", "histograms", "export", "reconstruction")
"""Tabs that go on where others are made anew, when another embedding or more shots are looked at."""
BLIND = ("labels",)
"""Tabs that are worked in without the truth, which would be told back as a label."""

NARROW = {
    "& .MuiTabs-root": {"minHeight": 40, "backgroundColor": "background.paper"},
    "& .MuiTab-root": {"minWidth": 0, "minHeight": 40, "padding": "6px 6px", "textTransform": "none"},
}
"""All tabs are seen at once on a screen of 1280 pixels."""
STAYS = ":host { position: sticky; top: 0; z-index: 5; }"
"""The bar of tabs is seen wherever a tab is scrolled to."""

WORKING = "working"
"""Class of the sentence that stands where a tab is being made."""


class Tabs:
    """A bar of tabs; each is made when it is first opened, and hears of the session only while it is open.

    Parameters
    ----------
    session : Session
    pictures : Pictures
    kinds : functions that make tabs, by name
    """

    def __init__(self, session: Session, pictures: Pictures, kinds: Mapping[str, Tab] = TABS) -> None:
        self._session, self._pictures, self._kinds = session, pictures, kinds
        self._watches: dict[str, tuple[Watch, Shots]] = {}
        self._boxes: dict[str, pn.Column] = {}
        # contents beside the bar, not in it: there they would be taken apart and drawn anew at each change of tabs
        empty = pmui.Typography("", margin=0)
        self.bar = pmui.Tabs(*((name, empty) for name in kinds), sizing_mode="stretch_width", sx=NARROW,
                             stylesheets=[STAYS])  # fmt: skip
        self.bar.param.watch(self._turn, "active")
        session.param.watch(self._turn, ["embedding", "selected"])
        # no higher than its place, tabs would lie over each other's parts, and their bar would scroll away with them
        self.view = pn.Column(self.bar, sizing_mode="stretch_width", stylesheets=[WHOLE])
        self._box(self.name)
        self._make(self.name)

    @property
    def name(self) -> str:
        """Name of the tab that is open."""
        return list(self._kinds)[int(self.bar.active)]

    def _turn(self, *_: Any) -> None:
        for name, (watch, _shots) in self._watches.items():
            if name != self.name:
                watch.close()
        self._session.blind = self.name in BLIND
        # first to be seen: a figure that is made while it is hidden has no size
        self._box(self.name)
        for name, box in self._boxes.items():
            box.visible = name == self.name
        self._fill(self.name)

    def _box(self, name: str) -> None:
        """Put the place of a tab into the page, when it is first opened."""
        if name not in self._boxes:
            self._boxes[name] = pn.Column(name=name, sizing_mode="stretch_width")
            self.view.append(self._boxes[name])

    def _fill(self, name: str) -> None:
        watch, shots = self._watches.get(name, (None, None))
        if watch is not None and (shots is self._session.shots or name in LASTING):
            watch.open()
            return
        if watch is not None:
            watch.end()
            del self._watches[name]
        self._boxes[name].objects = [sentence(f"making {name} …", css_classes=[WORKING])]
        # when the browser has been told that it is being made
        locked(lambda: self._make(name))

    def _make(self, name: str) -> None:
        if name in self._watches or name != self.name:
            return
        watch = Watch(self._session)
        self._watches[name] = watch, self._session.shots
        try:
            content = self._kinds[name](self._session, self._pictures, watch)
        except XfeldaskError as error:
            content = sentence(str(error))
        self._boxes[name].objects = [content]


def tabs(session: Session, pictures: Pictures) -> pn.viewable.Viewable:
    """Make all tabs of a page, those that its store has something for."""
    more = {name: tab for name, (tab, something) in MORE.items() if something(session)}
    return Tabs(session, pictures, TABS | more).view
