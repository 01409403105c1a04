"""Passes over the shots of a store for their background: which are blank, what these or hits hold, and how much."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from dask.delayed import Delayed
from numpy.typing import NDArray

from xfeldask.sorting.pairs.networks import HIT
from xfeldask.sorting.pairs.window import Window, excess
from xfeldask.sorting.pairs.zero_fluence import Moments
from xfeldask.store.layout import IMAGES
from xfeldask.store.run import Run
from xfeldask.work.compute import run_reduced, run_tasks
from xfeldask.work.progress import Reporter, Tell, reporter
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
    found: dict[str, NDArray[Any]] = run_reduced(
        *_in_blocks("sum-blanks", sum_blanks, run, (blanks, cell)), joined_sums, _telling(run, progress), ADVICE
    )
    sums = {name: np.zeros((int(cell.max(initial=0)) + 1, *found[name].shape[1:])) for name in IMAGES}
    for name, each in sums.items():
        each[found["cell"]] = found[name]
    return {"blank": found["blank"], **sums}


def sum_blanks(run: Run, told: tuple[Blanks, NDArray[np.int32]], block: int) -> dict[str, NDArray[Any]]:
    """Add up the blanks of a block of shots; the task that Dask runs.

    Returns
    -------
    as of `summed`, of the cells in ``cell`` alone, which have blanks here
    """
    blanks, cell = told
    flags = {}
    for part in _batches(run, block):
        flags[part.start] = (
            excess(run.read("low_q", part), blanks) <= HIT if isinstance(blanks, Window) else blanks[part]
        )
    blank = np.concatenate(list(flags.values()))
    here = np.unique(cell[block * BLOCK : (block + 1) * BLOCK][blank])
    sums = {name: np.zeros((len(here), *getattr(run.layout, name))) for name in IMAGES}
    for part in _batches(run, block):
        if (some := flags[part.start]).any():
            own = np.searchsorted(here, cell[part][some])
            for name, each in sums.items():
                _add(each, own, run.read(name, part)[some])
    return {"blank": blank, "cell": here, **sums}


def joined_sums(*parts: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Join what `sum_blanks` found in several blocks, in their order: whole numbers add up to the same in any.

    Examples
    --------
    >>> image = np.ones((1, 1, 1))
    >>> one = {"blank": np.array([True]), "cell": np.array([3]), "image": image, "low_q": image}
    >>> found = joined_sums(one, one | {"cell": np.array([1])}, one)
    >>> found["cell"].tolist(), found["image"].ravel().tolist(), found["blank"].tolist()
    ([1, 3], [1.0, 2.0], [True, True, True])
    """
    cell = np.unique(np.concatenate([part["cell"] for part in parts]))
    sums = {name: np.zeros((len(cell), *parts[0][name].shape[1:])) for name in IMAGES}
    for part in parts:
        for name, each in sums.items():
            each[np.searchsorted(cell, part["cell"])] += part[name]
    return {"blank": np.concatenate([part["blank"] for part in parts]), "cell": cell, **sums}


def _add(sums: NDArray[np.float64], own: NDArray[np.int64], images: NDArray[Any]) -> None:
    for index in np.unique(own):
        sums[index] += images[own == index].sum(axis=0, dtype=np.float64)


def hit_moments(
    run: Run, central: dict[str, NDArray[np.bool_]], single: NDArray[np.bool_], progress: bool | Tell
) -> dict[str, Moments]:
    """Add up single hits of a run, and their products with the photons about the beam.

    Parameters
    ----------
    run : Run
    central : bool (y, x) by name of the images, bins about the beam
    single : bool (shot,)
    progress : as of `xfeldask.embed`

    Returns
    -------
    Moments by name of the images
    """
    tasks, weights = _in_blocks("sum-hits", sum_hits, run, (central, single))
    found: dict[str, Moments] = run_reduced(tasks, weights, joined_moments, _telling(run, progress), ADVICE)
    return found


def sum_hits(run: Run, told: tuple[dict[str, NDArray[np.bool_]], NDArray[np.bool_]], block: int) -> dict[str, Moments]:
    """Add up the single hits of a block of shots; the task that Dask runs."""
    central, single = told
    return joined_moments(
        *(
            {name: Moments.of(run.read(name, part)[single[part]], bins) for name, bins in central.items()}
            for part in _batches(run, block)
        )
    )


def joined_moments(*parts: dict[str, Moments]) -> dict[str, Moments]:
    """Join what was added up of several parts: sums of counts are the same in any order."""
    return {name: reduce(add, (part[name] for part in parts)) for name in parts[0]}


def gauged(run: Run, gauge: NDArray[np.float32], progress: bool | Tell) -> NDArray[np.float32]:
    """Multiply `low_q` of all shots by a gauge (low_y, low_x), float32 (shot,)."""
    tasks, weights = _in_blocks("weigh-background", gauge_shots, run, gauge)
    return np.concatenate(run_tasks(tasks, weights, _telling(run, progress), ADVICE))


def gauge_shots(run: Run, gauge: NDArray[np.float32], block: int) -> NDArray[np.float32]:
    """Multiply `low_q` of a block of shots by a gauge; the task that Dask runs."""
    parts = [run.read("low_q", part).reshape(part.stop - part.start, -1) for part in _batches(run, block)]
    return np.concatenate([part.astype(np.float32) @ gauge.ravel() for part in parts])


def _batches(run: Run, block: int) -> Iterable[slice]:
    stop = min(run.n_shots, (block + 1) * BLOCK)
    return (slice(start, min(stop, start + BATCH)) for start in range(block * BLOCK, stop, BATCH))


def _in_blocks(name: str, task: Any, run: Run, value: Any) -> tuple[list[Delayed], list[int]]:
    """Return a task for each block of shots, and how many shots these are."""
    blocks = range(-(-run.n_shots // BLOCK))
    weights = [min(run.n_shots, (block + 1) * BLOCK) - block * BLOCK for block in blocks]
    return shard_tasks(name, task, blocks, run, shared(value)), weights


def _telling(run: Run, progress: bool | Tell) -> Reporter:
    return reporter("measuring the background", run.n_shots, "shots", progress)
