"""Frames of a format of your own: a text file with a line for each photon, its shot and its pixel."""

import tempfile
from pathlib import Path

import numpy as np

from xfeldask import open_frames, register_frames
from xfeldask.physics.detectors import wavelength

HEADER = "shot pixel"


class PhotonList:
    """What is asked of frames; made with a path, a geometry and a photon energy in eV."""

    def __init__(self, source, geometry, photon_energy):
        self.name, self.geometry, self.wavelength = Path(source).stem, geometry, wavelength(photon_energy)
        self.shot, self.pixel = np.loadtxt(source, int, skiprows=1, unpack=True, ndmin=2)
        self.n_shots = int(self.shot.max()) + 1

    @staticmethod
    def recognises(source):
        return Path(source).is_file() and Path(source).read_bytes().startswith(HEADER.encode())

    def read(self, shots):
        frames = np.zeros((len(shots), self.geometry.mask.size), np.uint16)
        here = (self.shot >= shots.start) & (self.shot < shots.stop)
        np.add.at(frames, (self.shot[here] - shots.start, self.pixel[here]), 1)
        return frames.reshape(len(shots), *self.geometry.shape)

    def truth(self, shots):
        return {}


def main(detector: str = "square-64") -> None:
    register_frames("photon_list", PhotonList)
    path = Path(tempfile.mkdtemp(), "run.txt")
    rng = np.random.default_rng(7)
    np.savetxt(path, rng.integers(0, [10, 4096], (2000, 2)), fmt="%d", header=HEADER, comments="")
    frames = open_frames(path, geometry=detector, photon_energy=4600)
    print(f"{frames.name}: {frames.n_shots} shots, {frames.read(range(frames.n_shots)).sum()} photons")


if __name__ == "__main__":
    main()
