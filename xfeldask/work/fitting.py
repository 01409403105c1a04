"""Fitting a model to the shots of a store, in a fixed order and no longer than needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import zarr
from dask_ml.wrappers import Incremental
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.latent.convergence import Convergence
from xfeldask.latent.methods import Method, is_linear
from xfeldask.physics.binning import ImageGrid
from xfeldask.sorting.pairs.patterns import excess, find_window
from xfeldask.sorting.pairs.rule import HIT, MOST_HITS, PairRule
from xfeldask.store.codecs import FAST
from xfeldask.store.layout import IMAGES_PER_CHUNK, shot_array
from xfeldask.store.model import Look
from xfeldask.store.run import Run

HELD_OUT = 512
"""Shots, the first of a store, on which convergence is watched; at most a tenth of them all."""
FIRST_LOOK = 2048
GROWTH = 1.5
"""Convergence is looked at whenever the number of shots fitted has grown by this factor."""
ANGLE, CHANGE, PATIENCE = np.deg2rad(1.0), 0.03, 2
SUBSET = 4000
"""Shots that an estimator without `partial_fit` is fitted to."""
ENOUGH = 0.8
"""Part of the hits that a rule takes at most with which a sample is large enough."""


@dataclass(frozen=True)
class Fit:
    """A fitted estimator.

    Attributes
    ----------
    estimator : fitted
    fitted : int64 (n,), indices of the rows it has seen
    history : dict of arrays (update,), of the watch on convergence; empty where there was none
    converged_at : int or None, shots fitted when it had converged
    looks : (mean, components) at each update of the history
    """

    estimator: Method
    fitted: NDArray[np.int64]
    history: dict[str, NDArray[np.generic]]
    converged_at: int | None
    looks: list[Look] = field(default_factory=list)


def fit(rows: Any, estimator: Method, stop: bool, measures: tuple[str, ...], advance: Callable[[int], None]) -> Fit:
    """Fit an estimator to rows (shot, feature), cut into batches along shots.

    One that has `partial_fit` learns from batch after batch, driven by dask-ml; one that passes once over the data
    and gives components stops when they have settled on shots held out. Any other is fitted to an even subset.
    `advance` is told how many shots each step took.
    """
    if not hasattr(estimator, "partial_fit"):
        subset = np.unique(np.linspace(0, len(rows) - 1, min(SUBSET, len(rows))).astype(np.int64))
        fitted: Any = estimator
        fitted.fit(rows[subset].compute())
        advance(len(rows))
        return Fit(fitted, subset, {}, None)
    if passes(estimator) > 1 or not hasattr(type(estimator), "components_") or not stop:
        return _fit_all(rows, estimator, advance)
    return _fit_watched(rows, estimator, measures, advance)


def passes(estimator: Method) -> int:
    """Times that an estimator is shown the shots."""
    return int(getattr(estimator, "n_passes", 1))


def _fit_all(rows: Any, estimator: Method, advance: Callable[[int], None]) -> Fit:
    driver = _driver(estimator)
    for _ in range(passes(estimator)):
        driver.partial_fit(rows)
        advance(len(rows))
        if hasattr(driver.estimator_, "end_pass"):
            driver.estimator_.end_pass()
    return Fit(driver.estimator_, np.arange(len(rows)), {}, None)


def _fit_watched(rows: Any, estimator: Method, measures: tuple[str, ...], advance: Callable[[int], None]) -> Fit:
    held = min(HELD_OUT, len(rows) // 10)
    components = int(getattr(estimator, "n_components", 1))
    if held < 2 * components + 1:
        return _fit_all(rows, estimator, advance)
    edges: Any = np.cumsum((0, *rows.chunks[0]))
    driver, watch, done, looks = _driver(estimator), None, held, list[Look]()
    look = held + FIRST_LOOK
    while done < len(rows):
        stop = int(edges[min(np.searchsorted(edges, look), len(edges) - 1)])
        driver.partial_fit(rows[done:stop])
        advance(stop - done)
        done, look = stop, int(held + (stop - held) * GROWTH)
        fitted: Any = driver.estimator_
        if done - held <= components or not is_linear(fitted):
            continue
        if watch is None:
            watch = Convergence(rows[:held].compute(), ANGLE, CHANGE, PATIENCE, measures)
        looks.append((np.array(fitted.mean_, np.float32), np.array(fitted.components_, np.float32)))
        if watch.update(done - held, fitted.components_, fitted.mean_, fitted.explained_variance_):
            break
    history, at = ({}, None) if watch is None else (watch.history(), watch.converged_at)
    return Fit(driver.estimator_, np.arange(held, done), history, at, looks)


def _driver(estimator: Method) -> Any:
    """dask-ml's driver: the blocks of an array one after the other, each read once."""
    return Incremental(estimator, scoring=lambda *_: 0.0, shuffle_blocks=False, assume_equal_chunks=True)


