"""Photons of shots that no particle scattered: where they are to be expected, and which part of a shot they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from xfeldask.physics.jit import kernel

Array = NDArray[Any]

STEPS = 16
"""Parts of a shot's photons that are told apart: the background of a shot is hardly known to a sixteenth of it."""
MOST = 15
"""Of these parts, those that may be background: a shot of background alone would tell of no rotation."""


@dataclass(frozen=True, eq=False)
class Background:
    """Background photons that are to be expected, in the pixels of `Pixels`.

    Attributes
    ----------
    image : float64 (pixel,), photons of a shot on average
    amount : float64 (shot,), background of each shot over that of a shot on average, of its cell where cells differ
    cells : float32 (cell, pixel), photons of a shot of each cell on average, where cells differ; a shot's rotation is
        sought over the mean of them, as much of it as the shot's own cell has there
    of : int32 (shot,), cell of each shot

    Examples
    --------
    >>> found = Background(np.array([2.0, 1.0, 1.0]), np.array([1.0, 0.5, 8.0]))
    >>> (found.sixteenths(3, np.array([8, 16, 8]))).tolist()
    [8, 2, 15]
    >>> found[np.array([2])].amount.tolist()
    [8.0]
    >>> apart = Background(np.ones(2), np.ones(2), np.array([[2, 0], [0, 2]], np.float32), np.array([0, 1]))
    >>> apart.sixteenths(1, np.array([4, 4])).tolist(), apart.expected(2).tolist()
    ([8, 0], [2.0, 2.0])
    """

    image: NDArray[np.float64]
    amount: NDArray[np.float64]
    cells: NDArray[np.float32] | None = None
    of: NDArray[Any] | None = None

    def __getitem__(self, shots: NDArray[Any]) -> Self:
        """Return the background of some shots."""
        return type(self)(self.image, self.amount[shots], self.cells, None if self.of is None else self.of[shots])

    def photons(self, pixels: int) -> NDArray[np.float64]:
        """Return the background photons of each shot in the first pixels, float64 (shot,)."""
        if self.cells is None or self.of is None:
            return self.amount * float(self.image[:pixels].sum())
        return np.asarray(self.amount * self.cells[:, :pixels].sum(axis=1, dtype=np.float64)[self.of])

    def expected(self, pixels: int) -> NDArray[np.float64]:
        """Return the background photons of all shots in each of the first pixels, float64 (pixel,)."""
        if self.cells is None or self.of is None:
            return self.image[:pixels] * float(self.amount.sum())
        return np.asarray(np.bincount(self.of, self.amount, len(self.cells)) @ self.cells[:, :pixels])

    def sixteenths(self, pixels: int, photons: NDArray[Any]) -> NDArray[np.int64]:
        """Return which part of the photons of each shot in the first pixels is background, in sixteenths.

        Parameters
        ----------
        pixels : int
        photons : (shot,), of each shot in these pixels
        """
        part = self.photons(pixels) / np.maximum(photons, 1)
        return np.asarray(np.clip(np.rint(STEPS * part), 0, MOST), np.int64)


@kernel
def contrasts(
    expected: Array, factor: Array, share: Array, under: Array, reference: Array, out: Array, total: Array
) -> None:
    """Logarithm of what a pixel gets of a shot's photons, over a reference: those of a slice, and of the background.

    Parameters
    ----------
    expected : float32 (pixel, rotation), slices; multiplied by `factor`
    factor : float64 (pixel,), what each pixel sees
    share : float64 (level,), parts of a shot's photons that may be background
    under : float64 (pixel,), background, of sum 1
    reference : float64 (level, pixel), logarithm that is taken off
    out : float32 (level, pixel, rotation)
    total : float64 (rotation,), sum of each slice
    """
    total[:] = 0
    for p in range(expected.shape[0]):
        for t in range(expected.shape[1]):
            value = expected[p, t] * factor[p]
            expected[p, t] = value
            total[t] += value
    scale = np.log(total)
    for k in range(share.size):
        some = np.float32(share[k])
        for p in range(expected.shape[0]):
            for t in range(expected.shape[1]):
                if some == 0:
                    out[k, p, t] = np.log(expected[p, t]) - np.float32(scale[t] + reference[k, p])
                else:
                    mixed = (1 - some) * expected[p, t] / np.float32(total[t]) + some * np.float32(under[p])
                    out[k, p, t] = np.log(mixed) - np.float32(reference[k, p])


@kernel
def scattered(expected: Array, factor: Array, total: Array, share: Array, under: Array, out: Array) -> None:
    """Part of the photons of a pixel that particles scattered, the rest being background.

    Parameters
    ----------
    expected : float (pixel, rotation), slices
    factor, share, under : as of `contrasts`
    total : float64 (rotation,), sum of each slice
    out : float32 (level, pixel, rotation)
    """
    for k in range(share.size):
        for p in range(expected.shape[0]):
            for t in range(expected.shape[1]):
                signal = (1 - share[k]) * expected[p, t] * factor[p] / total[t]
                out[k, p, t] = signal / (signal + share[k] * under[p])
