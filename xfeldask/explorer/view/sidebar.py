"""Choices: what lies along the axes, what colours tell, which shots are selected."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import panel as pn
import panel_material_ui as pmui

from xfeldask.errors import XfeldaskError
from xfeldask.explorer.model.listing import listed
from xfeldask.explorer.model.session import COUNTS, Session
from xfeldask.explorer.model.shapes import SIGNS
from xfeldask.explorer.view.fields import AS_WRITTEN, button, checks, choice

WIDTH = 250
NARROW = AS_WRITTEN | {"& .MuiToggleButton-root": AS_WRITTEN["& .MuiToggleButton-root"] | {"padding": "5px 7px"}}
"""Of a switch whose words have little room."""
GESTURES = {"replace": "replaces", "add": "adds to", "subtract": "takes from", "intersect": "keeps of"}
"""What a gesture does to the selection, by the combination."""


def sidebar(session: Session, allow_write: bool = False) -> list[pn.viewable.Viewable]:
    """Make everything in the sidebar."""
    choices = [
        quantity_choice(session, "x", "x"),
        quantity_choice(session, "y", "y"),
        quantity_choice(session, "colour", "colour by", COUNTS),
    ]
    if session.shots.checkpoints:
        choices.append(checkpoint_slider(session))
    if session.shots.embeddings:
        names = choice(label="embedding", options=session.shots.embeddings, value=session.embedding, width=WIDTH)
        names.param.watch(lambda event: session.reopen(event.new), "value")
        choices.insert(0, names)
    return [
        *choices, chips(session), *selecting(session), *saving(session, allow_write), saved_list(session, allow_write),
    ]  # fmt: skip


def quantity_choice(session: Session, name: str, label: str, more: Sequence[str] = ()) -> Any:
    """Make a list of all quantities, bound to a parameter of the session; it grows when a selection is saved."""

    def groups() -> dict[str, dict[str, str]]:
        counted = {"number of shots": {known: known for known in more}} if more else {}
        return counted | listed(session, keep=[getattr(session, name)])

    field = bound(choice(label=label, groups=groups(), width=WIDTH), session, name)
    session.param.watch(lambda _: field.param.update(groups=groups(), value=getattr(session, name)), "saved")
    return field


def bound(widget: Any, session: Session, name: str) -> Any:
    """Bind the value of a widget to a parameter of the session, both ways."""
    widget.value = getattr(session, name)
    widget.param.watch(lambda event: session.param.update(**{name: event.new}), "value")
    session.param.watch(lambda event: widget.param.update(value=event.new), name)
    return widget


def checkpoint_slider(session: Session) -> Any:
    """Make a slider over the checkpoints of the fit."""
    checkpoints = {f"{n:,} shots": i for i, n in enumerate(session.shots.checkpoints)}
    in_all = session.shots.run.embedding(str(session.embedding)).parameters.n_fitted
    checkpoints[f"all {in_all:,} shots" if in_all else "all shots"] = -1
    slider = pmui.DiscreteSlider(label="fitted to", options=checkpoints, value=session.checkpoint, width=WIDTH - 20)
    return bound(slider, session, "checkpoint")


def chips(session: Session) -> Any:
    """Make boxes for the classes of the quantity that colours tell, with counts, to be hidden and shown."""
    box = pn.Column(margin=(0, 0, 0, 10))
    told: Any = None

    def fill(*_: Any) -> None:
        nonlocal told
        name = session.colour
        classes = () if name in COUNTS else session.classes(name)
        made = told != (told := (name, session.shots, classes))
        if classes:
            counts, within = session.counts(name), session.counts(name, session.selected)
            of = {meaning: f"{within[meaning]:,} of " if session.selected.any() else "" for meaning in counts}
            signs = {meaning: SIGNS[shape] for meaning, shape in session.shapes(name).items()}
            options = {f"{signs[meaning]} {meaning} ({of[meaning]}{n:,})": meaning for meaning, n in counts.items()}
            if made:
                box.objects = [_chips(session, options)]
            else:
                box.objects[0].options = options
        elif made:
            box.objects = []

    session.param.watch(fill, ["colour", "embedding", "selected"])
    fill()
    return box


def _chips(session: Session, options: dict[str, str]) -> Any:
    classes, colours = list(options.values()), session.colours(session.colour)
    shown = [meaning for meaning in classes if meaning not in session.hidden]
    group = checks([colours[meaning] for meaning in classes], options=options, value=shown, width=WIDTH)

    def toggle(event: Any) -> None:
        others = [meaning for meaning in session.hidden if meaning not in classes]
        session.hidden = [*others, *(meaning for meaning in classes if meaning not in event.new)]

    group.param.watch(toggle, "value")
    return group


def selecting(session: Session) -> list[pn.viewable.Viewable]:
    """Make the choice of what a gesture does, and a selection in words."""
    gesture = pmui.RadioButtonGroup(
        options=list(GESTURES), size="small", width=WIDTH, label="lasso and box", sx=NARROW,
    )  # fmt: skip
    gesture_told = pn.pane.HTML("", width=WIDTH, margin=(0, 10), styles={"font-size": "12px"})
    words = pn.widgets.TextInput(
        label="select where", placeholder='photon_count > 500 and verdict == "single"', value=session.where,
        width=WIDTH,
    )  # fmt: skip
    fault = pn.pane.HTML("", width=WIDTH, margin=(0, 10), styles={"color": "#d32f2f", "font-size": "12px"})
    units = ", ".join(f"{html.escape(name)} in {unit}" for name, unit in session.typed_units.items())
    typed = pn.pane.HTML(
        f"Numbers have the units of the store: {units}." if units else "", width=WIDTH, margin=(0, 10),
        styles={"font-size": "12px", "opacity": "0.8"},
    )  # fmt: skip
    invert, clear, undo, redo = (button(label) for label in ("invert", "clear", "undo", "redo"))

    def offer(*_: Any) -> None:
        undo.disabled, redo.disabled = (not steps for steps in session.history.steps)

    def choose(event: Any) -> None:
        if event.new == session.where:
            return
        try:
            session.choose_where(event.new)
            fault.object = ""
        except XfeldaskError as error:
            fault.object = html.escape(str(error))

    def tell(*_: Any) -> None:
        gesture_told.object = f"a lasso or box {GESTURES[session.combination]} the selection"

    session.param.watch(tell, "combination")
    tell()
    words.param.watch(choose, "value")
    session.param.watch(lambda event: words.param.update(value=event.new), "where")
    invert.on_click(lambda _: session.invert())
    clear.on_click(lambda _: session.choose_where(""))
    undo.on_click(lambda _: session.undo())
    redo.on_click(lambda _: session.redo())
    session.param.watch(offer, ["selected", "where"])
    offer()
    changes = pn.Row(invert, clear, undo, redo)
    return [bound(gesture, session, "combination"), gesture_told, words, typed, fault, changes]


def saving(session: Session, allow_write: bool) -> list[Any]:
    """Make the field that names selections, which the field above, colours and axes then know."""
    name = pn.widgets.TextInput(label="save the selection as", placeholder="name", width=WIDTH - 90)
    save = button("save", align="end")
    told = pn.pane.HTML("", width=WIDTH, margin=(0, 10), styles={"font-size": "12px"})

    def keep(_: Any) -> None:
        given = name.value or ""
        try:
            session.save(given, write=allow_write)
        except XfeldaskError as error:
            told.object = html.escape(str(error))
        else:
            place = "in the store" if allow_write else "for this page; --allow-write keeps it in the store"
            told.object = f"{html.escape(given)} saved {place}"

    save.on_click(keep)
    return [pn.Row(name, save), told]


def saved_list(session: Session, allow_write: bool) -> Any:
    """Make the list of selections that have names, each with its shots, to be selected again and deleted."""
    box = pn.Column(margin=0)

    def fill(*_: Any) -> None:
        box.objects = [_saved(session, name, n, allow_write) for name, n in session.selections.items()]

    session.param.watch(fill, ["saved", "embedding"])
    fill()
    return box


def _saved(session: Session, name: str, n: int, allow_write: bool) -> Any:
    use = pmui.Button(label=f"{name} ({n:,})", size="small", variant="text", margin=(0, 0, 0, 6),
                      sx={"textTransform": "none"})  # fmt: skip
    use.on_click(lambda _: session.recall(name))
    if session.shots.selections[name] and not allow_write:
        return pn.Row(use, margin=0)
    delete = pmui.IconButton(icon="delete", size="small", description=f"delete {name}", margin=0, align="center")
    delete.on_click(lambda _: session.forget(name, write=allow_write))
    return pn.Row(use, delete, margin=0)
