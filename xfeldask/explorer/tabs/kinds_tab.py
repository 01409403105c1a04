"""Kinds of particles, found or named: how many shots, their mean pattern, a slice of the particle's intensity."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import xarray as xr

from xfeldask.errors import XfeldaskError
from xfeldask.explorer.model.pictures import Picture, Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs.rebuilt import AXES
from xfeldask.explorer.tabs.recipe import block
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.view.cards import Card
from xfeldask.explorer.view.locking import locked
from xfeldask.explorer.view.making import Making
from xfeldask.explorer.view.widgets import MIDDLE, SMALL, caption, heading, sentence, table
from xfeldask.store.results.particle_kinds import KINDS
from xfeldask.units import shown, told

if TYPE_CHECKING:
    from xfeldask.explorer.model.choosing_kinds import Choice

HEIGHT = 300
STAYS = ":host { position: sticky; top: 40px; z-index: 4; }"
"""What is told of the verdict is seen below the bar of tabs, whichever kind is looked at."""


def with_kinds(session: Session) -> list[str]:
    """Return the names of the embeddings of a store beside which kinds of particles were found."""
    return [name for name in session.shots.embeddings if f"latent/{name}/{KINDS}" in session.shots.run]


def kinds(session: Session, pictures: Pictures, watch: Watch) -> pn.viewable.Viewable:
    """Make the tab of kinds of particles."""
    if session.embedding not in with_kinds(session):
        return sentence(
            f"Kinds of particles were found beside {', '.join(with_kinds(session))}: choose that embedding."
        )
    return Deciding(session, pictures, watch).view


class Deciding(Making):
    """The kinds, what a person makes of them, and the writing of a verdict by that in a thread of its own.

    Parameters
    ----------
    session : Session
    pictures : Pictures
    watch : Watch
    """

    beginning = "sorting by these kinds"

    def __init__(self, session: Session, pictures: Pictures, watch: Watch) -> None:
        from xfeldask.explorer.model.choosing_kinds import KindsOf  # sorts, and a page is shown without that

        super().__init__(session, "apply")
        embedding = session.shots.run.embedding(str(session.embedding))
        self._name, self._of = embedding.name, KindsOf(embedding)
        found, decision = embedding.parts()[KINDS], self._of.decision
        self._chosen: Choice | None = None
        self.back = pmui.Button(label="as it was", size="small", variant="outlined", visible=False)
        self.table = pn.pane.HTML("", styles=SMALL, margin=(4, 10))
        self.command = pn.pane.HTML("", sizing_mode="stretch_width", max_width=900, margin=(0, 10))
        self.kinds = [
            Shown(session, pictures, watch, found.isel(kind=k), k, called, k in (decision.wanted_kinds or ()), given)
            for k, (called, given) in enumerate(zip(decision.kinds_called, self._of.given_names, strict=True))
        ]
        for kind in self.kinds:
            for field in (kind.keep, kind.name):
                field.param.watch(lambda _: locked(self.weigh), "value")
        self.back.on_click(lambda _: self._back())
        self.make.visible = session.may_write
        origin = "Found without knowing any, either hand as likely" if "tried" in found.attrs else "Species as named"
        self.view = pn.Column(
            caption(
                f"{origin}: the mean pattern of the shots of each kind, and the intensity of the particle in the plane "
                "through the beam's middle, both on logarithmic scales. Keep the kinds that you want, and give them "
                "names."
            ),
            pmui.Column(
                self.table, pn.Row(self.make, self.back, self.told), self.bar, self.command,
                sizing_mode="stretch_width", margin=0, sx={"backgroundColor": "background.paper"}, stylesheets=[STAYS],
            ),
            *(kind.view for kind in self.kinds), sizing_mode="stretch_width",
        )  # fmt: skip
        self.weigh()

    def weigh(self) -> None:
        """Tell of the verdict by the kinds that are kept now, and offer it where it is another than the stored one."""
        if self.at_work:
            return
        keep = [bool(kind.keep.value) for kind in self.kinds]
        self._chosen = self._of.chosen(keep, [str(kind.name.value).strip() for kind in self.kinds])
        fault = ""
        try:
            self.table.object = table(self._of.told(self._chosen))
        except XfeldaskError as error:
            fault = html.escape(str(error))
        other = self._chosen is not None
        self.make.disabled = not other or bool(fault)
        self.back.visible = other
        self.told.object, self.command.object = fault, ""
        if self._chosen is not None and not fault and not self._session.may_write:
            command = self._chosen.command(self._session.shots.path.absolute(), self._name)
            self.command.object = block("Start with --allow-write to apply it here, or run", command)

    def _back(self) -> None:
        for kind in self.kinds:
            kind.reset()

    def _make(self, tell: Callable[..., None]) -> None:
        from xfeldask.verbs.sort import sort

        assert self._chosen is not None
        tell("sorting by these kinds", 0, 1, "verdicts")
        self._of.refuse_other()
        sort(self._session.shots.path, self._name, wanted=self._chosen.wanted, name_kinds=self._chosen.names)

    def _made(self) -> None:
        # makes this tab anew, too
        self._session.reopen(self._name)


class Shown:
    """One kind.

    Parameters
    ----------
    session : Session
    pictures : Pictures
    watch : Watch
    found : Dataset, of this kind
    kind : int, its number
    called : str, what people call it
    is_wanted : bool, whether it is accepted
    given : str, the name that it was given, if any
    """

    def __init__(
        self, session: Session, pictures: Pictures, watch: Watch, found: xr.Dataset, kind: int, called: str,
        is_wanted: bool, given: str = "",
    ) -> None:  # fmt: skip
        self._session, self._pictures, self._stored = session, pictures, (is_wanted, given)
        self._mean = found["mean_image"].values.astype(np.float32)
        self.pattern = Card("mean pattern", "photons", AXES, reciprocal=True)
        self.slice = Card("intensity", "photons / bin", AXES, reciprocal=True)
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
        self.keep = pmui.Switch(label="wanted", value=is_wanted, margin=(4, 10))
        self.name = pn.widgets.TextInput(label="name", value=given, placeholder=f"kind_{kind}", width=200)
        select = pmui.Button(label="select its shots", size="small", variant="outlined")
        named = bool(session.shots.column("kind").classes)
        value = f'"{called}"' if named else kind
        select.on_click(lambda _: session.choose_where(f"kind == {value}"))
        colour = session.colours("kind").get(called if named else str(kind), MIDDLE)
        side = pn.Column(
            heading(called), self.keep, self.name, pn.pane.HTML(table(rows), styles=SMALL, margin=(0, 10)), select,
            width=240, styles={"border-left": f"6px solid {colour}"},
        )  # fmt: skip
        self.view = pn.Row(side, self.pattern.view(), self.slice.view(), height=HEIGHT, sizing_mode="stretch_width")

    def reset(self) -> None:
        """Show again what is stored."""
        self.keep.value, self.name.value = self._stored

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
