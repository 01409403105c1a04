"""Two sets of shots side by side: their patterns, and the quantities in which they differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.explorer.model.masks import Mask
from xfeldask.explorer.model.palette import CYCLIC
from xfeldask.explorer.model.pictures import NM, RINGS, Picture, Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.model.words import called
from xfeldask.features.profiles import radial_profile, s_edges

BLOCK = 256
"""Shots that are read at once."""
MOST_BLOCKS = 120
"""Blocks that are read of a set: all of them where a set lies in no more, else as many, evenly chosen."""

Pair = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Patterns:
    """Photons of a set of shots, bin by bin and ring by ring.

    Attributes
    ----------
    n, used : int, shots of the set, and those whose photons were read
    mean, error : float64 (y, x), photons in a bin, and the standard error of that; NaN where nothing was measured
    curve, curve_error : float64 (ring,), the same in rings about the beam
    """

    n: int
    used: int
    mean: NDArray[np.float64]
    error: NDArray[np.float64]
    curve: NDArray[np.float64]
    curve_error: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Difference:
    """A quantity of two sets.

    Attributes
    ----------
    name : str
    label : str, with its unit
    means, deviations : of each set
    size : difference of the means over the standard deviation within the sets
    """

    name: str
    label: str
    means: tuple[float, float]
    deviations: tuple[float, float]
    size: float


def patterns(pictures: Pictures, zoom: str, mask: Mask, advance: Callable[[int], object] | None = None) -> Patterns:
    """Read the photons of a set of shots.

    Parameters
    ----------
    pictures : Pictures
    zoom : str, of `ZOOMS`, which tells what bins are read
    mask : bool (shot,)
    advance : called with how many more shots have been read

    Raises
    ------
    InputError
        There is no shot in the set.
    CorruptStoreError
        The photons cannot be read.
    """
    name, grid = pictures.bins(zoom)
    sums, rings = np.zeros((2, *grid.shape)), np.zeros((2, RINGS))
    used = 0
    for shots in blocks(mask):
        images = pictures.block(name, shots).astype(np.float64)
        curves = radial_profile(images, grid, RINGS).astype(np.float64)
        used += len(images)
        for found, of in ((sums, images), (rings, curves)):
            found[0] += of.sum(axis=0)
            found[1] += (of**2).sum(axis=0)
        if advance is not None:
            advance(len(images))
    if not used:
        raise InputError("there is no shot in one of the sets; select some, or choose another set")
    mean, error = _mean(sums[0], sums[1], used)
    dark = grid.weight == 0
    mean[dark] = error[dark] = np.nan
    return Patterns(int(mask.sum()), used, mean, error, *_mean(rings[0], rings[1], used))


def blocks(mask: Mask) -> Iterator[NDArray[np.int64]]:
    """Return the shots of a set in blocks that are read at once, of many blocks some, evenly chosen.

    Examples
    --------
    >>> [len(block) for block in blocks(np.ones(600, bool))]
    [256, 256, 88]
    """
    shots = np.flatnonzero(mask).astype(np.int64)
    found = np.split(shots, np.flatnonzero(np.diff(shots // BLOCK)) + 1) if len(shots) else []
    step = np.unique(np.linspace(0, len(found) - 1, min(len(found), MOST_BLOCKS)).astype(int)) if found else ()
    return (found[i] for i in step)


def apart(a: Patterns, b: Patterns) -> NDArray[np.float64]:
    """Return the difference of two means in its standard deviations, bin by bin; NaN where nothing was measured.

    Photons are counted, so their variance is no less than their mean: a set without photons in a bin is no proof.
    """
    pooled = (a.used * a.mean + b.used * b.mean) / (a.used + b.used)
    squared = sum(np.maximum(one.error**2, pooled / one.used) for one in (a, b))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (a.mean - b.mean) / np.sqrt(squared)
    return np.asarray(np.where(a.mean == b.mean, 0.0, found))


def middles(pictures: Pictures, zoom: str) -> NDArray[np.float64]:
    """Return the middles of the rings of curves [1/nm]."""
    edges = s_edges(pictures.bins(zoom)[1], RINGS) / NM
    return np.asarray((edges[1:] + edges[:-1]) / 2)


def differences(session: Session, a: Mask, b: Mask) -> list[Difference]:
    """Compare two sets by each quantity that is a number, those that differ most first."""
    found = []
    for name in session.quantities:
        if session.classes(name) or session.all_alike(name) or name in CYCLIC:  # these have no mean
            continue
        column = session.shots.shown(name)
        values = np.asarray(column.values, np.float64)
        sides = [values[mask & np.isfinite(values)] for mask in (a, b)]
        if min(map(len, sides)) < 2:
            continue
        means, deviations = [float(side.mean()) for side in sides], [float(side.std()) for side in sides]
        within = float(np.sqrt(np.mean(np.square(deviations))))
        size = (means[0] - means[1]) / within if within else 0.0 if means[0] == means[1] else np.inf
        if not size:
            continue
        label = called(column) if column.units in ("1", "count") else f"{called(column)} ({column.units})"
        found.append(Difference(name, label, (means[0], means[1]), (deviations[0], deviations[1]), float(size)))
    return sorted(found, key=lambda one: -abs(one.size))


def class_counts(session: Session, a: Mask, b: Mask) -> dict[str, list[tuple[str, int, int, int]]]:
    """Count the shots of each class, in either set and in all, by the label of the quantity."""
    out: dict[str, list[tuple[str, int, int, int]]] = {}
    for name in session.quantities:
        classes, column = session.classes(name), session.shots.column(name)
        if classes and not name.startswith("label_"):
            there = ((meaning, column.values == value) for value, meaning in classes)
            rows = [(told, int((at & a).sum()), int((at & b).sum()), int(at.sum())) for told, at in there]
            out[called(column)] = [row for row in rows if row[3]]
    return {label: rows for label, rows in out.items() if len(rows) > 1}


def shown(pictures: Pictures, zoom: str, values: NDArray[np.float64]) -> Picture:
    """Place values of bins, and cut out the part that is looked at."""
    extent = pictures.extent_of(zoom)
    return pictures.cut(Picture(values.astype(np.float32), extent), zoom)


def _mean(total: NDArray[np.float64], squares: NDArray[np.float64], n: int) -> Pair:
    """Return the mean, and its standard error; of one shot as if its photons were drawn at random."""
    mean = total / n
    variance = np.maximum(squares / n - mean**2, 0) if n > 1 else mean
    return mean, np.sqrt(variance / max(n - 1, 1))
