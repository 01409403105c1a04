"""Images of shots, and how they are converted to floating point: a few hundred at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Images = NDArray[Any]
Array = NDArray[np.float32]

BATCH = 256
"""Shots converted to floating point at a time."""


def flat_rows(images: Images, start: int) -> Array:
    """Flatten a batch of images, those from `start` on, to float32 (shot, bin).

    Examples
    --------
    >>> flat_rows(np.ones((300, 4, 4), np.uint16), 256).shape
    (44, 16)
    """
    part = images[start : start + BATCH]
    return part.reshape(len(part), -1).astype(np.float32, copy=False)
