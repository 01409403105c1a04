"""Curves and clouds of embeddings against the truth, two rules beside each other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray

from xfeldask.physics.orientations import rotation_matrix
from xfeldask.report.figures import OTHER, SINGLE, class_panel, component_pairs, name_axes
from xfeldask.scores import (
    OrientationScores,
    calibration,
    precision_recall,
    roc,
    sorting_scores,
    wilson,
)
from xfeldask.work.fitting import ANGLE, CHANGE, PATIENCE

RULES = {"reference": ("#CC79A7", 3.5, "D"), "ours": ("#000000", 1.4, "o")}
"""Colour, line width and marker of each rule; where curves meet, the thin one lies on the thick one."""
WATCHED = (("#000000", "o"), ("#E69F00", "s"))
GREY = "#666666"
BINS = 61
AZIMUTHS = LinearSegmentedColormap.from_list(
    "azimuths", ["#000000", "#0072B2", "#56B4E9", "#E69F00", "#D55E00", "#000000"]
)
"""Ends where it begins, and shows on white."""
MEASURES = {
    "angle": ("largest principal angle to the look before (deg)", 180 / np.pi, float(np.rad2deg(ANGLE))),
    "eigenvalue_change": ("largest relative change of an eigenvalue", 1.0, CHANGE),
    "jensen_shannon": ("Jensen-Shannon distance to the look before", 1.0, None),
}
"""What is watched while a basis is fitted: its name, a factor of its unit, and what it must fall below."""

Single = NDArray[np.bool_]
Latents = Mapping[str, xr.Dataset]


class Counts(NamedTuple):
    """Shots kept, of how many of each kind."""

    singles_kept: int
    singles: int
    others_let_in: int
    others: int


def confusion(runs: Mapping[str, Mapping[str, Counts]]) -> Figure:
    """Singles kept and others let in, in every run, by each rule.

    Parameters
    ----------
    runs : title of a run -> rule -> `Counts`
    """
    figure = Figure(figsize=(12.5, 1.9 + 0.52 * len(runs)), layout="constrained")
    kept, let_in = figure.subplots(1, 2, sharey=True)
    for rule, (color, _, marker) in RULES.items():
        shift = -0.17 if rule == "reference" else 0.17
        for row, by_rule in enumerate(runs.values()):
            counts = by_rule[rule]
            _part(kept, row + shift, counts.singles_kept, counts.singles, color, marker)
            _part(let_in, row + shift, counts.others_let_in, counts.others, color, marker)
    kept.set(xlabel="singles kept (% of the singles)", yticks=range(len(runs)), yticklabels=list(runs), xlim=(-3, 128))
    let_in.set(xlabel="others let in (% of the others)", xlim=(-3, 128), ylim=(len(runs) - 0.45, -0.55))
    for ax, goal in ((kept, 100), (let_in, 0)):
        ax.axvline(goal, color=GREY, linewidth=1, linestyle=":")
        ax.set_xticks(range(0, 101, 20))
        ax.grid(axis="x", alpha=0.2)
    handles = [
        Line2D([], [], color=color, marker=marker, linestyle="", label=rule)
        for rule, (color, _, marker) in RULES.items()
    ]
    handles.append(Line2D([], [], color=GREY, linestyle=":", label="a perfect verdict"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    figure.suptitle("Verdicts on simulated shots (bars: 95 % intervals of the parts)")
    return figure


def _part(ax: Axes, y: float, found: int, of: int, color: str, marker: str) -> None:
    ax.text(103, y, f"{found:,} of {of:,}", va="center", fontsize=8)
    if of:
        low, high = (100 * part for part in wilson(found, of))
        ax.plot([low, high], [y, y], color=color, linewidth=1.5)
        ax.plot([100 * found / of], [y], color=color, marker=marker, markersize=6)


def detection(single: Single, latents: Latents, title: str) -> Figure:
    """How many of the others are caught at what price: ROC, and precision against recall.

    Parameters
    ----------
    single : bool (shot,), the truth; both kinds are there
    latents : rule -> Dataset of its embedding
    title : str
    """
    figure = Figure(figsize=(12.5, 5.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    singles, others = int(single.sum()), int((~single).sum())
    floor = 0.5 / singles
    for rule, (color, width, marker) in RULES.items():
        score, kept = latents[rule].score.values, latents[rule].is_single.values
        told = sorting_scores(single, kept, score)
        lost, caught = roc(single, score)
        lost_now, caught_now = 1 - told.singles_kept, 1 - told.others_let_in
        left.plot(np.maximum(lost, floor), caught, color=color, linewidth=width, drawstyle="steps-post",
                  label=f"{rule}: area {told.roc_auc:.5f}")  # fmt: skip
        left.plot(max(lost_now, floor), caught_now, color=color, marker=marker, markersize=9, markeredgecolor="white",
                  linestyle="", zorder=4, clip_on=False,
                  label=f"its verdict: {told.false_negative:,} lost, {told.true_negative:,} caught")  # fmt: skip
        found, precision = precision_recall(single, score)
        right.plot(found, precision, color=color, linewidth=width,
                   label=f"{rule}: average precision {told.average_precision:.5f}")  # fmt: skip
        flagged = told.true_negative + told.false_negative
        if flagged:
            right.plot(caught_now, told.true_negative / flagged, color=color, marker=marker, markersize=9,
                       markeredgecolor="white", linestyle="", zorder=4, clip_on=False,
                       label=f"its verdict: {told.true_negative:,} of {flagged:,} flagged are others")  # fmt: skip
    chance = np.geomspace(floor, 1, 200)
    left.plot(chance, chance, color=GREY, linestyle=":", label="a random order: area 0.5")
    left.axvline(0.01, color=GREY, linewidth=1, linestyle="--", label="1 % of the singles lost")
    right.axhline(others / len(single), color=GREY, linestyle=":", label=f"a random order: {others / len(single):.3f}")
    left.set(xscale="log", xlim=(floor, 1), ylim=(-0.02, 1.02), title=f"ROC: {singles:,} singles, {others:,} others",
             xlabel="singles lost (part of the singles, logarithmic; none lost: at the left edge)",
             ylabel="others caught (part of the others)")  # fmt: skip
    right.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), title="Precision and recall of finding the others",
              xlabel="others caught (part of the others)", ylabel="others among the flagged (part)")  # fmt: skip
    for ax in (left, right):
        ax.grid(alpha=0.2)
        _legend_below(ax)
    figure.suptitle(title)
    return figure


def latent_spaces(single: Single, latents: Latents, title: str) -> Figure:
    """Two views of each rule's latent space, coloured by truth and verdict.

    Parameters
    ----------
    single : bool (shot,), the truth
    latents : rule -> Dataset of its embedding
    title : str
    """
    figure = Figure(figsize=(12.5, 10.4), layout="constrained")
    for part, (rule, latent) in zip(
        figure.subfigures(len(latents), 1, squeeze=False)[:, 0], latents.items(), strict=True
    ):
        pairs = component_pairs(latent)
        for ax, pair in zip(part.subplots(1, len(pairs), squeeze=False)[0], pairs, strict=True):
            handles = class_panel(ax, latent, pair, single)
        part.legend(handles=handles, loc="outside lower center", ncols=4)
        parameters = json.loads(latent.attrs["parameters"])
        part.suptitle(f"{rule}: {parameters['features']['name']}, sorted by {parameters['sort']}")
    figure.suptitle(f"{title}: latent spaces, all shots drawn")
    return figure


def apart(looks: Sequence[int], factor: float = 1.3) -> list[int]:
    """Looks far enough apart on a logarithmic axis for their labels, the last one among them.

    Examples
    --------
    >>> apart([3072, 4608, 82944, 99488])
    [3072, 4608, 99488]
    """
    told: list[int] = []
    for look in reversed(looks):
        if not told or told[-1] >= factor * look:
            told.append(look)
    return told[::-1]


def convergence(latents: Latents, title: str) -> Figure:
    """How far a basis still turned while it was fitted.

    The first look has nothing to be compared with, and is not drawn.

    Parameters
    ----------
    latents : name -> Dataset of an embedding whose fit was watched
    title : str
    """
    figure = Figure(figsize=(13.5, 5.2), layout="constrained")
    axes = dict(zip(MEASURES, figure.subplots(1, len(MEASURES)), strict=True))
    watched = {name: ds for name, ds in latents.items() if ds.sizes.get("update", 0) > 1}
    looks = sorted({int(n) for ds in watched.values() for n in ds.n_fitted.values[1:]})
    for measure, (label, factor, limit) in MEASURES.items():
        ax = axes[measure]
        ax.set(xlabel="shots fitted (logarithmic)", ylabel=label)
        for (name, ds), (color, marker) in zip(watched.items(), WATCHED, strict=False):
            if measure in ds:
                at = json.loads(ds.attrs["parameters"])["converged_at"]
                told = f"settled at {at:,} shots" if at else f"not settled by {int(ds.n_fitted[-1]):,} shots"
                ax.plot(ds.n_fitted[1:], ds[measure][1:] * factor, color=color, marker=marker,
                        label=f"{name}, {ds.sizes['component']} components: {told}")  # fmt: skip
        if not watched:
            ax.text(0.5, 0.5, "fewer than two looks\nat so few shots", ha="center", transform=ax.transAxes)
            continue
        ax.set_xscale("log")
        labelled = apart(looks)
        ax.set_xticks(labelled, [f"{look:,}" for look in labelled], rotation=35, ha="right", rotation_mode="anchor")
        ax.set_xticks([], minor=True)
        if limit is None:
            ax.set_ylim(0, 1)
        else:
            ax.axhline(
                limit, color=GREY, linestyle="--", label=f"settled when both are below, {PATIENCE} looks running"
            )
            ax.set_yscale("log")
            ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
            ax.yaxis.set_major_formatter("{x:g}")
            ax.yaxis.set_minor_formatter(NullFormatter())
        ax.grid(alpha=0.2)
    handles = axes["angle"].get_legend_handles_labels()
    if handles[0]:
        figure.legend(*handles, loc="outside lower center", ncols=len(handles[0]))
    figure.suptitle(f"{title}: convergence on held-out shots")
    return figure


def orientation(latent: xr.Dataset, turned: NDArray[np.float64], scores: Mapping[str, OrientationScores],
                title: str) -> Figure:  # fmt: skip
    """Whether the latent space of single hits knows how the particle was turned.

    Parameters
    ----------
    latent : Dataset of an embedding, the shots to be drawn only
    turned : (shot, 4), their quaternions
    scores : what was scored -> `OrientationScores`
    title : str
    """
    figure = Figure(figsize=(15, 9.2), layout=ConstrainedLayoutEngine(wspace=0.05))
    pairs = component_pairs(latent)
    grid = figure.add_gridspec(2, len(pairs) + 1, width_ratios=[*[1.25] * len(pairs), 1.3])
    polar, azimuth = axis_angles(turned)
    views: list[tuple[NDArray[np.float64], str | Colormap, int, str]] = [
        (polar, "cividis", 90, "between the particle's axis and the beam (deg)"),
        (azimuth, AZIMUTHS, 180, "azimuth of the axis, modulo 180 (deg)"),
    ]
    for row, (angle, colors, top, label) in enumerate(views):
        axes = [figure.add_subplot(grid[row, column]) for column in range(len(pairs))]
        for ax, pair in zip(axes, pairs, strict=True):
            x, y = latent.latent.values[:, pair].T
            shown = ax.scatter(x, y, s=5, c=angle, cmap=colors, vmin=0, vmax=top, linewidths=0)
            name_axes(ax, latent, pair)
        figure.colorbar(shown, ax=axes, pad=0.01, ticks=np.linspace(0, top, 7)).set_label(label)
    _orientation_bars(figure.add_subplot(grid[:, -1]), scores)
    figure.suptitle(f"{title}: orientation of {len(turned):,} single hits")
    return figure


def axis_angles(turned: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where a particle's z axis points, as far as a pattern of a particle that looks the same upside down tells.

    Parameters
    ----------
    turned : (shot, 4), quaternions

    Returns
    -------
    polar : float64 (shot,), between axis and beam, 0 to 90 [deg]
    azimuth : float64 (shot,), of the axis around the beam, from x to y, 0 to 180 [deg]

    Examples
    --------
    >>> [angle.round(6).tolist() for angle in axis_angles(np.array([[1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0]]))]
    [[0.0, 90.0, 90.0], [0.0, 90.0, 0.0]]
    """
    x, y, z = rotation_matrix(turned)[..., 2].T
    return np.rad2deg(np.arctan2(np.hypot(x, y), np.abs(z))), np.rad2deg(np.arctan2(y, x)) % 180


