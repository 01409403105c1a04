"""Backgrounds that an experiment names: where their photons fall, and the weights of shots."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from xfeldask.config.background import Background
from xfeldask.errors import InputError
from xfeldask.formats.arrays import array_at
from xfeldask.physics.detectors import Geometry
from xfeldask.physics.elementary import exp_of

GAS = (4e-5, 0.02)
"""Variance [m^2] and floor of the scattering of gas around the beam, as the tests of EXtra-redu have it."""
WEIGHTS = "weights of the background"


def read_background(asked: Background, geometry: Geometry) -> NDArray[np.float32]:
    """Read where background photons fall.

    Parameters
    ----------
    asked : Background
    geometry : Geometry

    Returns
    -------
    float32 (panel, ss, fs), expected photons of each pixel over their mean on all

    Raises
    ------
    MissingFileError, FormatError, InputError

    Examples
    --------
    >>> from xfeldask.formats.geometries import read_detector
    >>> from xfeldask.config import Detector
    >>> square = read_detector(Detector(source="square-64"))
    >>> float(read_background(Background(source="uniform"), square).max())
    1.0
    """
    position = geometry.pixel_position
    x, y = position[..., 0], position[..., 1]
    radius = np.sqrt(x * x + y * y)
    if asked.source == "uniform":
        shape = np.ones(geometry.shape)
    elif asked.source == "gas":
        variance, floor = GAS
        shape = exp_of(-radius * radius / (2 * variance)) + floor
    else:
        shape = _measured(np.asarray(array_at(asked.source, "background")), radius)
    return np.asarray(shape / shape.mean(), np.float32)


def expected_background(source: str | NDArray[np.generic], geometry: Geometry) -> NDArray[np.float64]:
    """Photons to expect of the background in each pixel of a shot.

    Parameters
    ----------
    source : array, or name of a file of one as `array_at` reads it: an image of the detector's shape or a profile
        (n, 2) of radius from the beam's axis [m], both of photons in a pixel
    geometry : Geometry

    Returns
    -------
    float64 (panel, ss, fs), 0 in bad pixels

    Raises
    ------
    MissingFileError, FormatError, InputError

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> found = expected_background(np.array([[0.0, 0.5], [1.0, 0.5]]), square(4, 1e-3, 0.1))
    >>> float(found.sum())
    8.0
    """
    value = np.asarray(array_at(source, "background") if isinstance(source, str) else source)
    if value.size == geometry.mask.size and value.dtype.kind in "fiu":
        value = np.where(geometry.mask, value.reshape(geometry.shape), 0)
    x, y = geometry.pixel_position[..., 0], geometry.pixel_position[..., 1]
    return np.where(geometry.mask, _measured(value, np.sqrt(x * x + y * y)), 0)


def cell_stack(source: str | NDArray[np.generic], geometry: Geometry) -> NDArray[np.generic]:
    """Backgrounds of cells, one after the other along the first axis, each as `expected_background` takes it.

    Parameters
    ----------
    source : array, or name of a file of one as `array_at` reads it: images (cell, panel, ss, fs) or profiles
        (cell, n, 2)
    geometry : Geometry

    Raises
    ------
    MissingFileError, FormatError, InputError

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> cell_stack(np.ones((3, 4, 4)), square(4, 1e-3, 0.1)).shape
    (3, 4, 4)
    """
    value = np.asarray(array_at(source, "background") if isinstance(source, str) else source)
    is_profile = value.ndim == 3 and value.shape[2] == 2
    if value.ndim < 2 or not len(value) or not (is_profile or value[0].size == geometry.mask.size):
        raise InputError(
            f"backgrounds of cells are images (cell, {', '.join(map(str, geometry.shape))}) or profiles (cell, n, 2), "
            f"got {value.dtype} {value.shape}"
        )
    return value


def read_weights(asked: Background) -> NDArray[np.float64] | None:
    """Read the weights of shots; None where the experiment names none.

    Raises
    ------
    MissingFileError, FormatError, InputError
    """
    return None if asked.weights is None else checked_weights(asked.weights)


def checked_weights(given: str | NDArray[np.generic]) -> NDArray[np.float64]:
    """Return weights of shots (n,), or those of a file as `array_at` reads it.

    Raises
    ------
    MissingFileError, FormatError, InputError

    Examples
    --------
    >>> checked_weights(np.array([1, 0, 2])).tolist()
    [1.0, 0.0, 2.0]
    """
    found = np.asarray(array_at(given, WEIGHTS) if isinstance(given, str) else given)
    if found.ndim != 1 or not len(found) or found.dtype.kind not in "fiu" or not (found >= 0).all():
        raise InputError(f"weights of the background must be numbers (n,) from 0 on, got {found.dtype} {found.shape}")
    if not np.isfinite(found).all():
        raise InputError("weights of the background hold infinity; give finite numbers")
    return found.astype(np.float64)


def background_digest(shape: NDArray[np.float32], weights: NDArray[np.float64] | None) -> str:
    """SHA-256 of where photons fall and of the weights, in hexadecimal."""
    state = hashlib.sha256(shape.astype("<f4").tobytes())
    state.update(b"" if weights is None else weights.astype("<f8").tobytes())
    return state.hexdigest()


def _measured(value: NDArray[np.generic], radius: NDArray[np.float64]) -> NDArray[np.float64]:
    is_profile = value.ndim == 2 and value.shape[1] == 2 and len(value) > 1
    if value.dtype.kind not in "fiu" or not (is_profile or value.shape == radius.shape):
        panels, rows, columns = radius.shape
        raise InputError(
            f"a background is a profile (n, 2) of radius [m] and brightness or an image ({panels}, {rows}, {columns}), "
            f"got {value.dtype} {value.shape}"
        )
    found = value.astype(np.float64)
    if is_profile:
        if not (np.diff(found[:, 0]) > 0).all():
            raise InputError("the radii of a background's profile must grow; sort them")
        found = np.interp(radius, found[:, 0], found[:, 1])
    if not (np.isfinite(found).all() and (found >= 0).all() and found.any()):
        raise InputError("a background must be finite and from 0 on, and not 0 everywhere; mend its values")
    return found