def teach_store(path: str, shots: int, seed: int, labels: NDArray[np.int8] | None) -> PairRule:
    """Fit the pair rule to shots of a store; the task that Dask runs."""
    return teach(Run.open(path), shots, seed, labels)


def teach(run: Run, shots: int, seed: int, labels: NDArray[np.int8] | None) -> PairRule:
    """Fit the pair rule to a sample of the first `shots` shots, and to all that are labelled."""
    index, images = sample_hits(run.group, run.low_q_grid, shots, seed)
    grid = run.low_q_grid
    if labels is None:
        return PairRule(seed).fit(images, grid)
    if len(labels) < shots or not np.isin(labels, (-1, 0, 1)).all():
        raise InputError("labels hold 1 (single), 0 (anything else) or -1 (not known) for every shot")
    more = np.setdiff1d(np.flatnonzero(labels[:shots] >= 0), index)
    images = np.concatenate([images, *read_shots(run.array("low_q"), more)])
    return PairRule(seed).fit(images, grid, labels[np.concatenate([index, more])])


def sample_hits(
    root: zarr.Group, grid: ImageGrid, shots: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
    """Indices and `low_q` of shots to learn a rule from, drawn among the first `shots` until there are hits enough.

    Blanks are taken too at first, and passed over once it is known what a hit looks like.
    """
    blocks = np.random.default_rng(seed).permutation(-(-shots // IMAGES_PER_CHUNK))
    array, per_round = shot_array(root, "low_q", FAST), -(-MOST_HITS // IMAGES_PER_CHUNK)
    chosen: list[NDArray[np.int64]] = []
    taken: list[NDArray[np.uint16]] = []
    window, hits = None, 0
    for start in range(0, len(blocks), per_round):
        every = (
            np.sort(blocks[start : start + per_round])[:, None] * IMAGES_PER_CHUNK + np.arange(IMAGES_PER_CHUNK)
        ).ravel()
        index = every[every < shots]
        images = np.concatenate(read_shots(array, index))
        wanted = np.ones(len(index), bool) if window is None else excess(images, window) > HIT
        chosen.append(index[wanted])
        taken.append(images[wanted])
        if window is None:
            window = find_window(images, grid)
            wanted = excess(images, window) > HIT
        hits += int(wanted.sum())
        if hits >= ENOUGH * MOST_HITS:
            break
    return np.concatenate(chosen), np.concatenate(taken)


def read_shots(array: zarr.Array[Any], index: NDArray[np.int64]) -> list[NDArray[np.uint16]]:
    """Images of some shots, ascending, chunk by chunk."""
    block = index // IMAGES_PER_CHUNK
    parts = []
    for rows in np.split(index, np.flatnonzero(np.diff(block)) + 1) if len(index) else []:
        start = int(rows[0]) // IMAGES_PER_CHUNK * IMAGES_PER_CHUNK
        parts.append(np.asarray(array[start : start + IMAGES_PER_CHUNK])[rows - start])
    return parts
