"""Patterns of many shots on one sheet, with what is told of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from xfeldask.physics.detectors import assembled_index, assembled_shape
from xfeldask.store.run import Run

BAD = "0.75"


def contact_sheet(
    run: Run,
    shots: Sequence[int] | NDArray[np.integer],
    told: Callable[[int], str] = str,
    columns: int = 10,
    *,
    binned: bool = False,
) -> Figure:
    """Draw assembled patterns on logarithmic scales of their own; bad pixels are grey.

    Parameters
    ----------
    run : Run
    shots : int, in the order in which they are drawn
    told : callable, makes the title of a shot's picture; its index by default
    columns : int, pictures in a row
    binned : bool, draw `low_q`, the middle around the beam, instead of every pixel

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path, two = tempfile.mkdtemp() + "/run.zarr", ([[0, 0, 0], [2e-9, 0, 0]], ["C", "C"])
    >>> _ = xfeldask.simulate(path, particle=two, detector="square-32", n_shots=4, progress=False)
    >>> len([ax for ax in contact_sheet(xfeldask.open_run(path), [2, 0, 1], columns=2).axes if ax.images])
    3
    """
    colors = mpl.colormaps["magma"].with_extremes(bad=BAD)
    rows = -(-len(shots) // columns)
    figure = Figure(figsize=(1.35 * columns, 1.55 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes:
        ax.set_axis_off()
    for ax, shot in zip(axes, shots, strict=False):
        picture = _binned(run, int(shot)) if binned else _whole(run, int(shot))
        top = max(2.0, float(np.nanmax(picture)))
        scale = LogNorm(0.5, top, clip=True)
        ax.imshow(np.maximum(picture, 0.5), norm=scale, cmap=colors, origin="lower", interpolation="nearest")
        ax.set_title(told(int(shot)), fontsize=7, pad=2)
    return figure


def _whole(run: Run, shot: int) -> NDArray[np.float64]:
    (row, column), good = assembled_index(run.geometry), run.geometry.mask
    picture = np.full(assembled_shape(run.geometry), np.nan)
    picture[row[good], column[good]] = run.read("photons", shot)[good]
    return picture


def _binned(run: Run, shot: int) -> NDArray[np.float64]:
    return np.where(run.low_q_grid.weight > 0, run.read("low_q", shot), np.nan)
