"""How the photons of a shot are spread: by distance from the beam, and over bins that hold few or many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import CorruptStoreError
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.store.choosing.columns import Shots
from xfeldask.store.results.labels import LABELS

ALL = "all shots"
CLASSES = ("single", "multiple")
"""Verdicts whose shots have means of their own."""
SAMPLE = 100
"""Shots of a class by which its mean is known, evenly chosen."""
EDGES = np.unique(np.round(2 ** np.arange(0, 20.5, 0.5)))
"""Numbers of photons: each alone while they are few, then so many that a bin is about 1.4 times as wide as the last."""


@dataclass(frozen=True, eq=False)
class Brightness:
    """Curves of one shot, or the mean curves of some.

    Attributes
    ----------
    q : float64 (ring,) [1/nm]
    photons : float64 (ring,), mean photons in a bin at this distance from the beam
    number : float64 (step,), photons that a bin holds, from 1 on
    bins : float64 (step,), how many bins hold this number
    """

    q: NDArray[np.float64]
    photons: NDArray[np.float64]
    number: NDArray[np.float64]
    bins: NDArray[np.float64]


def brightness(pictures: Pictures, shots: Sequence[int]) -> Brightness:
    """Return the mean curves of some shots, at least one.

    Raises
    ------
    CorruptStoreError
        The photons of one of them cannot be read.

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path, two = tempfile.mkdtemp() + "/run.zarr", ([[0, 0, 0], [2e-9, 0, 0]], ["C", "C"])
    >>> _ = xfeldask.simulate(path, particle=two, detector="square-32", n_shots=4, progress=False)
    >>> found = brightness(Pictures(xfeldask.open_run(path)), [0, 1])
    >>> found.q.shape == found.photons.shape, found.number[:1].tolist()
    (True, [1.0])
    """
    grid, images = pictures.finest(shots)
    q, photons = pictures.profiles(images)
    held, _ = np.histogram(images[:, grid.weight > 0], EDGES)
    used = slice(0, int(np.flatnonzero(held).max(initial=0)) + 1)
    # of a step that holds several numbers, the bins for one of them
    bins = held / np.diff(EDGES) / len(images)
    return Brightness(q, photons.mean(axis=0, dtype=np.float64), EDGES[:-1][used], bins[used])


def class_means(pictures: Pictures, shots: Shots) -> Mapping[str, Brightness]:
    """Return mean curves of all shots and of those that a rule took for each of `CLASSES`; none of what has no shot.

    They are worked out once for all who look at these shots.
    """
    by = ["verdict"] if "verdict" in shots.names() else []
    found: Mapping[str, Brightness] = shots.kept(_Means(pictures), *by)
    return found


@dataclass(frozen=True)
class _Means:
    """What works out mean curves; equal to another of the same pictures, so that what it found is found again."""

    pictures: Pictures

    def __call__(self, verdict: NDArray[Any] | None = None) -> Mapping[str, Brightness]:
        done = self.pictures.run.done()
        among = {ALL: done}
        if verdict is not None:
            among |= {name: done & (verdict == LABELS[name]) for name in CLASSES}
        found = {}
        for name, mask in among.items():
            at = np.flatnonzero(mask)
            if len(at):
                some = at[np.unique(np.linspace(0, len(at) - 1, SAMPLE).astype(int))]
                try:
                    found[name] = brightness(self.pictures, some.tolist())
                except CorruptStoreError:
                    continue
        return found
