"""What a hand does on a plot, as a browser tells of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.events import MouseMove, SelectionGeometry, Tap
from numpy.typing import ArrayLike

from xfeldask.explorer.view.plane import Plane


def box(plane: Plane, x0: float, y0: float, x1: float, y1: float, final: bool = True) -> None:
    """Draw a box."""
    _select(plane, {"type": "rect", "x0": x0, "y0": y0, "x1": x1, "y1": y1}, final)


def lasso(plane: Plane, vertices: ArrayLike) -> None:
    """Draw a lasso."""
    x, y = np.reshape(vertices, (-1, 2)).T
    _select(plane, {"type": "poly", "x": x, "y": y})


def point(plane: Plane, x: float, y: float) -> None:
    """Move the pointer."""
    plane.canvas.figure._trigger_event(MouseMove(plane.canvas.figure, x=x, y=y))


def tap(plane: Plane, x: float, y: float) -> None:
    """Tap."""
    plane.canvas.figure._trigger_event(Tap(plane.canvas.figure, x=x, y=y))


def look(plane: Plane, x: tuple[float, float], y: tuple[float, float]) -> None:
    """Zoom to some ranges."""
    for axis, (start, end) in zip((plane.canvas.figure.x_range, plane.canvas.figure.y_range), (x, y), strict=True):
        axis.update(start=start, end=end)


def size(plane: Plane, width: int, height: int) -> None:
    """Give the plot a size."""
    for side, pixels in (("inner_width", width), ("inner_height", height)):
        plane.canvas.figure.set_from_json(side, pixels)


def _select(plane: Plane, geometry: dict[str, Any], final: bool = True) -> None:
    fig = plane.canvas.figure
    fig._trigger_event(SelectionGeometry(fig, geometry=geometry, final=final))
