"""Masks of detectors, as beamlines keep them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import reduce

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import InputError
from xfeldask.formats.arrays import array_at
from xfeldask.formats.dragonfly import BAD
from xfeldask.formats.text import read_bytes
from xfeldask.physics.detectors import Geometry, follows_pixels, make_geometry

Mask = str | os.PathLike[str] | ArrayLike
INVERTED = "bad:"
"""What is written before the name of a mask that marks bad pixels instead of good ones."""


def masked(geometry: Geometry, mask: Mask | Sequence[str | os.PathLike[str]] | None) -> Geometry:
    """Leave out of a detector what a mask says.

    Parameters
    ----------
    geometry : Geometry
    mask : array of the detector's shape, true where a pixel is good, or a file of one: .npy, ``file.npz:/name``,
        ``file.h5:/name``, or a .byt of Dragonfly; after ``bad:`` a file that marks bad pixels; or several files

    Raises
    ------
    MissingFileError, FormatError, InputError

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> masked(square(2, 1e-3, 0.1), [[1, 0], [1, 1]]).mask.tolist()
    [[[True, False], [True, True]]]
    """
    if mask is None:
        return geometry
    if isinstance(mask, list | tuple) and all(isinstance(one, str | os.PathLike) for one in mask):
        return reduce(masked, mask, geometry)
    named = isinstance(mask, str | os.PathLike)
    good = read_mask(os.fspath(mask)) if isinstance(mask, str | os.PathLike) else np.asarray(mask)
    if not follows_pixels(good.shape, geometry.shape) or good.dtype.kind not in "bui":
        told = f"mask {mask}" if named else "the mask"
        raise InputError(
            f"{told} must be boolean or whole numbers of shape {geometry.shape}, got {good.dtype} {good.shape}"
        )
    both = geometry.mask & (good != 0).reshape(geometry.shape)
    return make_geometry(geometry.pixel_position, geometry.pixel_size, both)


def read_mask(source: str) -> NDArray[np.generic]:
    """Read a mask, true where a pixel is good; see `masked`.

    Examples
    --------
    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/mask.npy"
    >>> np.save(path, np.array([[0, 1]]))
    >>> read_mask(path).tolist(), read_mask(f"bad:{path}").tolist()
    ([[0, 1]], [[True, False]])
    """
    if source.startswith(INVERTED):
        return np.asarray(array_at(source.removeprefix(INVERTED), "mask") == 0)
    if source.lower().endswith(".byt"):
        return np.asarray(np.frombuffer(read_bytes(source, "mask file"), np.uint8) != BAD)
    return array_at(source, "mask")
