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
from xfeldask.sorting.pairs.blanks import LEAST_BLANKS
from xfeldask.store.choosing.columns import Shots
from xfeldask.store.results.known_background import (
    OF_HITS,
    PLACE,
    CellBackgrounds,
    KnownBackground,
    known_digest,
    publish_known_background,
)
from xfeldask.store.run import Run
from xfeldask.store.storage.lock import held
from xfeldask.store.store_given import Store, opened
from xfeldask.verbs.parts.measured_background import Images, measured_weights, of_blanks, of_hits
from xfeldask.work.compute import one_thread_a_task
from xfeldask.work.progress import Tell

BLANKS, HITS = "blanks", "hits"
"""Shots that a background is measured on."""
MOST_CELLS = 4096
"""Backgrounds of a run at most: all of their images are in memory."""
LEAST_SHOTS = 3 * LEAST_BLANKS
"""Shots of each background, on average, that it is measured on."""
Given = str | os.PathLike[str] | NDArray[Any]


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
    """Measure the background of a run on its blanks or its hits, or take a given one; rules sort particles over it.

    Parameters
    ----------
    store : path of a store, or a Dataset of all of it as `open_dataset` gives
    source : "blanks"; "hits", single hits of a run that was sorted, by what of their photons does not grow with their
        brightness; or the photons to expect in each pixel of a shot, an image of the detector's shape or a profile
        (n, 2) of radius from the beam's axis [m] and photons: an array, ``file.npy``, ``file.npz:/name`` or
        ``file.h5:/name``; with `by` images or profiles one after the other
    by : str, optional, column of whole numbers that tells which background is a shot's, such as "cell": one is measured
        for each of its values, of which there are `MOST_CELLS` at most and `LEAST_SHOTS` shots of each on average; of
        backgrounds that are given, the value is the index
    weights : optional, background of each shot over that of any other: an array (shot,), a file as of `source`, or a
        column of the run, such as "background_weighting"; measured on the shots by default
    where : str, optional, expression of the blanks, or of the single hits, as of `select`, such as
        ``"hit_score < 5"``; by default the shots tell which are blank, and verdicts which are single hits
    embedding : str, optional, whose verdicts are meant; the only one that was sorted by default
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
        The background, its weights or the column cannot be used, `where` names too few shots, the shots do not tell
        which of them are blank, or all hits were in about the same fluence.
    UnknownNameError
        There is no such column.
    StoreExistsError
        The run has a background and `overwrite` is false.

    Notes
    -----
    How blanks are told is in `xfeldask.sorting.pairs.blanks`, what hits tell in `xfeldask.sorting.pairs.zero_fluence`.
    What is measured of a cell counts as if `xfeldask.sorting.pairs.blanks.LEAST_BLANKS` blanks like those of the whole
    run had been seen besides its own. An embedding that was made before, or with another background, is told as
    outdated; embed again.

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
    on_hits = measured and source == HITS
    if where is not None and not measured:
        raise InputError("where names the shots that a background is measured on; leave it out where one is given")
    if on_hits and by is not None:
        raise InputError(
            "the background of each cell is measured on blanks, and on hits that of all cells alone; leave by out"
        )
    values, of = _cells(run, by, LEAST_SHOTS if measured else 0)
    given = None if weights is None else _given_weights(run, weights)
    with held(run.path, PLACE), one_thread_a_task():
        _refuse_known(run, overwrite)  # another may have found it meanwhile
        if on_hits:
            each, blank = of_hits(run, given, where, embedding, progress), np.zeros(run.n_shots, bool)
            told = f"{OF_HITS} ({where})" if where else OF_HITS
        elif measured:
            each, blank = of_blanks(run, of, given, where, embedding, progress)
            told = where or "told by the shots"
        else:
            each, blank = _given(source, run.geometry, values, by), np.zeros(run.n_shots, bool)
            told = _named(source)
        if not each["low_q"].any():
            raise InputError(f"the background of {run.path} holds no photons near the beam; leave it out")
        weight = measured_weights(run, each, of, blank, progress) if given is None else given
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
    """Refuse what cannot be the background of frames that were not sorted yet.

    Raises
    ------
    MissingFileError, FormatError, InputError
    """
    if isinstance(source, str) and source == HITS:
        raise InputError("a background is measured on hits when these were sorted: ingest and embed first")
    if not _is_measured(source):
        given_background(source, geometry)


def _is_measured(source: Given) -> bool:
    return isinstance(source, str) and source in (BLANKS, HITS)


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


def _named(source: Given) -> str:
    return Path(source).name if isinstance(source, str | os.PathLike) else "an array"
