"""A threshold moved by hand: what it would keep, lose and let in, at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError


@dataclass(frozen=True)
class Counts:
    """Shots on both sides of a threshold.

    Attributes
    ----------
    kept, flagged : int
    singles_kept, let_in, kept_out, singles_lost : int, or None where the truth is not known
    """

    kept: int
    flagged: int
    singles_kept: int | None = None
    let_in: int | None = None
    kept_out: int | None = None
    singles_lost: int | None = None

    @property
    def purity(self) -> float:
        """Part of singles among the kept; NaN where the truth is not known or nothing is kept."""
        return np.nan if self.singles_kept is None or not self.kept else self.singles_kept / self.kept

    @property
    def loss(self) -> float:
        """Part of the singles that is lost; NaN where the truth is not known or there are none."""
        if self.singles_kept is None or self.singles_lost is None or not self.singles_kept + self.singles_lost:
            return np.nan
        return self.singles_lost / (self.singles_kept + self.singles_lost)


class Threshold:
    """Counts at any threshold, from shots sorted once.

    Parameters
    ----------
    score : (shot,), kept are those at or above the threshold; not finite ones are never kept nor near
    single : bool (shot,), the truth where it is known

    Examples
    --------
    >>> threshold = Threshold(np.array([0.0, 1.0, 2.0, 3.0]), np.array([False, True, False, True]))
    >>> threshold.at(1.5)
    Counts(kept=2, flagged=2, singles_kept=1, let_in=1, kept_out=1, singles_lost=1)
    """

    def __init__(self, score: NDArray[np.floating], single: NDArray[np.bool_] | None = None) -> None:
        if single is not None and single.shape != score.shape:
            raise InputError(f"one truth for each score, got {single.shape} and {score.shape}")
        self._n = len(score)
        there = np.flatnonzero(np.isfinite(score))
        self._shot = there[np.argsort(score[there], kind="stable")]
        self._score = score[self._shot].astype(np.float64)
        self._single = single
        if single is not None:
            # singles and others above each place
            sorted_single = single[self._shot]
            self._singles = np.concatenate([np.cumsum(sorted_single[::-1])[::-1], [0]])
            self._others = np.concatenate([np.cumsum(~sorted_single[::-1])[::-1], [0]])

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest score; (0, 1) where there is none."""
        return (float(self._score[0]), float(self._score[-1])) if len(self._score) else (0.0, 1.0)

    @property
    def middle(self) -> float:
        """Median of the scores; 0 where there is none."""
        return float(np.median(self._score)) if len(self._score) else 0.0

    def at(self, threshold: float) -> Counts:
        """Counts at a threshold."""
        place = int(np.searchsorted(self._score, threshold, "left"))
        kept = len(self._score) - place
        if self._single is None:
            return Counts(kept, self._n - kept)
        singles, others = int(self._single.sum()), int((~self._single).sum())
        good, bad = int(self._singles[place]), int(self._others[place])
        return Counts(kept, self._n - kept, good, bad, others - bad, singles - good)

    def curve(self, n: int = 400) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """ROC: part of the others let in, and of the singles kept, at `n` thresholds at most, the highest last.

        Empty without truth, or where all shots are of one kind.
        """
        if self._single is None or self._single.all() or not self._single.any():
            return np.zeros(0), np.zeros(0)
        place = np.unique(np.linspace(0, len(self._score), n).astype(int))
        # shots of one score are kept or flagged together
        here = place < len(self._score)
        place[here] = np.searchsorted(self._score, self._score[place[here]], "left")
        place = np.unique(place)
        return self._others[place] / (~self._single).sum(), self._singles[place] / self._single.sum()

    @cached_property
    def area(self) -> float:
        """Area under the ROC of all thresholds; NaN where there is none."""
        if self._single is None or self._single.all() or not self._single.any():
            return np.nan
        # where another score begins, and the end
        place = np.concatenate([[True], np.diff(self._score) > 0, [True]])[: len(self._score) + 1].nonzero()[0]
        others, singles = self._others[place] / (~self._single).sum(), self._singles[place] / self._single.sum()
        # shots without a score come last, all at once
        return float(np.trapezoid([*singles[::-1], 1.0], [*others[::-1], 1.0]))

    def between(self, kept: NDArray[np.bool_]) -> float | None:
        """The lowest score of what is kept, if all that is flagged has a lower one; else None."""
        kept = kept[self._shot]
        place = len(kept) - int(kept.sum())
        return float(self._score[place]) if kept.any() and kept[place:].all() and not self._tied(place) else None

    def _tied(self, place: int) -> bool:
        return place > 0 and bool(self._score[place - 1] == self._score[place])

    def nearest(self, threshold: float, k: int) -> NDArray[np.int64]:
        """Shots nearest to a threshold, the lowest score first."""
        place = int(np.searchsorted(self._score, threshold, "left"))
        around = np.arange(max(0, place - k), min(len(self._score), place + k))
        order = np.argsort(np.abs(self._score[around] - threshold), kind="stable")[:k]
        return self._shot[np.sort(around[order])]
