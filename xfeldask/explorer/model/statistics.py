"""Sum, mean and deviation of the raw patterns of a selection, out of core."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.physics.jit import kernel
from xfeldask.store.choosing.selecting import shots_in
from xfeldask.store.run import Run
from xfeldask.store.storage.urls import StorePath
from xfeldask.work.compute import run_tasks, worker_count
from xfeldask.work.progress import Silent
from xfeldask.work.tasks import shard_tasks

FRAMES = 64
"""Most frames that a task takes."""
AT_ONCE = 16
"""Frames that a task has in memory."""
ADVICE = "nothing was changed; mend the cause and ask again"

Counts = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class PatternStatistics:
    """Statistics of the photons of some shots, pixel by pixel.

    Attributes
    ----------
    n : int, shots
    total : uint64 (panel, ss, fs), photons of all shots
    mean : float64 (panel, ss, fs)
    deviation : float64 (panel, ss, fs), standard deviation of these shots about their mean, divided by n
    assembled : float64 (row, col) by "total", "mean" and "deviation", NaN between panels and at masked pixels

    Examples
    --------
    >>> total = np.full((1, 2, 2), 6, np.uint64)
    >>> PatternStatistics(3, total, total / 3, np.zeros((1, 2, 2)), {}).mean.max()
    np.float64(2.0)
    """

    n: int
    total: Counts
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    assembled: dict[str, NDArray[np.float64]]


def pattern_statistics(
    store: str | StorePath | Run,
    selection: ArrayLike,
    *,
    advance: Callable[[int], None] | None = None,
    cancel: Event | None = None,
) -> PatternStatistics | None:
    """Compute statistics of the raw patterns of selected shots, on the scheduler that Dask has active.

    Every selected frame is read once, and no other. Photons and their squares are added up as integers, so that the
    result does not depend on how the work is shared out, nor on the order in which it is done.

    Parameters
    ----------
    store : path, or a Run
    selection : bool (shot,), of all shots or the first of them; or the indices of shots
    advance : callable, told the number of frames done since it was last called
    cancel : threading.Event, set it to stop soon

    Returns
    -------
    PatternStatistics, or None where it was cancelled; nothing of it is left then

    Raises
    ------
    InputError
        No shots, shots that are not there or not written yet, another kind of selection.
    RunError
        A frame cannot be read.

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> two = [[0, 0, 0], [2e-9, 0, 0]], ["C", "C"]
    >>> ds = xfeldask.simulate(path, particle=two, detector="square-32", n_shots=4, progress=False)
    >>> found = pattern_statistics(path, [0, 2])
    >>> bool((found.total == ds.photons[[0, 2]].sum("shot").values).all()), found.assembled["mean"].shape
    (True, (32, 32))
    """
    run = store if isinstance(store, Run) else Run.open(store)
    shots = shots_in(run, selection)
    # blocks of a task's size, no block in two shards
    cuts = np.flatnonzero(np.diff(shots // run.layout.shard)) + 1
    blocks = [block for whole in np.split(shots, cuts) for block in np.array_split(whole, ceil(len(whole) / FRAMES))]
    sums = _added_up(run, blocks, advance or (lambda _: None), cancel or Event())
    return None if sums is None else _statistics(run, len(shots), *sums)


def frame_sums(run: Run, shots: NDArray[np.int64]) -> tuple[Counts, Counts]:
    """Add up photons and squared photons of some shots in ascending order; the task that Dask runs.

    Parameters
    ----------
    run : Run
    shots : int64 (n,), at most `FRAMES`

    Returns
    -------
    sum, squares : uint64 (panel, ss, fs)

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path, two = tempfile.mkdtemp() + "/run.zarr", ([[0, 0, 0], [2e-9, 0, 0]], ["C", "C"])
    >>> _ = xfeldask.simulate(path, particle=two, detector="square-32", n_shots=4, progress=False)
    >>> total, squares = frame_sums(xfeldask.open_run(path), np.array([0, 3]))
    >>> total.shape, bool((squares >= total).all())
    ((1, 32, 32), True)
    """
    photons = run.array("photons")
    # written, not np.zeros: masked stores to memory that was never touched take 40 times as long
    total, squares = (np.full(photons.shape[1:], 0, np.uint64) for _ in range(2))
    for row in np.split(shots, np.flatnonzero(np.diff(shots) != 1) + 1):
        for start in range(int(row[0]), int(row[-1]) + 1, AT_ONCE):
            frames = np.asarray(photons[start : min(start + AT_ONCE, int(row[-1]) + 1)])
            _add(frames.reshape(len(frames), -1), total.reshape(-1), squares.reshape(-1))
    return total, squares


@kernel
def _add(frames: NDArray[Any], total: Counts, squares: Counts) -> None:
    for shot in range(frames.shape[0]):
        for pixel in range(frames.shape[1]):
            count = np.uint64(frames[shot, pixel])
            # most pixels of a frame are dark
            if count:
                total[pixel] += count
                squares[pixel] += count * count


def _added_up(
    run: Run, parts: list[NDArray[np.int64]], advance: Callable[[int], None], cancel: Event
) -> tuple[Counts, Counts] | None:
    """Add up all blocks, a few tasks at a time: what waits to be added up stays small, and a stop comes soon."""
    total: Any = 0
    squares: Any = 0
    at_once = 2 * worker_count()
    for first in range(0, len(parts), at_once):
        if cancel.is_set():
            return None
        some = parts[first : first + at_once]
        tasks = shard_tasks("statistics", _of_part, range(len(some)), run, some)
        for one, two in run_tasks(tasks, [len(part) for part in some], _Told(advance), ADVICE):
            total, squares = total + one, squares + two
    return None if cancel.is_set() else (total, squares)


def _of_part(run: Run, parts: list[NDArray[np.int64]], index: int) -> tuple[Counts, Counts]:
    return frame_sums(run, parts[index])


def _statistics(run: Run, n: int, total: Counts, squares: Counts) -> PatternStatistics:
    # about the whole part of the mean sums are exact, and little cancels
    whole, rest = np.divmod(total.astype(np.int64), n)
    about = squares.astype(np.int64) - 2 * whole * total.astype(np.int64) + n * whole**2
    deviation = np.sqrt(np.maximum(about / n - (rest / n) ** 2, 0))
    mean = total / n
    images = run.dataset(chunks=None).xfel.assemble(np.stack([total.astype(np.float64), mean, deviation]))
    assembled = dict(zip(("total", "mean", "deviation"), images, strict=True))
    return PatternStatistics(n, total, mean, deviation, assembled)


class _Told(Silent):
    """Progress that is handed on to a function."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self._advance = advance

    def advance(self, amount: int) -> None:
        """Say that `amount` more is done."""
        self._advance(amount)
