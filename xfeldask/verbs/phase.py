"""`phase`: the density of the particle, from a reconstructed intensity."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

from xfeldask.devices import ON_CPU, Device, device_of
from xfeldask.errors import WHOLE, refuse_unlike
from xfeldask.formats.maps import INTENSITIES, MAPS, refuse_unwritable, write_intensity, write_map
from xfeldask.machine import cores
from xfeldask.orient.densities import fourier_shell_correlation
from xfeldask.orient.phasing import PER_VOXEL, phased, phased_size
from xfeldask.store.opening import open_lazily
from xfeldask.store.results.reconstructed import variable
from xfeldask.store.results.reconstruction import Reconstruction, refuse_unfinished
from xfeldask.store.store_given import Store, opened
from xfeldask.verbs.arguments.given import refuse_seed
from xfeldask.verbs.arguments.on_device import fitting
from xfeldask.work.compute import one_thread_a_task

MADE = ("density", "position", "phase_transfer", "density_correlation")
"""Variables that phasing adds to a reconstruction."""


def phase(
    store: Store,
    *,
    name: str | None = None,
    starts: int = 8,
    iterations: int = 200,
    seed: int = 0,
    density: str | Path | None = None,
    intensity: str | Path | None = None,
    device: str = "auto",
) -> xr.Dataset:
    """Phase a reconstruction of a store: the density of the particle, up to its hand, added to the reconstruction.

    Parameters
    ----------
    store : path, or a Dataset of all of it
    name : str, optional, of the reconstruction; the only one by default
    starts : int, from random phases, that are averaged
    iterations : int, of each start
    seed : int
    density : path, optional, of a CCP4 map to write the density to: ``.mrc``, ``.map`` or ``.ccp4``
    intensity : path, optional, of an HDF5 file to write the intensity to
    device : "auto", "cpu" or "cuda"; "auto" takes a GPU where CuPy finds one with enough memory

    Returns
    -------
    xarray.Dataset, ``/reconstruction/<name>``, with `density` (x, y, z), `position` (x,) [m] and `phase_transfer`
    (shell,), how well the starts agree; with half sets `density_correlation` (shell,), how well the densities of the
    halves do. The attribute `device` of `density` names the GPU that phased it

    Raises
    ------
    MissingFileError, InputError
        No reconstruction, several and no name, one that is not finished, a number out of range, a file that cannot be
        written, a device that is not there.

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> _ = xfeldask.simulate(path, particle="chaperonin", detector="square-64", n_shots=1500, progress=False)
    >>> _ = xfeldask.reconstruct(path, resolution=12e-9, symmetry="D8", starts=1, progress=False)
    >>> xfeldask.phase(path, starts=1, iterations=10).density.dims
    ('x', 'y', 'z')
    """
    refuse_unlike("a whole number", WHOLE, starts=starts, iterations=iterations, seed=seed)
    refuse_seed(seed)
    gpu = device_of(device)
    run = opened(store)
    chosen = Reconstruction.chosen(run, name)
    refuse_unfinished(chosen)
    if density is not None:
        refuse_unwritable(Path(density), "a density", MAPS)
    if intensity is not None:
        refuse_unwritable(Path(intensity), "an intensity", INTENSITIES)
    with chosen.held():
        found = open_lazily(run.group, chosen.group_path).load()
        s, grid = found["s"].values, found["intensity"].values
        # what no shot looked at, as behind the beam stop, may be anything
        known = found["exposure"].values > 0.05 * np.median(found["exposure"].values[found["exposure"].values > 0])
        with one_thread_a_task():
            step = float(s[-1] - s[-2])
            found = found.drop_vars(MADE, errors="ignore")
            on = None if gpu is None else _fitting(gpu, device, len(grid))
            find = partial(phased, step=step, known=known, starts=starts, iterations=iterations, device=on,
                           threads=cores() if on is None else 1)  # fmt: skip
            made = find(grid, seed=seed)
            if "half_intensity" in found:
                halves = [find(half, seed=seed + 1 + i).values for i, half in enumerate(found["half_intensity"].values)]
                agreement = variable("density_correlation", fourier_shell_correlation(*halves)[: len(made.s)])
                found = found.assign(density_correlation=agreement)
        position = (np.arange(len(made.values)) - len(made.values) // 2) * made.pitch
        found = found.assign(
            density=variable("density", made.values),
            position=variable("position", position),
            phase_transfer=variable("phase_transfer", made.transfer),
        )
        found.attrs["residual"] = made.residual
        if on is not None:
            found["density"].attrs["device"] = on.label
        chosen.publish(found)
    if density is not None:
        write_map(density, made.values, made.pitch)
    if intensity is not None:
        write_intensity(intensity, grid, s, {"parameters": str(found.attrs["parameters"])})
    return Reconstruction(run, chosen.name).dataset()


def _fitting(gpu: Device, name: str, size: int) -> Device | None:
    """Return the device that phases an intensity of so many points a side; see `fitting`."""
    voxels = phased_size(size)
    needed, what = PER_VOXEL * voxels**3, f"phasing {voxels}^3 voxels"
    return fitting(gpu, name, needed, what, False, ON_CPU)
