"""Pictures of a run: what the detector saw, and what the latent space makes of it."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

SINGLE, OTHER = "#0072B2", "#D55E00"
"""Colours of what shots are in truth."""

CLASSES = {
    (True, True): ("single kept", SINGLE, "."),
    (True, False): ("single lost", "#E69F00", "x"),
    (False, True): ("other kept", OTHER, "s"),
    (False, False): ("other flagged", "#009E73", "^"),
}
"""Colour-blind safe (Okabe and Ito), by (is one particle, kept)."""


def montage(ds: xr.Dataset, columns: int = 4, particle: str = "") -> Figure:
    """Binned patterns of single hits above those of multiple hits, with their truth.

    Parameters
    ----------
    ds : Dataset of a simulated store
    columns : int, patterns of each kind
    particle : str, named in the title
    """
    number = ds.n_particles.values
    rows = [("single hit", np.flatnonzero(number == 1)), ("multiple hits", np.flatnonzero(number > 1))]
    rows = [(title, shots[:columns]) for title, shots in rows if len(shots)] or [("blank", np.arange(columns))]
    images = {int(i): ds.image[int(i)].values for _, shots in rows for i in shots if i < len(number)}
    top = max(2, *(int(image.max()) for image in images.values()))
    figure = Figure(figsize=(2.55 * columns + 1.1, 2.9 * len(rows) + 0.9), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    extent = _q_extent(ds)
    view = _view(np.sum(list(images.values()), axis=0), extent)
    shown = None
    for line, (title, shots) in zip(axes, rows, strict=True):
        for ax in line[len(shots) :]:
            ax.set_visible(False)
        for ax, i in zip(line, shots, strict=False):
            counted = np.ma.masked_less(images[int(i)], 1)
            shown = ax.imshow(counted, norm=LogNorm(1, top), cmap="viridis", extent=extent, interpolation="nearest")
            ax.set_facecolor("#f3f3f3")
            ax.set_title(f"shot {i}: {_truth(ds, int(i), title)}\n{int(ds.photon_count[int(i)]):,} photons", fontsize=9)
            ax.tick_params(labelsize=7)
            ax.set(xlim=view[:2], ylim=view[2:])
        line[0].set_ylabel("q (1/nm)", fontsize=8)
    for ax in axes[-1]:
        ax.set_xlabel("q (1/nm)", fontsize=8)
    if shown is not None:
        bar = figure.colorbar(shown, ax=axes, shrink=0.8, pad=0.01)
        bar.set_label(f"photons in a bin of {ds.attrs['bin']} x {ds.attrs['bin']} pixels; grey: none")
    name = particle or ds.attrs["particle"]
    figure.suptitle(f"Assembled patterns of {name}: the part that holds 98 % of the photons shown", fontsize=12)
    return figure


def latent_scatter(ds: xr.Dataset, latent: xr.Dataset) -> Figure:
    """Two views of the latent space, coloured by truth and verdict."""
    single = ds.n_particles.values == 1
    pairs = component_pairs(latent)
    figure = Figure(figsize=(6.2 * len(pairs), 5.4), layout="constrained")
    for ax, pair in zip(figure.subplots(1, len(pairs), squeeze=False)[0], pairs, strict=True):
        handles = class_panel(ax, latent, pair, single)
    ax.legend(handles=handles, loc="best", framealpha=0.9, fontsize=9)
    figure.suptitle(f"Latent space of {latent.sizes['shot']:,} shots, all drawn: truth and verdict")
    return figure


def component_pairs(latent: xr.Dataset) -> list[tuple[int, int]]:
    """The components to draw against each other."""
    n = latent.sizes["component"]
    return [(0, 1), (0, 2)] if n > 2 else [(0, min(1, n - 1))]


def class_panel(ax: Axes, latent: xr.Dataset, pair: tuple[int, int], single: np.ndarray) -> list[Line2D]:
    """All shots in two components, coloured by truth and verdict; handles for a legend with their numbers."""
    points, kept = latent.latent.values[:, pair], latent.is_single.values
    name_axes(ax, latent, pair)
    return [_class_points(ax, points, single, kept, key) for key in CLASSES]


def name_axes(ax: Axes, latent: xr.Dataset, pair: tuple[int, int]) -> None:
    """Name two components, their unit and their share of the variance of all components."""
    share = latent.explained_variance.values / max(1e-30, latent.explained_variance.values.sum())
    unit = {"1": "", "count": "counts; "}.get(latent.latent.attrs["units"], f"{latent.latent.attrs['units']}; ")
    of_all = f" of the variance in {len(share)} components"
    for name, component, more in zip(("x", "y"), pair, (of_all, ""), strict=True):
        ax.set(**{f"{name}label": f"component {component} ({unit}{share[component]:.0%}{more})"})
    ax.grid(alpha=0.2)


def _class_points(ax: Axes, points: np.ndarray, single: np.ndarray, kept: np.ndarray, key: tuple[bool, bool]) -> Line2D:
    label, color, marker = CLASSES[key]
    mine = (single == key[0]) & (kept == key[1])
    large = 24 if (single == key[0]).sum() < 1000 else 8
    ax.scatter(
        points[mine, 0],
        points[mine, 1],
        c=color,
        marker=marker,
        s={".": 4, "x": 9}.get(marker, large),
        linewidths=0 if marker == "." else 0.5,
        zorder=3 - float(mine.mean()),  # the fewer lie on the many
    )
    return Line2D([], [], color=color, marker=marker, linestyle="", label=f"{label}: {int(mine.sum()):,}")


def _truth(ds: xr.Dataset, i: int, title: str) -> str:
    number = int(ds.n_particles[i])
    if number < 2:
        return title
    place = ds.position[i, :number].values
    distance = np.linalg.norm((place[1] - place[0])[:2]) * 1e9
    return f"{number} particles\n{distance:.0f} nm apart as seen"


def _view(image: np.ndarray, extent: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """Limits of a square around q = 0 that holds 98 % of the photons."""
    left, right, bottom, top = extent
    x = np.linspace(left, right, image.shape[1] + 1)
    y = np.linspace(top, bottom, image.shape[0] + 1)
    away = np.maximum(np.abs((x[1:] + x[:-1]) / 2), np.abs((y[1:] + y[:-1]) / 2)[:, None])
    order = np.argsort(away, axis=None)
    held = np.cumsum(image.ravel()[order])
    reach = away.ravel()[order][min(np.searchsorted(held, 0.98 * held[-1]), len(held) - 1)]
    reach = max(reach, (right - left) / 20)
    return -reach, reach, np.sign(bottom - top) * reach, -np.sign(bottom - top) * reach


def _q_extent(ds: xr.Dataset) -> tuple[float, float, float, float]:
    """Left, right, bottom and top of the assembled image [1/nm], as far as small angles hold."""
    rows, columns = ds.assembled_row.values, ds.assembled_col.values
    q = ds.q.values * 10
    bin_ = int(ds.attrs["bin"])
    height, width = (-(-(int(index.max()) + 1) // bin_) * bin_ for index in (rows, columns))
    out = []
    for index, length in ((columns, width), (rows, height)):
        axis = int(np.argmax([abs(np.corrcoef(index.ravel()[::997], q[..., k].ravel()[::997])[0, 1]) for k in (0, 1)]))
        slope, offset = np.polyfit(index.ravel()[::97], q[..., axis].ravel()[::97], 1)
        out.append((offset - slope / 2, offset + slope * (length - 0.5)))
    return out[0][0], out[0][1], out[1][1], out[1][0]
