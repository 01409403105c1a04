"""What labels of shots can be."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import InputError

WANTED, UNWANTED, UNKNOWN = 1, 0, -1
"""A single hit (of the wanted kind), anything else, not known."""


def checked_labels(labels: ArrayLike, shots: int) -> NDArray[Any]:
    """Refuse labels of other shots, or with other values.

    Parameters
    ----------
    labels : int (shot,)
    shots : int, how many there are

    Raises
    ------
    InputError

    Examples
    --------
    >>> checked_labels([1, 0, -1], 3).tolist()
    [1, 0, -1]
    >>> checked_labels([1, 0, 2], 3)
    Traceback (most recent call last):
    ...
    xfeldask.errors.InputError: labels are 1 (single), 0 (anything else) or -1 (not known), got 2
    """
    known = np.asarray(labels)
    if known.shape != (shots,):
        raise InputError(f"labels are one for each of the {shots} shots, got shape {known.shape}")
    other = known[~np.isin(known, (WANTED, UNWANTED, UNKNOWN))]
    if other.size:
        raise InputError(f"labels are 1 (single), 0 (anything else) or -1 (not known), got {other[0]}")
    return known
