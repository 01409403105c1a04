"""Expected photons of single shots, without having stored them."""

from __future__ import annotations

import xarray as xr

from xfeldask.engines.workshop import workshop
from xfeldask.errors import InputError
from xfeldask.schema import PIXELS, VARIABLES
from xfeldask.store.store_given import Store, opened


def expected_intensity(store: Store, shot: int) -> xr.DataArray:
    """Compute expected photons of one shot of a simulated store.

    Parameters
    ----------
    store : path, or a Dataset of all of it
    shot : int, absolute shot index

    Returns
    -------
    xarray.DataArray, float32 (panel, ss, fs), what the photons of the shot were drawn from

    Raises
    ------
    InputError
        No such shot, or a store without truth.
    CorruptStoreError
        Its form factor cannot be read.

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> _ = xfeldask.simulate(path, particle="chaperonin", detector="square-64", n_shots=3, progress=False)
    >>> expected_intensity(path, 2).dims
    ('panel', 'ss', 'fs')
    """
    run = opened(store)
    if run.identity is None or "fluence" not in run:
        raise InputError(f"{run.path} holds no truth to compute an intensity from; it was not simulated")
    shop = workshop(run)
    if not 0 <= shot < shop.layout.n_shots:
        raise InputError(f"{run.path} has shots 0 to {shop.layout.n_shots - 1}, not {shot}")
    (mean,) = shop.engine.expected(*shop.plan(range(shot, shot + 1)))
    attributes = VARIABLES["intensity"].attributes()
    return xr.DataArray(mean, dims=PIXELS, name="intensity", attrs=attributes)
