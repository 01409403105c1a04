"""A reconstruction as a figure: its intensity, its density, what it agrees with, and the orientations it found."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from xfeldask.physics.orientations import beam_directions
from xfeldask.scores.quality import Quality, agreements

AXES = ("yz", "xz", "xy")
"""Axes of the three slices through the middle."""
COLOURS = {"half_intensity": "#8a5ba6", "density_correlation": "#3a7d44", "phase_transfer": "#d1495b"}
"""Of the curves of half sets and phases, by the variable they are of."""


def reconstruction_figure(found: xr.Dataset, quality: Quality | None = None) -> Figure:
    """Draw three slices of the intensity, three of the density where it was phased, curves and orientations.

    Parameters
    ----------
    found : Dataset, ``/reconstruction/<name>``
    quality : Quality, optional, that it has against the truth

    Examples
    --------
    >>> found = xr.Dataset({
    ...     "intensity": (("u", "v", "w"), np.ones((9, 9, 9))), "s": ("u", (np.arange(9) - 4) * 1e7),
    ...     "orientation": (("shot", "quaternion"), np.eye(2, 4)), "mean_information": ("step", [1.0, 2.0]),
    ... })
    >>> len(reconstruction_figure(found).axes)
    6
    """
    phased = "density" in found
    rows = 3 if phased else 2
    figure = Figure(figsize=(9, 3 * rows), layout="constrained")
    parts = figure.subfigures(rows, 1, squeeze=False)[:, 0]
    _intensities(parts[0], found["intensity"].values, found["s"].values)
    if phased:
        _densities(parts[1], found["density"].values, found["position"].values)
    curves, sphere = parts[-1].subplots(1, 2, width_ratios=(2, 1))
    _curves(curves, found, quality)
    _sphere(sphere, found["orientation"].values)
    return figure


def _slices(values: NDArray[Any]) -> list[tuple[str, NDArray[Any]]]:
    """Return slices through the middle, with what their axes are called."""
    middle = len(values) // 2
    return [(name, np.take(values, middle, axis=i).T) for i, name in enumerate(AXES)]


def _intensities(figure: SubFigure, values: NDArray[Any], s: NDArray[np.float64]) -> None:
    reach = float(s.max())
    across = np.hypot(s[:, None], s)
    slices = [(name, np.where(across <= reach, part, np.nan)) for name, part in _slices(values)]
    top = max(part[(across > 0.1 * reach) & (across <= reach)].max() for _, part in slices)
    axes = figure.subplots(1, 3)
    for ax, (name, part) in zip(axes, slices, strict=True):
        norm = LogNorm(top * 1e-4, top)
        image = ax.imshow(part, origin="lower", extent=_extent(s * 1e-9), cmap="magma", norm=norm)
        ax.set(title="intensity", xlabel=f"s{name[0]} (1/nm)", ylabel=f"s{name[1]} (1/nm)")
    figure.colorbar(image, ax=axes, extend="both", label="photons in a bin (any scale)")


def _densities(figure: SubFigure, values: NDArray[Any], position: NDArray[np.float64]) -> None:
    reach, slices = float(np.abs(position).max()) * 1e9, _slices(values)
    top = max(part.max() for _, part in slices)
    # the particle fills a part of the grid
    lit = [np.abs(np.argwhere(part > 0.1 * top) / len(part) - 0.5).max(initial=0) for _, part in slices]
    wide = 1.3 * max(1.0, 2 * reach * max(lit))
    axes = figure.subplots(1, 3)
    for ax, (name, part) in zip(axes, slices, strict=True):
        image = ax.imshow(part, origin="lower", extent=_extent(position * 1e9), cmap="gray_r", vmin=0, vmax=top)
        ax.set(
            title="density", xlabel=f"{name[0]} (nm)", ylabel=f"{name[1]} (nm)", xlim=(-wide, wide), ylim=(-wide, wide)
        )
    figure.colorbar(image, ax=axes, label="density (any scale)")


def _extent(at: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Return the edges of an image whose pixels have their middles at some places."""
    left, right = float(at[0] - (at[1] - at[0]) / 2), float(at[-1] + (at[1] - at[0]) / 2)
    return left, right, left, right


def _curves(axes: Any, found: xr.Dataset, quality: Quality | None) -> None:
    drawn = False
    if quality is not None:
        axes.plot(
            quality.shells.s * 1e-9, quality.shells.correlation, color="#2f7fb8", label="with the exact intensity"
        )
        if quality.shells.chance is not None:
            axes.fill_between(quality.shells.s * 1e-9, 0, quality.shells.chance, color="#eeeeee", linewidth=0,
                              label="reached by chance")  # fmt: skip
        if quality.oracle is not None:
            axes.plot(quality.oracle.s * 1e-9, quality.oracle.correlation, color="#999999", linestyle="--",
                      label="oracle: true orientations")  # fmt: skip
        drawn = True
    for variable, curve in agreements(found).items():
        axes.plot(curve.shells.s * 1e-9, curve.shells.correlation, color=COLOURS[variable], label=curve.name)
        drawn = True
    if drawn:
        axes.set(xlabel="s (1/nm)", ylabel="correlation", ylim=(0, 1.03))
        axes.legend(frameon=False, loc="lower left")
    else:
        axes.plot(np.arange(1, found.sizes["step"] + 1), found["mean_information"].values, color="#2f7fb8")
        axes.set(xlabel="iteration", ylabel="information (bit a shot)")
    axes.spines[["top", "right"]].set_visible(False)


def _sphere(axes: Any, orientation: NDArray[np.float64]) -> None:
    """Draw where the beam comes from in the particle's frame, by equal areas; both ends are one by Friedel's law."""
    known = orientation[np.isfinite(orientation).all(axis=1)]
    axes.scatter(*beam_directions(known).T, s=2, color="#2f7fb8", alpha=0.4, linewidths=0)
    turn = np.linspace(0, 2 * np.pi, 181)
    axes.plot(np.cos(turn), np.sin(turn), color="#999999", linewidth=0.8)
    axes.set(title="directions of the beam", aspect="equal", xlim=(-1.05, 1.05), ylim=(-1.05, 1.05))
    axes.axis("off")
