"""The pinned shot: every pixel, everything known of it, its neighbours in the latent space, and itself rebuilt."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from bokeh.models import ColumnDataSource, CustomJS
from numpy.typing import NDArray

from xfeldask.errors import XfeldaskError
from xfeldask.explorer.model.nearest import neighbours
from xfeldask.explorer.model.pictures import Picture, Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.model.words import called
from xfeldask.explorer.tabs.rebuilt import AXES, RebuiltView
from xfeldask.explorer.tabs.spread import Curves
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.view.cards import Card, contrast, follow_rings
from xfeldask.explorer.view.locking import locked
from xfeldask.explorer.view.mosaic import Mosaic
from xfeldask.explorer.view.widgets import SMALL, caption, heading, sentence, table

NONE = "Tap a shot in the latent plot to pin it."
NEIGHBOURS = 12
SELECTED = 200
"""Neighbours that are selected at once, at first."""
MOST_LIT = 50_000
"""Pixels with photons up to which each is drawn as a dot too."""


def shot(session: Session, pictures: Pictures, watch: Watch) -> pn.viewable.Viewable:
    """Make the tab of the pinned shot."""
    hint = sentence(NONE)
    body = pn.Column(sizing_mode="stretch_width")
    shown: list[_Pinned] = []

    def begin(*_: Any) -> None:
        if session.shot is not None:
            reading = f"reading shot {session.shot:,} …"
            for pinned in shown:
                pinned.title = reading
            hint.object = reading
            # when the browser has been told so
            locked(show)
        else:
            hint.object, hint.visible, body.visible = NONE, True, False

    def show() -> None:
        if session.shot is None:
            return
        if shown:
            shown[0].show(session.shot)
        else:
            shown.append(_Pinned(session, pictures, watch))
            # filled before it is sent: what changes on the way could arrive before it does
            shown[0].show(session.shot)
            body.objects = [shown[0].view]
        hint.visible, body.visible = False, True

    def zoom(*_: Any) -> None:
        for pinned in shown:
            pinned.zoom()
            pinned.rebuilt.zoom()

    watch(begin, ["shot"])
    watch(zoom, ["zoom"])
    body.visible = False
    show()
    return pn.Column(hint, body, sizing_mode="stretch_width")


class _Pinned:
    """All about one shot."""

    def __init__(self, session: Session, pictures: Pictures, watch: Watch) -> None:
        self._session, self._pictures = session, pictures
        self._card = Card("full resolution", "photons", AXES, reciprocal=True, counts=True)
        self._card.figure.toolbar.active_scroll = None
        follow_rings(session, [self._card], watch)
        self._lit = ColumnDataSource({"x": [], "y": [], "photons": []})
        self._dot_photons()
        self._table = pn.pane.HTML("", styles={**SMALL, "columns": "300px"}, sizing_mode="stretch_width", margin=10)
        self._curves = Curves(session, pictures)
        self._near: list[int] = []
        self._labels: list[str] = []
        self._mosaic = Mosaic(NEIGHBOURS, 1, lambda place: session.param.update(shot=self._near[place]))
        self._told = caption()
        self.rebuilt = RebuiltView(session, pictures)
        self.many = pn.widgets.IntInput(label="how many", value=SELECTED, start=1, width=90)
        self.take = pmui.Button(label="select it and its nearest", size="small", variant="outlined", align="end")
        self.take.on_click(lambda _: select_nearby(session, self.many.value or 1))
        self._choice = pn.Row(self.many, self.take)
        image = pn.Column(
            self._card.view(), contrast([self._card]), height=500, styles={"flex": "0 0 480px", "width": "480px"}
        )
        self.view = pn.Column(
            pn.Row(image, self._table, sizing_mode="stretch_width"),
            heading("how its photons are spread"),
            self._curves.pane,
            heading("nearest in the latent space"),
            self._told,
            self._choice,
            self._mosaic.pane,
            heading("rebuilt from the components"),
            self.rebuilt.view,
            sizing_mode="stretch_width",
        )

    @property
    def title(self) -> str:
        """What stands above the picture."""
        return str(self._card.figure.title.text)

    @title.setter
    def title(self, text: str) -> None:
        self._card.figure.title.text = text

    def show(self, shot: int) -> None:
        """Show a shot."""
        session = self._session
        self.title = f"shot {shot:,}, full resolution"
        try:
            picture = self._pictures.whole(shot)
            self._curves.show(shot)
        except XfeldaskError as error:
            self._card.show(None)
            self._curves.show(None)
            self._lit.data = {name: [] for name in self._lit.data}
            self._table.object = html.escape(str(error))
            return
        self._card.show(picture)
        self._lit.data = lit(picture)
        about = session.about(shot).items()
        self._table.object = table((called(session.shots.column(name)), value) for name, value in about)
        self._curves.classes()
        self._neighbours(shot)
        self.rebuilt.show(shot)

    def _dot_photons(self) -> None:
        """Draw pixels that hold photons as squares of two pixels of the screen at least: none is lost to the zoom."""
        image = self._card.image
        field = {"field": "photons", "transform": image.glyph.color_mapper}
        dots = self._card.figure.scatter("x", "y", source=self._lit, marker="square", size=2, line_color=None,
                                         fill_color=field)  # fmt: skip
        follow = "dots.fill_color = {field: 'photons', transform: image.color_mapper}"
        image.glyph.js_on_change("color_mapper", CustomJS(args={"dots": dots.glyph, "image": image.glyph}, code=follow))

    def _neighbours(self, shot: int) -> None:
        try:
            self._near, away = nearby(self._session, shot)
        except XfeldaskError as error:
            self._near, away = [], []
            self._told.object = html.escape(str(error))
        else:
            self._told.object = (
                f"The {len(self._near)} nearest of all {self._session.shots.n_shots:,} shots by distance in all "
                "components, and that distance; tap one to pin it. Logarithmic scale."
            )
        self._mosaic.pane.visible = self._choice.visible = bool(self._near)
        self._labels = [f"{i:,} · {d:.3g}" for i, d in zip(self._near, away, strict=True)]
        self.zoom()

    def zoom(self) -> None:
        """Show the part of the neighbours' patterns that is looked at now."""
        self._mosaic.show(*self._pictures.tiles(self._near, self._session.zoom, self._labels))


