"""`find_background`: where background photons of a run are to be expected, and how many in each shot."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xfeldask.errors import InputError, StoreExistsError
from xfeldask.formats.backgrounds import cell_stack, checked_weights, expected_background
from xfeldask.physics.binning import bin_factor, bin_index, binned_shape, low_q_index, low_q_shape
from xfeldask.physics.detectors import Geometry
from xfeldask.sorting.pairs.blanks import LEAST_BLANKS, find_blanks
from xfeldask.sorting.pairs.window import find_window
from xfeldask.store.columns import Shots
from xfeldask.store.known_background import (
    PLACE,
    CellBackgrounds,
    KnownBackground,
    known_digest,
    publish_known_background,
)
from xfeldask.store.lock import held
from xfeldask.store.run import Run
from xfeldask.store.selecting import select
from xfeldask.store.shots import StoredShots
from xfeldask.verbs.given import Store, opened
from xfeldask.work.compute import one_thread_a_task
from xfeldask.work.progress import Tell

BLANKS = "blanks"
SAMPLE = 6000
"""Shots, spread evenly over the run, by which it is found out what a blank looks like."""
TOGETHER = 16
"""Shots of the sample that follow one another: a store reads as many at once."""
MOST_CELLS = 4096
"""Backgrounds of a run at most: all of their images are in memory."""
LEAST_SHOTS = 3 * LEAST_BLANKS
"""Shots of each background, on average, that it is measured on."""
Given = str | os.PathLike[str] | NDArray[Any]
Images = dict[str, NDArray[np.float64]]
"""``image`` (..., y, x) and ``low_q`` (..., low_y, low_x) of one background, or of several."""


def find_background(
    store: Store,
    source: Given = BLANKS,
    *,
    by: str | None = None,
    weights: Given | None = None,
    where: str | None = None,
    embedding: str | None = None,
    overwrite: bool = False,
    progress: bool | Tell = True,
) -> xr.Dataset:
    """Measure the background of a run on its blanks, or take a given one; rules then sort particles over it.

    Parameters
    ----------
    store : path of a store, or a Dataset of all of it as `open_dataset` gives
    source : "blanks"; or the photons to expect in each pixel of a shot, an image of the detector's shape or a profile
        (n, 2) of radius from the beam's axis [m] and photons: an array, ``file.npy``, ``file.npz:/name`` or
        ``file.h5:/name``; with `by` images or profiles one after the other
    by : str, optional, column of whole numbers that tells which background is a shot's, such as "cell": one is measured
        for each of its values, of which there are `MOST_CELLS` at most and `LEAST_SHOTS` shots of each on average; of
        backgrounds that are given, the value is the index
    weights : optional, background of each shot over that of any other: an array (shot,), a file as of `source`, or a
        column of the run, such as "background_weighting"; measured on the shots by default
    where : str, optional, expression of the shots that are blank, as of `select`, such as ``"hit_score < 5"``; by
        default the shots tell which are blank
    embedding : str, optional, whose verdicts `where` means
    overwrite : bool, replace a background that is there
    progress : as of `embed`

    Returns
    -------
    xarray.Dataset, ``/known_background/run``: `image` and `low_q`, the photons of a shot on average, in the bins of
    either, and `background_weight` and `taken_for_blank` (shot,); with `by` also `cell_image` and `cell_low_q`, and
    `background_cell` (shot,), which of them is a shot's

    Raises
    ------
    MissingFileError, FormatError, InputError
        The background, its weights or the column cannot be used, `where` names too few shots, or the shots do not tell
        which of them are blank.
    UnknownNameError
        There is no such column.
    StoreExistsError
        The run has a background and `overwrite` is false.

    Notes
    -----
    How blanks are told is in `xfeldask.sorting.pairs.blanks`. What is measured of a cell counts as if
    `xfeldask.sorting.pairs.blanks.LEAST_BLANKS` blanks like those of the whole run had been seen besides its own. An
    embedding that was made before, or with another background, is told as outdated; embed again.

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> _ = xfeldask.simulate(path, particle="chaperonin", detector="square-64", n_shots=300, hits={0: 0.5, 1: 0.5},
    ...                       nuisance="realistic", background="gas", progress=False)
    >>> found = find_background(path, progress=False)
    >>> int(found.taken_for_blank.sum()) > 100
    True
    """
    run = opened(store).refuse_incomplete()
    _refuse_known(run, overwrite)
    measured = _is_measured(source)
    if where is not None and not measured:
        raise InputError("where names the blanks that a background is measured on; leave it out where one is given")
    values, of = _cells(run, by, LEAST_SHOTS if measured else 0)
    given = None if weights is None else _given_weights(run, weights)
    with held(run.path, PLACE), one_thread_a_task():
        _refuse_known(run, overwrite)  # another may have found it meanwhile
        if measured:
            each, blank = _of_blanks(run, of, given, where, embedding, progress)
            told = where or "told by the shots"
        else:
            each, blank = _given(source, run.geometry, values, by), np.zeros(run.n_shots, bool)
            told = _named(source)
        if not each["low_q"].any():
            raise InputError(f"the background of {run.path} holds no photons near the beam; leave it out")
        weight = _measured_weights(run, each, of, blank, progress) if given is None else given
        share = np.bincount(of, given, len(values)) / run.n_shots
        mean = {name: np.tensordot(share, image, 1).astype(np.float32) for name, image in each.items()}
        own = {name: image.astype(np.float32) for name, image in each.items()}
        cells = None if by is None else CellBackgrounds(by, values, own["image"], own["low_q"], of)
        publish_known_background(run, KnownBackground(mean["image"], mean["low_q"], weight, blank, told, cells))
    return run.reopened("r").dataset(PLACE, chunks=None)


def given_background(source: Given, geometry: Geometry) -> Images:
    """Return the photons of a background that is given, in the bins of ``image`` (y, x) and ``low_q`` (low_y, low_x).

    Raises
    ------
    MissingFileError, FormatError, InputError

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> found = given_background(np.array([[0.0, 0.5], [1.0, 0.5]]), square(4, 1e-3, 0.1))
    >>> float(found["image"].sum()), found["low_q"].shape
    (8.0, (4, 4))
    """
    found = _in_bins([_read(source)], geometry)
    return {name: images[0] for name, images in found.items()}


def _in_bins(sources: Sequence[str | NDArray[Any]], geometry: Geometry) -> Images:
    """Return the photons of several backgrounds in bins, one after the other."""
    bin = bin_factor(geometry)
    bins = {"image": (bin_index(geometry, bin), binned_shape(geometry, bin))}
    bins["low_q"] = low_q_index(geometry), low_q_shape(geometry)
    out = {name: np.empty((len(sources), *shape)) for name, (_, shape) in bins.items()}
    for number, source in enumerate(sources):
        photons = expected_background(source, geometry)
        for name, (index, shape) in bins.items():
            used = index >= 0
            out[name][number] = np.bincount(index[used], photons[used], shape[0] * shape[1]).reshape(shape)
    return out


def refuse_background(source: Given, geometry: Geometry) -> None:
    """Refuse a background that is given and cannot be used with a detector.

    Raises
    ------
    MissingFileError, FormatError, InputError
    """
    if not _is_measured(source):
        given_background(source, geometry)


def _is_measured(source: Given) -> bool:
    return isinstance(source, str) and source == BLANKS


def _read(source: Given) -> str | NDArray[Any]:
    return os.fspath(source) if isinstance(source, str | os.PathLike) else source


def _refuse_known(run: Run, overwrite: bool) -> None:
    if not overwrite and known_digest(run) is not None:
        raise StoreExistsError(f"{run.path} has a background; pass overwrite=True (--overwrite) to replace it")


def _cells(run: Run, by: str | None, least: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the values that tell backgrounds apart, ascending, and which of them is each shot's, int32 (shot,)."""
    if by is None:
        return np.zeros(1, np.int64), np.zeros(run.n_shots, np.int32)
    value = np.asarray(Shots.of(run).column(by).values)
    if len(value) != run.n_shots or value.dtype.kind not in "iub" or value.min() < 0:
        raise InputError(f"by names a column of whole numbers from 0 on of all shots, such as cell; {by} is not one")
    values, of = np.unique(value.astype(np.int64), return_inverse=True)
    if len(values) > MOST_CELLS:
        raise InputError(
            f"{by} has {len(values):,} values, and {MOST_CELLS:,} backgrounds can be told apart at most; name a column "
            "of fewer values, such as cell"
        )
    if len(value) < least * len(values) and len(values) > 1:
        raise InputError(
            f"{by} has {len(values):,} values in {len(value):,} shots; to measure a background of each takes {least} "
            "shots or more of a value on average: name a column of fewer values, or leave by out"
        )
    return values, of.astype(np.int32)


