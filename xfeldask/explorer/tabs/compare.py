"""Two selections side by side: means, how they differ, radial curves, classes and quantities."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from bokeh.models import Band, ColumnDataSource

from xfeldask.errors import InputError
from xfeldask.explorer.model.comparison import (
    Difference,
    Patterns,
    apart,
    blocks,
    class_counts,
    differences,
    middles,
    patterns,
    shown,
)
from xfeldask.explorer.model.masks import Mask
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs.rebuilt import AXES
from xfeldask.explorer.tabs.teaching import of_one
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.view.cards import Card, contrast, follow_rings
from xfeldask.explorer.view.fields import choice
from xfeldask.explorer.view.locking import locked
from xfeldask.explorer.view.making import Making
from xfeldask.explorer.view.mosaic import SIGNED
from xfeldask.explorer.view.widgets import FAINT, SMALL, caption, heading, plot, table
from xfeldask.scores.classes import BLUE, ORANGE

SELECTED, OTHERS = "the selection", "all others"
ACCEPTED = "accepted by "
"""How the names of choices begin that are what an embedding accepts."""
NOT_BY = ", not by "
"""What stands in them between two embeddings of which the first alone accepts the shots."""
SIDES = (("A", BLUE), ("B", ORANGE))
MOST = 14
"""Quantities that are told of."""
HEAD = ("mean ± standard deviation", "A", "B", "A less B, in these")


def compare(session: Session, pictures: Pictures, watch: Watch) -> pn.viewable.Viewable:
    """Make the tab of two selections."""
    return Compare(session, pictures, watch).view


class Compare(Making):
    """The tab of two selections.

    Parameters
    ----------
    session : Session
    pictures : Pictures
    watch : Watch
    """

    def __init__(self, session: Session, pictures: Pictures, watch: Watch) -> None:
        super().__init__(session, "compare")
        self._pictures = pictures
        self._found: tuple[str, list[Patterns]] | None = None
        self._asked: tuple[list[Mask], list[str]] | None = None
        self._result: tuple[Any, ...] | None = None
        self.sides = [choice(label=name, width=280) for name, _ in SIDES]
        self.select_side = [
            pmui.Button(label=f"select {name}", size="small", variant="outlined", align="end") for name, _ in SIDES
        ]
        for k, button in enumerate(self.select_side):
            button.on_click(lambda _, side=k: locked(lambda: self.select(side)))
        self._offered: list[str] = []
        self.make.align = "end"
        self.told.param.update(styles=FAINT, sizing_mode="stretch_width", margin=(4, 10))
        self.cards = [Card("", "photons", AXES, True) for _ in SIDES]
        self.difference = Card("A less B, in its standard deviations", "standard deviations", AXES, True, "linear")
        self.difference.mappers["linear"].palette = list(SIGNED)
        for card in (*self.cards, self.difference):
            card.figure.toolbar.active_scroll = None
        follow_rings(session, self.cards, watch)
        self._curves = [ColumnDataSource({"q": [], "mean": [], "low": [], "high": []}) for _ in SIDES]
        self.numbers, self.classes = (pn.pane.HTML("", styles=SMALL, margin=(0, 10)) for _ in range(2))
        self._body = self._laid_out()
        self.view = pn.Column(
            caption("Choose two sets of shots; a selection that was saved is among them by its name."),
            pn.FlexBox(*self.sides, self.make, *self.select_side), self.told, self.bar, self._body,
            sizing_mode="stretch_width",
        )  # fmt: skip
        watch(self._forget, ["embedding"])
        watch(self._offer, ["embedding", "saved"])
        watch(self._draw, ["zoom"])
        self._offer()

    def _laid_out(self) -> Any:
        images = pn.Row(*(card.view() for card in (*self.cards, self.difference)), height=330,
                        sizing_mode="stretch_width")  # fmt: skip
        fig = plot("q (1/nm)", "photons in a bin", height=300, sizing_mode="stretch_width", y_axis_type="log")
        for (name, colour), source in zip(SIDES, self._curves, strict=True):
            fig.line("q", "mean", source=source, color=colour, line_width=2, legend_label=name)
            fig.add_layout(Band(base="q", lower="low", upper="high", source=source, fill_color=colour,
                                fill_alpha=0.25, line_color=None))  # fmt: skip
        fig.legend.update(background_fill_alpha=0.6, padding=4, spacing=0)
        curves = pn.Column(
            heading("photons by distance from the beam"), pn.pane.Bokeh(fig, sizing_mode="stretch_width"),
            caption("Band: the standard error of the mean."), sizing_mode="stretch_width",
        )  # fmt: skip
        numbers = pn.Column(heading("quantities that differ most"), self.numbers, sizing_mode="stretch_width")
        classes = pn.Column(heading("classes"), self.classes, sizing_mode="stretch_width")
        return pn.Column(
            images, contrast(self.cards), pn.Row(curves, numbers, classes, sizing_mode="stretch_width"),
            visible=False, sizing_mode="stretch_width",
        )  # fmt: skip

    def _offer(self, *_: Any) -> None:
        """Offer what can be compared, the likeliest first.

        That is the selection with all others; where nothing is selected, what was accepted before and after a rule was
        taught, or what was accepted with what was not.
        """
        session = self._session
        options = [SELECTED, OTHERS, *session.selections]
        if "verdict" in session.quantities:
            there = session.counts("verdict")
            options += [f"verdict {meaning}" for meaning, n in there.items() if n]
        by_rules = [f"{ACCEPTED}{name}" for name in session.shots.embeddings if _sorted(session, name)]
        options += by_rules if len(by_rules) > 1 else []
        before, after = of_one(session.embedding)
        taken, taught = ["verdict single", "verdict multiple"], [f"{ACCEPTED}{before}", f"{ACCEPTED}{after}"]
        if {*taught} <= {*by_rules}:
            options += [f"{ACCEPTED}{before}{NOT_BY}{after}", f"{ACCEPTED}{after}{NOT_BY}{before}"]
        likely = [pair for pair in (taught, taken) if set(pair) <= set(options) and not session.selected.any()]
        first = likely[0] if likely else [SELECTED, OTHERS]
        # what somebody chose is kept, and not what was offered before there was something likelier
        chosen = [side.value for side in self.sides] != self._offered
        self._offered = first
        for side, start in zip(self.sides, first, strict=True):
            value = side.value if chosen and side.value in options else start
            side.param.update(options=options, value=value)

    def _forget(self, *_: Any) -> None:
        """Show nothing of another embedding."""
        self._found = self._asked = None
        self._body.visible, self.told.object = False, ""

    def mask(self, name: str, other: str) -> Mask:
        """Return the shots of a choice, (shot,); all others are those that the other choice leaves."""
        session = self._session
        if name == OTHERS:
            rest = np.zeros_like(session.selected) if other == OTHERS else self.mask(other, name)
            return np.asarray(session.visible & ~rest)
        if name == SELECTED:
            return np.asarray(session.selected & session.visible)
        if name in session.selections:
            return np.asarray(session.shots.column(name).values.astype(bool) & session.visible)
        if name.startswith(ACCEPTED):
            by, _, not_by = name.removeprefix(ACCEPTED).partition(NOT_BY)
            accepted = self._accepted(by) & session.visible
            return np.asarray(accepted & ~self._accepted(not_by) if not_by else accepted)
        value = {f"verdict {meaning}": value for value, meaning in session.classes("verdict")}[name]
        return np.asarray((session.shots.column("verdict").values == value) & session.visible)

    def _accepted(self, embedding: str) -> Mask:
        """Return the shots that an embedding accepts, (shot,)."""
        accepted = np.zeros_like(self._session.visible)
        found = self._session.shots.run.embedding(embedding).dataset()["is_single"].values
        accepted[: len(found)] = found
        return accepted

    def select(self, side: int) -> None:
        """Select the shots of one of the two choices."""
        name, other = (str(self.sides[each].value) for each in (side, 1 - side))
        self._session.choose(self.mask(name, other))

    def start(self, event: Any = None) -> None:
        """Begin with the sets that are chosen now."""
        if not self.at_work:
            names = [str(side.value) for side in self.sides]
            self._asked = [self.mask(names[0], names[1]), self.mask(names[1], names[0])], names
        super().start(event)

    def _make(self, tell: Callable[..., None]) -> None:
        self._result, asked, zoom, done = None, self._asked, self._session.zoom, 0
        if asked is None:
            return
        masks, names = asked
        total = sum(len(block) for mask in masks for block in blocks(mask))

        def advance(shots: int) -> None:
            nonlocal done
            if self._closed:
                raise InputError("the page that asked for it was closed")
            done += shots
            tell("reading", done, total, "patterns")

        found = [patterns(self._pictures, zoom, mask, advance) for mask in masks]
        numbers, classes = differences(self._session, *masks), class_counts(self._session, *masks)
        told = about(found, names, int((masks[0] & masks[1]).sum()))
        self._result = asked, zoom, found, numbers, classes, told

    def _made(self) -> None:
        # none, or not what is asked for, where another embedding is looked at since
        if self._result is None or self._result[0] is not self._asked:
            return
        _, zoom, found, numbers, classes, told = self._result
        self._found, self.told.object = (zoom, found), told
        self.numbers.object = table([HEAD, *map(row, numbers[:MOST])], numbers=True)
        self.classes.object = counted(classes)
        self._body.visible = True
        self._draw()

    def _draw(self, *_: Any) -> None:
        """Show what was found last, the part of the detector that is looked at; read it anew where bins are others."""
        if self._found is None:
            return
        zoom, sides = self._found
        now = self._session.zoom
        if self._pictures.bins(zoom)[0] != self._pictures.bins(now)[0]:
            self._found = None
            # one that is at work looks again what is to be shown when it ends
            if not self.at_work:
                self._begin()
            return
        means = [shown(self._pictures, now, side.mean) for side in sides]
        there = np.concatenate([image.values[image.values > 0] for image in means])
        low, high = np.quantile(there, [0.02, 1]) if len(there) else (0.5, 1.0)
        for (name, _colour), card, side, image in zip(SIDES, self.cards, sides, means, strict=True):
            card.figure.title.text = f"{name}: mean of {side.used:,} patterns"
            card.show(image)
            card.mappers["log"].update(low=float(low), high=float(max(high, 2 * low)))
        image = shown(self._pictures, now, apart(sides[0], sides[1]))
        top = max(5.0, float(np.nanquantile(np.abs(image.values), 0.998)))
        self.difference.mappers["linear"].update(low=-top, high=top)
        self.difference.show(image)
        self._draw_curves(now, sides)

    def _draw_curves(self, zoom: str, sides: list[Patterns]) -> None:
        q = middles(self._pictures, zoom)
        for source, side in zip(self._curves, sides, strict=True):
            at = side.curve > 0
            mean, error = side.curve[at], side.curve_error[at]
            # on a logarithmic axis nothing is at 0
            source.data = {"q": q[at], "mean": mean, "low": np.maximum(mean - error, mean / 10), "high": mean + error}


def _sorted(session: Session, embedding: str) -> bool:
    """Whether an embedding tells which shots it accepts."""
    return "is_single" in session.shots.run.embedding(embedding).dataset()


def about(sides: Sequence[Patterns], names: Sequence[str], both: int) -> str:
    """Tell what was compared, as HTML."""
    triples = list(zip((name for name, _ in SIDES), sides, names, strict=True))
    told = [f"{side} {found.n:,} shots ({html.escape(name)})" for side, found, name in triples]
    told += [f"photons of {found.used:,} of these in {side}" for side, found, _ in triples if found.used < found.n]
    told += [f"<b>{both:,} shots are in both</b>"] if both else []
    return "; ".join(told)


def row(one: Difference) -> tuple[str, ...]:
    """Write a quantity of two sets."""
    sides = zip(one.means, one.deviations, strict=True)
    return one.label, *(f"{number(mean)} ± {number(deviation)}" for mean, deviation in sides), f"{one.size:+.2f}"


def number(value: float) -> str:
    """Write a number in three digits, or more where it is large.

    Examples
    --------
    >>> number(1234.5), number(0.012345)
    ('1,234', '0.0123')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def counted(classes: Mapping[str, Sequence[tuple[str, int, int, int]]]) -> str:
    """Write the counts of classes in two sets, and in all shots, by quantity."""
    rows: list[tuple[str, ...]] = [("", "A", "B", "all")]
    for label, counts in classes.items():
        rows.append((label, "", "", ""))
        rows += [(f"\u2003{meaning}", f"{in_a:,}", f"{in_b:,}", f"{n:,}") for meaning, in_a, in_b, n in counts]
    return table(rows, numbers=True)
