"""Reconstructing on whatever scheduler Dask has active: shots read in blocks, tiles of rotations shared out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import XfeldaskError
from xfeldask.orient.parallel import Task
from xfeldask.orient.shares import Background
from xfeldask.orient.sparse import Pixels, SparseFrames
from xfeldask.store.results.known_background import KnownBackground
from xfeldask.store.run import Run
from xfeldask.work.compute import active_client, run_tasks, stopped, worker_count
from xfeldask.work.progress import Silent, Tell, reporter
from xfeldask.work.tasks import shared as sent
from xfeldask.work.tasks import single_task

BLOCK = 1024
"""Shots that a task reads, counting those that are not selected."""
ADVICE = "what was reconstructed by then is kept; run it again to go on"


def read_frames(
    run: Run, shots: NDArray[np.int64], pixels: Pixels, images: str, known: KnownBackground | None,
    progress: bool | Tell,
) -> SparseFrames:  # fmt: skip
    """Read the photons of some shots of a run, and put the background of the run beside them.

    Parameters
    ----------
    run : Run
    shots : int64 (n,), absolute indices, ascending
    pixels : Pixels
    images : "image" or "low_q"
    known : KnownBackground, of the run, if it is to be part of the model
    progress : as of `embed`
    """
    # by where they lie, so that a block never spans more than it reads however rare the shots are
    blocks = np.split(shots, np.flatnonzero(np.diff(shots // BLOCK)) + 1)
    index = sent(pixels.index)
    tasks = [single_task(read_block, run, block, index, images) for block in blocks]
    telling = reporter("reading", len(shots), "shots", progress)
    frames = SparseFrames.joined(run_tasks(tasks, [len(block) for block in blocks], telling, ADVICE))
    return with_background(frames, shots, pixels, images, known)


def with_background(
    frames: SparseFrames, shots: NDArray[np.int64], pixels: Pixels, images: str, known: KnownBackground | None
) -> SparseFrames:
    """Put the background of the run beside the photons of some shots, if it is known; as `read_frames`."""
    return frames if known is None else replace(frames, background=_background_of(known, shots, pixels, images))


def _background_of(known: KnownBackground, shots: NDArray[np.int64], pixels: Pixels, images: str) -> Background:
    image: NDArray[np.float32] = getattr(known, images)
    mean, weight = image.reshape(-1)[pixels.index].astype(np.float64), known.weight[shots].astype(np.float64)
    if known.cells is None:
        return Background(mean, weight)
    cells: NDArray[np.float32] = getattr(known.cells, images)
    return Background(mean, weight, cells.reshape(len(cells), -1)[:, pixels.index], known.cells.of[shots])


def read_block(run: Run, shots: NDArray[np.int64], index: NDArray[np.int64], images: str) -> SparseFrames:
    """Read the photons of a block of shots; the task that Dask runs."""
    first = int(shots[0])
    return SparseFrames.of(run.read(images, slice(first, int(shots[-1]) + 1))[shots - first], index)


class ByDask:
    """Shares tasks out on the scheduler that Dask has active; on a cluster, what they share is sent once."""

    def __init__(self) -> None:
        self._sent: dict[int, tuple[Any, Any]] = {}

    def __call__(self, task: Task, shared: tuple[Any, ...], items: Sequence[tuple[Any, ...]]) -> Iterable[Any]:
        """Call a task for each item; see `xfeldask.orient.parallel.Each`."""
        client = active_client()
        # few tasks, as each of them costs a cluster some milliseconds
        groups = [items[part.start : part.stop] for part in _cut(len(items), 2 * worker_count())]
        if client is None:
            common = [sent(value) for value in shared]
            tasks = [single_task(_each_of, task, sent(group), *common) for group in groups]
            return chain.from_iterable(run_tasks(tasks, [1] * len(tasks), Silent(), ADVICE))
        common = [self._once(client, value) for value in shared]
        there = client.scatter([list(group) for group in groups], hash=False)
        futures = [client.submit(_each_of, task, group, *common, pure=False) for group in there]
        try:
            return chain.from_iterable(client.gather(futures))
        except XfeldaskError:
            raise
        except Exception as error:
            raise stopped(error, ADVICE) from error
        finally:
            client.cancel(futures)

    def _once(self, client: Any, value: Any) -> Any:
        """Send a value to all workers, unless that has been done."""
        if id(value) not in self._sent:
            if len(self._sent) > 4:
                self._sent.pop(next(iter(self._sent)))
            self._sent[id(value)] = value, client.scatter([value], hash=False, broadcast=True)[0]
        return self._sent[id(value)][1]


def _each_of(task: Task, items: Sequence[tuple[Any, ...]], *shared: Any) -> list[Any]:
    """Call a task for some items; the task that Dask runs."""
    return [task(*shared, *item) for item in items]


def _cut(count: int, parts: int) -> list[range]:
    """Cut a number of items into no more than so many parts."""
    length = max(1, -(-count // parts))
    return [range(start, min(count, start + length)) for start in range(0, count, length)]
