"""What a worker does with one shard of frames that come from files, and what all shards share."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from threading import Event, Lock
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import MemoryStore

from xfeldask.config import Photonize
from xfeldask.engines.estimate import FIXED_BYTES, SAMPLE, Estimate
from xfeldask.engines.frame_formats import frames_at
from xfeldask.engines.kept import Kept, key_of
from xfeldask.errors import CorruptStoreError, InputError
from xfeldask.formats.adu import PhotonizedFrames, read_correction
from xfeldask.formats.frames import Frames, columns_of, events_of
from xfeldask.formats.joined import JoinedFrames
from xfeldask.physics.binning import bin_factor, binned_shape, low_q_shape
from xfeldask.physics.detectors import HC, Geometry
from xfeldask.physics.images import Recorder, photons_of_frames
from xfeldask.physics.photonizing import BINS, histogram_centers
from xfeldask.schema import VARIABLES
from xfeldask.store.adu_histogram import create_histogram, histogram_array
from xfeldask.store.elsewhere import Elsewhere, source_files, stored_elsewhere
from xfeldask.store.intake import Intake, file_of, stored_intake
from xfeldask.store.layout import Layout, create_template, shard_length, shot_array
from xfeldask.store.run import Run
from xfeldask.store.shards import Shard

BLOCK_BYTES = 2**25
"""Pixels read together, four bytes each."""


@dataclass(frozen=True, eq=False)
class Desk:
    """What the shards of one store share: made once a process, then kept.

    Attributes
    ----------
    frames : JoinedFrames
    recorder : Recorder
    arrays : zarr.Array by name, raw variables and totals
    layout : Layout
    histograms : zarr.Array (shard, bin), or None where nothing is photonized
    given_up : Event, set when a file turned out to be damaged
    """

    frames: JoinedFrames
    recorder: Recorder
    arrays: Mapping[str, zarr.Array[Any]]
    layout: Layout
    histograms: zarr.Array[Any] | None = None
    given_up: Event = field(default_factory=Event)

    def fill(self, sink: Shard, shots: range) -> NDArray[np.int64]:
        """Read shots into a shard, a block at a time; return the histogram of what was photonized."""
        histogram = np.zeros(BINS, np.int64)
        for block in blocks(self.frames, shots):
            if self.histograms is None:
                listed = events_of(self.frames, block)
            else:
                found = self.frames.photonized(block)
                listed, histogram = photons_of_frames(found.photons), histogram + found.histogram
            recorded = self.recorder.record(listed)
            sink.extend(recorded.raw(), recorded.totals())
        return histogram


def blocks(frames: Frames, shots: range) -> Iterator[range]:
    """Cut shots into blocks that fit into memory and, where that is known, end where the file's chunks do.

    Examples
    --------
    >>> from xfeldask.formats.stacks import StackFrames, flat_panel
    >>> frames = StackFrames("run", np.zeros((300, 256, 256), np.uint8), flat_panel((256, 256), 1e-4, 0.1), 4600)
    >>> # 32 MB of pixels of four bytes
    >>> [(some.start, some.stop) for some in blocks(frames, range(3, 300))]
    [(3, 128), (128, 256), (256, 300)]
    """
    fit = max(1, BLOCK_BYTES // (4 * frames.geometry.mask.size))
    chunk = max(1, int(getattr(frames, "chunk", 1)))
    length = fit if chunk > fit else fit // chunk * chunk
    start = shots.start
    while start < shots.stop:
        stop = min(shots.stop, (start // length + 1) * length)
        yield range(start, stop)
        start = stop


def layout_of_frames(frames: JoinedFrames, dtype: str | None) -> Layout:
    """Layout of a store of frames: truth as far as they have it, photons of a type, or of the least that holds them.

    Examples
    --------
    >>> from xfeldask.formats.stacks import StackFrames, flat_panel
    >>> frames = StackFrames("run", np.full((9, 2, 2), 300), flat_panel((2, 2), 1e-3, 0.1), 4600)
    >>> layout = layout_of_frames(JoinedFrames([frames]), None)
    >>> layout.n_shots, layout.pixels, layout.photon_dtype, layout.truth
    (9, (1, 2, 2), 'uint16', ())
    """
    truth = frames.truth(range(1))
    rooms = [np.shape(values)[1] for name, values in truth.items() if "particle" in VARIABLES[name].dims]
    geometry, dtype = frames.geometry, dtype or frames.photon_type
    shard = shard_length(geometry.shape, np.dtype(dtype).itemsize)
    return Layout(
        frames.n_shots,
        geometry.shape,
        binned_shape(geometry, bin_factor(geometry)),
        low_q_shape(geometry),
        rooms[0] if rooms else 0,
        dtype,
        False,
        min(shard, 2 ** (frames.n_shots - 1).bit_length()),
        tuple(name for name in VARIABLES if name in truth),
    )


def open_intake(intake: Intake, geometry: Geometry) -> JoinedFrames:
    """Open again what a store was ingested from, with the detector that was settled on."""
    found = [frames_at(s, intake.format, geometry, intake.photon_energy) for s in intake.sources]
    return JoinedFrames(found if intake.photonize is None else as_photons(found, intake.photonize))


def as_photons(found: Sequence[Frames], asked: Photonize) -> list[PhotonizedFrames]:
    """Read frames in ADU as photons.

    Examples
    --------
    >>> from xfeldask.formats.stacks import StackFrames, flat_panel
    >>> frames = StackFrames("run", np.array([[[0.4, 8.1]]]), flat_panel((1, 2), 1e-3, 0.1), 4600)
    >>> as_photons([frames], Photonize(gain=8))[0].read(range(1)).tolist()
    [[[[0, 1]]]]
    """
    correction = read_correction(asked, found[0].geometry.shape)
    # a file of several stacks is joined already
    parts = [part for frames in found for part in (frames.parts if isinstance(frames, JoinedFrames) else [frames])]
    return [PhotonizedFrames(part, correction) for part in parts]


def files_read(frames: JoinedFrames, intake: Intake) -> list[Path]:
    """Files and folders that photons are read from: the sources, those that virtual data sets refer to, corrections."""
    correction = {} if intake.photonize is None else intake.photonize.model_dump()
    named = [value for value in correction.values() if isinstance(value, str) and "/" in value]
    return [*map(file_of, intake.sources), *map(Path, frames.files), *map(Path, named)]


def left_photons(frames: JoinedFrames, intake: Intake, dtype: str | None) -> Elsewhere:
    """Record where photons are that stay in their files.

    Parameters
    ----------
    frames : JoinedFrames, of all sources
    intake : Intake
    dtype : str, optional, that pixels are given in; the least that holds them by default
    """
    return Elsewhere(
        files=source_files(path for path in files_read(frames, intake) if path.exists()),
        starts=frames.starts,
        shape=(frames.n_shots, *frames.geometry.shape),
        dtype=dtype or frames.photon_type,
    )


class PhotonReader:
    """Photons of a store that stay in the files they came from, read as they would have been copied.

    Parameters
    ----------
    path : str, of the store

    Raises
    ------
    MissingFileError, InputError
        A file is gone, or has changed.
    """

    def __init__(self, path: str) -> None:
        run = Run.open(path)
        intake, told = stored_intake(run.group), stored_elsewhere(run.group)
        if intake is None or told is None:
            raise CorruptStoreError(f"{path} does not tell where its photons are")
        told.refuse_changed(path)
        self._frames, mask = open_intake(intake, run.geometry), run.geometry.mask
        self._good = None if mask.all() else mask
        self._most, self._dtype = np.iinfo(told.dtype).max, told.dtype
        fit = max(1, BLOCK_BYTES // (4 * mask.size))
        self._length = min(fit, max(1, self._frames.chunk))
        self._kept: tuple[int, NDArray[Any]] = (-1, np.empty(0))
        self._reading = Lock()

    def frame(self, shot: int) -> NDArray[Any]:
        """Photons of a shot (panel, ss, fs); those of its chunk of the file are kept until another is read."""
        block, place = divmod(shot, self._length)
        with self._reading:
            if self._length == 1:
                return np.asarray(self._read(range(shot, shot + 1))[0])
            if self._kept[0] != block:
                stop = min((block + 1) * self._length, self._frames.n_shots)
                self._kept = block, self._read(range(block * self._length, stop))
            return np.array(self._kept[1][place])

    def _read(self, shots: range) -> NDArray[Any]:
        """Photons of shots as they are copied: of the store's type, a full pixel full, a bad one empty."""
        counts = self._frames.read(shots)
        if np.iinfo(counts.dtype).max > self._most:
            counts = np.minimum(counts, self._most)
        counts = counts.astype(self._dtype, copy=False)
        return counts if self._good is None else counts * self._good


