"""`ingest`: from frames that were measured, or made by other programs, to a finished store."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from xfeldask.config import Photonize
from xfeldask.config.limits import LIMITS, WAVELENGTH
from xfeldask.engines.estimate import Estimate, refuse_full_disk
from xfeldask.engines.frame_formats import frames_at, recognised
from xfeldask.engines.reading import (
    as_photons,
    estimate_intake,
    files_read,
    forget_desk,
    ingest_shard,
    keep_desk,
    layout_of_frames,
    left_photons,
    make_desk,
    open_intake,
    photon_energy_of,
)
from xfeldask.errors import NUMBER, ExperimentMismatchError, InputError, LostPhotonsWarning, refuse_unlike
from xfeldask.formats.adu import settled
from xfeldask.formats.frames import columns_of
from xfeldask.formats.inputs import geometry_digest
from xfeldask.formats.joined import JoinedFrames
from xfeldask.formats.mask_files import masked
from xfeldask.physics.detectors import HC
from xfeldask.store.elsewhere import KEY, Elsewhere, stored_elsewhere
from xfeldask.store.intake import Intake, fingerprint, stored_intake
from xfeldask.store.layout import FORMAT, INGESTED
from xfeldask.store.run import Run
from xfeldask.store.shards import pending_shards
from xfeldask.store.storage.lock import held
from xfeldask.store.storage.places import is_in, place_of
from xfeldask.store.storage.publish import let_go, put_back
from xfeldask.store.storage.urls import URL, StorePath, store_path
from xfeldask.verbs.known_background import Given, find_background, refuse_background
from xfeldask.verbs.open_frames import GeometryLike, geometry_of, photon_energy_with
from xfeldask.verbs.parts.ingest_template import publish_frames
from xfeldask.verbs.parts.pending import refuse_broken, refuse_existing, run_pending
from xfeldask.work.progress import Tell

Source = str | os.PathLike[str]


def ingest(
    source: Source | Sequence[Source],
    store: str | StorePath,
    *,
    format: str | None = None,
    geometry: GeometryLike | None = None,
    wavelength: float | None = None,
    mask: str | Path | ArrayLike | Sequence[Source] | None = None,
    photonize: Photonize | Mapping[str, Any] | float | str | Path | None = None,
    photon_dtype: str | None = None,
    background: Given | None = None,
    copy: bool = True,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool | Tell = True,
) -> xr.Dataset:
    """Read frames into a store, on the scheduler that Dask has active, each frame once and in order.

    Parameters
    ----------
    source : path of a file, or several of one detector, whose shots follow one another; ``file.h5:/path`` names a part
    store : path of the store
    format : name of the kind of frames, as `open_frames` knows them; by default what is in the file tells
    geometry : of files that do not tell their own, or in its place: a detector's name, ``flat-ROWSxCOLUMNS``, a psana,
        Dragonfly or CrystFEL file, parts as `xfeldask.config.Detector`, or a `Geometry`
    wavelength : float, nominal, of files that do not tell their own, or in its place [m]. Of those that do not, by
        default what a CrystFEL file given as `geometry` tells as a number. What no laboratory has is refused, of files
        too
    mask : array of the detector's shape, true where a pixel is good, or a file of one; after ``bad:`` the name of a
        file that marks bad pixels; or several files. What the geometry or the file marks bad stays so
    photonize : of files in ADU: the ADU of a photon, a .npy file of that for each pixel, or parts as
        `xfeldask.config.Photonize`, with dark and common mode. Pixels that are bad throughout are masked, others that
        give no finite number count nothing in their shot; the histogram is kept in ``/photonizing``
    photon_dtype : "uint8", "uint16" or "uint32", of a pixel; by default what the files' own type or some of their shots
        call for. A full pixel stays full, and `lost_photons` says what it lost
    background : "blanks" to measure it on the blanks of the run, or photons of a shot, as of `find_background`; by
        default none. One that the store has is kept
    copy : bool, keep a copy of the photons in the store. Without, they stay in the files, and are read there when they
        are asked for, to the same values; the store has images, totals and coordinates, and tells where the files are
        and what they were like. Where a file is gone or has changed, what needs no photons goes on working; `resume`
        takes files that have moved
    resume : bool, finish a store that was interrupted; only what is pending is read
    overwrite : bool, replace a store that is there; one in a folder is kept until all files have been read
    progress : bool, show progress on stderr; or a function as `embed` takes it

    Returns
    -------
    xarray.Dataset, lazy over the finished store

    Raises
    ------
    MissingFileError, FormatError, InputError
        Something cannot be used; what was there before is there still. Only in a bucket a file that is found to be
        damaged half-way leaves no store.
    StoreExistsError, ExperimentMismatchError
        The store is there and was not asked to be resumed, or holds other frames.
    RunError
        The run broke off; what was committed is kept.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> np.save(folder + "/run.npy", np.ones((3, 64, 64), np.uint8))
    >>> ds = ingest(folder + "/run.npy", folder + "/run.zarr", geometry="square-64", wavelength=2e-10, progress=False)
    >>> ds.photon_count.values.tolist()
    [4096, 4096, 4096]
    """
    path = store_path(store)
    if photon_dtype not in (None, "uint8", "uint16", "uint32"):
        raise InputError(f"photon_dtype is uint8, uint16 or uint32, got {photon_dtype!r}")
    if not copy and isinstance(path, URL):
        raise InputError(
            f"the photons of {path} cannot stay in files, as it is in a bucket; leave out copy=False (--no-copy)"
        )
    refuse_existing(path, resume, overwrite)
    frames, intake = _opened_for(path, background, source, format, geometry, wavelength, mask, photonize)
    elsewhere = None if copy else left_photons(frames, intake, photon_dtype)
    if resume and place_of(path).exists():
        run, moved = _resumed(path, intake, elsewhere, photon_dtype)
        if run.complete and not pending_shards(run) and not moved:
            return _with_background(run, background, progress)
    with held(path):
        refuse_existing(path, resume, overwrite)  # another may have made it meanwhile
        run = _ingested(path, frames, intake, photon_dtype, elsewhere, resume, progress)
    warn_of_lost_photons(run)
    return _with_background(run, background, progress)


def _with_background(run: Run, background: Given | None, progress: bool | Tell) -> xr.Dataset:
    """Return the finished store, with a background if one is asked for."""
    if background is not None and run.known_background is None:
        find_background(run.path, background, progress=progress)
    return run.reopened("r").dataset()


def _ingested(
    path: StorePath, frames: JoinedFrames, intake: Intake, photon_dtype: str | None, elsewhere: Elsewhere | None,
    resume: bool, progress: bool | Tell,
) -> Run:  # fmt: skip
    """Make the store or go on with it, to its end."""
    fresh = not (resume and place_of(path).exists())
    if fresh:
        layout = layout_of_frames(frames, photon_dtype)
        refuse_full_disk(path, estimate_intake(frames, layout, elsewhere is None).bytes_on_disk)
        run = publish_frames(path, frames, layout, intake, elsewhere, keep=True)
    else:
        run, _ = _resumed(path, intake, elsewhere, photon_dtype, write=True)
    try:
        if fresh:
            keep_desk(run, make_desk(run.group, frames, layout, elsewhere is None))
        run_pending(run, "ingest", ingest_shard, progress)
    except InputError:
        # a file that turns out to be damaged half-way leaves nothing behind that looks like its shots
        if fresh:
            put_back(path)
        raise
    finally:
        let_go(path)
        forget_desk(run)
    return run


def _resumed(
    path: StorePath, intake: Intake, elsewhere: Elsewhere | None, photon_dtype: str | None, write: bool = False
) -> tuple[Run, bool]:
    """Open a run that is to be finished, and tell whether photons that it left in files are to be found anew.

    Where files are now is written only if `write`, by whoever holds the store.
    """
    run = Run.open(path, "r+")
    stored, known = stored_intake(run.group), stored_elsewhere(run.group)
    if stored is not None and intake.fingerprint == stored.written_back:
        # the frames are the same, with verdicts beside them
        intake = intake.model_copy(update={"fingerprint": stored.fingerprint, "written_back": stored.written_back})
    _refuse_other(run, intake)
    refuse_broken(run)
    if photon_dtype not in (None, run.layout.photon_dtype):
        raise ExperimentMismatchError(path, {"photon_dtype": (run.layout.photon_dtype, photon_dtype)})
    if (known is None) != (elsewhere is None):
        told = "photons of its own; leave copy out" if known is None else "its photons in the files; pass copy=False"
        raise InputError(f"{path} has {told} to resume it, or overwrite=True to begin again")
    if known is not None and elsewhere is not None:
        # totals and images were made of photons of this type
        elsewhere = elsewhere.model_copy(update={"dtype": known.dtype})
    moved = elsewhere != known
    if write:
        run.group.attrs["ingest"] = intake.to_json()
        if elsewhere is not None and moved:
            run.group.attrs[KEY] = elsewhere.to_json()
    return run, moved


def warn_of_lost_photons(run: Run) -> None:
    """Warn of pixels that held more photons than their type can."""
    lost = run.read("lost_photons")
    if lost.any():
        told = (
            f"{int((lost > 0).sum()):,} shots of {run.path} have pixels of more photons than {run.layout.photon_dtype}"
        )
        warnings.warn(f"{told} holds; ingest again with a wider photon_dtype", LostPhotonsWarning, stacklevel=3)


def estimate_ingest(
    source: Source | Sequence[Source],
    store: str | StorePath,
    *,
    format: str | None = None,
    geometry: Any = None,
    wavelength: float | None = None,
    mask: Any = None,
    photonize: Any = None,
    photon_dtype: str | None = None,
    background: Given | None = None,
    copy: bool = True,
    resume: bool = False,
    overwrite: bool = False,
) -> Estimate:
    """Estimate what `ingest` with the same arguments would take; nothing is written."""
    path = store_path(store)
    refuse_existing(path, resume, overwrite)
    frames, _ = _opened_for(path, background, source, format, geometry, wavelength, mask, photonize)
    return estimate_intake(frames, layout_of_frames(frames, photon_dtype), copy)


def _opened_for(path: StorePath, background: Given | None, *sources: Any) -> tuple[JoinedFrames, Intake]:
    """Open sources, as of `open_sources`, for a store at `path`; refuse what cannot go there."""
    frames, intake = open_sources(*sources)
    for file in files_read(frames, intake):
        if isinstance(path, Path) and is_in(file, path):
            raise InputError(f"{file} lies in {path}, whose place the store would take; ingest it into another path")
    if background is not None:
        refuse_background(background, frames.geometry)
    return frames, intake


def open_sources(
    source: Source | Sequence[Source],
    format: str | None,
    geometry: Any,
    wavelength: float | None,
    mask: Any,
    photonize: Any,
) -> tuple[JoinedFrames, Intake]:
    """Frames with the detector that is settled on, and the record of where they come from."""
    sources = [_absolute(one) for one in ([source] if isinstance(source, str | os.PathLike) else source)]
    if not sources:
        raise InputError("there is nothing to ingest; name at least one file")
    kind = recognised(sources[0]) if format is None else format
    if kind == "experiment":
        raise InputError(f"{sources[0]} describes an experiment; simulate it instead: xfeldask simulate --experiment")
    refuse_unlike("a number of metres", NUMBER, wavelength=wavelength)
    if wavelength is not None and not (np.isfinite(wavelength) and wavelength > 0):
        raise InputError(f"the wavelength must be positive, got {wavelength} m")
    energy = None if wavelength is None else HC / WAVELENGTH.check("wavelength", wavelength)
    told = photon_energy_with(geometry) if energy is None else None
    given = geometry_of(geometry)
    found = JoinedFrames([frames_at(one, kind, given, energy, told) for one in sources])
    if found.n_shots == 0:
        raise InputError(f"{sources[0]} holds no frames; there is nothing to ingest")
    # the file's own, where none was given
    LIMITS["photon_energy"].check(
        f"photon energy of {found.name} (give wavelength in its place)", photon_energy_of(found)
    )
    detector, correction = masked(found.geometry, mask), None
    if photonize is not None:
        correction = settled(os.fspath(photonize) if isinstance(photonize, Path) else photonize)
        bad = [part.bad_throughout() for part in as_photons(found.parts, correction)]
        detector = masked(detector, ~np.any(bad, axis=0))
    intake = Intake(
        sources=tuple(sources),
        format=kind,
        fingerprint=fingerprint(sources),
        n_shots=found.n_shots,
        geometry=geometry_digest(detector),
        photon_energy=photon_energy_of(found),
        photonize=correction,
        variables=(*found.truth(range(1)), *columns_of(found)),
    )
    return open_intake(intake, detector), intake


def _absolute(source: Source) -> str:
    text = os.fspath(source)
    path, colon, part = (text, "", "") if Path(text).exists() else text.partition(":/")
    if not Path(path).exists():
        return text
    return f"{Path(path).absolute()}{colon}{part}"


def _refuse_other(run: Run, asked: Intake) -> None:
    stored = stored_intake(run.group)
    made = run.attributes.get("format")
    old = {} if stored is None else {**stored.identity(), "store format": FORMAT if made in INGESTED else made}
    new = {**asked.identity(), "store format": FORMAT}
    differing = {k: (old.get(k), new.get(k)) for k in sorted({*old, *new}) if old.get(k) != new.get(k)}
    if differing:
        raise ExperimentMismatchError(run.path, differing)