def lit(picture: Picture) -> dict[str, NDArray[Any]]:
    """Return middles and photons of the pixels that hold any; nothing where so many do that none can be missed."""
    values, (left, bottom, width, height) = picture.values, picture.extent
    row, column = np.nonzero(np.nan_to_num(values))
    if len(row) > MOST_LIT:
        row = column = row[:0]
    ny, nx = values.shape
    return {
        "x": (left + (column + 0.5) * width / nx).astype(np.float32),
        "y": (bottom + (row + 0.5) * height / ny).astype(np.float32),
        "photons": values[row, column],
    }


def select_nearby(session: Session, k: int) -> None:
    """Let the pinned shot and the shots most like it be selected, as a gesture would."""
    if session.shot is not None:
        mask = np.zeros(session.shots.n_shots, bool)
        mask[[session.shot, *nearby(session, session.shot, k)[0]]] = True
        session.choose(mask)


def nearby(session: Session, shot: int, k: int = NEIGHBOURS) -> tuple[list[int], list[float]]:
    """Find the `k` shots most like one in the latent space, and their distances to it.

    Raises
    ------
    InputError
        The shot has no coordinates.
    """
    latent = session.shots.latent
    if not latent.shape[1]:
        return [], []
    found = neighbours(latent, shot, k)
    away = np.linalg.norm(latent[found].astype(np.float64) - latent[shot], axis=1)
    return [int(i) for i in found], [float(d) for d in away]
