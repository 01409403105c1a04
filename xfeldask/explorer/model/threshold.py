"""A threshold moved by hand: what it would accept and reject, at once."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.scores import Confusion


class Threshold:
    """Shots on both sides of any threshold, counted after they have been sorted once.

    Parameters
    ----------
    score : (shot,), accepted are those at or above the threshold; not finite ones are never accepted nor near
    single : bool (shot,), the truth where it is known

    Examples
    --------
    >>> threshold = Threshold(np.array([0.0, 1.0, 2.0, 3.0]), np.array([False, True, False, True]))
    >>> threshold.accepted(1.5)
    2
    >>> threshold.confusion(1.5)
    Confusion(singles_accepted=1, multiples_accepted=1, multiples_rejected=1, singles_rejected=1)
    """

    def __init__(self, score: NDArray[np.floating], single: NDArray[np.bool_] | None = None) -> None:
        if single is not None and single.shape != score.shape:
            raise InputError(f"one truth for each score, got {single.shape} and {score.shape}")
        self.shots = len(score)
        there = np.flatnonzero(np.isfinite(score))
        self._shot = there[np.argsort(score[there], kind="stable")]
        self._score = score[self._shot].astype(np.float64)
        self._single = single
        if single is not None:
            # singles and multiples above each place
            sorted_single = single[self._shot]
            self._singles = np.concatenate([np.cumsum(sorted_single[::-1])[::-1], [0]])
            self._multiples = np.concatenate([np.cumsum(~sorted_single[::-1])[::-1], [0]])

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest score; (0, 1) where there is none."""
        return (float(self._score[0]), float(self._score[-1])) if len(self._score) else (0.0, 1.0)

    @property
    def middle(self) -> float:
        """Median of the scores; 0 where there is none."""
        return float(np.median(self._score)) if len(self._score) else 0.0

    def accepted(self, threshold: float) -> int:
        """Count the shots at or above a threshold.

        Examples
        --------
        >>> Threshold(np.array([0.0, 1.0, np.nan])).accepted(0.5)
        1
        """
        return len(self._score) - self._place(threshold)

    def confusion(self, threshold: float) -> Confusion | None:
        """Count the shots on both sides of a threshold by truth; None where the truth is not known."""
        if self._single is None:
            return None
        place, singles = self._place(threshold), int(self._single.sum())
        right, wrong = int(self._singles[place]), int(self._multiples[place])
        return Confusion(right, wrong, self.shots - singles - wrong, singles - right)

    def _place(self, threshold: float) -> int:
        return int(np.searchsorted(self._score, threshold, "left"))

    def curve(self, n: int = 400) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Compute the ROC: fractions of the multiples and of the singles that are accepted, at `n` thresholds at most.

        The highest threshold comes last. Empty without truth, or where all shots are of one kind.
        """
        if self._single is None or self._single.all() or not self._single.any():
            return np.zeros(0), np.zeros(0)
        place = np.unique(np.linspace(0, len(self._score), n).astype(int))
        # shots of one score are accepted or rejected together
        here = place < len(self._score)
        place[here] = np.searchsorted(self._score, self._score[place[here]], "left")
        place = np.unique(place)
        return self._multiples[place] / (~self._single).sum(), self._singles[place] / self._single.sum()

    @cached_property
    def area(self) -> float:
        """Area under the ROC of all thresholds; NaN where there is none."""
        if self._single is None or self._single.all() or not self._single.any():
            return np.nan
        # where another score begins, and the end
        place = np.concatenate([[True], np.diff(self._score) > 0, [True]])[: len(self._score) + 1].nonzero()[0]
        multiples, singles = self._multiples[place] / (~self._single).sum(), self._singles[place] / self._single.sum()
        # shots without a score come last, all at once
        return float(np.trapezoid([*singles[::-1], 1.0], [*multiples[::-1], 1.0]))

    def between(self, accepted: NDArray[np.bool_]) -> float | None:
        """Find the lowest score of the accepted shots, if all rejected ones have a lower one; else None.

        Examples
        --------
        >>> Threshold(np.array([0.0, 1.0, 2.0])).between(np.array([False, True, True]))
        1.0
        """
        accepted = accepted[self._shot]
        place = len(accepted) - int(accepted.sum())
        apart = accepted.any() and accepted[place:].all() and not self._tied(place)
        return float(self._score[place]) if apart else None

    def _tied(self, place: int) -> bool:
        return place > 0 and bool(self._score[place - 1] == self._score[place])

    def nearest(self, threshold: float, k: int) -> NDArray[np.int64]:
        """Find the shots nearest to a threshold, the lowest score first.

        Examples
        --------
        >>> Threshold(np.array([3.0, 0.0, 1.0])).nearest(1.2, 2).tolist()
        [1, 2]
        """
        place = self._place(threshold)
        around = np.arange(max(0, place - k), min(len(self._score), place + k))
        order = np.argsort(np.abs(self._score[around] - threshold), kind="stable")[:k]
        return self._shot[np.sort(around[order])]
