"""Shots that are picked in a list, as files are: one, a run of them, one more or one less."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xfeldask.explorer.model.masks import Mask

RUN, ONE_MORE = "run", "one more"
"""What a pick does besides picking one shot alone: pick all from the last one on, add or leave out one."""


class Group:
    """Shots that were picked.

    Examples
    --------
    >>> group, order = Group(), np.array([7, 5, 3, 1])
    >>> for place, how in ((1, ""), (3, RUN), (2, ONE_MORE)):
    ...     group.pick(order, place, how)
    >>> sorted(group.shots)
    [1, 5]
    """

    def __init__(self) -> None:
        self.shots: set[int] = set()
        self._last: int | None = None

    def pick(self, order: NDArray[np.int64], place: int, how: str = "") -> None:
        """Pick the shot at a place of a list.

        Parameters
        ----------
        order : (n,), shots as they are listed
        place : int
        how : str, empty to pick it alone, or `RUN`, or `ONE_MORE`
        """
        shot = int(order[place])
        if how == RUN:
            before = np.flatnonzero(order == self._last)
            first, last = sorted((int(before[0]) if len(before) else place, place))
            self.shots |= {int(one) for one in order[first : last + 1]}
        else:
            self.shots = self.shots ^ {shot} if how == ONE_MORE else {shot}
        self._last = shot

    def clear(self) -> None:
        """Pick nothing."""
        self.shots, self._last = set(), None

    def mask(self, n_shots: int) -> Mask:
        """Return which shots were picked, bool (shot,)."""
        out = np.zeros(n_shots, bool)
        out[list(self.shots)] = True
        return out
