"""Latent spaces: as clouds of shots, while they were fitted, and against the orientations of the particles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray

from xfeldask.physics.orientations import rotation_matrix
from xfeldask.report.figures import class_panel, component_pairs, name_axes
from xfeldask.report.poster.curves import FAINT, Latents, Single
from xfeldask.scores import OrientationScores
from xfeldask.scores.classes import BLACK, BLUE, ORANGE, SKY, VERMILION
from xfeldask.store.results.parameters import Parameters
from xfeldask.work.fitting import ANGLE, CHANGE, PATIENCE

WATCHED = ((BLACK, "o"), (ORANGE, "s"))
NEUTRAL = "#bbbbbb"
AZIMUTHS = LinearSegmentedColormap.from_list("azimuths", [BLACK, BLUE, SKY, ORANGE, VERMILION, BLACK])
"""Ends where it begins, and shows on white."""
MEASURES = {
    "angle": ("largest principal angle to the checkpoint before (°)", 180 / np.pi, float(np.rad2deg(ANGLE))),
    "eigenvalue_change": ("largest relative change of an eigenvalue", 1.0, CHANGE),
    "jensen_shannon": ("Jensen-Shannon distance to the checkpoint before", 1.0, None),
}
"""What is watched while a basis is fitted: its name, a factor of its unit, and what it must fall below."""


def latent_spaces(single: Single, latents: Latents, title: str) -> Figure:
    """Draw two views of each rule's latent space, coloured by truth and verdict.

    Parameters
    ----------
    single : bool (shot,), the truth
    latents : rule -> Dataset of its embedding
    title : str

    Examples
    --------
    >>> latent = xr.Dataset({
    ...     "latent": (("shot", "component"), np.eye(3), {"units": "count"}),
    ...     "explained_variance": ("component", [3.0, 2, 1]),
    ...     "is_single": ("shot", [True, True, False]),
    ... }, attrs={"parameters": '{"method": "ipca", "features": {"name": "counts"}, "sort": "pairs"}'})
    >>> len(latent_spaces(np.array([True, True, False]), {"ours": latent}, "a run").axes)
    2
    """
    figure = Figure(figsize=(12.5, 10.4), layout="constrained")
    for part, (rule, latent) in zip(
        figure.subfigures(len(latents), 1, squeeze=False)[:, 0], latents.items(), strict=True
    ):
        pairs = component_pairs(latent)
        for ax, pair in zip(part.subplots(1, len(pairs), squeeze=False)[0], pairs, strict=True):
            handles = class_panel(ax, latent, pair, single)
        part.legend(handles=handles, loc="outside lower center", ncols=4)
        parameters = Parameters.from_json(latent.attrs["parameters"])
        part.suptitle(f"{rule}: {parameters.features['name']}, sorted by {parameters.sort}")
    figure.suptitle(f"{title}: latent spaces, all shots drawn")
    return figure


def apart(checkpoints: Sequence[int], factor: float = 1.3) -> list[int]:
    """Choose checkpoints far enough apart on a logarithmic axis for their labels, the last one among them.

    Examples
    --------
    >>> apart([3072, 4608, 82944, 99488])
    [3072, 4608, 99488]
    """
    told: list[int] = []
    for shots in reversed(checkpoints):
        if not told or told[-1] >= factor * shots:
            told.append(shots)
    return told[::-1]


def convergence(latents: Latents, title: str) -> Figure:
    """Draw how far a basis still rotated while it was fitted.

    The first checkpoint has nothing to be compared with, and is not drawn.

    Parameters
    ----------
    latents : name -> Dataset of an embedding whose fit was watched
    title : str

    Examples
    --------
    >>> latent = xr.Dataset(
    ...     {"n_fitted": ("update", [512, 1024]), "angle": ("update", [1.0, 0.1])},
    ...     {"component": range(3)}, {"parameters": '{"method": "ipca", "features": {"name": "counts"}}'},
    ... )
    >>> convergence({"ours": latent}, "a run").axes[0].lines[0].get_label()
    'ours, 3 components: not settled by 1,024 shots'
    """
    figure = Figure(figsize=(13.5, 5.2), layout="constrained")
    axes = dict(zip(MEASURES, figure.subplots(1, len(MEASURES)), strict=True))
    watched = {name: ds for name, ds in latents.items() if ds.sizes.get("update", 0) > 1}
    checkpoints = sorted({int(n) for ds in watched.values() for n in ds.n_fitted.values[1:]})
    for measure, (label, factor, limit) in MEASURES.items():
        ax = axes[measure]
        ax.set(xlabel="shots fitted (logarithmic)", ylabel=label)
        for (name, ds), (color, marker) in zip(watched.items(), WATCHED, strict=False):
            if measure in ds:
                at = Parameters.from_json(ds.attrs["parameters"]).converged_at
                told = f"settled at {at:,} shots" if at else f"not settled by {int(ds.n_fitted[-1]):,} shots"
                ax.plot(ds.n_fitted[1:], ds[measure][1:] * factor, color=color, marker=marker,
                        label=f"{name}, {ds.sizes['component']} components: {told}")  # fmt: skip
        if not watched:
            ax.text(0.5, 0.5, "fewer than two checkpoints\nat so few shots", ha="center", transform=ax.transAxes)
            continue
        ax.set_xscale("log")
        labelled = apart(checkpoints)
        ax.set_xticks(labelled, [f"{shots:,}" for shots in labelled], rotation=35, ha="right", rotation_mode="anchor")
        ax.set_xticks([], minor=True)
        if limit is None:
            ax.set_ylim(0, 1)
        else:
            ax.axhline(
                limit, color=FAINT, linestyle="--", label=f"settled when both are below, {PATIENCE} checkpoints running"
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


def orientation(latent: xr.Dataset, orientations: NDArray[np.float64], scores: Mapping[str, OrientationScores],
                title: str) -> Figure:  # fmt: skip
    """Draw how well the latent space of single hits tells the orientation of the particle.

    Parameters
    ----------
    latent : Dataset of an embedding, the shots to be drawn only
    orientations : (shot, 4), their quaternions
    scores : what was scored -> `OrientationScores`
    title : str

    Examples
    --------
    >>> latent = xr.Dataset({
    ...     "latent": (("shot", "component"), np.eye(3), {"units": "count"}),
    ...     "explained_variance": ("component", [3.0, 2, 1]),
    ... })
    >>> scores = OrientationScores(median_error=12, random=48, oracle=4, shots=3, neighbours=2)
    >>> bars = orientation(latent, np.eye(4)[:3], {"ours": scores}, "a run").axes[-1]
    >>> [int(bar.get_height()) for bar in bars.patches]
    [48, 12, 4]
    """
    figure = Figure(figsize=(15, 9.2), layout=ConstrainedLayoutEngine(wspace=0.05))
    pairs = component_pairs(latent)
    grid = figure.add_gridspec(2, len(pairs) + 1, width_ratios=[*[1.25] * len(pairs), 1.3])
    polar, azimuth = folded_axis_angles(orientations)
    views: list[tuple[NDArray[np.float64], str | Colormap, int, str]] = [
        (polar, "cividis", 90, "between the particle's axis and the beam (°)"),
        (azimuth, AZIMUTHS, 180, "azimuth of the axis, modulo 180 (°)"),
    ]
    for row, (angle, colors, top, label) in enumerate(views):
        axes = [figure.add_subplot(grid[row, column]) for column in range(len(pairs))]
        for ax, pair in zip(axes, pairs, strict=True):
            x, y = latent.latent.values[:, pair].T
            shown = ax.scatter(x, y, s=5, c=angle, cmap=colors, vmin=0, vmax=top, linewidths=0)
            name_axes(ax, latent, pair)
        figure.colorbar(shown, ax=axes, pad=0.01, ticks=np.linspace(0, top, 7)).set_label(label)
    _orientation_bars(figure.add_subplot(grid[:, -1]), scores)
    figure.suptitle(f"{title}: orientation of {len(orientations):,} single hits")
    return figure


def folded_axis_angles(orientations: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute where a particle's z axis points, as far as a pattern of one that looks the same upside down tells.

    Parameters
    ----------
    orientations : (shot, 4), quaternions

    Returns
    -------
    polar : float64 (shot,), between axis and beam, 0 to 90 [deg]
    azimuth : float64 (shot,), of the axis around the beam, from x to y, 0 to 180 [deg]

    Examples
    --------
    >>> [angle.round(6).tolist() for angle in folded_axis_angles(np.array([[1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0]]))]
    [[0.0, 90.0, 90.0], [0.0, 90.0, 0.0]]
    """
    x, y, z = rotation_matrix(orientations)[..., 2].T
    return np.rad2deg(np.arctan2(np.hypot(x, y), np.abs(z))), np.rad2deg(np.arctan2(y, x)) % 180


def _orientation_bars(ax: Axes, scores: Mapping[str, OrientationScores]) -> None:
    first = next(iter(scores.values()))
    bars = {"random": (first.random, NEUTRAL)}
    bars |= {name: (told.median_error, SKY) for name, told in scores.items()}
    bars["oracle"] = first.oracle, NEUTRAL
    heights, colors = zip(*bars.values(), strict=True)
    drawn = ax.bar(range(len(bars)), heights, color=colors, edgecolor="black", linewidth=0.6)
    ax.bar_label(drawn, fmt="%.1f", padding=2)
    ax.set_xticks(range(len(bars)), list(bars), fontsize=8)
    ax.set(ylabel="median angle to a neighbour (°)", ylim=(0, 1.1 * max(1, np.nanmax([1, *heights]))),
           title=f"{first.neighbours} nearest in the latent space")  # fmt: skip
    ax.grid(axis="y", alpha=0.2)
    ax.set_axisbelow(True)
