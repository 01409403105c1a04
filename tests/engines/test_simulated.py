from __future__ import annotations

import numpy as np
import pytest

from xfeldask import Experiment, simulate
from xfeldask.engines.preparation import prepare
from xfeldask.engines.simulated import ExperimentFile, SimulatedFrames
from xfeldask.errors import InputError
from xfeldask.formats.inputs import resolve
from xfeldask.physics.atoms import make_atoms
from xfeldask.physics.detectors import wavelength

ATOMS = make_atoms(np.random.default_rng(1).normal(size=(30, 3)) * 5e-10, ["C", "N", "O"] * 10)
EXPERIMENT = Experiment(
    particle="arrays",
    detector="square-32",
    n_shots=20,
    beam={"photon_energy": 4600.0, "photons_per_pulse": 1e16, "focus_radius": 5e-7},
    hits={0: 0.1, 1: 0.5, 3: 0.4},
    nuisance={"pulse_spread": 0.3, "background": 0.15, "dead_fraction": 0.02},
    seed=5,
)
FILE = 'particle = "chaperonin"\nn_shots = 3\n'


def test_simulated_frames__are_those_of_the_store(tmp_path):
    ds = simulate(tmp_path / "run.zarr", EXPERIMENT, particle=ATOMS, progress=False)
    frames = SimulatedFrames(prepare(resolve(EXPERIMENT, ATOMS)))
    assert (frames.name, frames.n_shots, frames.wavelength) == ("arrays", 20, wavelength(4600))
    np.testing.assert_array_equal(frames.geometry.mask, ds.mask)
    for shots in (range(20), range(3, 8), range(4, 4)):
        block = frames.read(shots)
        assert block.dtype == ds.photons.dtype
        np.testing.assert_array_equal(block, ds.photons[shots.start : shots.stop])
        truth = frames.truth(shots)
        assert {"n_particles", "orientation", "photon_energy"} <= truth.keys()
        for name, value in truth.items():
            np.testing.assert_array_equal(value, ds[name][shots.start : shots.stop], err_msg=name)
    assert ds.photons.any()


def test_experiment_file__is_recognised_by_what_it_says(tmp_path):
    (tmp_path / "run.txt").write_text(FILE)
    (tmp_path / "pyproject.toml").write_text('name = "other"\n')
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    assert ExperimentFile.recognises(str(tmp_path / "run.txt"))
    for name in ("pyproject.toml", "bytes", "none", "."):
        assert not ExperimentFile.recognises(str(tmp_path / name))


def test_experiment_file__has_its_own_detector_and_beam(tmp_path):
    (tmp_path / "run.toml").write_text(FILE)
    with pytest.raises(InputError, match="a detector and a beam of its own; leave geometry and photon_energy out"):
        ExperimentFile()(str(tmp_path / "run.toml"), None, 4600.0)
