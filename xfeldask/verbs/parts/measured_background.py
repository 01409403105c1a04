"""What a run itself tells of its background: what its blanks or its single hits hold, and how much each shot does."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.sorting.pairs.blanks import LEAST_BLANKS, find_blanks
from xfeldask.sorting.pairs.window import find_window
from xfeldask.sorting.pairs.zero_fluence import SMOOTH, at_zero_fluence, central_bins
from xfeldask.store.choosing.learning_shots import StoredShots
from xfeldask.store.choosing.selecting import select
from xfeldask.store.results.embedding import Embedding
from xfeldask.store.run import Run
from xfeldask.work.progress import Tell

SAMPLE = 6000
"""Shots, spread evenly over the run, by which it is found out what a blank looks like."""
TOGETHER = 16
"""Shots of the sample that follow one another: a store reads as many at once."""
LEAST_SMOOTH = 0.7
"""Bins of `image` that lend each other their photons at least, as a standard deviation."""
Images = dict[str, NDArray[np.float64]]
"""``image`` (..., y, x) and ``low_q`` (..., low_y, low_x) of one background, or of several."""


def of_blanks(
    run: Run, of: NDArray[np.int32], weights: NDArray[np.float32] | None, where: str | None, embedding: str | None,
    progress: bool | Tell,
) -> tuple[Images, NDArray[np.bool_]]:  # fmt: skip
    """Measure the background of each cell on blanks, and tell which shots these are."""
    from xfeldask.work.blank_sums import summed  # scikit-learn takes a second to import

    if where is None:
        _, blanks = find_blanks(_sample(run), run.low_q_grid)
        sums = summed(run, blanks, of, progress)
    else:
        blank = np.zeros(run.n_shots, bool)
        blank[select(run.path, where, embedding)] = True
        if (few := int(blank.sum())) < LEAST_BLANKS:
            raise InputError(f"{where} is true of {few} shots; a background takes {LEAST_BLANKS} blanks or more")
        sums = summed(run, blank, of, progress)
    blank = sums["blank"]
    n_cells = int(of.max()) + 1
    exposure = np.bincount(of[blank], None if weights is None else weights[blank], n_cells)
    if not exposure.any():
        raise InputError("weights of the background are 0 in all blanks; there is nothing to measure it by")
    means = {name: sums[name].sum(axis=0) / exposure.sum() for name in ("image", "low_q")}
    if n_cells == 1:
        return {name: mean[None] for name, mean in means.items()}, blank
    each = (exposure + LEAST_BLANKS)[:, None, None]
    return {name: (sums[name] + LEAST_BLANKS * mean) / each for name, mean in means.items()}, blank


def of_hits(
    run: Run, weights: NDArray[np.float32] | None, where: str | None, embedding: str | None, progress: bool | Tell
) -> Images:
    """Measure the background on single hits, by what of their photons does not grow with their brightness.

    Raises
    ------
    InputError
        Shots were not sorted, too few are single, or all of them were in about the same fluence.
    """
    from xfeldask.work.blank_sums import hit_moments  # scikit-learn takes a second to import

    single = _single_hits(run, where, embedding)
    grids = {"image": run.image_grid, "low_q": run.low_q_grid}
    central = {
        name: central_bins(_sample(run, name).sum(axis=0, dtype=np.float64), grid.weight, grid.center)
        for name, grid in grids.items()
    }
    moments, step = hit_moments(run, central, single, progress), float(run.low_q_grid.step.mean())
    exposure = 1.0 if weights is None or not single.any() else float(weights[single].mean())
    if exposure == 0:
        raise InputError("weights of the background are 0 in all single hits; there is nothing to measure it by")
    smooth = {name: max(LEAST_SMOOTH, SMOOTH * step / float(grid.step.mean())) for name, grid in grids.items()}
    return {
        name: at_zero_fluence(moments[name], central[name], grid.weight, smooth[name])[None] / exposure
        for name, grid in grids.items()
    }


def _single_hits(run: Run, where: str | None, embedding: str | None) -> NDArray[np.bool_]:
    """Return the shots that an expression names, or that an embedding accepts, bool (shot,)."""
    single = np.zeros(run.n_shots, bool)
    if where is not None:
        single[select(run.path, where, embedding)] = True
        return single
    judging = Embedding.with_verdicts(run, embedding)
    if judging is None or not judging.is_sorted:
        raise InputError(f"{Embedding.none_sorted(run)}, or name single hits with where= (--where)")
    # one that was stopped while it followed its run tells of the first shots
    accepted = judging.dataset().is_single.values
    single[: len(accepted)] = accepted
    return single


def measured_weights(
    run: Run, each: Images, of: NDArray[np.int32], blank: NDArray[np.bool_], progress: bool | Tell
) -> NDArray[np.float32]:
    """Weigh the background in each shot: of blanks by their photons, of others beside the mean pattern."""
    from xfeldask.work.blank_sums import gauged  # scikit-learn takes a second to import

    low_q = each["low_q"]
    mean = np.tensordot(np.bincount(of) / len(of), low_q, 1)
    plain = np.full(mean.shape, 1 / float(mean.sum()), np.float32)
    try:
        gauge = find_window(_sample(run), run.low_q_grid, mean).gauge
    except InputError:
        gauge = plain  # there is nothing but background
    weight = np.maximum(_over_own(gauged(run, gauge, progress), gauge, low_q, of), 0)
    if blank.any():
        weight = np.where(blank, _over_own(gauged(run, plain, progress), plain, low_q, of), weight)
    return weight.astype(np.float32)


def _over_own(
    amount: NDArray[np.float32], gauge: NDArray[np.float32], low_q: NDArray[np.float64], of: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Bring amounts, in units of the mean background, to units of each shot's own."""
    if len(low_q) == 1:
        return amount
    own = np.tensordot(low_q, gauge.astype(np.float64), 2)
    # where a cell has hardly any background its weight matters little, but must be finite
    own = np.where(own > 1e-3 * np.abs(own).max(), own, np.abs(own).max())
    return np.asarray(amount / own[of], np.float32)


def _sample(run: Run, name: str = "low_q") -> NDArray[Any]:
    """Return images of shots spread evenly over a run."""
    blocks = -(-run.n_shots // TOGETHER)
    chosen = np.unique(np.linspace(0, blocks - 1, min(blocks, SAMPLE // TOGETHER)).astype(np.int64))
    index = (chosen[:, None] * TOGETHER + np.arange(TOGETHER)).ravel()
    return StoredShots(run, run.n_shots).read(name, index[index < run.n_shots])
