"""The page: a bar, a sidebar of choices, both spaces beside the latent plot, and tabs about the selection."""

from __future__ import annotations

import html
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui

from xfeldask.errors import MissingFileError, XfeldaskError
from xfeldask.explorer.model.pictures import ZOOMS
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.model.shared import shared_pictures
from xfeldask.explorer.tabs import tabs
from xfeldask.explorer.view.address import keep_address, read_address
from xfeldask.explorer.view.arrangement import laid_out
from xfeldask.explorer.view.bar import bar
from xfeldask.explorer.view.cards import Card, contrast, follow_rings
from xfeldask.explorer.view.fields import checks
from xfeldask.explorer.view.flow import Flow
from xfeldask.explorer.view.frame import framed, message
from xfeldask.explorer.view.offer import offer
from xfeldask.explorer.view.plane import Plane
from xfeldask.explorer.view.sidebar import bound, sidebar
from xfeldask.store.storage.urls import StorePath
from xfeldask.units import shown

LINE = {"font-size": "13px", "font-variant-numeric": "tabular-nums", "line-height": "1.4", "overflow": "hidden"}
PATTERN = 1.3
"""Width of the card of the pattern in widths of that of the particles."""
FOLLOW_EVERY = 2000
"""Time between two readings of a store that is being written [ms]."""
TRUTH = {"hit": "truth"}
TOLD = {"verdict": "verdict", "probability_single": "P(single)", "photon_count": "photons"}
"""What is told of a shot above its pictures, and by which word; the truth to who labels no shots."""
HIDDEN = "truth hidden while you label"


class Explorer:
    """The page of one person.

    Parameters
    ----------
    session : Session
    allow_write : bool, whether the store may be written
    """

    def __init__(self, session: Session, allow_write: bool = False) -> None:
        self.session, self.allow_write = session, allow_write
        session.may_write = allow_write
        self.pictures = shared_pictures(session.shots.run)
        # units in the title: labels of axes would take a quarter of the room
        self.pattern = Card(shown("m-1").label("reciprocal space, q"), "photons", ("", ""), reciprocal=True)
        self.particles = Card(
            shown("m").label("real space along the beam"), "electrons / nm²", ("", ""), False, "linear"
        )
        # no pane, all of whose properties Panel would work out anew for each text
        self.line = pn.widgets.StaticText(value="", styles=LINE, margin=(6, 10, 2, 10), height=20)
        self.plane = Plane(session, on_hover=self.look)
        self._seen: int | None = None
        self._flow = Flow(self.pattern.source, self._show)
        follow_rings(session, [self.pattern], session.param.watch)
        session.param.watch(self._pinned, ["shot"])
        session.param.watch(self._again, ["zoom", "blind"])
        # of a store that is being written, the first shots need not be the first to be there
        self.look(session.shot if session.shot is not None else int(np.argmax(session.shots.done)))

    def look(self, shot: int | None) -> None:
        """Show both spaces of a shot; of the pinned one where there is none."""
        shot = self.session.shot if shot is None else shot
        if shot is None or shot == self._seen:
            return
        self._seen = shot
        self._flow.ask(shot)

    def _show(self, shot: int) -> bool:
        """Show a shot; return whether there was a pattern to be shown."""
        with pn.io.unlocked():
            try:
                pattern = self.pictures.seen(shot, self.session.zoom)
                particles = None if self.session.blind else self.pictures.particles(shot)
                told = self._about(shot)
            except XfeldaskError as error:
                pattern, particles, told = None, None, html.escape(str(error))
            self.pattern.show(pattern)
            # of a blank there is no brightest
            self.particles.mappers["linear"].high = None if particles is None or particles.values.any() else 1.0
            self.particles.show(particles)
            self.line.value = told
        return pattern is not None

    def main(self, *above: pn.viewable.Viewable, fills: bool = False) -> pn.viewable.Viewable:
        """Lay out what is in the middle, as `laid_out` takes it."""
        pictures = [self.pattern.view(PATTERN)]
        pictures += [self.particles.view()] if self.pictures.has_particles else []
        controls = pn.Row(
            pn.Row(zoom(self.session), rings(self.session), margin=0),
            contrast([self.pattern], recoloured=[self.particles]),
            styles={"flex-wrap": "wrap", "align-items": "center", "gap": "0px 4px"},
        )
        cards = [self.line, controls, pn.Row(*pictures, sizing_mode="stretch_both", margin=0)]
        return laid_out(above, self.plane.pane, cards, tabs(self.session, self.pictures), fills)

    def page(self, stores: Sequence[StorePath], here: int = 0) -> pmui.Page:
        """Make the whole page, of the store at a place among some."""
        self._follow()
        page = framed(
            title=self.session.shots.path.name,
            header=bar(self.session, stores, here),
            main=[self.main(*offer(self.session, self.allow_write), fills=True)],
            sidebar=[self._side()],
            sidebar_width=280,
        )
        page.param.watch(lambda event: self.session.param.update(dark=bool(event.new)), "dark_theme")
        return page

    def view(self) -> pn.viewable.Viewable:
        """Make the page without its bar, for a notebook."""
        return pn.Row(self._side(width=280), self.main(), sizing_mode="stretch_width")

    def _side(self, **options: Any) -> pn.viewable.Viewable:
        """Make the choices, anew whenever another embedding is looked at: it has other quantities."""
        side = pn.Column(**options)

        def fill(*_: Any) -> None:
            side.objects = sidebar(self.session, self.allow_write)

        self.session.param.watch(fill, "embedding")
        fill()
        return side

    def _follow(self) -> None:
        """Read a store that is still being written, or reconstructed from, again and again."""
        if not self.session.grows or pn.state.curdoc is None:
            return
        callback = pn.state.add_periodic_callback(lambda: self._look_again(), period=FOLLOW_EVERY)
        self._callbacks = [callback]

    def _look_again(self) -> None:
        grows = self.session.grows  # before the look: whoever makes something publishes it, and then lets go
        try:
            self.session.look_again()
        except MissingFileError:  # it was removed, as whatever is asked of the page tells
            grows = False
        if not grows:
            for callback in self._callbacks:
                callback.stop()

    def _pinned(self, *_: Any) -> None:
        self.look(self.session.shot)

    def _again(self, *_: Any) -> None:
        seen, self._seen = self._seen, None
        self.look(seen)

    def _about(self, shot: int) -> str:
        if not self.session.shots.done[shot]:
            return f"<b>shot {shot:,}</b> · not yet written"
        known, blind = self.session.quantities, self.session.blind
        words = TOLD if blind else TRUTH | TOLD
        about = self.session.about(shot, [name for name in words if name in known])
        parts = [f"<b>shot {shot:,}</b>"]
        parts += [f"{word} {html.escape(about[name])}" for name, word in words.items() if name in about]
        parts += [HIDDEN] if blind and not TRUTH.keys().isdisjoint(known) else []
        return " · ".join(parts)


