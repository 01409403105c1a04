"""A simulation as a source of frames: shots drawn when they are read."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.config import Experiment
from xfeldask.engines.engine import drawn, one_by_one
from xfeldask.engines.preparation import Prepared, prepare
from xfeldask.engines.recording import ShotRecorder
from xfeldask.errors import InputError
from xfeldask.formats.frames import scattered
from xfeldask.formats.inputs import resolve
from xfeldask.formats.particles import particle_name
from xfeldask.physics.detectors import Geometry, wavelength
from xfeldask.physics.images import Counts, Photons


class SimulatedFrames:
    """Frames that an engine draws; the same as those of a store of the experiment.

    Parameters
    ----------
    prepared : Prepared
    """

    def __init__(self, prepared: Prepared) -> None:
        experiment = prepared.inputs.experiment
        self.name, self.n_shots = particle_name(experiment.source), experiment.n_shots
        self.geometry, self.wavelength = prepared.inputs.geometry, wavelength(experiment.beam.photon_energy)
        self._prepared = prepared
        self._shot_recorder = ShotRecorder(self.geometry, prepared.layout.photon_dtype, prepared.readout)

    def read(self, shots: range) -> Counts:
        """Photons of consecutive shots, uint8 or uint16 (shot, panel, ss, fs)."""
        indices, dtype = np.arange(shots.start, shots.stop), self._prepared.layout.photon_dtype
        plan, frames, begun = self._prepared.plan(indices), np.zeros((len(shots), *self.geometry.shape), dtype), 0
        for photons in one_by_one(drawn(self._prepared.engine, plan, indices, self.geometry.shape)):
            mine = slice(begun, begun + len(photons))
            raw, _ = self._shot_recorder.record(indices[mine], plan.photon_energy[mine], photons)
            counted = raw["photons"]
            assert isinstance(counted, Photons)
            frames[mine] = scattered(counted, self.geometry.shape)
            begun = mine.stop
        return frames

    def truth(self, shots: range) -> dict[str, NDArray[Any]]:
        """Truth of consecutive shots."""
        return self._prepared.plan(np.arange(shots.start, shots.stop)).arrays()


class ExperimentFile:
    """The kind of frames that an experiment file describes, as `xfeldask.Experiment.from_toml` reads it.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "run.toml"
    >>> _ = path.write_text(Experiment(particle="chaperonin", n_shots=9).to_toml())
    >>> ExperimentFile.recognises(str(path)), ExperimentFile.recognises("gone.toml")
    (True, False)
    """

    @staticmethod
    def recognises(source: str) -> bool:
        """Whether the file is TOML and names a particle, or species, and a number of shots."""
        try:
            told = tomllib.loads(Path(source).read_text("utf-8")).keys()
            return "n_shots" in told and bool(told & {"particle", "species"})
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
            return False

    def __call__(self, source: str, geometry: Geometry | None, photon_energy: float | None) -> SimulatedFrames:
        """Prepare the experiment.

        Raises
        ------
        InputError
            A geometry or an energy besides those of the experiment; whatever `prepare` refuses.
        """
        if geometry is not None or photon_energy is not None:
            raise InputError(f"{source} has a detector and a beam of its own; leave geometry and photon_energy out")
        return SimulatedFrames(prepare(resolve(Experiment.from_toml(source))))
