"""Kinds of particles, found or named: how many shots, their mean pattern, a slice of the particle's intensity."""

from __future__ import annotations

from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import xarray as xr

from xfeldask.explorer.model.pictures import Picture, Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs.rebuilt import AXES
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.view.cards import Card
from xfeldask.explorer.view.widgets import SMALL, caption, heading, sentence, table
from xfeldask.store.results.particle_kinds import KINDS
from xfeldask.units import shown, told

HEIGHT = 300


def with_kinds(session: Session) -> list[str]:
    """Return the names of the embeddings of a store beside which kinds of particles were found."""
    return [name for name in session.shots.embeddings if f"latent/{name}/{KINDS}" in session.shots.run]


def kinds(session: Session, pictures: Pictures, watch: Watch) -> pn.viewable.Viewable:
    """Make the tab of kinds of particles."""
    if session.embedding not in with_kinds(session):
        return sentence(
            f"Kinds of particles were found beside {', '.join(with_kinds(session))}: choose that embedding."
        )
    embedding = session.shots.run.embedding(session.embedding)
    found = embedding.parts()[KINDS]
    wanted = embedding.decision.wanted_kinds or ()
    names: tuple[str, ...] = embedding.decision.kind_names or ()
    views = [
        Kind(session, pictures, watch, found.isel(kind=k), names[k] if names else k, k in wanted)
        for k in range(found.sizes["kind"])
    ]
    origin = "The species that were named" if names else "Found without knowing any, either hand as likely"
    return pn.Column(
        caption(
            f"{origin}: the mean pattern of the shots of each kind, and the intensity of the particle in the plane "
            "through the beam's middle, both on logarithmic scales."
        ),
        *(view.view for view in views),
        sizing_mode="stretch_width",
    )


class Kind:
    """One kind.

    Parameters
    ----------
    session : Session
    pictures : Pictures
    watch : Watch
    found : Dataset, of this kind
    kind : int or str, its number, or its name where it has one
    is_wanted : bool, whether it is the kind that is accepted
    """

    def __init__(
        self, session: Session, pictures: Pictures, watch: Watch, found: xr.Dataset, kind: int | str, is_wanted: bool
    ) -> None:
        self._session, self._pictures = session, pictures
        self._mean = found["mean_image"].values.astype(np.float32)
        self.pattern = Card("mean pattern", "photons", AXES, reciprocal=True)
        self.slice = Card("intensity", "photons in a bin", AXES, reciprocal=True)
        for card in (self.pattern, self.slice):
            card.figure.toolbar.active_scroll = None
        self.slice.show(middle(found["intensity"].values, found["s"].values, 2))
        scaled(self.slice)
        watch(self._show, ["zoom"])
        self._show()
        rows = [
            ("shots", f"{int(found['shots']):,}"),
            ("photons a shot", f"{float(found['mean_photons']):,.0f}"),
            ("radius of gyration", radius(float(found["radius_of_gyration"]))),
        ]
        select = pmui.Button(label="select its shots", size="small", variant="outlined")
        title, value = (kind, f'"{kind}"') if isinstance(kind, str) else (f"kind {kind}", kind)
        select.on_click(lambda _: session.choose_where(f"kind == {value}"))
        side = pn.Column(
            heading(title + (", the wanted one" if is_wanted else "")),
            pn.pane.HTML(table(rows), styles=SMALL, margin=(0, 10)), select, width=240,
        )  # fmt: skip
        self.view = pn.Row(side, self.pattern.view(), self.slice.view(), height=HEIGHT, sizing_mode="stretch_width")

    def _show(self, *_: Any) -> None:
        whole = Picture(self._mean, self._pictures.binned_extent)
        self.pattern.show(self._pictures.cut(whole, self._session.zoom))
        scaled(self.pattern)


def radius(metres: float) -> str:
    """Write a radius of gyration.

    Examples
    --------
    >>> radius(6.25e-9), radius(float("nan"))
    ('6.25 nm', 'not known')
    """
    return told(metres, "m", digits=3) if np.isfinite(metres) else "not known"


def middle(values: np.ndarray[Any, Any], at: np.ndarray[Any, Any], axis: int, unit: str = "m-1") -> Picture:
    """Return the plane through the middle of a grid, across one of its axes, with the axes left in their order.

    Parameters
    ----------
    values : (u, v, w)
    at : (u,), places along each axis
    axis : int, the one that is cut across
    unit : str, of the places

    Examples
    --------
    >>> middle(np.arange(27.0).reshape(3, 3, 3), np.array([-1e9, 0, 1e9]), 2).values.tolist()
    [[1.0, 10.0, 19.0], [4.0, 13.0, 22.0], [7.0, 16.0, 25.0]]
    """
    plane = np.take(values, values.shape[axis] // 2, axis=axis).T
    at = shown(unit).of(at)
    step = float(at[1] - at[0])
    left, width = float(at[0]) - step / 2, step * len(at)
    return Picture(np.ascontiguousarray(plane, np.float32), (left, left, width, width))


def scaled(card: Card) -> None:
    """Let a logarithmic scale reach over what is shown, which may be far less than a photon."""
    values = card.source.data["image"][0]
    there = values[np.isfinite(values) & (values > 0)]
    if len(there):
        low, high = np.quantile(there, [0.02, 1.0])
        card.mappers["log"].update(low=float(low), high=float(max(high, 2 * low)))