def make_desk(root: zarr.Group, frames: JoinedFrames, layout: Layout, copy: bool = True) -> Desk:
    """Make what shards share from what has been worked out already; photons are written if `copy`."""
    written = [v.name for v in layout.stored() if v.role in ("raw", "total") and (copy or v.name != "photons")]
    arrays = {name: shot_array(root, name) for name in written}
    return Desk(frames, Recorder(frames.geometry, layout.photon_dtype), arrays, layout, histogram_array(root))


def ingest_shard(run: Run, shard: int) -> InputError | None:
    """Read one shard of a store and commit it; the task that Dask runs.

    Parameters
    ----------
    run : Run, to be written
    shard : int

    Returns
    -------
    InputError or None, what is wrong with the files: raised, it would not wait for tasks that still write
    """
    desk = _desks.get(key_of(run), lambda: _read_desk(run))
    try:
        if not desk.given_up.is_set():
            sink = Shard(desk.arrays, run.path, desk.layout, shard)
            histogram = desk.fill(sink, sink.shots)
            if desk.histograms is not None:
                desk.histograms[shard] = histogram
            run.refuse_replaced()
            sink.commit()
    except InputError as error:
        desk.given_up.set()
        return error
    return None


_desks: Kept[Desk] = Kept()


def keep_desk(run: Run, desk: Desk) -> None:
    """Keep the desk of a run for the shards to come."""
    _desks.keep(key_of(run), desk)


