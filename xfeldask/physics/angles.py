"""Angles by which people tell an orientation, folded by the particle's symmetry or not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GROUPS = (*(f"{kind}{n}" for kind in "CD" for n in range(2, 9)), "T", "O", "I")
"""Point groups that orientations can be folded by."""
ANGLES = {
    "azimuth": "azimuth of the first particle's axis",
    "elevation": "elevation of the first particle's axis",
    "rotation": "rotation of the first particle about its axis",
}
"""What tells an orientation, in the order of `axis_angles`."""


def folded(name: str, group: str) -> str:
    """Return the name of one of `ANGLES` after orientations have been folded by one of `GROUPS`, or by none.

    Examples
    --------
    >>> folded("azimuth", "D8"), folded("azimuth", "")
    ('azimuth_D8', 'azimuth')
    """
    return f"{name}_{group}" if group else name


def axis_angles(q: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Compute where a particle's z axis points, and how far the particle is rotated about it.

    The quaternion is a turn about z, then the shortest way from z to the axis; q and -q give the same angles.

    Parameters
    ----------
    q : (shot, 4), quaternions (w, x, y, z) of any length but 0

    Returns
    -------
    azimuth : float64 (shot,), from x to y, in (-180, 180] [deg]
    elevation : float64 (shot,), above the plane of x and y, in [-90, 90] [deg]
    rotation : float64 (shot,), in (-180, 180]; 0 where the axis points to -z, which no shortest way leads to [deg]

    Examples
    --------
    >>> [angle.tolist() for angle in axis_angles(np.array([[1.0, 0, 1, 0], [1, 0, 0, 1]]))]
    [[0.0, 0.0], [0.0, 90.0], [0.0, 90.0]]
    """
    w, x, y, z = np.asarray(q, np.float64).T
    along = 2 * (x * z + w * y), 2 * (y * z - w * x), w * w + z * z - x * x - y * y
    # adding zero turns -0.0 into 0.0, and -180 into 180
    azimuth, rotation = (np.arctan2(a + 0.0, b + 0.0) for a, b in ((along[1], along[0]), (2 * w * z, w * w - z * z)))
    elevation = np.arctan2(along[2], np.hypot(along[0], along[1]))
    return np.degrees(azimuth), np.degrees(elevation), np.degrees(rotation)
