"""Where the particles point: the selection on the sphere of orientations, folded by the particle's symmetry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import panel as pn
import panel_material_ui as pmui
from bokeh.palettes import interp_palette

from xfeldask.explorer.model.palette import CIRCLE
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.view.fields import AS_WRITTEN, choice
from xfeldask.explorer.view.plane import Plane
from xfeldask.explorer.view.widgets import caption, sentence
from xfeldask.physics.angles import GROUPS, folded
from xfeldask.physics.orientations import symmetry_group
from xfeldask.physics.symmetry import turns_about_z

HIGH = (
    ":host { flex: 0 0 auto !important; height: clamp(440px, 100cqh - 10px, 640px) !important;"
    " max-height: none !important; }"
)
"""Of what is in the tab: as high as there is room below the plots, and scrolled where that is too low for a plot."""
TOLD = (
    "Where the z axis of each shot's first particle points; a lasso or a box selects here as in the latent plot. "
    "Equal areas of the sphere are equal steps of sin(elevation): towards the poles shots look sparser than they are. "
)
PLAIN = "<b>Not folded</b>: where the particle has a symmetry, shots that look the same lie apart."
FOLDED = (
    "<b>Folded by {group}</b>, {whose}: of the {order} orientations in which the particle looks the same, the one "
    "{which} is drawn; rotation about the axis repeats every {period:.4g}°."
)
LYING = {
    "C": "its axis along z",
    "D": "its main axis along z, a two-fold one along x",
    "T": "two-fold axes along x, y and z",
    "O": "four-fold axes along x, y and z",
    "I": "two-fold axes along x, y and z",
}
"""How groups lie in the coordinates of the particle's atoms, by their first letter."""


def orientation(session: Session, _: Pictures, watch: Watch) -> pn.viewable.Viewable:
    """Make the tab of orientations."""
    if "azimuth" not in session.quantities:
        return sentence("The store does not tell orientations: it holds no truth of where particles pointed.")
    known = session.shots.symmetry or ""
    sphere = Sphere(session, known, watch)
    groups = {"none": ""} | {f"{group}, of the particle" if group == known else group: group for group in GROUPS}
    by = choice(label="symmetry", options=groups, value=known, width=210)
    colours = pmui.RadioButtonGroup(
        options={"as the latent plot": False, "by rotation": True}, value=False, width=300, size="small",
        margin=(4, 10), align="center", sx=AS_WRITTEN,
    )  # fmt: skip
    told = caption(about(known, known))

    def fold(event: Any) -> None:
        sphere.fold(event.new)
        told.object = about(event.new, known)

    by.param.watch(fold, "value")
    colours.param.watch(lambda event: sphere.by_rotation(event.new), "value")
    parts = pn.Row(by, colours), sphere.pane, told
    return pn.Column(*parts, height=600, sizing_mode="stretch_width", stylesheets=[HIGH])


def about(group: str, known: str) -> str:
    """Explain what is drawn.

    Parameters
    ----------
    group : str, that orientations are folded by; empty for none
    known : str, that of the store's particle; empty where the store does not tell
    """
    if not group:
        return TOLD + PLAIN
    turns = symmetry_group(group)
    whose = "the symmetry of the store's particle"
    if group != known:
        instead = f"the particle has {known}" if known else "the store does not tell whether the particle has it"
        whose = f"chosen here ({LYING[group[0]]} of its atoms; {instead})"
    about_z = turns_about_z(turns)
    which = "least turned about it" if about_z == len(turns) else "whose axis points nearest to azimuth 0, elevation 0"
    return TOLD + FOLDED.format(group=group, whose=whose, order=len(turns), which=which, period=360 / about_z)


class Sphere(Plane):
    """Azimuth and elevation of all shots.

    Parameters
    ----------
    session : Session
    group : str, that orientations are folded by at first; empty for none
    watch : as of `Plane`
    """

    def __init__(self, session: Session, group: str, watch: Callable[..., Any] | None = None) -> None:
        self._group = group
        super().__init__(session, self._folded, watch=watch)
        # the wheel scrolls the page
        self.canvas.figure.toolbar.active_scroll = None

    @property
    def _folded(self) -> tuple[str, str]:
        return folded("azimuth", self._group), folded("elevation", self._group)

    def _take(self) -> None:
        super()._take()
        # of what, is told below the plot; along it there is no room
        folding = f", folded by {self._group}" if self._group else ""
        self._labels = [f"{name}{folding} (°)" for name in ("azimuth", "elevation")]

    def fold(self, group: str) -> None:
        """Fold orientations by another group, or by none."""
        by_rotation = self._colour is not None
        self._group = group
        self._axes = self._folded
        self._colour = folded("rotation", group) if by_rotation else None
        self._hover(None)
        self._take()
        self._mark(self.canvas.pin, self.session.shot)
        self._flow.ask()

    def by_rotation(self, on: bool) -> None:
        """Let colours tell the rotation about the axis, or what they tell in the latent plot."""
        self.recolour(folded("rotation", self._group) if on else None)

    def _recolour(self) -> None:
        super()._recolour()
        if self._group and self._colour is not None:
            # ends where it begins, after a fraction of a turn
            half = 180 / turns_about_z(symmetry_group(self._group))
            self.points = replace(self.points, palette=tuple(interp_palette(CIRCLE, 256)), span=(-half, half))
            self.canvas.mapper.update(low=-half, high=half, palette=list(self.points.palette))
