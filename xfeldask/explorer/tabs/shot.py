"""The pinned shot: every pixel, everything known of it, its neighbours in the latent space, and itself rebuilt."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import panel as pn

from xfeldask.explorer.cards import Card, contrast
from xfeldask.explorer.nearest import neighbours
from xfeldask.explorer.pictures import Pictures
from xfeldask.explorer.session import Session

NEIGHBOURS = 12


def shot(session: Session, pictures: Pictures) -> pn.viewable.Viewable:
    """The tab."""
    card = Card("every pixel", "photons", ("x: s (1/nm)", "y: s (1/nm)"), reciprocal=True)
    table = pn.pane.HTML("tap a shot in the plot to pin it", css_classes=["shot"], sizing_mode="stretch_width")

    def show(_: Any = None) -> None:
        if session.shot is None:
            return
        card.show(pictures.whole(session.shot))
        table.object = _table(session, session.shot)

    session.param.watch(show, ["shot", "embedding"])
    show()
    image = pn.Column(card.view(), contrast([card]), width=620, height=620)
    return pn.Row(image, table, sizing_mode="stretch_width")


def _table(session: Session, shot: int) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(session.shots.column(name).label)}</td><td>{html.escape(value)}</td></tr>"
        for name, value in session.about(shot).items()
    )
    near = ", ".join(f"{i:,}" for i in nearby(session, shot))
    return f"<table>{rows}<tr><td>nearest in the latent space</td><td>{near or 'none'}</td></tr></table>"


def nearby(session: Session, shot: int) -> list[int]:
    """Shots most like one in the latent space; none where there is no latent space."""
    names = [name for name in session.quantities if name.startswith("c") and name[1:].isdigit()]
    if not names:
        return []
    latent = np.stack([session.shots.column(name).values for name in names], axis=1)
    return [int(i) for i in neighbours(latent, shot, NEIGHBOURS)]
