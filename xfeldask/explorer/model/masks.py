"""Masks of shots: what a lasso or a box holds, and how one selection follows another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import InputError, UnknownNameError

Mask = NDArray[np.bool_]

COMBINATIONS: dict[str, Callable[[Mask, Mask], Mask]] = {
    "replace": lambda old, new: new.copy(),  # noqa: ARG005
    "add": lambda old, new: old | new,
    "subtract": lambda old, new: old & ~new,
    "intersect": lambda old, new: old & new,
}
CELLS = 64
"""Number of cells along each side of the grid by which a lasso sorts many points."""
_POLYGON, _MULTIPOLYGON = 3, 6


def in_polygon(x: NDArray[Any], y: NDArray[Any], vertices: ArrayLike) -> Mask:
    """Find the points inside a lasso; where it crosses itself, those that it goes around an odd number of times.

    Parameters
    ----------
    x, y : (n,); points that are not finite are never inside
    vertices : (vertex, 2), x and y of the line, closed or not

    Returns
    -------
    bool (n,), false for points exactly on the line

    Raises
    ------
    InputError
        Fewer than 3 vertices, or vertices that are not finite; x and y of different lengths.

    Examples
    --------
    >>> in_polygon(np.array([1.0, 3, np.nan]), np.array([1.0, 3, 0]), [[0, 0], [4, 0], [0, 4]]).tolist()
    [True, False, False]
    """
    line = np.asarray(vertices, np.float64)
    if line.ndim != 2 or line.shape[1] != 2 or len(line) < 3:
        raise InputError(f"a lasso needs 3 or more vertices (vertex, 2), got shape {line.shape}; draw a larger one")
    if not np.isfinite(line).all():
        raise InputError("a vertex of the lasso is not finite; draw inside the plot")
    near = in_box(x, y, (*line.min(axis=0), *line.max(axis=0)))
    at = np.flatnonzero(near)
    near[at] = _inside(_area(line), x[at], y[at])
    return near


def _inside(area: shapely.Geometry, x: NDArray[Any], y: NDArray[Any]) -> Mask:
    """Find the points inside an area; of many, only those near its line are looked at one by one.

    Of a cell of a grid that the line does not cross, all points are inside, or none.
    """
    low, high = (np.array(area.bounds[i : i + 2]) for i in (0, 2))
    step = (high - low) / CELLS
    if len(x) < CELLS**2 or not (step > 0).all():
        return np.asarray(shapely.contains_xy(area, x, y))
    left, bottom = (
        a.ravel() for a in np.meshgrid(*(start + np.arange(CELLS) * s for start, s in zip(low, step, strict=True)))
    )
    slack = step * 1e-3  # rounding may put a point into the next cell
    cells = shapely.box(left - slack[0], bottom - slack[1], left + step[0] + slack[0], bottom + step[1] + slack[1])
    border = area.boundary
    shapely.prepare(border)
    crossed = shapely.intersects(border, cells)
    filled = shapely.contains_xy(area, left + step[0] / 2, bottom + step[1] / 2)
    column, row = (
        np.clip((v - start) * (1 / s), 0, CELLS - 1).astype(np.intp)
        for v, start, s in zip((x, y), low, step, strict=True)
    )
    cell = row * CELLS + column
    inside = np.asarray(filled[cell])
    at = np.flatnonzero(crossed[cell])
    inside[at] = shapely.contains_xy(area, x[at], y[at])
    return inside


def in_box(x: NDArray[Any], y: NDArray[Any], box: tuple[float, float, float, float]) -> Mask:
    """Find the points inside a box or on its edges.

    Parameters
    ----------
    x, y : (n,); points that are not finite are never inside
    box : (x, y) of a corner, then of the corner across from it

    Returns
    -------
    bool (n,)

    Raises
    ------
    InputError
        A corner that is no number; x and y of different lengths.

    Examples
    --------
    >>> in_box(np.array([0.0, 2, np.nan]), np.array([1.0, 1, 1]), (1, 1, 0, 0)).tolist()
    [True, False, False]
    """
    if x.ndim != 1 or x.shape != y.shape:
        raise InputError(f"x and y must be of the same points (n,), got {x.shape} and {y.shape}")
    if np.isnan(box).any():
        raise InputError(f"a box needs two corners x, y, x, y, got {box}")
    (left, right), (low, high) = sorted((float(box[0]), float(box[2]))), sorted((float(box[1]), float(box[3])))
    inside = (x >= np.float64(left)) & (x <= np.float64(right))
    inside &= (y >= np.float64(low)) & (y <= np.float64(high))
    # a box without end holds no points without end
    return inside if np.isfinite(box).all() else inside & np.isfinite(x) & np.isfinite(y)


def combine(old: Mask, new: Mask, how: str) -> Mask:
    """Combine a selection with another; neither is changed.

    Parameters
    ----------
    old, new : bool (n,)
    how : "replace", "add", "subtract" or "intersect"

    Raises
    ------
    UnknownNameError
        Any other way.
    InputError
        Masks of different lengths, or no masks.

    Examples
    --------
    >>> combine(np.array([True, True, False]), np.array([True, False, True]), "subtract").tolist()
    [False, True, False]
    """
    if how not in COMBINATIONS:
        raise UnknownNameError("way to combine selections", how, COMBINATIONS)
    if old.dtype != bool or new.dtype != bool or old.shape != new.shape:
        told = " and ".join(f"{mask.dtype} {mask.shape}" for mask in (old, new))
        raise InputError(f"selections are booleans of the same shots, got {told}")
    return COMBINATIONS[how](old, new)


def _area(line: NDArray[np.float64]) -> Any:
    area = shapely.Polygon(line)
    if not area.is_valid:
        parts = shapely.get_parts(shapely.make_valid(area))
        # pieces of the line that enclose nothing hold no points
        flat = shapely.get_parts(parts[np.isin(shapely.get_type_id(parts), (_POLYGON, _MULTIPOLYGON))])
        area = shapely.MultiPolygon(list(flat))
    shapely.prepare(area)
    return area
