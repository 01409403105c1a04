"""Kinds of particles beside an embedding: ``/latent/<name>/kinds``."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xfeldask.schema import Variable
from xfeldask.store.layout import FORMAT

KINDS = "kinds"
"""The group."""
KIND_COLUMNS = ("kind", "probability_wanted", "misfit")
"""Variables of the embedding that tell of kinds."""

VARIABLES = {
    v.name: v
    for v in (
        Variable("intensity", ("kind", "u", "v", "w"), "float32", "expected photons a whole bin at the beam", "count",
                 comment="at fluence 1; linear interpolation between grid points"),
        Variable("s", ("u",), "float64", "scattering vector along each axis of the grid", "m-1",
                 comment="the same along u (x), v (y) and w (z)"),
        Variable("mean_image", ("kind", "y", "x"), "float32", "mean pattern of the shots of a kind", "count"),
        Variable("shots", ("kind",), "int64", "shots of each kind", "count"),
        Variable("mean_photons", ("kind",), "float64", "photons a shot, mean of the kind", "count"),
        Variable("radius_of_gyration", ("kind",), "float64", "radius of gyration of the particle", "m",
                 comment="from the fall of the intensity around the beam (Guinier); NaN where it does not fall"),
    )
}  # fmt: skip


def kinds_dataset(values: dict[str, Any], attributes: dict[str, Any]) -> xr.Dataset:
    """Return kinds as they are stored.

    Examples
    --------
    >>> kinds_dataset({"shots": np.array([90, 10])}, {"n_fitted": 100}).shots.attrs["units"]
    'count'
    """
    data = {
        name: (VARIABLES[name].dims, np.asarray(value, VARIABLES[name].dtype), VARIABLES[name].attributes())
        for name, value in values.items()
    }
    return xr.Dataset(data, attrs={"format": FORMAT, **attributes})


def radius_of_gyration(intensity: NDArray[np.floating], step: float) -> float:
    """Estimate the radius of gyration of a particle from its intensity around s = 0.

    Parameters
    ----------
    intensity : (n, n, n), index n // 2 is s = 0
    step : grid spacing [1/m]

    Returns
    -------
    float [m], NaN where the intensity does not fall

    Notes
    -----
    ``ln I(s) = ln I(0) - (2 pi s)^2 Rg^2 / 3`` (A. Guinier, Annales de Physique 11, 161, 1939), fitted to the means of
    shells as far as ``2 pi s Rg`` is below 1.3, and to three at least.

    Examples
    --------
    >>> at = (np.arange(21) - 10) * 1e6
    >>> s2 = at[:, None, None] ** 2 + at[:, None] ** 2 + at**2
    >>> round(radius_of_gyration(np.exp(-((2 * np.pi * 20e-9) ** 2) * s2 / 3), 1e6) * 1e9, 1)
    20.0
    """
    n = len(intensity)
    axis = (np.arange(n) - n // 2) ** 2
    away = np.sqrt(axis[:, None, None] + axis[:, None] + axis)
    shell = np.rint(away).astype(np.int64)
    some = shell < n // 2
    counts = np.bincount(shell[some])
    mean = np.bincount(shell[some], intensity[some]) / counts
    squared = np.bincount(shell[some], away[some] ** 2) / counts * (2 * np.pi * step) ** 2
    used = 3
    for _ in range(5):
        lit = np.arange(1, used + 1)[mean[1 : used + 1] > 0]
        if lit.size < 2:
            return float("nan")
        slope = np.polyfit(squared[lit], np.log(mean[lit]), 1, w=np.sqrt(counts[lit]))[0]
        if slope >= 0:
            return float("nan")
        radius = float(np.sqrt(-3 * slope))
        used = int(np.clip(1.3 / (2 * np.pi * step * radius), 3, n // 2 - 2))
    return radius
