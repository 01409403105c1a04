"""`find_background`: where background photons of a run are to be expected, and how many in each shot."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xfeldask.errors import InputError, StoreExistsError
from xfeldask.formats.backgrounds import expected_background
from xfeldask.physics.binning import bin_factor, bin_index, binned_shape, low_q_index, low_q_shape
from xfeldask.physics.detectors import Geometry
from xfeldask.sorting.pairs.blanks import LEAST_BLANKS, find_blanks
from xfeldask.sorting.pairs.window import find_window
from xfeldask.store.known_background import PLACE, KnownBackground, publish_known_background
from xfeldask.store.lock import held
from xfeldask.store.run import Run
from xfeldask.store.selecting import select
from xfeldask.store.shots import StoredShots
from xfeldask.verbs.options import Store, opened
from xfeldask.work.blank_sums import gauged, summed
from xfeldask.work.compute import one_thread_a_task
from xfeldask.work.progress import Tell

BLANKS = "blanks"
SAMPLE = 6000
"""Shots, spread evenly over the run, by which it is found out what a blank looks like."""
TOGETHER = 16
"""Shots of the sample that follow one another: a store reads as many at once."""
Given = str | os.PathLike[str] | NDArray[Any]


def find_background(
    store: Store,
    source: Given = BLANKS,
    *,
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
        ``file.h5:/name``
    where : str, optional, expression of the shots that are blank, as of `select`, such as ``"hit_score < 5"``; by
        default the shots tell which are blank
    embedding : str, optional, whose verdicts `where` means
    overwrite : bool, replace a background that is there
    progress : as of `embed`

    Returns
    -------
    xarray.Dataset, ``/known_background/run``: `image` and `low_q`, the photons of a shot on average, in the bins of
    either, and `background_weight` and `taken_for_blank` (shot,)

    Raises
    ------
    MissingFileError, FormatError, InputError
        The background cannot be used, `where` names too few shots, or the shots do not tell which of them are blank.
    StoreExistsError
        The run has a background and `overwrite` is false.

    Notes
    -----
    How blanks are told is in `xfeldask.sorting.pairs.blanks`. An embedding that was made before does not know the
    background; embed again.

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
    if not overwrite and run.known_background is not None:
        raise StoreExistsError(f"{run.path} has a background; pass overwrite=True (--overwrite) to replace it")
    measured = _is_measured(source)
    if where is not None and not measured:
        raise InputError("where names the blanks that a background is measured on; leave it out where one is given")
    with held(run.path, PLACE), one_thread_a_task():
        if measured:
            found = _of_blanks(run, where, embedding, progress)
        else:
            found = _weighed(run, given_background(source, run.geometry), _named(source), progress)
        publish_known_background(run, found)
    return run.reopened("r").dataset(PLACE, chunks=None)


def given_background(source: Given, geometry: Geometry) -> dict[str, NDArray[np.float64]]:
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
    told = os.fspath(source) if isinstance(source, str | os.PathLike) else source
    photons = expected_background(told, geometry)
    bin = bin_factor(geometry)
    bins = {"image": (bin_index(geometry, bin), binned_shape(geometry, bin))}
    bins["low_q"] = low_q_index(geometry), low_q_shape(geometry)
    return {
        name: np.bincount(index[index >= 0], photons[index >= 0], shape[0] * shape[1]).reshape(shape).astype(np.float64)
        for name, (index, shape) in bins.items()
    }


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


def _of_blanks(run: Run, where: str | None, embedding: str | None, progress: bool | Tell) -> KnownBackground:
    if where is None:
        _, blanks = find_blanks(_sample(run), run.low_q_grid)
        sums = summed(run, blanks, progress)
    else:
        blank = np.zeros(run.n_shots, bool)
        blank[select(run.path, where, embedding)] = True
        if (few := int(blank.sum())) < LEAST_BLANKS:
            raise InputError(f"{where} is true of {few} shots; a background takes {LEAST_BLANKS} blanks or more")
        sums = summed(run, blank, progress)
    n = int(sums["blank"].sum())
    mean = {name: sums[name] / n for name in ("image", "low_q")}
    return _weighed(run, mean, where or "told by the shots", progress, sums["blank"])


def _weighed(
    run: Run, mean: dict[str, NDArray[np.float64]], source: str, progress: bool | Tell,
    blank: NDArray[np.bool_] | None = None,
) -> KnownBackground:  # fmt: skip
    """Weigh the background in each shot."""
    low_q = mean["low_q"]
    total = float(low_q.sum())
    if not total:
        raise InputError(f"the background of {run.path} holds no photons near the beam; leave it out")
    plain = np.full(low_q.shape, 1 / total, np.float32)
    try:
        gauge = find_window(_sample(run), run.low_q_grid, low_q).gauge
    except InputError:
        gauge = plain  # there is nothing but background
    weight = np.maximum(gauged(run, gauge, progress), 0)
    none = np.zeros(run.n_shots, bool)
    if blank is not None:
        weight = np.where(blank, gauged(run, plain, progress), weight)
    image = mean["image"].astype(np.float32)
    return KnownBackground(image, low_q.astype(np.float32), weight, none if blank is None else blank, source)


def _sample(run: Run) -> NDArray[Any]:
    """`low_q` of shots spread evenly over a run."""
    blocks = -(-run.n_shots // TOGETHER)
    chosen = np.unique(np.linspace(0, blocks - 1, min(blocks, SAMPLE // TOGETHER)).astype(np.int64))
    index = (chosen[:, None] * TOGETHER + np.arange(TOGETHER)).ravel()
    return StoredShots(run, run.n_shots).read("low_q", index[index < run.n_shots])


def _named(source: Given) -> str:
    return Path(source).name if isinstance(source, str | os.PathLike) else "an array"
