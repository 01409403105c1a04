"""Which shots of the wanted kind are accepted."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.sorting.expected import most_expected


def accepted_at(
    probability: ArrayLike, candidate: ArrayLike, max_contamination: float | None = None
) -> NDArray[np.bool_]:
    """Accept as many candidates as the contamination allows that is asked for.

    Parameters
    ----------
    probability : (shot,), of a single hit of the wanted kind
    candidate : bool (shot,), that may be accepted at all
    max_contamination : float, optional, fraction of those accepted that may be anything else, at the end of the
        interval of `xfeldask.sorting.expected`; all candidates are accepted where it is not given

    Returns
    -------
    bool (shot,)

    Examples
    --------
    >>> accepted_at([0.9, 1.0, 0.6, 0.99], [True, True, True, False], 0.05).tolist()
    [False, True, False, False]
    """
    chance, out = np.asarray(probability, np.float64), np.array(candidate, bool)
    if max_contamination is None:
        return out
    index = np.flatnonzero(out)
    order = index[np.argsort(-chance[index], kind="stable")]
    others = np.cumsum(1 - chance[order])
    # shots of equal probability stay together, whatever their order
    last = np.append(chance[order][1:] < chance[order][:-1], True)
    allowed = np.flatnonzero(last & (others <= most_expected(np.arange(1, len(order) + 1), max_contamination)))
    out[order[allowed[-1] + 1 if allowed.size else 0 :]] = False
    return out


def accepted_losing(probability: ArrayLike, candidate: ArrayLike, most_lost: float) -> NDArray[np.bool_]:
    """Accept as few candidates as the loss allows that is asked for, all where even they lose more.

    Parameters
    ----------
    probability, candidate : as of `accepted_at`
    most_lost : float, fraction of the single hits of the wanted kind that may be rejected

    Returns
    -------
    bool (shot,)

    Examples
    --------
    >>> accepted_losing([0.9, 1.0, 0.1, 0.99], [True, True, True, True], 0.05).tolist()
    [True, True, False, True]
    >>> accepted_losing([0.9, 1.0, 0.1, 0.99], [True, True, True, False], 0.05).tolist()
    [True, True, True, False]
    """
    chance, out = np.nan_to_num(np.asarray(probability, np.float64)), np.array(candidate, bool)
    index = np.flatnonzero(out)
    order = index[np.argsort(chance[index], kind="stable")]
    lost = chance[~out].sum() + np.cumsum(chance[order])
    # shots of equal probability stay together, whatever their order
    last = np.append(chance[order][1:] > chance[order][:-1], False)
    allowed = np.flatnonzero(last & (lost <= most_lost * chance.sum()))
    out[order[: allowed[-1] + 1 if allowed.size else 0]] = False
    return out