def zoom(session: Session) -> Any:
    """Make the switch of what all pictures of patterns show."""
    style = {"textTransform": "none", "padding": "1px 6px", "whiteSpace": "nowrap", "fontSize": "13px"}
    switch = pmui.RadioButtonGroup(options=list(ZOOMS), size="small", margin=(0, 4, 0, 10), height=30,
                                   sx={"& .MuiToggleButton-root": style})  # fmt: skip
    bound(switch, session, "zoom")
    return switch


def rings(session: Session) -> Any:
    """Make the switch of rings of equal resolution, which all large pictures of patterns follow."""
    # a single box of Panel's has no name for those who hear the page
    box = checks(options=["rings"], value=["rings"] if session.rings else [], width=64, margin=(5, 4, 0, 4))
    box.param.watch(lambda event: session.param.update(rings=bool(event.new)), "value")
    session.param.watch(lambda event: box.param.update(value=["rings"] if event.new else []), "rings")
    return box


def make_page(
    stores: Sequence[StorePath], here: int = 0, embedding: str | None = None, allow_write: bool = False
) -> pmui.Page:
    """Make the page of one of some stores, its state in the address; a clear sentence where it cannot be shown."""
    query = pn.state.location.query_params if pn.state.location is not None else {}
    try:
        # the address gives a name of digits as a number
        named = str(query["embedding"]) if "embedding" in query else embedding
        session = Session(stores[here], named, **read_address(query))
        page = Explorer(session, allow_write).page(stores, here)
    except XfeldaskError as error:
        return message(str(error), stores, here)
    except Exception as error:  # a decoder may raise anything on damaged bytes
        logging.getLogger(__name__).exception("%s cannot be shown", stores[here])
        told = f"{stores[here]} cannot be shown ({error}); xfeldask verify names what is broken"
        return message(told, stores, here)
    keep_address(session)
    return page
