"""Densities and intensities written for other programs: CCP4 maps, which ChimeraX and Coot open, and HDF5."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gemmi
import h5py
import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError

MAPS = (".mrc", ".map", ".ccp4")
INTENSITIES = (".h5", ".hdf5")


def refuse_unwritable(path: Path, what: str, endings: Sequence[str]) -> None:
    """Refuse a file of another ending, or in a folder that is not there, before work is done for it.

    Raises
    ------
    InputError

    Examples
    --------
    >>> refuse_unwritable(Path("density.mrcs"), "a density", MAPS)
    Traceback (most recent call last):
    xfeldask.errors.InputError: density.mrcs: a density is written as .mrc, .map, .ccp4
    """
    if path.suffix not in endings:
        raise InputError(f"{path}: {what} is written as {', '.join(endings)}")
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: there is no folder {path.parent}")


def write_map(path: str | Path, density: NDArray[np.float32], pitch: float) -> None:
    """Write a density as a CCP4 map, in angstrom, its middle at the origin.

    Parameters
    ----------
    path : path, ``.mrc``, ``.map`` or ``.ccp4``
    density : float32 (x, y, z), its middle at index n // 2
    pitch : width of a voxel [m]

    Raises
    ------
    InputError
        Another ending, or the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/density.mrc"
    >>> write_map(path, np.ones((4, 4, 4), np.float32), 1e-9)
    >>> gemmi.read_ccp4_map(path).grid.unit_cell.a
    40.0
    """
    path = Path(path)
    refuse_unwritable(path, "a density", MAPS)
    a, b, c = (n * pitch * 1e10 for n in density.shape)
    cell, group = gemmi.UnitCell(a, b, c, 90, 90, 90), gemmi.SpaceGroup("P 1")
    made = gemmi.Ccp4Map()
    made.grid = gemmi.FloatGrid(np.ascontiguousarray(density, np.float32), cell, group)
    made.update_ccp4_header(2)
    # words 50 to 52, where MRC 2014 has the origin [angstrom], which ChimeraX heeds
    for word, edge, n in zip((50, 51, 52), (a, b, c), density.shape, strict=True):
        made.set_header_float(word, float(-(n // 2) * edge / n))
    try:
        made.write_ccp4_map(str(path))
    except (OSError, RuntimeError) as error:
        raise InputError(f"cannot write {path}: {error}") from error


def write_intensity(
    path: str | Path, intensity: NDArray[np.float64], s: NDArray[np.float64], attributes: dict[str, str]
) -> None:
    """Write an intensity as HDF5: ``intensity`` (u, v, w), ``s`` (u,) [1/m], and attributes.

    Parameters
    ----------
    path : path, ``.h5`` or ``.hdf5``
    intensity : float64 (u, v, w)
    s : float64 (u,) [1/m]
    attributes : text by name

    Raises
    ------
    InputError
        Another ending, or the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/intensity.h5"
    >>> write_intensity(path, np.ones((3, 3, 3)), np.array([-1e8, 0, 1e8]), {"symmetry": "D8"})
    >>> h5py.File(path)["intensity"].shape
    (3, 3, 3)
    """
    path = Path(path)
    refuse_unwritable(path, "an intensity", INTENSITIES)
    try:
        with h5py.File(path, "w") as file:
            file.create_dataset("intensity", data=intensity, compression="gzip", shuffle=True)
            file.create_dataset("s", data=s)
            file["s"].attrs["units"] = "m-1"
            file.attrs.update(attributes)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error}") from error
