"""Kinds of particles beside an embedding: ``/latent/<name>/kinds``."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xfeldask.schema import Variable
from xfeldask.store.layout import FORMAT

KINDS = "kinds"
"""The group."""
KIND_COLUMNS = ("kind", "probability_wanted", "probability_kind", "misfit")
"""Variables of the embedding that tell of kinds."""
FOUND_COLUMNS = ("found_orientation", "found_size", "found_fluence")
"""Variables that may tell more of each shot, as a particle of its kind."""

VARIABLES = {
    v.name: v
    for v in (
        Variable("intensity", ("kind", "u", "v", "w"), "float32", "expected photons a whole bin at the beam", "count",
                 comment="at fluence 1; linear interpolation between grid points"),
        Variable("s", ("u",), "float64", "scattering vector along each axis of the grid", "m-1",
                 comment="the same along u (x), v (y) and w (z)"),
        Variable("mean_image", ("kind", "y", "x"), "float32", "mean pattern of the shots of a kind", "count",
                 comment="as they were found; NaN in bins of which too few pixels are good"),
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
