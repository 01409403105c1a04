"""The page: a bar, a sidebar of choices, both spaces beside the latent plot, and tabs about the selection."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import panel as pn
import panel_material_ui as pmui

from xfeldask.errors import XfeldaskError
from xfeldask.explorer.cards import Card, contrast
from xfeldask.explorer.pictures import Pictures
from xfeldask.explorer.plane import Plane
from xfeldask.explorer.session import SHARED, Session
from xfeldask.explorer.sidebar import sidebar
from xfeldask.explorer.tabs import TABS

pn.extension()
pn.config.respect_explicit_sizing = True

STYLE = """
.caption { font-size: 12px; opacity: .8 }
.shot { font-size: 13px; font-variant-numeric: tabular-nums; line-height: 1.5 }
.shot td { padding: 0 14px 0 0; vertical-align: top }
.shot td:first-child { opacity: .7 }
"""
HEIGHT = "calc(100vh - 125px)"
"""Of the row with the plots: the first line of the tabs stays in sight."""
CARDS = "max(330px, calc((100vh - 250px) / 2 + 60px))"
"""Width of the cards: as wide as they are high, and the scale."""


TOLD = {"hit": "truth", "verdict": "verdict", "probability_single": "P(single)", "photon_count": "photons"}
"""What is told of a shot above its pictures, and by which word."""


class Explorer:
    """The page of one person.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.pictures = Pictures(session.shots.path)
        self.pattern = Card("reciprocal space", "photons", ("x: s (1/nm)", "y: s (1/nm)"), reciprocal=True)
        self.particles = Card("real space, along the beam", "electrons / nm²", ("x (nm)", "y (nm)"), False, "linear")
        self.line = pn.pane.HTML("", css_classes=["shot"], margin=(4, 10), height=40)
        self.plane = Plane(session, on_hover=self.look)
        self._seen: int | None = None
        session.param.watch(self._pinned, ["shot"])
        self.look(session.shot if session.shot is not None else 0)

    def look(self, shot: int | None) -> None:
        """Show both spaces of a shot; of the pinned one where there is none."""
        shot = self.session.shot if shot is None else shot
        if shot is None or shot == self._seen:
            return
        self._seen = shot
        with pn.io.unlocked():
            self.pattern.show(self.pictures.binned(shot))
            self.particles.show(self.pictures.particles(shot))
            self.line.object = self._about(shot)

    def main(self) -> list[pn.viewable.Viewable]:
        """What is in the middle."""
        right = pn.Column(
            self.line,
            self.pattern.view(),
            self.particles.view(),
            contrast([self.pattern], recoloured=[self.particles]),
            styles={"flex": "0 0 auto", "width": CARDS},
            sizing_mode="stretch_height",
        )
        top = pn.Row(
            self.plane.pane, right, sizing_mode="stretch_width", styles={"height": HEIGHT, "min-height": "540px"}
        )
        tabs = pmui.Tabs(
            *((name, view(self.session, self.pictures)) for name, view in TABS.items()),
            dynamic=True,
            sizing_mode="stretch_width",
        )
        return [top, tabs]

    def page(self) -> pmui.Page:
        """The whole page."""
        shots = self.session.shots
        title = f"{shots.path.name} · {shots.n_shots:,} shots"
        return pmui.Page(
            title=title,
            main=self.main(),
            sidebar=sidebar(self.session),
            sidebar_width=280,
            raw_css=[STYLE],
        )

    def _pinned(self, _: Any) -> None:
        self._seen = None
        self.look(self.session.shot)

    def _about(self, shot: int) -> str:
        about = self.session.about(shot)
        parts = [f"<b>shot {shot:,}</b>"]
        parts += [f"{word} {html.escape(about[name])}" for name, word in TOLD.items() if name in about]
        return " · ".join(parts)


def make_page(path: str | Path, embedding: str | None = None) -> pmui.Page:
    """The page of a store, its state in the address; a clear sentence where the store cannot be shown."""
    try:
        session = Session(path, embedding)
    except XfeldaskError as error:
        return message(str(error))
    if pn.state.location is not None:
        pn.state.location.sync(session, {name: name for name in SHARED})
    return Explorer(session).page()


def message(text: str) -> pmui.Page:
    """A page with a sentence."""
    return pmui.Page(title="xfeldask", main=[pmui.Alert(html.escape(text), severity="warning", margin=20)])
