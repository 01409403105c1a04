"""Which shots to label next, so that kinds are told better."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.sorting.labels import UNKNOWN

LIKE = 1.0
"""Difference of the log odds of shots that stand together [nat]."""
DOUBT = 0.1
"""Shots told wrong that are expected among those that stand together, at least, for one of them to be asked for."""
SUGGESTED = 8
"""Shots that are suggested."""


def next_to_label(
    probability: ArrayLike, misfit: ArrayLike, labels: ArrayLike | None = None, count: int = SUGGESTED
) -> NDArray[np.int64]:
    """Find the shots whose labels say most of kinds.

    Each shot stands for all whose odds are nearly the same, and is as doubtful as they are together: not only where
    the odds are even, but where many shots are nearly sure. The most doubtful comes first, then the most doubtful of
    those that do not stand with it, and so on. Where few or none are in doubt, as where there is one kind, those follow
    that fit worst.

    Parameters
    ----------
    probability : (shot,), of the wanted kind
    misfit : (shot,), as of `xfeldask.sorting.kinds.fits.misfits`
    labels : int (shot,), optional: -1 where there is none; labelled shots are left out
    count : int, shots at most

    Returns
    -------
    int64 (some,), numbers of shots

    Examples
    --------
    >>> wanted = [1, 1, 0.5, 0.9, 0.91, 0.92, 0.93, 0.9, 0.9, 0.9, 0]
    >>> next_to_label(wanted, np.zeros(11), count=2).tolist()  # seven in ten of which most are wanted, then even odds
    [3, 2]
    >>> next_to_label([1, 1, 1], [0.3, 4, 2], [-1, 0, -1], count=1).tolist()
    [2]
    """
    chance, worst = np.asarray(probability, np.float64), np.asarray(misfit, np.float64)
    free = np.ones(len(chance), bool) if labels is None else np.asarray(labels) == UNKNOWN
    with np.errstate(divide="ignore"):
        odds = np.log(chance) - np.log1p(-chance)
    doubt = np.minimum(chance, 1 - chance)
    unsure = np.flatnonzero(free & (doubt > 0))
    order = unsure[np.argsort(odds[unsure], kind="stable")]
    sums = np.append(0.0, np.cumsum(doubt[order]))
    low = np.searchsorted(odds[order], odds[order] - LIKE, "left")
    high = np.searchsorted(odds[order], odds[order] + LIKE, "right")
    together, found = sums[high] - sums[low], list[int]()
    for at in np.argsort(-together, kind="stable").tolist():
        if len(found) == count or together[at] < DOUBT:
            break
        if all(abs(odds[order[at]] - odds[shot]) > LIKE for shot in found):
            found.append(int(order[at]))
    rest = np.flatnonzero(free & ~np.isin(np.arange(len(chance)), found))
    more = rest[np.argsort(-worst[rest], kind="stable")][: count - len(found)]
    return np.append(np.array(found, np.int64), more)
