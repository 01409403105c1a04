"""Images of shots, a few hundred at a time: converted to floating point, and worked on side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from xfeldask.devices import CPU, Device
from xfeldask.machine import cores

Item = TypeVar("Item")
Result = TypeVar("Result")

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


def cut(total: int, size: int = BATCH) -> list[slice]:
    """Cut rows into batches.

    Examples
    --------
    >>> cut(600)
    [slice(0, 256, None), slice(256, 512, None), slice(512, 600, None)]
    """
    return [slice(start, min(total, start + size)) for start in range(0, total, size)]


def side_by_side(work: Callable[[Item], Result], items: Sequence[Item], device: Device = CPU) -> list[Result]:
    """Work on items on as many threads as there are cores, or one after the other where a GPU does it.

    Examples
    --------
    >>> side_by_side(abs, [-1, 2, -3])
    [1, 2, 3]
    """
    threads = min(len(items), cores() if device is CPU else 1)
    if threads < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(threads, "learning") as pool:
        return list(pool.map(work, items))
