"""The particles of a shot as they stand in the beam, seen along it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import InputError
from xfeldask.physics.atoms import atomic_number
from xfeldask.physics.orientations import rotation_matrix

_MARGIN = 1.05
_NM2 = 1e18


def electrons(element: ArrayLike, occupancy: ArrayLike) -> NDArray[np.float64]:
    """Count the electrons of each atom: atomic number times occupancy; the charge of an ion is not counted.

    Parameters
    ----------
    element : str (atom,), symbols or ions
    occupancy : (atom,)

    Returns
    -------
    float64 (atom,)

    Raises
    ------
    InputError
        An unknown element; lengths that differ.

    Examples
    --------
    >>> electrons(["C", "Fe2+"], [1, 0.5]).tolist()
    [6.0, 13.0]
    """
    # a store's text is of variable width, which numpy does not cast
    names, fraction = np.array(np.asarray(element).tolist(), np.str_), np.asarray(occupancy, np.float64)
    if names.ndim != 1 or names.shape != fraction.shape:
        raise InputError(f"elements and occupancies must be of the same atoms, got {names.shape} and {fraction.shape}")
    unique, index = np.unique(names, return_inverse=True)
    number = np.array([atomic_number(str(name)) for name in unique], float)
    return np.asarray(number[index] * fraction)


def center_of(position: ArrayLike) -> tuple[float, float]:
    """Return the middle between the outermost particles of a shot along the beam, (x, y) [m]; (0, 0) of a blank.

    Parameters
    ----------
    position : (particle, 3) [m], NaN where there is no particle

    Examples
    --------
    >>> center_of([[0, 0, 0], [4e-8, 2e-8, 1e-6], [np.nan] * 3])
    (2e-08, 1e-08)
    """
    place = np.asarray(position, np.float64)[:, :2]
    place = place[np.isfinite(place).all(axis=1)]
    if not len(place):
        return 0.0, 0.0
    x, y = (place.min(axis=0) + place.max(axis=0)) / 2
    return float(x), float(y)


def radius_of(atom_position: ArrayLike) -> float:
    """Return how far the atom farthest from the origin is away from it, of (atom, 3) [m]; all are looked at.

    Examples
    --------
    >>> radius_of([[3e-9, 0, 4e-9], [0, 0, 0]])
    5e-09
    """
    return float(np.sqrt((np.asarray(atom_position, np.float64) ** 2).sum(axis=1).max()))


def extent_of(
    radius: float,
    position: ArrayLike,
    size: ArrayLike | None = None,
    middle: tuple[float, float] | None = None,
) -> float:
    """Return half the width of a square about `middle` that holds a shot's particles in any orientation [m].

    The picture keeps its scale from shot to shot, as long as particles are equally far apart.

    Parameters
    ----------
    radius : float, `radius_of` a particle as it is stored [m]
    position : (particle, 3) [m], NaN where there is no particle
    size : (particle,), relative; 1 when not given
    middle : (x, y) [m]; `center_of` the particles when not given

    Raises
    ------
    InputError
        Arrays that do not match.

    Examples
    --------
    >>> round(extent_of(1e-8, [[0, 0, 0], [4e-8, 0, 0]]) * 1e9, 2)
    31.5
    """
    place, scale = _placed(position, size)
    there = np.isfinite(place).all(axis=1)
    if not there.any():
        return _MARGIN * radius or 1e-9
    away = np.abs(place[there, :2] - (center_of(place) if middle is None else middle)).max(axis=1)
    return float(_MARGIN * (away + radius * scale[there]).max()) or 1e-9


def projection(
    atom_position: ArrayLike,
    weights: ArrayLike,
    orientation: ArrayLike,
    position: ArrayLike,
    extent: float,
    n_pixels: int,
    size: ArrayLike | None = None,
    middle: tuple[float, float] | None = None,
) -> NDArray[np.float32]:
    """Project the electrons of all particles of a shot along the beam; every atom counts.

    Parameters
    ----------
    atom_position : (atom, 3) [m], of a particle as it is stored
    weights : (atom,), as of `electrons`
    orientation : (particle, 4), quaternions; NaN where there is no particle
    position : (particle, 3) [m]; NaN where there is no particle
    extent : half the width of the image [m]
    n_pixels : of a side
    size : (particle,), relative; 1 when not given
    middle : (x, y) of the image [m]; `center_of` the particles when not given

    Returns
    -------
    float32 (n_pixels, n_pixels) [electron/nm^2], about `middle`; columns go along +x, rows along +y,
    so that row 0, the lowest y, is to be drawn at the bottom. Atoms outside are left out; a blank is all 0

    Raises
    ------
    InputError
        Arrays that do not match, an extent that is not above 0, no pixels.

    Examples
    --------
    >>> image = projection([[1.5e-9, 0, 0]], [6], [[1, 0, 0, 1]], [[0, 0, 0]], extent=2e-9, n_pixels=4)
    >>> np.argwhere(image).tolist(), float(image.max())
    ([[3, 2]], 6.0)
    """
    atoms, (place, scale) = np.asarray(atom_position, np.float64), _placed(position, size)
    if atoms.ndim != 2 or atoms.shape[1] != 3:
        raise InputError(f"atom_position must have shape (n, 3) [m], got {atoms.shape}")
    if not len(atoms):
        raise InputError("give atoms, got none")
    electron, rotation = np.asarray(weights, np.float64), np.asarray(orientation, np.float64)
    if electron.shape != (len(atoms),) or rotation.shape != (len(place), 4):
        raise InputError(
            f"{len(atoms)} atoms need as many weights and {len(place)} particles as many quaternions, "
            f"got {electron.shape} and {rotation.shape}"
        )
    if not 0 < extent < np.inf or n_pixels < 1:
        raise InputError(f"the image must be wider than 0 and have pixels, got {extent} m and {n_pixels}")
    image, about = np.zeros(n_pixels * n_pixels), np.array(center_of(place) if middle is None else middle)
    for i in np.flatnonzero(np.isfinite(place).all(axis=1) & np.isfinite(rotation).all(axis=1)):
        seen = rotation_matrix(rotation[i])[:2] * (scale[i] * n_pixels / (2 * extent)) @ atoms.T
        seen += ((place[i, :2] - about) / (2 * extent) + 0.5)[:, None] * n_pixels
        x, y = np.floor(seen)
        inside = (x >= 0) & (x < n_pixels) & (y >= 0) & (y < n_pixels)
        pixel = (y * n_pixels + x)[inside].astype(np.int64)
        image += np.bincount(pixel, electron[inside], n_pixels * n_pixels)
    density = image / ((2 * extent / n_pixels) ** 2 * _NM2)
    return density.reshape(n_pixels, n_pixels).astype(np.float32)


def _placed(position: ArrayLike, size: ArrayLike | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    place = np.asarray(position, np.float64)
    scale: NDArray[Any] = np.ones(len(place)) if size is None else np.asarray(size, np.float64)
    if place.ndim != 2 or place.shape[1] != 3:
        raise InputError(f"position must have shape (n, 3) [m], got {place.shape}")
    if scale.shape != (len(place),):
        raise InputError(f"give a size for each of {len(place)} particles, got {scale.shape}")
    return place, scale
