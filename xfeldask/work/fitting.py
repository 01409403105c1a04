"""Fitting a method to rows, in a fixed order and no longer than needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.latent.convergence import Convergence
from xfeldask.latent.methods import Method, is_linear
from xfeldask.store.results.model import Look
from xfeldask.work.tasks import single_task

HELD_OUT = 512
"""Shots, the first of a store, on which convergence is watched; at most a tenth of them all."""
FIRST_LOOK = 2048
GROWTH = 1.5
"""Convergence is looked at whenever the number of shots fitted has grown by this factor."""
ANGLE, CHANGE, PATIENCE = np.deg2rad(1.0), 0.03, 2
SUBSET = 4000
"""Shots that an estimator without `partial_fit` is fitted to."""


@dataclass(frozen=True)
class Fit:
    """A fitted estimator.

    Attributes
    ----------
    estimator : fitted
    fitted : int64 (n,), indices of the rows it has seen
    history : dict of arrays (update,), of the watch on convergence; empty where there was none
    converged_at : int or None, shots fitted when it had converged
    looks : (mean, components) at each checkpoint
    """

    estimator: Method
    fitted: NDArray[np.int64]
    history: dict[str, NDArray[np.generic]]
    converged_at: int | None
    looks: list[Look] = field(default_factory=list)


def fit(rows: Any, estimator: Method, stop: bool, measures: tuple[str, ...], advance: Callable[[int], None]) -> Fit:
    """Fit an estimator to rows (shot, feature), cut into batches along shots.

    One that has `partial_fit` learns from batch after batch, driven by dask-ml; one that passes once over the data
    and gives components stops when they have settled on shots held out. Any other is fitted at once, in a task, to
    `SUBSET` rows that are spread evenly. `advance` is told how many shots each step took.

    Examples
    --------
    >>> import dask.array as da
    >>> from xfeldask.latent.pca import PCA
    >>> rows = da.from_array(np.random.default_rng(0).normal(size=(600, 4)), chunks=(200, 4))
    >>> shown = []
    >>> found = fit(rows, PCA(2), False, (), shown.append)
    >>> shown, len(found.fitted), found.estimator.components_.shape
    ([600], 600, (2, 4))
    """
    if not hasattr(estimator, "partial_fit"):
        subset = np.unique(np.linspace(0, len(rows) - 1, min(SUBSET, len(rows))).astype(np.int64))
        # where the rows are made: a client need not hold them
        learned: Method = single_task(_learned, estimator, rows[subset]).compute()
        advance(len(rows))
        return Fit(learned, subset, {}, None)
    if passes(estimator) > 1 or not hasattr(type(estimator), "components_") or not stop:
        return _fit_all(rows, estimator, advance)
    return _fit_watched(rows, estimator, measures, advance)


def _learned(estimator: Any, rows: NDArray[Any]) -> Method:
    """Return an estimator that was fitted to rows at once."""
    estimator.fit(rows)
    found: Method = estimator
    return found


def passes(estimator: Method) -> int:
    """Return how many times an estimator is shown the shots.

    Examples
    --------
    >>> from xfeldask.latent.pca import PCA
    >>> passes(PCA(2)), passes(PCA(2, solver="randomized"))
    (1, 4)
    """
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
    """Return what shows an estimator the blocks of an array, each read once, in order; dask-ml's where it can be."""
    if hasattr(estimator, "fit") and hasattr(estimator, "get_params"):
        from dask_ml.wrappers import Incremental  # takes a second to import, and few need it

        return Incremental(estimator, scoring=lambda *_: 0.0, shuffle_blocks=False, assume_equal_chunks=True)
    return _InTurn(estimator)


class _InTurn:
    """Shows a user's own estimator, which scikit-learn cannot clone, block after block."""

    def __init__(self, estimator: Method) -> None:
        self.estimator_: Any = estimator

    def partial_fit(self, rows: Any) -> None:
        """Show blocks of rows."""
        edges = np.cumsum((0, *rows.chunks[0])).tolist()
        for start, stop in pairwise(edges):
            self.estimator_.partial_fit(rows[start:stop].compute())
