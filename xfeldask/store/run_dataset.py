"""A run as a lazy Dataset: its variables in one order, with coordinates, cut into chunks as it is sharded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import xarray as xr
import zarr

from xfeldask.errors import MissingFileError
from xfeldask.physics.binning import image_axes, low_q_axes
from xfeldask.schema import LATENT, PUBLISHED, VARIABLES, named
from xfeldask.store import accessor as accessor
from xfeldask.store.older import AXES, is_transposed, upright_dataset
from xfeldask.store.opening import child_groups, open_lazily
from xfeldask.store.storage.urls import ObjectURL

if TYPE_CHECKING:
    from xfeldask.store.run import Run

ORDER = {name: index for index, name in enumerate([*VARIABLES, *LATENT])}
OF_NAMES = (*PUBLISHED, "volume")
"""Groups of a store that hold groups to be read by name."""


def run_dataset(run: Run, group: str | None, chunks: Any) -> xr.Dataset:
    """Return a store, or a group of it, as a lazy Dataset; parameters as of `xfeldask.open_dataset`.

    Raises
    ------
    MissingFileError
        There is no such group.
    """
    if group is not None and (group not in run or not isinstance(run.group.get(group), zarr.Group)):
        have = [f"{top}/{name}" for top in OF_NAMES for name in child_groups(run.group, top)]
        raise MissingFileError(f"{run.path} has no group {group}; it has {', '.join(have) or 'none'}")
    found = open_lazily(run.group, group)
    if is_transposed(found.attrs):
        found = upright_dataset(found)
    if group is None and run.is_transposed:
        found = found.assign_coords(_axes(run))
    # variables have no coordinates of their own, which would be compared, and cut into chunks, with each of them
    data, coords = (
        {name: found.variables[name] for name in sorted(part, key=lambda name: ORDER.get(str(name), len(ORDER)))}
        for part in (found.data_vars, found.coords)
    )
    found = xr.Dataset(data, coords, found.attrs)
    # what is worked out of a variable has no encoding: one that has is still what is in the store
    for encoding in (found.encoding, *(variable.encoding for variable in found.variables.values())):
        # the name of a zarr store that was given as an object holds it
        encoding["source"] = run.path if isinstance(run.path, ObjectURL) else str(run.path)
    return found if chunks is None else _chunked(found, chunks, run.layout.shard)


def _chunked(found: xr.Dataset, chunks: Any, shard: int) -> xr.Dataset:
    raw = [v.name for v in named("raw") if v.name in found and "shot" in found[v.name].dims]
    if isinstance(chunks, str) and chunks == "shard":
        return found.assign({name: found.variables[name].chunk({"shot": shard}) for name in raw})
    return found.assign({name: found[name].chunk(chunks) for name in raw})


def _axes(run: Run) -> dict[str, xr.Variable]:
    """Scattering vectors of the bins, which older stores do not have."""
    axes = *image_axes(run.geometry, run.wavelength, run.bin), *low_q_axes(run.geometry, run.wavelength)
    variables = {name: VARIABLES[name] for name in AXES}
    return {
        name: xr.Variable(v.dims, axis * 1e-10, v.attributes())
        for (name, v), axis in zip(variables.items(), axes, strict=True)
    }
