"""What is worked on in parallel: some tiles of rotations, and the shots that are compared with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xfeldask.devices import Device
from xfeldask.orient import kernels
from xfeldask.orient.models import at_radii
from xfeldask.orient.rotations import TILE
from xfeldask.orient.shares import STEPS, contrasts, scattered
from xfeldask.orient.sparse import Pixels, SparseFrames

Task = Callable[..., Any]
Each = Callable[[Task, tuple[Any, ...], Sequence[tuple[Any, ...]]], Iterable[Any]]
"""Calls ``task(*shared, *item)`` for each item and gives the results in the items' order."""

By = Each | Device
"""What shots are compared by: tasks that are shared out, or a device."""


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
    share : float64 (level,), parts of a shot's photons that are background; 0 alone where none is known
    under : float64 (pixel,), background, of sum 1
    reference : float64 (level, pixel), log of the mean pattern with so much background, of sum 1
    level : int64 (shot,), which of the parts is that of each shot
    end : int64 (shot,), where the photons of each shot within the radius end
    photons : float64 (shot,), within the radius, that particles scattered
    constant : float64 (shot,), log likelihood of each shot under the mean pattern
    """

    at: NDArray[np.float64]
    pattern: NDArray[np.float64]
    share: NDArray[np.float64]
    under: NDArray[np.float64]
    reference: NDArray[np.float64]
    level: NDArray[np.int64]
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
        end, photons, mixed = frames.ends(m), frames.photons(m).astype(np.float64), pattern / pattern.sum()
        share, level, under = np.zeros(1), np.zeros(len(frames), np.int64), np.zeros(m)
        if (background := frames.background) is not None and background.image[:m].any():
            sixteenths, level = np.unique(background.sixteenths(m, photons), return_inverse=True)
            share, under = sixteenths / STEPS, background.image[:m] / background.image[:m].sum()
            mixed = (1 - share)[:, None] * mixed + share[:, None] * under
            photons = photons * (1 - share[level])
        reference, constant = np.log(np.atleast_2d(mixed)), np.empty((len(share), len(frames)))
        for logs, out in zip(reference, constant, strict=True):
            kernels.weighed(logs, frames.start, end, frames.pixel, frames.count, out)
        of_shot = constant[level, np.arange(len(frames))]
        return cls(at, pattern, share, under, reference, level, end, photons, of_shot)

    def scattered(self, expected: NDArray[np.floating[Any]], totals: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the part of the photons of each pixel that particles scattered, as of `shares.scattered`.

        Parameters
        ----------
        expected : float (pixel, TILE), slices
        totals : float64 (TILE,), their sums

        Returns
        -------
        float32 (level, pixel, TILE), of no level where there is no background
        """
        out = np.empty((len(self.share) if self.share.any() else 0, *expected.shape), np.float32)
        if len(out):
            scattered(expected, self.pattern, totals, self.share, self.under, out)
        return out


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
    expected = np.empty((len(view.at), TILE), np.float32)
    table = np.empty((len(view.share), *expected.shape), np.float32)
    out, totals = np.empty((len(shots), TILE), np.float32), np.ones((len(start) - 1, TILE))
    for tile in range(len(totals)):
        rows = slice(start[tile], start[tile + 1])
        if rows.start == rows.stop:
            continue
        kernels.slices(model, view.at, turns[tile * TILE : (tile + 1) * TILE], expected)
        contrasts(expected, view.pattern, view.share, view.under, view.reference, table, totals[tile])
        kernels.expand(table, view.level, frames.start, view.end, frames.pixel, frames.count, shots[rows], out[rows])
    return out, totals


def compress_part(
    frames: SparseFrames, view: View, model: NDArray[np.float32], turns: NDArray[np.float64],
    start: NDArray[np.int64], shots: NDArray[np.int32], probability: NDArray[np.float32], totals: NDArray[np.float64],
) -> NDArray[np.float64]:  # fmt: skip
    """Merge shots where tiles of rotations put them.

    Parameters
    ----------
    frames, view, model, turns, start, shots : as of `expand_part`
    probability : float32 (visit, TILE)
    totals : float64 (tile, TILE)

    Returns
    -------
    float64 (n, n, n, 2), photons, and those of the mean profile
    """
    grid, values = np.zeros((*model.shape, 2)), np.empty((len(view.at), TILE))
    expected = np.empty((len(view.at), TILE), np.float32)
    for tile in range(len(start) - 1):
        rows, turn = slice(start[tile], start[tile + 1]), turns[tile * TILE : (tile + 1) * TILE]
        if view.share.any():
            kernels.slices(model, view.at, turn, expected)
        signal = view.scattered(expected, totals[tile])
        values[:], weight = 0, np.zeros(TILE)
        kernels.compress(probability[rows], frames.start, view.end, frames.pixel, frames.count, shots[rows],
                         view.photons, signal, view.level, values, weight)  # fmt: skip
        # the fluence is what makes a slice's sum the photons of the shot
        kernels.spread(values, view.pattern, weight / totals[tile], view.at, turn, grid)
    return grid
