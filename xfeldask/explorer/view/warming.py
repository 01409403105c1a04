"""What a first page shows, read and drawn before the page is made: in a thread, beside which a server answers."""

from __future__ import annotations

import numpy as np

from xfeldask.explorer.model.drawing import coordinates, draw, first_range
from xfeldask.explorer.model.nearest import Nearest
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.model.shared import shared_pictures
from xfeldask.explorer.view.plane import SIZE, points_of
from xfeldask.store.storage.urls import StorePath


def warm(store: StorePath, embedding: str | None = None) -> None:
    """Read a store for all who share its shots and pictures, and load the kernels that draw them.

    Raises
    ------
    XfeldaskError
        As `Session` and `Pictures` do; damaged bytes may raise anything.
    """
    session = Session(store, embedding)
    shots, axes = session.shots, (session.x, session.y)
    x, y = (coordinates(session.column(name).values) for name in axes)
    x_range, y_range = (shots.kept(first_range, name) for name in axes)
    draw(points_of(session, x, y, session.colour), session.visible, session.selected, x_range, y_range, *SIZE)
    # and found near nothing: what looks is a kernel too
    shots.kept(Nearest, *axes).find(x_range[0], y_range[0], 1.0, 1.0, among=session.visible)
    pictures, shot = shared_pictures(shots.run), int(np.argmax(shots.done))
    pictures.seen(shot, session.zoom)
    pictures.particles(shot)
