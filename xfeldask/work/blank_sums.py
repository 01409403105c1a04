"""Passes over the shots of a store for their background: which are blank, what these hold, and how much others do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.sorting.pairs.networks import HIT
from xfeldask.sorting.pairs.window import Window, excess
from xfeldask.store.run import Run
from xfeldask.work.compute import run_tasks
from xfeldask.work.progress import Tell, reporter
from xfeldask.work.projection import ADVICE, BATCH, BLOCK
from xfeldask.work.tasks import shard_tasks, shared

Blanks = Window | NDArray[np.bool_]
"""How blanks are told: by a window, or one by one (shot,)."""


def summed(run: Run, blanks: Blanks, cell: NDArray[np.int32], progress: bool | Tell) -> dict[str, NDArray[Any]]:
    """Add up the blanks of a run, those of each cell by themselves.

    Parameters
    ----------
    run : Run
    blanks : Window or bool (shot,)
    cell : int32 (shot,), from 0 on; 0 everywhere where cells do not differ
    progress : as of `xfeldask.embed`

    Returns
    -------
    dict of ``blank``, bool (shot,), and of ``image`` (cell, y, x) and ``low_q`` (cell, low_y, low_x), float64, sums
    """
    parts: list[dict[str, Any]] = _in_blocks("sum-blanks", sum_blanks, run, (blanks, cell), progress)
    n_cells = int(cell.max(initial=0)) + 1
    sums = {name: np.zeros((n_cells, *getattr(run.layout, name))) for name in ("image", "low_q")}
    for part in parts:
        for name, each in sums.items():
            each[part["cell"]] += part[name]
    return {"blank": np.concatenate([part["blank"] for part in parts]), **sums}


def sum_blanks(run: Run, told: tuple[Blanks, NDArray[np.int32]], block: int) -> dict[str, NDArray[Any]]:
    """Add up the blanks of a block of shots; the task that Dask runs.

    Returns
    -------
    as of `summed`, of the cells in ``cell`` alone
    """
    blanks, cell = told
    flags: list[NDArray[np.bool_]] = []
    here = np.unique(cell[block * BLOCK : (block + 1) * BLOCK])
    sums = {name: np.zeros((len(here), *getattr(run.layout, name))) for name in ("image", "low_q")}
    for part in _batches(run, block):
        low_q = run.read("low_q", part)
        blank = excess(low_q, blanks) <= HIT if isinstance(blanks, Window) else blanks[part]
        flags.append(blank)
        if blank.any():
            own = np.searchsorted(here, cell[part][blank])
            _add(sums["low_q"], own, low_q[blank])
            _add(sums["image"], own, run.read("image", part)[blank])
    return {"blank": np.concatenate(flags), "cell": here, **sums}


def _add(sums: NDArray[np.float64], own: NDArray[np.int64], images: NDArray[Any]) -> None:
    for index in np.unique(own):
        sums[index] += images[own == index].sum(axis=0, dtype=np.float64)


def gauged(run: Run, gauge: NDArray[np.float32], progress: bool | Tell) -> NDArray[np.float32]:
    """Multiply `low_q` of all shots by a gauge (low_y, low_x), float32 (shot,)."""
    return np.concatenate(_in_blocks("weigh-background", gauge_shots, run, gauge, progress))


def gauge_shots(run: Run, gauge: NDArray[np.float32], block: int) -> NDArray[np.float32]:
    """Multiply `low_q` of a block of shots by a gauge; the task that Dask runs."""
    parts = [run.read("low_q", part).reshape(part.stop - part.start, -1) for part in _batches(run, block)]
    return np.concatenate([part.astype(np.float32) @ gauge.ravel() for part in parts])


def _batches(run: Run, block: int) -> Iterable[slice]:
    stop = min(run.n_shots, (block + 1) * BLOCK)
    return (slice(start, min(stop, start + BATCH)) for start in range(block * BLOCK, stop, BATCH))


def _in_blocks(name: str, task: Any, run: Run, value: Any, progress: bool | Tell) -> list[Any]:
    blocks = range(-(-run.n_shots // BLOCK))
    weights = [min(run.n_shots, (block + 1) * BLOCK) - block * BLOCK for block in blocks]
    telling = reporter("measuring the background", run.n_shots, "shots", progress)
    return run_tasks(shard_tasks(name, task, blocks, run, shared(value)), weights, telling, ADVICE)
