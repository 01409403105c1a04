"""Photons of a shot put down: through the detector's response, where the experiment has one, and as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from xfeldask.config import Experiment
from xfeldask.physics.detectors import Geometry
from xfeldask.physics.images import Photons, Recorder, joined, photons_of_frames
from xfeldask.physics.readout import Readout, make_readout


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
    dtype : unsigned, of a pixel
    readout : Readout, optional, through which photons are counted

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> shot_recorder = ShotRecorder(square(2, 1e-3, 0.1), "uint8")
    >>> photons = Photons(np.array([3], np.uint32), np.array([2]), np.array([0, 1]))
    >>> raw, totals = shot_recorder.record([0], [4600.0], photons)
    >>> sorted(raw), totals["photon_count"].tolist()
    (['image', 'low_q', 'photons'], [2])
    """

    def __init__(self, geometry: Geometry, dtype: DTypeLike, readout: Readout | None = None) -> None:
        self.recorder, self.readout = Recorder(geometry, dtype), readout

    def record(
        self, shots: ArrayLike, photon_energy: ArrayLike, photons: Photons
    ) -> tuple[dict[str, NDArray[Any] | Photons], dict[str, NDArray[np.int64]]]:
        """Record shots.

        Parameters
        ----------
        shots : int (shot,), absolute indices
        photon_energy : (shot,), of the pulse [eV]
        photons : Photons, that reach the detector

        Returns
        -------
        by name, photons, image, low_q and with a readout ideal_photons, and adu where it reads any; by name, totals

        Raises
        ------
        InputError
            Photons that cannot be.
        """
        if self.readout is None:
            recorded = self.recorder.record(photons)
            return recorded.raw(), recorded.totals()
        raw: dict[str, NDArray[Any] | Photons] = {"ideal_photons": self.recorder.record(photons).photons}
        read = zip(np.asarray(shots).tolist(), np.asarray(photon_energy).tolist(), photons, strict=True)
        if self.readout.adu:
            frames = [self.readout.frame(*event, shot, energy) for shot, energy, event in read]
            counted = photons_of_frames(np.stack([self.readout.photonized(frame) for frame in frames]))
            raw["adu"] = np.stack(frames)
        else:
            counted = joined([self.readout.counts(*event, shot, energy) for shot, energy, event in read])
        recorded = self.recorder.record(counted)
        return raw | recorded.raw(), recorded.totals()
