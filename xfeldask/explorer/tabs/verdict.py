"""The threshold by hand, with what it accepts and rejects, and the shots that it decides on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from bokeh.models import ColumnDataSource, HoverTool, Range1d, Span
from numpy.typing import NDArray

from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.model.threshold import Threshold
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.view.locking import locked
from xfeldask.explorer.view.mosaic import Mosaic
from xfeldask.explorer.view.widgets import CHANCE, MIDDLE, SMALL, caption, heading, plot, sentence, table
from xfeldask.report.decision_facts import decision_told
from xfeldask.schema import NO_KIND, SINGLE
from xfeldask.scores import COLORS, Confusion
from xfeldask.scores.classes import BLUE, ORANGE
from xfeldask.sorting.decision import Decision
from xfeldask.sorting.expected import Expected, expected
from xfeldask.store.results.embedding import OF_WHATEVER_KIND, outdated

NEAR = 12
STEPS = 1000
BINS = 100
TAIL = 4
"""How much farther to show scores below the threshold than the highest is above."""


def verdict(session: Session, pictures: Pictures, watch: Watch) -> pn.viewable.Viewable:
    """Make the tab on the threshold; a sentence where there is no score."""
    if session.embedding is None:
        return sentence("There is no embedding yet, so no shot has a score; make one with: xfeldask embed.")
    if "score" not in session.quantities:
        return sentence(
            f"{session.embedding} has no score to set a threshold on, as it was not sorted; embed with sort='pairs' "
            "or sort='elliptic_envelope'."
        )
    found = Verdict(session, pictures)
    watch(found.settle, ["zoom"])
    return found.view


class Verdict:
    """The tab on a threshold that is moved, with the counts at it.

    Parameters
    ----------
    session : Session, whose embedding has a score
    pictures : Pictures
    """

    def __init__(self, session: Session, pictures: Pictures) -> None:
        self._session, self._pictures = session, pictures
        self._score = np.asarray(session.shots.column("score").values, np.float64)
        self._kind = session.shots.column("hit") if "hit" in session.quantities else None
        truth = None if self._kind is None else self._kind.values == SINGLE
        known = "probability_single" in session.quantities
        self._probability = session.shots.column("probability_single").values if known else None
        self._by_kind = rejected_by_kind(session)
        judged = self._score if self._by_kind is None else np.where(self._by_kind, np.nan, self._score)
        self.threshold = Threshold(judged, truth)
        self.stored = stored_threshold(session, self.threshold)
        embedding = session.shots.run.embedding(session.embedding)
        old = outdated(embedding.run, embedding.parameters, embedding.decision)
        decision = embedding.decision
        self._known = decision.purity_known
        self._asked = asked(decision) + of_what(decision) + ([] if old is None else [("outdated", old)])
        low, high = span(self.threshold, self.stored)
        self.slider = pmui.EditableFloatSlider(
            label="threshold", start=low, end=high, step=(high - low) / STEPS or 1.0,
            value=self.threshold.middle if self.stored is None else self.stored, sizing_mode="stretch_width",
        )  # fmt: skip
        self.table = pn.pane.HTML("", styles=SMALL, margin=(5, 10))
        self._roc = None if truth is None or not len(self.threshold.curve()[0]) else _Roc(self.threshold, self.stored)
        self._scores = _Scores(self._score, truth, self.stored, (low, high))
        self._near: list[int] = []
        self._mosaic = Mosaic(NEAR, 1, lambda place: session.param.update(shot=self._near[place]), lines=2)
        self.slider.param.watch(self._show, "value")
        self.slider.param.watch(lambda _: locked(self.settle), "value_throttled")
        self._show()
        self.settle()
        self.view = self._laid_out()

    def _laid_out(self) -> pn.viewable.Viewable:
        accepted, rejected, back = (
            pmui.Button(label=label, size="small", variant="outlined")
            for label in ("select the accepted", "select the rejected", "back to the stored threshold")
        )
        accepted.on_click(lambda _: self._session.choose_where(self._accepting()))
        rejected.on_click(lambda _: self._session.choose_where(f"not ({self._accepting()})"))
        back.on_click(self._back)
        back.disabled = self.stored is None
        left = pn.Column(
            self.slider,
            pn.FlexBox(accepted, rejected, back),
            self.table,
            caption(CHANCE, visible=self._probability is not None),
            styles={"flex": "0 0 330px", "width": "330px"},
        )
        plots = [self._scores.pane] if self._roc is None else [self._scores.pane, self._roc.pane]
        told = "Lowest score first; each with its score" + (" and what it is." if self._kind is not None else ".")
        return pn.Column(
            pn.Row(left, *plots, sizing_mode="stretch_width"),
            heading("shots nearest to the threshold"),
            caption(f"{told} Tap one to pin it. Logarithmic scale."),
            self._mosaic.pane,
            sizing_mode="stretch_width",
        )

    def _accepting(self) -> str:
        """Return the expression that is true of shots that are accepted, not those that are rejected by their kind."""
        above = f"score >= {self.slider.value!r}"
        return above if self._by_kind is None else f"{above} and (is_single or kind == {NO_KIND})"

    def _back(self, _: Any) -> None:
        self.slider.value = self.stored
        self.settle()

    def _show(self, *_: Any) -> None:
        at = self.slider.value
        counted, area = self.threshold.confusion(at), self.threshold.area if self._roc else np.nan
        above, asked = self._score >= at, self._asked
        accepted = above if self._by_kind is None else above & ~self._by_kind
        costs: tuple[Expected | str, Expected] | None = None
        if self._probability is not None:
            purity, lost = expected(self._probability, accepted)
            costs = (purity if self._known else "unknown"), lost
        counts = self.threshold.accepted(at), self.threshold.shots
        if self._by_kind is not None:
            asked = [*asked, ("above it, rejected by kind", f"{int((above & ~accepted).sum()):,}")]
        self.table.object = told(*counts, counted, area, self.stored, costs, asked)
        self._scores.mark(at)
        if self._roc is not None and counted is not None:
            self._roc.mark(counted)

    def settle(self, *_: Any) -> None:
        """Show the shots that are nearest to the threshold."""
        self._near = [int(i) for i in self.threshold.nearest(self.slider.value, NEAR)]
        meanings = {} if self._kind is None else dict(self._kind.classes)
        labels = [f"{i:,}\n{self._score[i]:.3g}" for i in self._near]
        if self._kind is not None:
            kinds = (meanings[int(self._kind.values[i])] for i in self._near)
            labels = [f"{label} {kind}" for label, kind in zip(labels, kinds, strict=True)]
        self._mosaic.show(*self._pictures.tiles(self._near, self._session.zoom, labels))


class _Scores:
    """How many shots have which score, singles apart from multiples where the truth is known."""

    def __init__(
        self,
        score: np.ndarray[Any, Any],
        truth: np.ndarray[Any, Any] | None,
        stored: float | None,
        view: tuple[float, float],
    ) -> None:
        there = np.isfinite(score)
        edges = np.linspace(view[0], max(view[1], view[0] + 1e-9), BINS + 1)
        below = int((score[there] < view[0]).sum())
        parts = [("shots", there, BLUE)] if truth is None else [
            ("singles", there & truth, COLORS["single"]), ("multiples", there & ~truth, COLORS["multiple"])
        ]  # fmt: skip
        counts = [np.histogram(score[mask], edges)[0] for _, mask, _ in parts]
        fig = plot(
            "score", "shots in a bin", width=380, height=320, y_axis_type="log",
            y_range=Range1d(0.5, 40 * max(1, *(int(n.max()) for n in counts))),
            sizing_mode="stretch_width",
        )  # fmt: skip
        for (label, _, colour), n in zip(parts, counts, strict=True):
            fig.quad(edges[:-1], edges[1:], np.maximum(n, 0.5), 0.5, color=colour, alpha=0.6, line_color=None,
                     legend_label=label)  # fmt: skip
        self._here = Span(location=0, dimension="height", line_color=ORANGE, line_width=3)
        fig.add_layout(self._here)
        fig.line([np.nan], [np.nan], color=ORANGE, line_width=3, legend_label="threshold")
        if stored is not None:
            fig.add_layout(Span(location=stored, dimension="height", line_color=MIDDLE, line_dash="dashed"))
            fig.line([np.nan], [np.nan], color=MIDDLE, line_dash="dashed", legend_label="stored")
        fig.legend.update(location="top_left", label_text_font_size="11px", background_fill_alpha=0.6, padding=4,
                          spacing=0)  # fmt: skip
        told = [f"{below:,} shots score lower than this plot shows"] if below else []
        told += [f"{int((~there).sum()):,} have no score"] if not there.all() else []
        self.pane = pn.Column(
            pn.pane.Bokeh(fig, sizing_mode="stretch_width"), caption("; ".join(told)), sizing_mode="stretch_width",
            max_width=520,
        )  # fmt: skip

    def mark(self, threshold: float) -> None:
        """Move the threshold."""
        self._here.location = threshold


class _Roc:
    """The ROC with the place of the threshold on it."""

    def __init__(self, threshold: Threshold, stored: float | None) -> None:
        multiples, singles = threshold.curve()
        self._here = ColumnDataSource({"x": [], "y": []})
        fig = plot(
            "multiples accepted (fraction)", "singles accepted (fraction)", width=330, height=320,
            x_range=Range1d(-0.03, 1.03), y_range=Range1d(-0.03, 1.03),
        )  # fmt: skip
        fig.line([0, 1], [0, 1], line_dash="dotted", line_color=MIDDLE, legend_label="chance")
        curve = fig.line(multiples, singles, line_width=2, line_color=BLUE, legend_label="ROC")
        if stored is not None and (counted := threshold.confusion(stored)) is not None:
            x, y = _place(counted)
            fig.scatter([x], [y], size=15, fill_alpha=0, line_color=MIDDLE, line_width=2, legend_label="stored")
        fig.scatter("x", "y", source=self._here, size=9, color=ORANGE, legend_label="threshold")
        tips = [("multiples accepted", "$x{0.0000}"), ("singles accepted", "$y{0.0000}")]
        fig.add_tools(HoverTool(tooltips=tips, renderers=[curve], mode="mouse"))
        fig.legend.update(location="bottom_right", label_text_font_size="11px", background_fill_alpha=0.6, padding=4,
                          spacing=0)  # fmt: skip
        self.pane = pn.pane.Bokeh(fig, width=330)

    def mark(self, counted: Confusion) -> None:
        """Move the place."""
        x, y = _place(counted)
        self._here.data = {"x": [x], "y": [y]}


def _place(counted: Confusion) -> tuple[float, float]:
    return counted.multiples_accepted_fraction, counted.singles_accepted_fraction


def stored_threshold(session: Session, threshold: Threshold) -> float | None:
    """Return the threshold of the stored verdict: as it was written, else the lowest score that was accepted."""
    if session.shots.threshold is not None or "is_single" not in session.quantities:
        return session.shots.threshold
    return threshold.between(session.shots.column("is_single").values.astype(bool))


def rejected_by_kind(session: Session) -> NDArray[np.bool_] | None:
    """Return which shots the rule accepted and the search for kinds did not, bool (shot,); None where there was none.

    They are of another kind, or not surely enough of the wanted one.
    """
    if not {"kind", "is_single"} <= {*session.quantities}:
        return None
    kind, accepted = (session.shots.column(name).values for name in ("kind", "is_single"))
    return np.asarray((kind != NO_KIND) & ~accepted.astype(bool))


def span(threshold: Threshold, stored: float | None) -> tuple[float, float]:
    """Choose scores worth moving a threshold over: a long tail of low ones is left out, and can still be typed in.

    Examples
    --------
    >>> span(Threshold(np.array([-1000.0, -3, 0, 2])), 0.0)
    (-8.0, 2.0)
    """
    low, high = threshold.range
    middle = threshold.middle if stored is None else stored
    reach = TAIL * (high - middle)
    return (max(low, middle - reach) if reach > 0 else low), high


def told(
    accepted: int,
    shots: int,
    counted: Confusion | None,
    area: float,
    stored: float | None,
    costs: tuple[Expected | str, Expected] | None = None,
    asked: Sequence[tuple[str, str]] = (),
) -> str:
    """Write the counts as HTML.

    Parameters
    ----------
    accepted, shots : int, shots at or above the threshold, and all
    counted : Confusion, optional; None where the truth is not known
    area : float, under the ROC; NaN where there is none
    stored : float, optional, threshold of the stored verdict
    costs : purity, or that it is unknown, and fraction of singles rejected that the rule expects, where it gives
        probabilities
    asked : names and values of what the stored verdict was to keep, and of what else it went by
    """
    rows = [("", "accepted", "rejected", "all")]
    if counted is None:
        measures = [("purity", "the store does not tell the truth")]
    else:
        rows += [
            ("singles", f"{counted.singles_accepted:,}", f"{counted.singles_rejected:,}", f"{counted.singles:,}"),
            ("multiples", f"{counted.multiples_accepted:,}", f"{counted.multiples_rejected:,}",
             f"{counted.multiples:,}"),
        ]  # fmt: skip
        measures = [
            ("purity of the accepted", percents(counted.purity)),
            ("singles rejected", percents(counted.singles_rejected_fraction)),
        ]
        measures += [("area under the ROC", f"{area:.5f}")] if np.isfinite(area) else []
    if costs is not None:
        measures += [("expected purity", str(costs[0])), ("expected singles rejected", str(costs[1]))]
    rows.append(("shots", f"{accepted:,}", f"{shots - accepted:,}", f"{shots:,}"))
    measures.append(("stored threshold", "none" if stored is None else f"{stored:.4g}"))
    measures += asked
    return table(rows, numbers=True) + table(measures)


def asked(decision: Decision) -> list[tuple[str, str]]:
    """Tell what purity the stored verdict was to keep, and what that cost; nothing where none was asked for.

    Examples
    --------
    >>> asked(Decision(max_contamination=0.05)), asked(Decision())
    ([('asked for: not single, at most', '5%')], [])
    """
    if decision.max_contamination is None:
        return []
    costs = [] if decision.conflict is None else [("that costs", decision.conflict)]
    return [("asked for: not single, at most", f"{100 * decision.max_contamination:g}%"), *costs]


def of_what(decision: Decision) -> list[tuple[str, str]]:
    """Tell what the expected purity is of: pairs up to a distance, and particles of whatever kind where nobody asked.

    Examples
    --------
    >>> of_what(Decision(farthest_pair=4e-8, kinds=(90, 10)))
    [('pairs', 'told from one particle up to 40 nm apart, as seen along the beam')]
    >>> of_what(Decision())[0][1][:44]
    'not asked for: a single hit is one particle,'
    """
    pairs = [(name, value) for name, value in decision_told(decision).items() if name == "pairs"]
    return pairs + ([("kinds", OF_WHATEVER_KIND)] if decision.kinds is None else [])


def percents(fraction: float) -> str:
    """Write a fraction as percents; "none" of nothing.

    Examples
    --------
    >>> percents(0.99), percents(float("nan"))
    ('99.000%', 'none')
    """
    return f"{fraction:.3%}" if np.isfinite(fraction) else "none"
