"""Verdicts, scores and probabilities against the truth, two rules beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from xfeldask.scores import COLORS, Confusion, calibration, precision_recall, roc, sorting_scores, wilson
from xfeldask.scores.classes import BLACK, PURPLE, YELLOW
from xfeldask.sorting.decision import Decision

RULES = {"reference": (PURPLE, 3.5, "D"), "ours": (BLACK, 1.4, "o")}
"""Colour, line width and marker of each rule; where curves meet, the thin one lies on the thick one."""
FAINT = "#666666"
BINS = 61
Single = NDArray[np.bool_]
Latents = Mapping[str, xr.Dataset]


def confusion(runs: Mapping[str, Mapping[str, Confusion]]) -> Figure:
    """Draw the singles and the multiples that are accepted, in every run, by each rule.

    Parameters
    ----------
    runs : title of a run -> rule -> `Confusion`

    Examples
    --------
    >>> counted = Confusion(90, 1, 9, 10)
    >>> singles, multiples = confusion({"a run": {"reference": counted, "ours": counted}}).axes
    >>> singles.texts[0].get_text(), multiples.texts[0].get_text()
    ('90 of 100', '1 of 10')
    """
    figure = Figure(figsize=(12.5, 1.9 + 0.52 * len(runs)), layout="constrained")
    singles, multiples = figure.subplots(1, 2, sharey=True)
    for rule, (color, _, marker) in RULES.items():
        shift = -0.17 if rule == "reference" else 0.17
        for row, by_rule in enumerate(runs.values()):
            counted = by_rule[rule]
            _fraction(singles, row + shift, counted.singles_accepted, counted.singles, color, marker)
            _fraction(multiples, row + shift, counted.multiples_accepted, counted.multiples, color, marker)
    singles.set(
        xlabel="singles accepted (% of the singles)", yticks=range(len(runs)), yticklabels=list(runs), xlim=(-3, 132)
    )
    multiples.set(xlabel="multiples accepted (% of the multiples)", xlim=(-3, 132), ylim=(len(runs) - 0.45, -0.55))
    for ax, goal in ((singles, 100), (multiples, 0)):
        ax.axvline(goal, color=FAINT, linewidth=1, linestyle=":")
        ax.set_xticks(range(0, 101, 20))
        ax.grid(axis="x", alpha=0.2)
    handles = [
        Line2D([], [], color=color, marker=marker, linestyle="", label=rule)
        for rule, (color, _, marker) in RULES.items()
    ]
    handles.append(Line2D([], [], color=FAINT, linestyle=":", label="a perfect verdict"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    figure.suptitle("Verdicts on simulated shots (bars: 95 % intervals of the fractions)")
    return figure


def _fraction(ax: Axes, y: float, found: int, of: int, color: str, marker: str) -> None:
    ax.text(103, y, f"{found:,} of {of:,}", va="center", fontsize=8)
    if of:
        low, high = (100 * bound for bound in wilson(found, of))
        ax.plot([low, high], [y, y], color=color, linewidth=1.5)
        ax.plot([100 * found / of], [y], color=color, marker=marker, markersize=6)


def detection(single: Single, latents: Latents, title: str) -> Figure:
    """Draw how many of the multiples are rejected at what price: ROC, and precision against recall.

    Parameters
    ----------
    single : bool (shot,), the truth; both kinds are there
    latents : rule -> Dataset of its embedding
    title : str

    Examples
    --------
    >>> latent = xr.Dataset({"score": ("shot", [0.9, 0.8, 0.1]), "is_single": ("shot", [True, True, False])})
    >>> left, right = detection(np.array([True, True, False]), dict.fromkeys(RULES, latent), "a run").axes
    >>> left.get_title()
    'ROC: 2 singles, 1 multiples'
    """
    figure = Figure(figsize=(12.5, 5.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    singles, multiples = int(single.sum()), int((~single).sum())
    floor = 0.5 / singles
    verdict: dict[str, Any] = {"markersize": 9, "markeredgecolor": "white", "linestyle": "", "zorder": 4,
                               "clip_on": False}  # fmt: skip
    for rule, (color, width, marker) in RULES.items():
        score = latents[rule].score.values
        scores = sorting_scores(single, latents[rule].is_single.values, score)
        counted = scores.confusion
        singles_rejected, multiples_rejected = roc(single, score)
        left.plot(np.maximum(singles_rejected, floor), multiples_rejected, color=color, linewidth=width,
                  drawstyle="steps-post", label=f"{rule}: area {scores.roc_auc:.5f}")  # fmt: skip
        left.plot(max(counted.singles_rejected_fraction, floor), counted.multiples_rejected_fraction, color=color,
                  marker=marker, **verdict, label=f"its verdict: {counted.singles_rejected:,} singles and "
                  f"{counted.multiples_rejected:,} multiples rejected")  # fmt: skip
        recall, precision = precision_recall(single, score)
        right.plot(recall, precision, color=color, linewidth=width,
                   label=f"{rule}: average precision {scores.average_precision:.5f}")  # fmt: skip
        if counted.rejected:
            right.plot(counted.multiples_rejected_fraction, counted.rejected_multiple_fraction, color=color,
                       marker=marker, **verdict, label=f"its verdict: {counted.multiples_rejected:,} of "
                       f"{counted.rejected:,} rejected are multiples")  # fmt: skip
    chance = np.geomspace(floor, 1, 200)
    left.plot(chance, chance, color=FAINT, linestyle=":", label="a random order: area 0.5")
    left.axvline(0.01, color=FAINT, linewidth=1, linestyle="--", label="1 % of the singles rejected")
    prevalence = multiples / len(single)
    right.axhline(prevalence, color=FAINT, linestyle=":", label=f"a random order: {prevalence:.3f}")
    left.set(xscale="log", xlim=(floor, 1), ylim=(-0.02, 1.02),
             title=f"ROC: {singles:,} singles, {multiples:,} multiples",
             xlabel="singles rejected (fraction of the singles, logarithmic; none: at the left edge)",
             ylabel="multiples rejected (fraction of the multiples)")  # fmt: skip
    right.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), title="Precision and recall of finding the multiples",
              xlabel="multiples rejected (fraction of the multiples)",
              ylabel="multiples among the rejected (fraction)")  # fmt: skip
    for ax in (left, right):
        ax.grid(alpha=0.2)
        _legend_below(ax)
    figure.suptitle(title)
    return figure


def certainty(single: Single, latents: Latents, title: str) -> Figure:
    """Draw scores with their thresholds, and the probabilities beside the fractions that they promise.

    Parameters
    ----------
    single : bool (shot,), the truth
    latents : rule -> Dataset of its embedding
    title : str

    Examples
    --------
    >>> decision = Decision(threshold=0.5, threshold_interval=(0.4, 0.6), contamination=0.1)
    >>> latent = xr.Dataset(
    ...     {"score": ("shot", [3.0, 2, -1]), "probability_single": ("shot", [0.9, 0.8, 0.2])},
    ...     attrs={"decision": decision.to_json()},
    ... )
    >>> [ax.get_title() for ax in certainty(np.array([True, True, False]), dict.fromkeys(RULES, latent), "a run").axes]
    ['reference: elliptic envelope', 'ours: pair rule', 'calibration (numbers: shots in the bin)']
    """
    figure = Figure(figsize=(15.5, 5.6), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    _envelope_scores(left, latents["reference"], single)
    _pair_scores(middle, latents["ours"], single)
    _calibration(right, latents["ours"], single)
    for ax in (left, middle, right):
        ax.grid(alpha=0.2)
        _legend_below(ax)
    figure.suptitle(title)
    return figure


def _envelope_scores(ax: Axes, latent: xr.Dataset, single: Single) -> None:
    distance = latent.score.values.max() - latent.score.values
    least = float(distance[distance > 0].min(initial=1))
    edges = np.geomspace(least, max(2 * least, distance.max()), BINS)
    _histogram(ax, np.maximum(distance, least), single, edges.tolist())
    rejected = Decision.from_json(latent.attrs["decision"]).contamination
    contamination = np.nan if rejected is None else rejected
    ax.axvline(latent.score.values.max(), color="black", linestyle="--",
               label=f"threshold: {100 * contamination:g} % rejected, whatever they are")  # fmt: skip
    ax.set(title="reference: elliptic envelope", xscale="log", xlim=(1.5 * edges[-1], edges[0]),
           xlabel="score as squared distance from the innermost shot's (logarithmic)")  # fmt: skip


def _pair_scores(ax: Axes, latent: xr.Dataset, single: Single) -> None:
    score, decision = latent.score.values, Decision.from_json(latent.attrs["decision"])
    low, high = decision.threshold_interval or (np.nan, np.nan)
    at = np.nan if decision.threshold is None else decision.threshold
    _histogram(ax, score, single, np.linspace(score.min(), score.max(), BINS).tolist())
    ax.axvline(at, color="black", linestyle="--", label=f"threshold: {at:.2f}")
    ax.axvspan(low, high, color=YELLOW, alpha=0.6, linewidth=0, zorder=0,
               label=f"of 95 % of resampled data: {low:.2f} to {high:.2f}")  # fmt: skip
    ax.set(title="ours: pair rule", xlabel="score (log odds of a single hit)")


def _calibration(ax: Axes, latent: xr.Dataset, single: Single) -> None:
    told = calibration(latent.probability_single.values, single)
    x, y, counts = told.predicted, told.observed, told.count
    intervals = [wilson(round(observed * n), n) for observed, n in zip(y, counts.tolist(), strict=True)]
    ax.plot([0, 1], [0, 1], color=FAINT, linestyle=":", label="a promise that holds")
    ax.vlines(x, *np.transpose(intervals), color="black", linewidth=1.2, label="95 % intervals")
    ax.plot(x, y, color="black", marker="o", linestyle="", label=f"ours, mean error {told.error:.1g}")
    for place, n in zip(zip(x, y, strict=True), counts, strict=True):
        side, away = ("left", 7) if place[0] < 0.5 else ("right", -7)
        ax.annotate(f"{n:,}", place, (away, 0), textcoords="offset points", va="center", ha=side, fontsize=8)
    ax.set(title="calibration (numbers: shots in the bin)", xlim=(-0.04, 1.04), ylim=(-0.04, 1.04),
           xlabel="probability of a single hit, mean of a bin", ylabel="singles in the bin (fraction)")  # fmt: skip


def _histogram(ax: Axes, score: NDArray[np.float64], single: Single, edges: list[float]) -> None:
    for mine, color, name in ((single, COLORS["single"], "singles"), (~single, COLORS["multiple"], "multiples")):
        ax.hist(score[mine], edges, color=color, alpha=0.35)
        ax.hist(score[mine], edges, color=color, histtype="step", linewidth=1.5, label=f"{name}: {int(mine.sum()):,}")
    ax.set(yscale="log", ylabel="shots in a bin (logarithmic)")


def _legend_below(ax: Axes) -> None:
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), fontsize=9, frameon=False)
