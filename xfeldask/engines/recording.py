"""Photons of a shot put down: through the detector's response, where the experiment has one, and as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.config import Experiment
from xfeldask.physics.detectors import Geometry
from xfeldask.physics.images import Recorder, Totals, photons_of_frames
from xfeldask.physics.readout import Readout, make_readout

Event = tuple[NDArray[np.uint32], NDArray[np.int64]]
"""Pixels and counts of a shot, see `xfeldask.physics.images.Photons`."""


def readout_of(experiment: Experiment, geometry: Geometry) -> Readout | None:
    """Make the readout that an experiment asks for; None where every photon is counted.

    Raises
    ------
    InputError
        A response that does not fit the pixels or the photon energy.

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> readout_of(Experiment(particle="chaperonin", n_shots=1), square(4, 1e-3, 0.1)) is None
    True
    """
    asked = experiment.detector.response
    if asked is None:
        return None
    return make_readout(asked, geometry, experiment.seed, experiment.beam.photon_energy)


class ShotRecorder:
    """Puts the photons of shots down, the same for every engine.

    Parameters
    ----------
    geometry : Geometry
    readout : Readout, optional, through which photons are counted

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> shot_recorder, arrays = ShotRecorder(square(2, 1e-3, 0.1)), {"photons": np.zeros((1, 2, 2), np.uint8)}
    >>> arrays |= {name: np.zeros((2, 2), np.uint16) for name in ("image", "low_q")}
    >>> shot_recorder.put(0, 4600.0, (np.array([3], np.uint32), np.array([2])), arrays)[0]
    Totals(photon_count=2, lost_photons=0)
    """

    def __init__(self, geometry: Geometry, readout: Readout | None = None) -> None:
        self.recorder, self.readout = Recorder(geometry), readout

    def put(
        self, shot: int, photon_energy: float, event: Event, arrays: Mapping[str, NDArray[Any]]
    ) -> tuple[Totals, dict[str, NDArray[np.uint32]]]:
        """Put a shot down in arrays that hold nothing yet.

        Parameters
        ----------
        shot : int, absolute index
        photon_energy : float, of the pulse [eV]
        event : Event, photons that reach the detector
        arrays : by name, photons, image, low_q, and as far as there are such ideal_photons and adu

        Returns
        -------
        Totals, and by name of a frame the flat indices of the pixels that hold photons

        Raises
        ------
        InputError
            Photons that cannot be.
        """
        lit = {}
        if self.readout is not None:
            if "ideal_photons" in arrays:
                self.recorder.count(*event, arrays["ideal_photons"])
                lit["ideal_photons"] = event[0]
            event = self._counted(self.readout, shot, photon_energy, event, arrays)
        totals = self.recorder.record(*event, arrays["photons"], arrays["image"], arrays["low_q"])
        return totals, {**lit, "photons": event[0]}

    def _counted(
        self, readout: Readout, shot: int, photon_energy: float, event: Event, arrays: Mapping[str, NDArray[Any]]
    ) -> Event:
        if not readout.adu:
            return readout.counts(*event, shot, photon_energy)
        frame = readout.frame(*event, shot, photon_energy)
        if "adu" in arrays:
            arrays["adu"][...] = frame
        found = photons_of_frames(readout.photonized(frame)[None])
        return found.pixel, found.count
