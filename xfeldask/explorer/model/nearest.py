"""The shot under the pointer, and the shots most like one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.physics.jit import kernel


class Nearest:
    """A finder of the point nearest to the pointer as the screen shows them, at any zoom.

    Points are kept in order of x, so that from the pointer on only those are looked at that can be nearer than the
    nearest so far.

    Parameters
    ----------
    x, y : (n,); points that are not finite are never found

    Raises
    ------
    InputError
        x and y of different lengths.

    Examples
    --------
    >>> nearest = Nearest(np.array([0.0, 1.0]), np.array([0.0, 100.0]))
    >>> nearest.find(0.9, 60.0, x_per_pixel=0.01, y_per_pixel=10.0)
    1
    """

    def __init__(self, x: NDArray[Any], y: NDArray[Any]) -> None:
        if x.ndim != 1 or x.shape != y.shape:
            raise InputError(f"x and y must be of the same points (n,), got {x.shape} and {y.shape}")
        at = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
        self._n = len(x)
        self._shot = at[np.argsort(x[at], kind="stable")]
        self._x, self._y = x[self._shot].astype(np.float64), y[self._shot].astype(np.float64)

    def find(
        self,
        px: float,
        py: float,
        x_per_pixel: float,
        y_per_pixel: float,
        within_pixels: float = 15,
        among: NDArray[np.bool_] | None = None,
    ) -> int | None:
        """Find the nearest point, of equally near ones the one of smallest index.

        Parameters
        ----------
        px, py : where the pointer is, in the units of x and y
        x_per_pixel, y_per_pixel : what a pixel of the screen is wide and high, above 0
        within_pixels : farthest that a point may be
        among : bool (n,), the points that can be found; all when not given

        Returns
        -------
        int or None, None where no point is near enough, or the pointer is nowhere

        Raises
        ------
        InputError
            A scale that is not above 0, or another number of points.
        """
        if not (0 < x_per_pixel < np.inf and 0 < y_per_pixel < np.inf):
            raise InputError(f"a pixel must be wider and higher than 0, got {x_per_pixel} by {y_per_pixel}")
        if among is not None and among.shape != (self._n,):
            raise InputError(f"among tells of {among.shape} points, there are {self._n}; give one boolean each")
        if not (np.isfinite(px) and np.isfinite(py)):
            return None
        among = np.ones(self._n, np.bool_) if among is None else np.ascontiguousarray(among)
        pointer, pixel = np.array([px, py], np.float64), np.array([x_per_pixel, y_per_pixel], np.float64)
        found = _find(self._x, self._y, self._shot, among, pointer, pixel, float(within_pixels))
        return None if found < 0 else int(found)


@kernel
def _find(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    shot: NDArray[np.int64],
    among: NDArray[np.bool_],
    pointer: NDArray[np.float64],
    pixel: NDArray[np.float64],
    within: float,
) -> int:
    """Find the shot nearest to the pointer, of equally near ones the smallest, -1 where none is near enough.

    Parameters
    ----------
    x, y : float64 (n,), in order of x
    shot : int64 (n,)
    among : bool (shot,), those that can be found
    pointer, pixel : float64 (2,), where it is, and how wide and high a pixel is
    within : farthest that a point may be [pixels]
    """
    found, least = -1, within**2
    start = np.searchsorted(x, pointer[0])
    for step in (-1, 1):
        i = start + min(step, 0)
        while 0 <= i < len(x):
            across = ((x[i] - pointer[0]) / pixel[0]) ** 2
            # nor is anything beyond it near enough
            if across > least:
                break
            away = across + ((y[i] - pointer[1]) / pixel[1]) ** 2
            if ((away < least) | ((away == least) & ((found < 0) | (shot[i] < found)))) and among[shot[i]]:
                found, least = shot[i], away
            i += step
    return found


def neighbours(latent: NDArray[Any], shot: int, k: int) -> NDArray[np.int64]:
    """Find the shots nearest to one in the latent space, itself left out; all are looked at.

    Parameters
    ----------
    latent : (shot, component); shots with coordinates that are not finite are never found
    shot : int
    k : int, how many

    Returns
    -------
    int64 (k,), nearest first, of equally near ones the smaller index first; fewer if there are no more

    Raises
    ------
    InputError
        No such shot, one without coordinates, k below 1.

    Examples
    --------
    >>> neighbours(np.array([[0.0], [5.0], [1.0], [-1.0]]), 0, 2).tolist()
    [2, 3]
    """
    n = len(latent)
    if not 0 <= shot < n:
        raise InputError(f"there are shots 0 to {n - 1}, got {shot}")
    if k < 1:
        raise InputError(f"ask for at least 1 neighbour, got {k}")
    place = np.asarray(latent[shot], np.float64)
    if not np.isfinite(place).all():
        raise InputError(f"shot {shot} has no finite coordinates; choose another")
    squared = np.zeros(n)
    for i, coordinate in enumerate(place):
        squared += (latent[:, i] - coordinate) ** 2
    squared[shot] = np.nan
    there = np.flatnonzero(np.isfinite(squared))
    if len(there) > k:
        there = there[squared[there] <= np.partition(squared[there], k - 1)[k - 1]]
    return there[np.argsort(squared[there], kind="stable")][:k].astype(np.int64)
