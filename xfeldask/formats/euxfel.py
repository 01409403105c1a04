"""Runs of the European XFEL, read through EXtra-data: frames of a detector of several modules, and which are hits.

EXtra-data (https://extra-data.readthedocs.io) comes with ``pip install xfeldask[beamlines]``. Where the facility's hit
finder has run, the frames that it flags are read; the kind ``euxfel_all`` reads all frames.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import FormatError, InputError, first_line
from xfeldask.formats.hdf5 import reading
from xfeldask.formats.shot_columns import ShotColumn
from xfeldask.formats.stacks import StackFrames
from xfeldask.physics.detectors import Geometry

FINDER = re.compile(r".*/REDU/SPI_HITFINDER:output")
_FILE = re.compile(r"(RAW|CORR)-R\d+-.*\.h5")


class ModuleArray:
    """Chosen frames of a key of a detector, as an array (shot, module, ss, fs).

    Parameters
    ----------
    detector : detector of extra_data.components
    key : str, such as "image.data"
    frames : int64 (shot,), indices of the chosen frames among all
    missing : value of modules that sent nothing
    """

    chunks = (1,)

    def __init__(self, detector: Any, key: str, frames: NDArray[np.int64], missing: float | None) -> None:
        self._data, self._missing, self._frames = detector[key], missing, frames
        modules, _, *pixels = self._data.buffer_shape(module_gaps=True)
        self.shape: tuple[int, ...] = (len(frames), modules, *pixels)
        self.dtype: np.dtype[Any] = np.dtype(self._data.dtype)
        trains = self._data.train_id_coordinates()
        # trains in the order in which frames follow one another, and where each begins
        self._trains, self._first = np.unique(trains, return_index=True)

    def __getitem__(self, shots: slice) -> NDArray[Any]:
        from extra_data import by_id, by_index

        wanted = self._frames[shots]
        out = np.empty((len(wanted), *self.shape[1:]), self.dtype)
        train = np.searchsorted(self._first, wanted, "right") - 1
        for one in np.unique(train).tolist():
            here = train == one
            part = self._data.select_trains(by_id[[int(self._trains[one])]])
            part = part.select_pulses(by_index[wanted[here] - self._first[one]])
            more = {} if self._missing is None else {"fill_value": self._missing}
            out[here] = np.moveaxis(part.ndarray(module_gaps=True, **more), 1, 0)
        return out


class EuxfelRun:
    """The kind of frames of a run folder, the frames that were found to be hits, or all."""

    def __init__(self, hits_only: bool) -> None:
        self._hits_only = hits_only

    def recognises(self, source: str) -> bool:
        """Whether the folder holds files of a run; `euxfel_all` is only taken by name."""
        return (
            self._hits_only and Path(source).is_dir() and any(_FILE.fullmatch(p.name) for p in Path(source).iterdir())
        )

    def __call__(self, source: str, geometry: Geometry | None, photon_energy: float | None) -> StackFrames:
        """Open a run.

        Raises
        ------
        InputError
            EXtra-data is not installed, or a geometry or energy is missing.
        FormatError
            The run has no detector of several modules, or is raw.
        """
        detector, run = _detector(source)
        with reading(source):
            trains, pulses, cells = (
                np.asarray(values).ravel()
                for values in (
                    detector["image.data"].train_id_coordinates(),
                    detector["image.data"].pulse_id_coordinates(),
                    detector["image.data"].cell_id_coordinates(),
                )
            )
            frames, scores = np.arange(len(trains)), None
            finder = [name for name in run.all_sources if FINDER.fullmatch(name)]
            if finder and self._hits_only:
                frames, scores = _hits(run[finder[0]], trains, pulses)
            columns = {
                name: ShotColumn(values[frames].astype(np.int64), f"{name} of the European XFEL", "1", True)
                for name, values in (("train", trains), ("pulse", pulses), ("cell", cells))
            }
            if scores is not None:
                columns["hit_score"] = ShotColumn(scores, "score of the facility's hit finder")
            data = ModuleArray(detector, "image.data", frames, None)
            if len(data.shape) != 4:
                raise FormatError(
                    source, f"has raw frames {data.shape[1:]}; give the corrected run, proc instead of raw"
                )
            bad = ModuleArray(detector, "image.mask", frames, 1) if "image.mask" in detector else None
        return StackFrames(source, data, geometry, photon_energy, None, columns, bad)


def _detector(source: str) -> tuple[Any, Any]:
    """Return the detector of several modules of a run, and the run."""
    try:
        import extra_data
        from extra_data.components import identify_multimod_detectors
    except ImportError:
        raise InputError(f"{source} is read by EXtra-data; install it: pip install 'xfeldask[beamlines]'") from None
    try:
        run = extra_data.RunDirectory(source, parallelize=False)
        name, kind = identify_multimod_detectors(run, single=True)
        return kind(run, name), run
    except Exception as error:  # whatever EXtra-data makes of damaged files
        raise FormatError(source, f"is no run with one detector of several modules ({first_line(error)})") from None


def _hits(finder: Any, trains: NDArray[Any], pulses: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return indices of frames that the hit finder flags, and their scores."""
    train, pulse, flag, score = (
        np.asarray(finder[f"data.{name}"].ndarray()).ravel() for name in ("trainId", "pulseId", "hitFlag", "hitscore")
    )
    told = {(int(t), int(p)): float(s) for t, p, f, s in zip(train, pulse, flag, score, strict=True) if f}
    keys = list(zip(trains.tolist(), pulses.tolist(), strict=True))
    frames = np.array([i for i, key in enumerate(keys) if key in told], np.int64)
    return frames, np.array([told[keys[i]] for i in frames.tolist()])
