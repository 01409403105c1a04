"""The sorting bench: one large pattern at a time, labelled by a key, the next one at once."""

from __future__ import annotations

import html
from collections.abc import Iterable
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui

from xfeldask.errors import XfeldaskError
from xfeldask.explorer.model.labels import Keeper
from xfeldask.explorer.model.masks import Mask
from xfeldask.explorer.model.palette import class_colours
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs.spread import Curves
from xfeldask.explorer.tabs.teaching import Teaching
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.view.cards import Card, follow_rings
from xfeldask.explorer.view.fields import choice
from xfeldask.explorer.view.keys import LEFT_BY_ENTER, Keys
from xfeldask.explorer.view.locking import locked
from xfeldask.explorer.view.mosaic import Mosaic
from xfeldask.explorer.view.widgets import MIDDLE, SMALL, caption, heading
from xfeldask.store.results.labels import LABELS, NO_LABEL, read_labels
from xfeldask.units import shown

KEYS = {"1": "single", "2": "multiple", "0": "blank", "x": "other"}
OWN_KEYS = "3456789"
"""Keys of the first classes that the person names; those that come after have a button alone."""
UNDO, REDO = "u", "y"
TOLD = {"verdict": "verdict", "probability_single": "P(single)"}
"""What is told of a shot, and by which word; nothing on the page tells the truth meanwhile."""
NEXT = 12
"""Patterns in the strip."""
SIDE = (
    ":host { height: clamp(250px, 100cqh - 60px, 520px) !important; flex: 0 0 auto !important;"
    " width: clamp(300px, 100cqh - 10px, 560px) !important; }"
)
"""Of the large pattern: as high as there is room below the plots, which the bar between the two gives."""


def bench(session: Session, pictures: Pictures, watch: Watch) -> pn.viewable.Viewable:
    """Make the tab of labels."""
    return Bench(session, pictures, watch).view


