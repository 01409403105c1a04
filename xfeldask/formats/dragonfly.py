"""Dragonfly's detector files, HDF5 or text: the scattering vector of each pixel, and which pixels are good."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import FormatError, InputError
from xfeldask.formats.hdf5 import holds, number, open_hdf5, reading
from xfeldask.formats.text import read_lines
from xfeldask.physics.detectors import Geometry, make_geometry

BAD = 2
"""A pixel that counts nothing; 1 is one that is not used to find orientations, but counts."""
NAMES = ("qx", "qy", "qz", "mask", "detd", "ewald_rad")


class DetectorFile(NamedTuple):
    """Content of a detector file.

    Attributes
    ----------
    q : float64 (pixel, 3), scattering vector [voxels]
    mask : uint8 (pixel,)
    distance : float [pixels]
    ewald_radius : float [voxels]
    """

    q: NDArray[np.float64]
    mask: NDArray[np.uint8]
    distance: float
    ewald_radius: float


def read_dragonfly_detector(path: str | os.PathLike[str], pixel_size: float | None) -> Geometry:
    """Read the pixels of a detector file, (1, n, n) where their number is a square and (1, 1, pixels) otherwise.

    With n the direction of a pixel, q = ewald_rad (n - z); z grows downstream whatever the sign of qz in the file.

    Parameters
    ----------
    path : path
    pixel_size : float [m]; the file counts in pixels

    Raises
    ------
    MissingFileError, FormatError
        The file is not there, or is not a detector file.
    InputError
        No pixel size.

    Examples
    --------
    >>> import tempfile
    >>> from xfeldask.formats.emc_out import write_dragonfly_detector
    >>> from xfeldask.physics.detectors import square
    >>> path = Path(tempfile.mkdtemp()) / "det.h5"
    >>> write_dragonfly_detector(path, square(4, 1e-3, 0.1))
    >>> read_dragonfly_detector(path, 1e-3).pixel_position[0, 0, 0].round(6).tolist()
    [-0.0015, -0.0015, 0.1]
    """
    found = _read_hdf5(path) if h5py.is_hdf5(path) else _read_text(path)
    if pixel_size is None:
        raise InputError(f"{os.fspath(path)} counts in pixels; give pixel_size in m besides")
    if not (found.ewald_radius > 0 and found.distance > 0 and np.isfinite(found.q).all()):
        raise FormatError(
            path, f"has a distance of {found.distance} pixels and an Ewald sphere of {found.ewald_radius}"
        )
    across = found.q[:, :2] / found.ewald_radius
    along = 1 - np.abs(found.q[:, 2]) / found.ewald_radius
    length = np.hypot(np.hypot(across[:, 0], across[:, 1]), along)
    if not (np.abs(length - 1) < 1e-3).all() or not (along > 0).all():
        worst = int(np.abs(length - 1).argmax())
        raise FormatError(
            path, f"pixel {worst} lies off the Ewald sphere of {found.ewald_radius:g} voxels; is it damaged?"
        )
    n = len(along)
    position = np.column_stack([across / along[:, None], np.ones(n)]) * found.distance * pixel_size
    side = round(np.sqrt(n))
    shape = (1, side, side) if side * side == n else (1, 1, n)
    try:
        return make_geometry(position.reshape(*shape, 3), pixel_size, (found.mask != BAD).reshape(shape))
    except InputError as error:
        raise FormatError(path, str(error)) from error


def is_dragonfly_detector(path: str | os.PathLike[str]) -> bool:
    r"""Whether a file is a detector file, by its content.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "det.dat"
    >>> _ = path.write_text("1 100.0 100.0\n0.0 0.0 0.0 1.0 0\n")
    >>> is_dragonfly_detector(path)
    True
    """
    if not Path(path).is_file():
        return False
    if h5py.is_hdf5(path):
        return holds(Path(path), lambda file: all(name in file for name in NAMES))
    with Path(path).open("rb") as text:
        words = text.readline(200).split()
        return len(words) == 3 and words[0].isdigit() and len(text.readline(500).split()) == 5


def _read_hdf5(path: str | os.PathLike[str]) -> DetectorFile:
    with open_hdf5(Path(path)) as file, reading(path):
        q = np.column_stack([np.asarray(file[name][()], np.float64).ravel() for name in NAMES[:3]])
        mask = np.asarray(file["mask"][()]).ravel()
        if len(mask) != len(q):
            raise FormatError(path, f"has {len(q)} pixels and a mask of {len(mask)}; it is damaged")
        return DetectorFile(q, mask.astype(np.uint8), number(file, "detd") or 0.0, number(file, "ewald_rad") or 0.0)


def _read_text(path: str | os.PathLike[str]) -> DetectorFile:
    lines = read_lines(path, "detector file")
    try:
        count, distance, radius = lines[0].split()
        table = np.array([line.split() for line in lines[1:] if line.strip()], np.float64)
        if table.shape != (int(count), 5):
            raise ValueError(f"{len(table)} lines of pixels, should be {count}")
        return DetectorFile(table[:, :3], table[:, 4].astype(np.uint8), float(distance), float(radius))
    except (ValueError, IndexError) as error:
        raise FormatError(path, f"is no detector file of Dragonfly ({error})") from None