def _orientation_bars(ax: Axes, scores: Mapping[str, OrientationScores]) -> None:
    first = next(iter(scores.values()))
    bars = {"random": (first.random, "#BBBBBB")}
    bars |= {name: (told.median_error, "#56B4E9") for name, told in scores.items()}
    bars["oracle"] = first.oracle, "#BBBBBB"
    heights, colors = zip(*bars.values(), strict=True)
    drawn = ax.bar(range(len(bars)), heights, color=colors, edgecolor="black", linewidth=0.6)
    ax.bar_label(drawn, fmt="%.1f", padding=2)
    ax.set_xticks(range(len(bars)), list(bars), fontsize=8)
    ax.set(ylabel="median angle to a neighbour (deg)", ylim=(0, 1.1 * max(1, np.nanmax([1, *heights]))),
           title=f"{first.neighbours} nearest in the latent space")  # fmt: skip
    ax.grid(axis="y", alpha=0.2)
    ax.set_axisbelow(True)


def certainty(single: Single, latents: Latents, title: str) -> Figure:
    """Scores with their thresholds, and whether our probabilities keep their promise.

    Parameters
    ----------
    single : bool (shot,), the truth
    latents : rule -> Dataset of its embedding
    title : str
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
    part = json.loads(latent.attrs["decision"])["contamination"]
    ax.axvline(latent.score.values.max(), color="black", linestyle="--",
               label=f"threshold: {100 * part:g} % flagged, whatever they are")  # fmt: skip
    ax.set(title="reference: elliptic envelope", xscale="log", xlim=(1.5 * edges[-1], edges[0]),
           xlabel="score as squared distance from the innermost shot's (logarithmic)")  # fmt: skip


def _pair_scores(ax: Axes, latent: xr.Dataset, single: Single) -> None:
    score, decision = latent.score.values, json.loads(latent.attrs["decision"])
    (low, high), at = decision["threshold_interval"], decision["threshold"]
    _histogram(ax, score, single, np.linspace(score.min(), score.max(), BINS).tolist())
    ax.axvline(at, color="black", linestyle="--", label=f"threshold: {at:.2f}")
    ax.axvspan(low, high, color="#F0E442", alpha=0.6, linewidth=0, zorder=0,
               label=f"of 95 % of resampled data: {low:.2f} to {high:.2f}")  # fmt: skip
    ax.set(title="ours: pair rule", xlabel="score (log odds of a single hit)")


def _calibration(ax: Axes, latent: xr.Dataset, single: Single) -> None:
    told = calibration(latent.probability_single.values, single)
    x, y, counts = told.predicted, told.observed, told.count
    intervals = [wilson(round(part * n), n) for part, n in zip(y, counts.tolist(), strict=True)]
    ax.plot([0, 1], [0, 1], color=GREY, linestyle=":", label="a promise kept")
    ax.vlines(x, *np.transpose(intervals), color="black", linewidth=1.2, label="95 % intervals")
    ax.plot(x, y, color="black", marker="o", linestyle="", label=f"ours, mean error {told.error:.1g}")
    for place, n in zip(zip(x, y, strict=True), counts, strict=True):
        side, away = ("left", 7) if place[0] < 0.5 else ("right", -7)
        ax.annotate(f"{n:,}", place, (away, 0), textcoords="offset points", va="center", ha=side, fontsize=8)
    ax.set(title="calibration (numbers: shots in the bin)", xlim=(-0.04, 1.04), ylim=(-0.04, 1.04),
           xlabel="probability of a single hit, mean of a bin", ylabel="singles in the bin (part)")  # fmt: skip


def _histogram(ax: Axes, score: NDArray[np.float64], single: Single, edges: list[float]) -> None:
    for mine, color, name in ((single, SINGLE, "singles"), (~single, OTHER, "others")):
        ax.hist(score[mine], edges, color=color, alpha=0.35)
        ax.hist(score[mine], edges, color=color, histtype="step", linewidth=1.5, label=f"{name}: {int(mine.sum()):,}")
    ax.set(yscale="log", ylabel="shots in a bin (logarithmic)")


def _legend_below(ax: Axes) -> None:
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), fontsize=9, frameon=False)