def _given_weights(run: Run, weights: Given) -> NDArray[np.float32]:
    """Return weights of all shots that are given, 1 on average."""
    columns = Shots.of(run)
    told = _read(weights)
    if isinstance(told, str) and told in columns.names():
        told = np.asarray(columns.column(told).values)
    found = checked_weights(told)
    if len(found) != run.n_shots:
        raise InputError(f"weights of the background are one for each of {run.n_shots:,} shots, got {len(found):,}")
    if not found.any():
        raise InputError("weights of the background are all 0; leave the background out")
    return np.asarray(found / found.mean(), np.float32)


def _given(source: Given, geometry: Geometry, values: NDArray[np.int64], by: str | None) -> Images:
    """Return the backgrounds that are given, of each value that there is."""
    if by is None:
        return _in_bins([_read(source)], geometry)
    stack = cell_stack(_read(source), geometry)
    if values[-1] >= len(stack):
        raise InputError(f"{_named(source)} holds {len(stack):,} backgrounds, and {by} goes up to {values[-1]:,}")
    return _in_bins([stack[value] for value in values], geometry)


def _of_blanks(
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


def _measured_weights(
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


def _sample(run: Run) -> NDArray[Any]:
    """`low_q` of shots spread evenly over a run."""
    blocks = -(-run.n_shots // TOGETHER)
    chosen = np.unique(np.linspace(0, blocks - 1, min(blocks, SAMPLE // TOGETHER)).astype(np.int64))
    index = (chosen[:, None] * TOGETHER + np.arange(TOGETHER)).ravel()
    return StoredShots(run, run.n_shots).read("low_q", index[index < run.n_shots])


def _named(source: Given) -> str:
    return Path(source).name if isinstance(source, str | os.PathLike) else "an array"
