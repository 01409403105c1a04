"""Which shots of the wanted kind are accepted."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def accepted_at(
    probability: ArrayLike, candidate: ArrayLike, max_contamination: float | None = None
) -> NDArray[np.bool_]:
    """Accept as many candidates as the contamination that is expected allows.

    Parameters
    ----------
    probability : (shot,), of a single hit of the wanted kind
    candidate : bool (shot,), that may be accepted at all
    max_contamination : float, optional, fraction of those accepted that may be anything else, as expected; all
        candidates are accepted where it is not given

    Returns
    -------
    bool (shot,)

    Examples
    --------
    >>> accepted_at([0.9, 1.0, 0.6, 0.99], [True, True, True, False], 0.05).tolist()
    [True, True, False, False]
    """
    chance, out = np.asarray(probability, np.float64), np.array(candidate, bool)
    if max_contamination is None:
        return out
    index = np.flatnonzero(out)
    order = index[np.argsort(-chance[index], kind="stable")]
    wrong = np.cumsum(1 - chance[order]) / np.arange(1, len(order) + 1)
    out[order[int(np.searchsorted(wrong, max_contamination, "right")) :]] = False
    return out
