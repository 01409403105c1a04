"""What is worked on in parallel: some tiles of rotations, and the shots that are compared with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xfeldask.orient import kernels
from xfeldask.orient.models import at_radii
from xfeldask.orient.rotations import TILE
from xfeldask.orient.sparse import Pixels, SparseFrames

Task = Callable[..., Any]
Each = Callable[[Task, tuple[Any, ...], Sequence[tuple[Any, ...]]], Iterable[Any]]
"""Calls ``task(*shared, *item)`` for each item and gives the results in the items' order."""


def in_turn(task: Task, shared: tuple[Any, ...], items: Sequence[tuple[Any, ...]]) -> Iterable[Any]:
    """Call a task for one item after the other.

    Examples
    --------
    >>> list(in_turn(pow, (2,), [(1,), (3,)]))
    [2, 8]
    """
    return (task(*shared, *item) for item in items)


class View(NamedTuple):
    """What is looked at of the shots at a level.

    Attributes
    ----------
    at : float64 (pixel, 3), scattering vectors [grid steps]
    pattern : float64 (pixel,), the mean pattern: what each pixel sees of an intensity over its mean profile
    reference : float64 (pixel,), log of the mean pattern, of sum 1
    end : int64 (shot,), where the photons of each shot within the radius end
    photons : float64 (shot,), within the radius
    constant : float64 (shot,), log likelihood of each shot under the mean pattern
    """

    at: NDArray[np.float64]
    pattern: NDArray[np.float64]
    reference: NDArray[np.float64]
    end: NDArray[np.int64]
    photons: NDArray[np.float64]
    constant: NDArray[np.float64]

    @classmethod
    def of(cls, frames: SparseFrames, pixels: Pixels, radius: float, mean: NDArray[np.float64]) -> View:
        """Look at the pixels within a radius [bins].

        Parameters
        ----------
        frames, pixels : of all shots
        radius : [bins]
        mean : float64 (radius,), as of `profile`
        """
        m = pixels.within(radius)
        at, factor = pixels.s[:m] / pixels.step, pixels.factor[:m]
        pattern = at_radii(mean, np.linalg.norm(at, axis=1)) * factor
        reference = np.log(pattern / pattern.sum())
        end, constant = frames.ends(m), np.empty(len(frames))
        kernels.weighed(reference, frames.start, end, frames.pixel, frames.count, constant)
        return cls(at, pattern, reference, end, frames.photons(m).astype(np.float64), constant)


def expand_part(
    frames: SparseFrames, view: View, model: NDArray[np.float32], turns: NDArray[np.float64],
    start: NDArray[np.int64], shots: NDArray[np.int32],
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:  # fmt: skip
    """Compare shots with tiles of rotations.

    Parameters
    ----------
    frames, view : of all shots
    model : float32 (n, n, n), intensity over its mean profile
    turns : float64 (rotation, 3, 3), of the tiles
    start : int64 (tile + 1,), visits of each tile
    shots : int32 (visit,)

    Returns
    -------
    likelihood : float32 (visit, TILE), logarithms, over those of the mean pattern
    totals : float64 (tile, TILE), sums of the slices; 1 where nobody looked
    """
    table, expected = (np.empty((len(view.at), TILE), np.float32) for _ in range(2))
    out, totals = np.empty((len(shots), TILE), np.float32), np.ones((len(start) - 1, TILE))
    for tile in range(len(totals)):
        rows = slice(start[tile], start[tile + 1])
        if rows.start == rows.stop:
            continue
        kernels.slices(model, view.at, turns[tile * TILE : (tile + 1) * TILE], expected)
        kernels.contrasts(expected, view.pattern, view.reference, table, totals[tile])
        kernels.expand(table, frames.start, view.end, frames.pixel, frames.count, shots[rows], out[rows])
    return out, totals


def compress_part(
    frames: SparseFrames, view: View, size: int, turns: NDArray[np.float64], start: NDArray[np.int64],
    shots: NDArray[np.int32], probability: NDArray[np.float32], totals: NDArray[np.float64],
) -> NDArray[np.float64]:  # fmt: skip
    """Merge shots where tiles of rotations put them.

    Parameters
    ----------
    frames, view, turns, start, shots : as of `expand_part`
    size : int, points a side of the grid
    probability : float32 (visit, TILE)
    totals : float64 (tile, TILE)

    Returns
    -------
    float64 (n, n, n, 2), photons, and those of the mean profile
    """
    grid, values = np.zeros((size, size, size, 2)), np.empty((len(view.at), TILE))
    for tile in range(len(start) - 1):
        rows = slice(start[tile], start[tile + 1])
        values[:], weight = 0, np.zeros(TILE)
        kernels.compress(probability[rows], frames.start, view.end, frames.pixel, frames.count, shots[rows],
                         view.photons, values, weight)  # fmt: skip
        # the fluence is what makes a slice's sum the photons of the shot
        kernels.spread(values, view.pattern, weight / totals[tile], view.at,
                       turns[tile * TILE : (tile + 1) * TILE], grid)  # fmt: skip
    return grid
