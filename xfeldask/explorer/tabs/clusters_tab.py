"""Clusters of the latent space: found, looked at, named by a person, coloured, selected, and kept as selections."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param

from xfeldask.errors import XfeldaskError
from xfeldask.explorer.model.clusters import CLUSTER, Clusters, find_clusters
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.view.fields import choice
from xfeldask.explorer.view.locking import locked
from xfeldask.explorer.view.making import Making
from xfeldask.explorer.view.mosaic import Mosaic
from xfeldask.explorer.view.widgets import caption, sentence

TILES = 8
"""Patterns that are shown of each cluster."""
NUMBERS = {"as many as are dense": 0} | {f"{number}": number for number in range(2, 13)}
LEAST = {"0.2 % of the shots": 0.002, "1 % of the shots": 0.01, "5 % of the shots": 0.05}
ABOUT = (
    "Shots that lie close together in all components are a cluster. Clusters are a quantity to colour and select by "
    "(cluster == &quot;cluster_1&quot;); give them names of your own, one name to two to make them one. What is "
    "selected can be labelled at once in the tab of labels."
)


def clusters(session: Session, pictures: Pictures, watch: Watch) -> pn.viewable.Viewable:
    """Make the tab of clusters."""
    if session.embedding is None:
        return sentence("There is no embedding yet; make one with: xfeldask embed.")
    return Finding(session, pictures, watch).view


class Finding(Making):
    """The finding of clusters in a thread of its own, and what was found.

    Parameters
    ----------
    session : Session
    pictures : Pictures
    watch : Watch
    """

    beginning = "looking for clusters"

    def __init__(self, session: Session, pictures: Pictures, watch: Watch) -> None:
        super().__init__(session, "find clusters")
        self._pictures = pictures
        self.found: Clusters | None = None
        self.make.align = "end"
        self.number = choice(label="how many", options=NUMBERS, value=0, width=190)
        self.least = choice(label="each of at least", options=LEAST, value=0.01, width=170)
        self.save = pmui.Button(label="save each as a selection", size="small", variant="outlined", visible=False)
        self.save.on_click(lambda _: self._save())
        self.rows: list[Row] = []
        self._box = pn.Column(sizing_mode="stretch_width")
        self.number.param.watch(lambda event: self.least.param.update(disabled=event.new > 0), "value")
        watch(self._keep, ["embedding", "selected"])
        watch(self._show, ["zoom"])
        self.view = pn.Column(
            pn.FlexBox(self.number, self.least, self.make, self.save, self.told),
            self.bar, caption(ABOUT), self._box, sizing_mode="stretch_width",
        )  # fmt: skip

    def _make(self, tell: Callable[..., None]) -> None:
        shots, done = self._session.shots, 0
        latent = shots.latent.copy()
        latent[~shots.done] = np.nan

        def advance(n: int) -> None:
            nonlocal done
            done += n
            tell("giving shots to clusters", done, shots.n_done, "shots")

        self.found = find_clusters(latent, str(shots.embedding), self.number.value or None, self.least.value, advance)

    def _made(self) -> None:
        assert self.found is not None
        n = len(self.found.names)
        alone = int((self.found.column.values < 0).sum())
        self.told.object = f"{n} clusters, {alone:,} shots in none" if n else "no cluster is dense; choose how many"
        self._tell()
        if n:
            self._session.colour = CLUSTER
        self._list()

    def name(self, cluster: int, name: str) -> None:
        """Give a cluster another name."""
        if self.found is None or self.found.names.get(cluster) in (None, name):
            return
        try:
            self.found = self.found.named(cluster, name)
        except XfeldaskError as error:
            self.told.object = html.escape(str(error))
        else:
            self.told.object = ""
            self._tell()
        if [*self.found.names] == [row.cluster for row in self.rows]:
            for row in self.rows:
                row.call(self.found.names[row.cluster])
        else:
            self._list()

    def _tell(self) -> None:
        """Let the page know clusters as a quantity."""
        assert self.found is not None
        session = self._session
        session.shots.add(self.found.column)
        session.param.trigger("saved")
        if session.colour == CLUSTER:
            session.param.trigger("colour")

    def _save(self) -> None:
        assert self.found is not None
        session = self._session
        try:
            with param.parameterized.batch_call_watchers(session):
                for cluster, name in self.found.names.items():
                    session.save(name, session.may_write, self.found.values == cluster)
        except XfeldaskError as error:
            self.told.object = html.escape(str(error))
            return
        place = "in the store" if session.may_write else "for this page; --allow-write keeps them in the store"
        self.told.object = f"{len(self.found.names)} selections saved {place}"

    def _keep(self, *_: Any) -> None:
        """Go on with clusters where there are more shots, or fewer; those that have come are in none."""
        shots = self._session.shots
        if self.found is not None and len(self.found.values) != shots.n_shots:
            self.found = replace(self.found, values=shots.column(CLUSTER).values)
            self._list()

    def _list(self) -> None:
        found = self.found
        self.save.visible = found is not None and bool(found.names)
        self.rows = [] if found is None else [Row(self, self._session, found, cluster) for cluster in found.names]
        # first what they show: a browser may miss what changes while it makes them
        self._show()
        self._box.objects = [row.view for row in self.rows]

    def _show(self, *_: Any) -> None:
        for row in self.rows:
            row.show(self._pictures, self._session.zoom)


class Row:
    """A cluster: its name, how many shots it has, and some of them.

    Parameters
    ----------
    finding : Finding
    session : Session
    found : Clusters
    cluster : int
    """

    def __init__(self, finding: Finding, session: Session, found: Clusters, cluster: int) -> None:
        self.cluster, self._session, mask = cluster, session, found.values == cluster
        rng = np.random.default_rng(0)
        self._some = np.sort(rng.choice(np.flatnonzero(mask), min(TILES, int(mask.sum())), replace=False)).tolist()
        self.name = pn.widgets.TextInput(label=f"{mask.sum():,} shots", width=150)
        self._side = pn.Column(width=180)
        self.call(found.names[cluster])
        self.name.param.watch(lambda event: locked(partial(finding.name, cluster, event.new)), "value")
        self.select = pmui.Button(label="select", size="small", variant="outlined")
        self.select.on_click(lambda _: session.choose(mask))
        self.tiles = Mosaic(TILES, 1, lambda place: session.param.update(shot=self._some[place]))
        self._side.objects = [self.name, self.select]
        # beside something, tiles take the room that they would have alone
        room = pn.Column(self.tiles.pane, sizing_mode="stretch_width", styles={"min-width": "0"})
        self.view = pn.Row(self._side, room, sizing_mode="stretch_width")

    def call(self, name: str) -> None:
        """Show its name, and the colour that goes with it."""
        self.name.value = name
        self._side.styles = {"border-left": f"6px solid {self._session.colours(CLUSTER)[name]}"}

    def show(self, pictures: Pictures, zoom: str) -> None:
        """Show some of its patterns."""
        self.tiles.show(*pictures.tiles(self._some, zoom, [f"{shot:,}" for shot in self._some]))
