"""Thresholds on log odds of a single hit, and what each of them is expected to cost."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xfeldask.sorting.expected import most_expected

Array = NDArray[np.float64]

LET_IN = 0.5
"""Expected number of multiples among the accepted below which a stricter threshold is not worth a single."""
WORTH = 5
"""Singles that rejecting one more multiple may cost."""


class Cuts:
    """All cuts of some hits in the order of their scores; at a cut before place k, places k and above are accepted.

    Parameters
    ----------
    score : (hit,), log odds of a single hit

    Attributes
    ----------
    ordered : (hit,), scores in ascending order
    others : (hit + 1,), expected number of accepted hits that are not single
    lost : (hit + 1,), expected fraction of the singles that are rejected

    Examples
    --------
    >>> cuts = Cuts(np.array([0.0, 9.0, -9.0]))
    >>> cuts.others.round(2).tolist(), cuts.threshold(cuts.pure(0.1))
    ([1.5, 0.5, 0.0, 0.0], 4.5)
    """

    def __init__(self, score: Array) -> None:
        from scipy.special import expit

        self.ordered = np.sort(score)
        single = expit(self.ordered)
        self.others = np.concatenate([np.cumsum(expit(-self.ordered)[::-1])[::-1], [0.0]])
        self.lost = np.concatenate([[0.0], np.cumsum(single)]) / max(single.sum(), 1e-300)

    def worthwhile(self, let_in: float = LET_IN) -> int:
        """Return the loosest cut at which fewer multiples are expected, or one more would cost `WORTH` singles."""
        return min(int(np.argmax(self.others < let_in)), int(np.searchsorted(self.ordered, np.log(WORTH))))

    def allowed(self, max_singles_lost: float) -> int:
        """Return the strictest cut that loses no larger fraction of the singles."""
        return int(np.searchsorted(self.lost, max_singles_lost, side="right")) - 1

    def pure(self, max_contamination: float) -> int:
        """Return the loosest cut at which no larger fraction of the accepted is other than single by its interval.

        The interval is that of `xfeldask.sorting.expected`. Equal scores are on one side; where no hit is sure enough
        none is accepted.
        """
        pure = self.others <= most_expected(np.arange(len(self.ordered), -1, -1), max_contamination)
        between = np.concatenate([[True], self.ordered[1:] > self.ordered[:-1], [True]])
        return int(np.argmax(pure & between))

    def threshold(self, place: int) -> float:
        """Return the score half way between the hits on both sides of a cut."""
        ordered = self.ordered
        below = ordered[place - 1] if place else ordered[0] - 1
        above = ordered[place] if place < len(ordered) else ordered[-1] + 1
        return float((below + above) / 2)


def find_threshold(
    score: Array, max_singles_lost: float, let_in: float = LET_IN, max_contamination: float | None = None
) -> float:
    """Threshold of `xfeldask.sorting.deciding.decide`.

    Parameters
    ----------
    score : (hit,), log odds of a single hit
    max_singles_lost : float, fraction of the singles that may be rejected
    let_in : float, expected number of accepted multiples that is as good as none
    max_contamination : float, optional, fraction of the accepted hits that may be other than single, as of
        `Cuts.pure`, whatever that costs

    Examples
    --------
    >>> find_threshold(np.array([-20.0, -18.0, 18.0, 20.0]), 0.01)
    0.0
    """
    cuts = Cuts(score)
    place = min(cuts.worthwhile(let_in), cuts.allowed(max_singles_lost))
    if max_contamination is not None:
        place = max(place, cuts.pure(max_contamination))
    return cuts.threshold(place)
