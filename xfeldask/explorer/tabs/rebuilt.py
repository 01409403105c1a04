"""A shot beside what the components make of it, and what they leave."""

from __future__ import annotations

import html
from dataclasses import replace
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui

from xfeldask.errors import XfeldaskError
from xfeldask.explorer.model.pictures import Picture, Pictures
from xfeldask.explorer.model.rebuild import LinearSpace
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.view.cards import Card
from xfeldask.explorer.view.mosaic import SIGNED
from xfeldask.explorer.view.widgets import caption
from xfeldask.units import shown

AXES = (shown("m-1").label("q along x"), shown("m-1").label("q along y"))
BRIGHT = 0.998
"""Fraction of the bins that are no brighter than the top of the scale."""
STEPS = 1000
"""From nothing to the top of the scale, to which values are rounded: colours have fewer, and less is sent."""


class RebuiltView:
    """A shot's image, the image rebuilt from the first components, and the residual, side by side.

    Parameters
    ----------
    session : Session
    pictures : Pictures
    """

    def __init__(self, session: Session, pictures: Pictures) -> None:
        self._session, self._pictures, self._shot = session, pictures, 0
        self.view = pn.Column(sizing_mode="stretch_width")
        self._told = caption()
        self.space: LinearSpace | None = None
        if session.embedding is None:
            self.view.objects = [caption("There is no embedding to rebuild shots from.")]
            return
        try:
            space = self.space = LinearSpace.of(session.shots.run.embedding(session.embedding))
        except XfeldaskError as error:
            self.view.objects = [caption(html.escape(f"{error}."))]
            return
        most = len(space.components)
        self.slider = pmui.IntSlider(label="components", start=0, end=most, value=most, width=320, margin=(10, 20))
        self.slider.param.watch(self._rebuild, "value")
        quantity = "photons" if space.units == "count" else space.feature
        self.cards = [Card(title, quantity, AXES, True, "linear") for title in ("image", "rebuilt", "residual")]
        for card in self.cards:
            card.figure.toolbar.active_scroll = None
        self.cards[2].mappers["linear"].palette = list(SIGNED)
        row = pn.Row(*(card.view() for card in self.cards), height=340, sizing_mode="stretch_width")
        self.view.objects = [pn.Row(self.slider, self._told, sizing_mode="stretch_width"), row]

    def show(self, shot: int) -> None:
        """Rebuild a shot."""
        self._shot = shot
        self._rebuild()

    def zoom(self) -> None:
        """Show the part of the images that is looked at now."""
        self._rebuild()

    def _rebuild(self, *_: Any) -> None:
        if self.space is None:
            return
        k = self.slider.value
        try:
            found = self.space.rebuild(self._shot, k)
        except XfeldaskError as error:  # its background was replaced while the page was open
            self._told.object = html.escape(f"{error}.")
            return
        binned = self._pictures.binned(self._shot)
        top = float(np.quantile(found.image, BRIGHT)) or float(np.abs(found.image).max()) or 1.0
        low = min(0.0, float(found.image.min()))
        for card, values in zip(self.cards, (found.image, found.rebuilt, found.residual), strict=True):
            card.mappers["linear"].update(low=low, high=top)
            picture = self._pictures.cut(placed(values, binned), self._session.zoom)
            card.show(replace(picture, values=stepped(picture.values, top)))
        self.cards[2].mappers["linear"].update(low=-top, high=top)
        what = f"the mean and {k} of {len(self.space.components)} components" if k else "the mean alone"
        self.cards[1].figure.title.text = f"{k} of {len(self.space.components)} components" if k else "mean"
        self._told.object = (
            f"Shot {self._shot:,} as {found.image.shape[0]} x {found.image.shape[1]} bins of {self.space.feature}. "
            f"{what.capitalize()} do not explain <b>{found.unexplained:.1%}</b> of its variance. Image and "
            "rebuilt share a linear scale; the residual is orange where the image is brighter than rebuilt, blue "
            "where it is darker."
        )


def stepped(values: np.ndarray[Any, Any], top: float) -> np.ndarray[Any, Any]:
    """Round values to steps of a scale.

    Examples
    --------
    >>> stepped(np.array([0.12345, -7.0004, np.nan]), 10.0).tolist()
    [0.12, -7.0, nan]
    """
    return (np.round(values * (STEPS / top)) * (top / STEPS)).astype(values.dtype)


def placed(values: np.ndarray[Any, Any], binned: Picture) -> Picture:
    """Place an image (y, x) of bins as large as those of a picture, or larger by a whole factor."""
    left, bottom, width, height = binned.extent
    ny, nx = binned.values.shape
    x, y = (-(-n // bins) * bins / n for n, bins in zip((nx, ny), values.shape[::-1], strict=True))
    image = np.array(values, np.float32)
    if image.shape == binned.values.shape:
        image[np.isnan(binned.values)] = np.nan
    return Picture(image, (left, bottom, width * x, height * y))
