"""Kinds of particles as a figure: what their shots look like, and the intensity that explains them."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from xfeldask.report.figures import q_extent
from xfeldask.sorting.decision import Decision
from xfeldask.store.run import Run
from xfeldask.units import shown, told

MOST = 5
"""Kinds in a row."""
DEEP = 1e-4
"""Where scales begin, over where they end."""
GAP, UNWANTED = "0.75", "0.45"
"""Colours of what is not measured, and of titles of kinds that are not accepted."""


def kinds_figure(run: Run, described: xr.Dataset, decision: Decision) -> Figure:
    r"""Draw the mean pattern of each kind's shots above the middle plane of its intensity.

    Parameters
    ----------
    run : Run
    described : Dataset, ``/latent/<name>/kinds``
    decision : Decision, of that embedding

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> from xfeldask.store.results.particle_kinds import kinds_dataset
    >>> path, two = tempfile.mkdtemp() + "/run.zarr", ([[0, 0, 0], [2e-9, 0, 0]], ["C", "C"])
    >>> _ = xfeldask.simulate(path, particle=two, detector="square-32", n_shots=4, progress=False)
    >>> values = {"intensity": np.ones((1, 5, 5, 5)), "s": np.arange(-2.0, 3) * 1e7, "mean_image": np.ones((1, 32, 32)),
    ...           "shots": [4], "mean_photons": [210.0], "radius_of_gyration": [6.25e-9]}
    >>> told = Decision(kinds=(4,), kind_names=("capsid",), wanted_kinds=(0,))
    >>> kinds_figure(xfeldask.open_run(path), kinds_dataset(values, {}), told).axes[0].get_title()
    'capsid, wanted\n4 shots, 210 photons each\nradius of gyration 6.25 nm'
    """
    count = described.sizes["kind"]
    columns, blocks = min(count, MOST), -(-count // MOST)
    figure = Figure(figsize=(3.3 * columns + 0.4, 6.1 * blocks), layout="constrained")
    axes = figure.subplots(2 * blocks, columns, squeeze=False)
    s, unit = described["s"].values, shown("m-1")
    left, right = (float(unit.of(end + step)) for end, step in ((s[0], (s[0] - s[1]) / 2), (s[-1], (s[1] - s[0]) / 2)))
    for ax in axes[:, count - (blocks - 1) * MOST :][2 * blocks - 2 :].ravel():
        ax.set_visible(False)
    for kind in range(count):
        above, below = axes[2 * (kind // MOST) : 2 * (kind // MOST) + 2, kind % MOST]
        one, wanted = described.isel(kind=kind), kind in (decision.wanted_kinds or ())
        above.set_title(_told(one, decision.kinds_called[kind], wanted), fontsize=9, color="k" if wanted else UNWANTED)
        _draw(above, one["mean_image"].values, q_extent(run.dataset(chunks=None)))
        _draw(below, np.take(one["intensity"].values, len(s) // 2, axis=2).T, (left, right, left, right))
        below.set_xlabel(unit.label("q along x"), fontsize=8)
        for ax, what in ((above, "mean pattern"), (below, "middle plane of the intensity")):
            ax.set_ylabel("" if kind % MOST else f"{what}\n{unit.label('q along y')}", fontsize=8)
    return figure


def _told(one: xr.Dataset, name: str, wanted: bool) -> str:
    """Tell by what a person names a kind."""
    radius = float(one["radius_of_gyration"])
    size = f"radius of gyration {told(radius, 'm', digits=3) if np.isfinite(radius) else 'not known'}"
    shots = f"{int(one['shots']):,} shots, {float(one['mean_photons']):,.0f} photons each"
    return f"{name}{', wanted' if wanted else ''}\n{shots}\n{size}"


def _draw(ax: Axes, values: NDArray[np.floating], extent: tuple[float, float, float, float]) -> None:
    """Draw a picture (y, x) on a logarithmic scale of its own; a picture without anything in it is dark."""
    bright = float(np.nanmax(values, initial=0)) or 1.0
    low = float(np.nanquantile(values[values > 0], 0.02)) if (values > 0).any() else bright * DEEP
    scale = LogNorm(min(max(low, bright * DEEP), bright / 2), bright, clip=True)
    drawn = ax.imshow(np.maximum(values, scale.vmin or 0.0), norm=scale, cmap="magma", extent=extent, origin="lower")
    ax.set_facecolor(GAP)
    ax.tick_params(labelsize=7)
    bar = ax.figure.colorbar(drawn, ax=ax, shrink=0.7, pad=0.02)
    bar.ax.tick_params(labelsize=7)
    bar.set_label("photons in a bin", fontsize=7)
