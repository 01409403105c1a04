"""Runs of LCLS, read through psana by the times of their events: ``exp=amo86615:run=182:det=pnccdBack``.

psana (https://confluence.slac.stanford.edu/display/PSDM/psana) is at home at SLAC and cannot be installed everywhere;
it is imported when a run is opened. What is read are calibrated frames in ADU, so that `photonize` is needed besides.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import FormatError, InputError, first_line
from xfeldask.formats.hdf5 import reading
from xfeldask.formats.shot_columns import ShotColumn
from xfeldask.formats.stacks import StackFrames
from xfeldask.physics.detectors import Geometry

_SOURCE = re.compile(r"exp=(?P<exp>\w+):run=(?P<run>\d+):det=(?P<det>[\w.|-]+)")


class CalibratedEvents:
    """Calibrated frames of a detector as an array (shot, panel, ss, fs); NaN where an event has none.

    Parameters
    ----------
    run, detector : of psana
    times : list of psana.EventTime
    shape : (panel, ss, fs)
    """

    chunks = (1,)
    dtype: np.dtype[Any] = np.dtype(np.float32)

    def __init__(self, run: Any, detector: Any, times: list[Any], shape: tuple[int, ...]) -> None:
        self._run, self._detector, self._times = run, detector, times
        self.shape: tuple[int, ...] = (len(times), *shape)

    def __getitem__(self, shots: slice) -> NDArray[Any]:
        out = np.full((len(self._times[shots]), *self.shape[1:]), np.nan, np.float32)
        for frame, time in zip(out, self._times[shots], strict=True):
            found = self._detector.calib(self._run.event(time))
            if found is not None:
                frame[...] = np.asarray(found).reshape(frame.shape)
        return out


class PsanaRun(StackFrames):
    """Frames of all events of a run in the order of their times: `second`, `nanosecond` and `fiducial`.

    Examples
    --------
    >>> PsanaRun.recognises("exp=amo86615:run=193:det=pnccdBack"), PsanaRun.recognises("run193.h5")
    (True, False)
    """

    def __init__(self, source: str, geometry: Geometry | None, photon_energy: float | None) -> None:
        found = _SOURCE.fullmatch(source)
        if found is None:
            raise FormatError(source, "is no run of LCLS; write exp=NAME:run=NUMBER:det=NAME")
        try:
            psana = import_module("psana")
        except ImportError:
            advice = "run this at SLAC, or convert to HDF5 there"
            raise InputError(f"{source} is read by psana, which is not installed here; {advice}") from None
        try:
            run = next(psana.DataSource(f"exp={found['exp']}:run={found['run']}:idx").runs())
            times, detector = list(run.times()), psana.Detector(found["det"])
        except Exception as error:  # whatever psana makes of names that it does not know
            raise FormatError(source, f"cannot be opened by psana ({first_line(error)})") from None
        if geometry is None:
            raise InputError(f"{source} does not say where its pixels are; give its psana .data file (--detector)")
        with reading(source):
            told = {"second": "seconds", "nanosecond": "nanoseconds", "fiducial": "fiducial"}
            columns = {
                name: ShotColumn(
                    np.array([getattr(time, theirs)() for time in times]), f"{name} of the event", "1", True
                )
                for name, theirs in told.items()
            }
        events = CalibratedEvents(run, detector, times, geometry.shape)
        super().__init__(source, events, geometry, photon_energy, None, columns)
        self.name = f"{found['exp']}_r{int(found['run']):04d}"

    @staticmethod
    def recognises(source: str) -> bool:
        """Whether the text names an experiment, a run and a detector."""
        return _SOURCE.fullmatch(source) is not None
