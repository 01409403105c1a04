"""What each threshold costs: accepted shots that are not single, against singles lost."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from xfeldask.scores.classes import BLUE, ORANGE
from xfeldask.sorting.decision import Decision
from xfeldask.sorting.expected import expected

CUTS = 80
"""Thresholds that are looked at."""
STRICTEST = 0.95
"""Fraction of the hits that the highest of them rejects."""
LEAST = 1e-4
"""Smallest fraction that is told apart; what is smaller lies at the edge."""


class Tradeoff(NamedTuple):
    """What thresholds cost; each float64 (threshold,).

    Attributes
    ----------
    lost : fraction of the singles that are rejected
    others : fraction of the accepted that are not single
    low, high : between which the true `others` are expected
    """

    lost: NDArray[np.float64]
    others: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def thresholds(
    score: NDArray[np.float64], probability: NDArray[np.float64], taken: float | None = None
) -> NDArray[np.float64]:
    """Choose thresholds that accept from all hits to few of them, ascending, and the one that was taken among them.

    Examples
    --------
    >>> thresholds(np.arange(101.0), np.ones(101), 40.5)[[0, -1]].tolist()
    [0.0, 95.0]
    >>> 40.5 in thresholds(np.arange(101.0), np.ones(101), 40.5)
    True
    """
    rejected = np.append(0, np.geomspace(LEAST, STRICTEST, CUTS))
    return np.union1d(np.quantile(score[probability > 0], rejected), [] if taken is None else [taken])


def expected_tradeoff(
    score: NDArray[np.float64], probability: NDArray[np.float64], at: NDArray[np.float64]
) -> Tradeoff:  # fmt: skip
    """Tell what thresholds cost by the probabilities of a rule.

    Parameters
    ----------
    score : (shot,)
    probability : (shot,), that it is a single hit; 0 of blanks
    at : (threshold,)

    Examples
    --------
    >>> score = np.linspace(-5, 5, 1001)
    >>> found = expected_tradeoff(score, 1 / (1 + np.exp(-score)), np.array([-4.0, 0.0]))
    >>> found.lost.round(2).tolist(), found.others.round(2).tolist()
    ([0.0, 0.14], [0.45, 0.14])
    """
    found = [expected(probability, (probability > 0) & (score >= threshold)) for threshold in at]
    return Tradeoff(*np.array([(lost.value, 1 - pure.value, 1 - pure.high, 1 - pure.low) for pure, lost in found]).T)


def true_tradeoff(
    score: NDArray[np.float64], hit: NDArray[np.bool_], single: NDArray[np.bool_], at: NDArray[np.float64]
) -> Tradeoff:
    """Tell what thresholds cost in truth.

    Parameters
    ----------
    score : (shot,)
    hit : bool (shot,), shots that the rule takes for hits
    single : bool (shot,), the truth
    at : (threshold,)

    Examples
    --------
    >>> score = np.array([0.0, 1.0, 2.0, 3.0])
    >>> found = true_tradeoff(score, score >= 0, np.array([False, True, False, True]), np.array([0.0, 2.0]))
    >>> found.lost.tolist(), found.others.tolist()
    ([0.0, 0.5], [0.5, 0.5])
    """
    accepted = [hit & (score >= threshold) for threshold in at]
    lost = np.array([(single & ~taken).sum() / max(1, single.sum()) for taken in accepted])
    others = np.array([(taken & ~single).sum() / max(1, taken.sum()) for taken in accepted])
    return Tradeoff(lost, others, others, others)


def tradeoff_figure(latent: xr.Dataset, single: NDArray[np.bool_] | None = None) -> Figure | None:
    """Draw the accepted that are not single against the singles lost, at all thresholds and at the one that was taken.

    Parameters
    ----------
    latent : Dataset of an embedding that was sorted
    single : bool (shot,), the truth, if it is known

    Returns
    -------
    Figure; none where the rule gives no probabilities, where its purity is unknown, and the truth as well, or where
    kinds decide, too, and not a threshold alone

    Examples
    --------
    >>> score = np.linspace(-5, 5, 1001)
    >>> latent = xr.Dataset({"score": ("shot", score), "probability_single": ("shot", 1 / (1 + np.exp(-score)))})
    >>> [text.get_text() for text in tradeoff_figure(latent, score > 0).axes[0].get_legend().texts]
    ['expected, with its 95 % interval', 'truth']
    """
    probability = latent.probability_single.values if "probability_single" in latent else np.zeros(0)
    decision = Decision.from_json(latent.attrs.get("decision", "{}"))
    if "kind" in latent or not (probability > 0).any() or not (decision.purity_known or single is not None):
        return None
    score = latent.score.values
    at = thresholds(score, probability, decision.threshold)
    taken = None if decision.threshold is None else int(np.searchsorted(at, decision.threshold))
    figure = Figure(figsize=(7, 4.6), layout="constrained")
    ax = figure.subplots()
    if decision.purity_known:
        _draw(ax, expected_tradeoff(score, probability, at), taken, BLUE, "expected, with its 95 % interval")
    if single is not None:
        _draw(ax, true_tradeoff(score, probability > 0, single, at), taken, ORANGE, "truth")
    where = "" if taken is None else "; dots: the one that was taken"
    ax.set(xscale="log", yscale="log", xlim=(LEAST, 1), ylim=(LEAST, 1), xlabel="single hits lost",
           ylabel="accepted shots that are not single", title=f"what each threshold costs{where}")  # fmt: skip
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(FuncFormatter(_percent))
    ax.grid(alpha=0.3, lw=0.5)
    ax.legend(frameon=False)
    return figure


def _percent(fraction: float, _: int) -> str:
    return f"{100 * fraction:g} %" if fraction > LEAST else f"{100 * LEAST:g} % or less"


def _draw(ax: Axes, found: Tradeoff, taken: int | None, color: str, label: str) -> None:
    lost, others, low, high = (np.clip(side, LEAST, 1) for side in found)
    ax.fill_between(lost, low, high, color=color, alpha=0.15, lw=0)
    ax.plot(lost, others, color=color, label=label, clip_on=False, zorder=3)
    if taken is not None:
        ax.plot(lost[taken], others[taken], "o", color=color, clip_on=False, zorder=4)