class Bench:
    """The tab of labels.

    Parameters
    ----------
    session : Session
    pictures : Pictures
    watch : Watch
    """

    def __init__(self, session: Session, pictures: Pictures, watch: Watch) -> None:
        self._session, self._pictures, self.labels = session, pictures, session.labels
        document = pn.state.curdoc
        self.keeper = Keeper(session.shots.run, lambda fault: locked(lambda: self._kept(fault), document))
        self._card = Card(shown("m-1").label("reciprocal space, q"), "photons", ("", ""), reciprocal=True)
        self.told = caption(styles=SMALL)
        self._card.figure.toolbar.active_scroll = None
        follow_rings(session, [self._card], watch)
        self.curves = Curves(session, pictures)
        self._next: list[int] = []
        self.strip = Mosaic(NEXT, 1, lambda place: session.param.update(shot=self._next[place]))
        self.teaching = Teaching(session)
        self.counts, self.fault = caption(), caption(styles=SMALL | {"color": "#d32f2f"})
        self._is_kept = True
        self._watch = watch
        self.keys = Keys({key: partial(self._press, key) for key in (*KEYS, *OWN_KEYS, UNDO, REDO)})
        self.buttons = pn.FlexBox()
        self._shown_classes: tuple[str, ...] = ()
        self.group = choice(label="label what is selected", width=150)
        self.give_all = pmui.Button(label="label", size="small", variant="outlined", align="end")
        self.give_all.on_click(lambda _: locked(self.give_selected))
        self.table = pmui.FileDownload(callback=lambda: BytesIO(self.labels.csv()), label="labels.csv", size="small",
                                        align="center")  # fmt: skip
        self._people = sorted(read_labels(session.shots.run))
        self.view = self._laid_out()
        watch(self._show, ["shot", "zoom"])
        watch(self._again, ["embedding", "selected", "hidden", "colour"])
        if session.shot is None:
            self._go_on()
        self._again()

    def _press(self, key: str) -> None:
        if self._watch.is_open:
            # figures are changed, and Panel does not hold the page's lock while it tells of keys and buttons
            label = self.by_key.get(key)
            locked(partial(self.give, label) if label else {UNDO: self.undo, REDO: self.redo}.get(key, lambda: None))

    @property
    def by_key(self) -> dict[str, str]:
        """The label of each key."""
        own = [label for label in self.labels.classes if label not in LABELS]
        return KEYS | dict(zip(OWN_KEYS, own, strict=False))

    def give(self, label: str) -> None:
        """Label the shot that is looked at, and go to the next one."""
        if self._session.shot is None:
            return
        shot = self._session.shot
        self.labels.give(shot, label)
        self._keep([shot])
        self._go_on()

    def give_selected(self) -> None:
        """Label all shots that are selected and have no label at once."""
        at = np.flatnonzero(self._unlabelled())
        if len(at):
            self.labels.give(at, self.group.value)
            self._keep(at)
            self._again()

    def _unlabelled(self) -> Mask:
        """Which of the selected shots have no label, (shot,)."""
        return np.asarray(self._session.selected & self._session.visible & (self.labels.values == NO_LABEL))

    def name_class(self, name: str) -> None:
        """Let labels be a class of the person's own too."""
        try:
            self.labels.name_class(name)
        except XfeldaskError as error:
            self.fault.object = html.escape(str(error))
            return
        self.fault.object = ""
        self._list()

    def undo(self) -> None:
        """Take the last label back, and go to its shot."""
        shots = self.labels.undo()
        if shots:
            self._keep(shots)
            self._session.shot = shots[0]
            self._list()

    def redo(self) -> None:
        """Give the label again that was taken back last, and go to the next shot as after any label."""
        shots = self.labels.redo()
        if shots:
            self._keep(shots)
            self._go_on()

    def _go_on(self) -> None:
        found = self.labels.queue(1)
        if len(found):
            self._session.shot = int(found[0])
        self._list()

    def _keep(self, shots: Iterable[int]) -> None:
        if self._session.may_write and self.labels.person:
            self.keeper.keep(self.labels.person, self.labels.known_as(shots))

    def _kept(self, fault: str) -> None:
        self.fault.object, self._is_kept = html.escape(fault), not fault
        self._count()

    def sign(self, name: str) -> None:
        """Give labels under a name from now on, those that were given without one too."""
        try:
            self.labels.sign(name)
        except XfeldaskError as error:
            self.fault.object = html.escape(str(error))
            return
        self.fault.object = ""
        self._keep(self.labels.given)
        self._list()

    def _again(self, *_: Any) -> None:
        self.curves.classes()
        self._show()
        self._list()

    def _show(self, *_: Any) -> None:
        shot = self._session.shot
        if shot is None:
            self._card.show(None)
            return
        known = self._session.quantities
        about = self._session.about(shot, [name for name in TOLD if name in known])
        label = self.labels.of(shot)
        parts = [f"shot {shot:,}", f"labelled {label}" if label else "no label yet"]
        parts += [f"{TOLD[name]} {value}" for name, value in about.items()]
        self.told.object = html.escape(" · ".join(parts))
        try:
            self._card.show(self._pictures.seen(shot, self._session.zoom))
            self.curves.show(shot)
        except XfeldaskError as error:
            self._card.show(None)
            self.fault.object = html.escape(str(error))

    def _list(self) -> None:
        self._next = [int(shot) for shot in self.labels.queue(NEXT + 1) if shot != self._session.shot][:NEXT]
        labels = [f"{shot:,}" for shot in self._next]
        self.strip.show(*self._pictures.tiles(self._next, self._session.zoom, labels))
        self._offer()
        self._count()
        self.teaching.offer()

    def _count(self) -> None:
        told = [f"{html.escape(name)} {n:,}" for name, n in self.labels.counts.items()]
        place = "on this page only"
        if self._session.may_write and self.labels.person:
            place = "in the store" if self._is_kept else "not all in the store"
        person, counted = self.labels.person, f"{self.labels.n:,} label{'' if self.labels.n == 1 else 's'}"
        self.counts.object = f"<b>{counted}</b> ({place}): {', '.join(told)}"
        if self._people and not person:
            self.counts.object += f"; the store has labels by {', '.join(self._people)}: enter that name to go on"
        self.table.filename = f"{self._session.shots.path.stem}-labels{person and f'-{person}'}.csv"

    def _offer(self) -> None:
        """Offer a button for each class, and to label what is selected."""
        classes, without = tuple(self.labels.classes), int(self._unlabelled().sum())
        self.give_all.param.update(label=f"label {without:,} without one", disabled=not without)
        if classes == self._shown_classes:
            return
        self._shown_classes = classes
        self.group.param.update(options=list(classes), value=self.group.value or classes[0])
        colours, keys = class_colours(classes), {label: f" ({key})" for key, label in self.by_key.items()}
        self.buttons.objects = [
            *(_button(f"{one}{keys.get(one, '')}", partial(self.give, one), colours[one]) for one in classes),
            _button(f"undo ({UNDO})", self.undo, MIDDLE),
            _button(f"redo ({REDO})", self.redo, MIDDLE),
        ]

    def _laid_out(self) -> pn.viewable.Viewable:
        name = pn.widgets.TextInput(label="your name", placeholder="letters, digits, _; keeps labels in the store",
                                    width=270, css_classes=[LEFT_BY_ENTER])  # fmt: skip
        name.param.watch(lambda event: locked(partial(self.sign, event.new)) if event.new else None, "value")
        name.value = self.labels.person
        own = pn.widgets.TextInput(label="a class of your own", placeholder="ice, dimer, ...", width=150,
                                   css_classes=[LEFT_BY_ENTER])  # fmt: skip

        def add(event: Any) -> None:
            if event.new:
                own.value = ""
                locked(partial(self.name_class, event.new))

        own.param.watch(add, "value")
        left = pn.Column(self._card.view(), height=520, width=560, stylesheets=[SIDE])
        right = pn.Column(
            self.told, self.buttons, self.counts,
            pn.FlexBox(name, own, self.group, self.give_all, self.table, self.keys),
            self.fault, self.curves.pane, sizing_mode="stretch_width",
        )  # fmt: skip
        return pn.Column(
            pn.Row(left, right, sizing_mode="stretch_width"),
            heading("shots whose labels would say most"),
            caption("Without a label, of the selected shots where some are; the next one comes first: those that say "
                    "most of kinds, where kinds were found, then those that the rule is least sure of. Tap one to look "
                    "at it now."),
            self.strip.pane,
            heading("the rule"),
            self.teaching.view,
            sizing_mode="stretch_width",
        )  # fmt: skip


def _button(label: str, act: Any, colour: str) -> Any:
    style = {"textTransform": "none", "color": "text.primary", "borderColor": colour, "borderWidth": 2}
    button = pmui.Button(label=label, size="small", variant="outlined", sx=style, margin=(5, 4))
    button.on_click(lambda _: locked(act))
    return button