def forget_desk(run: Run) -> None:
    """Give files and memory back."""
    _desks.drop(key_of(run))


def _read_desk(run: Run) -> Desk:
    run.refuse_replaced()
    intake = stored_intake(run.group)
    if intake is None:
        raise CorruptStoreError(f"{run.path} does not tell what it was ingested from")
    return make_desk(run.group, open_intake(intake, run.geometry), run.layout, "photons" in run.group)


def estimate_intake(frames: JoinedFrames, layout: Layout, copy: bool = True) -> Estimate:
    """Read and encode the first shots as tasks will, in memory, and extrapolate."""
    n = min(SAMPLE, len(layout.shots(0)))
    root = create_template(MemoryStore(), replace(layout, n_shots=n, shard=n), {}, {})
    if frames.photonizes:
        create_histogram(root, 1, histogram_centers())
    desk = make_desk(root, frames, replace(layout, n_shots=n, shard=n), copy)
    _rehearse(desk, 1)
    start = time.perf_counter()
    packed, held = _rehearse(desk, n)
    seconds = (time.perf_counter() - start) / n
    rest = sum(prod(layout.inner(v)) * layout.dtype(v).itemsize for v in layout.stored() if v.role != "raw")
    rest += sum(np.asarray(column.values).itemsize for column in columns_of(frames).values())
    fixed = frames.geometry.mask.size * 72
    return Estimate(
        layout.n_shots,
        layout.n_shards,
        int(layout.n_shots * (packed / n + rest) + fixed + FIXED_BYTES),
        layout.n_shots * prod(layout.pixels) * np.dtype(layout.photon_dtype).itemsize,
        3 * BLOCK_BYTES + held + int(layout.shard * packed / n) + fixed,
        seconds * layout.n_shots,
    )


def _rehearse(desk: Desk, n: int) -> tuple[int, int]:
    """Bytes of the first shots encoded, and of the memory that they are recorded in."""
    sink = Shard(desk.arrays, Path(), desk.layout, 0)
    desk.fill(sink, range(n))
    return sink.encode(), sink.bytes_held


def photon_energy_of(frames: Frames) -> float:
    """Nominal photon energy [eV].

    Examples
    --------
    >>> from xfeldask.formats.stacks import StackFrames, flat_panel
    >>> frames = StackFrames("run", np.zeros((1, 2, 2)), flat_panel((2, 2), 1e-3, 0.1), 4600)
    >>> round(photon_energy_of(frames))
    4600
    """
    return HC / frames.wavelength
