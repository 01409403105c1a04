from __future__ import annotations

import h5py
import numpy as np
import pytest

from tests.formats.cxi_writer import (
    frames,
    write_condor,
)
from xfeldask import open_frames
from xfeldask.engines.frame_formats import recognised
from xfeldask.errors import FormatError
from xfeldask.formats.frames import columns_of
from xfeldask.formats.stacks import flat_panel

N = 6


def test_condor__has_its_particles_as_truth(tmp_path):
    data = frames(shape=(10, 8))
    told = write_condor(tmp_path / "condor.h5", data)
    assert recognised(str(tmp_path / "condor.h5")) == "condor"
    found = open_frames(tmp_path / "condor.h5")
    np.testing.assert_array_equal(found.read(range(N))[:, 0], data)
    truth = found.truth(range(2, 5))
    np.testing.assert_array_equal(truth["orientation"][:, 0], told["q"][2:5])
    np.testing.assert_array_equal(truth["position"][:, 0], told["p"][2:5])
    assert truth["n_particles"].tolist() == [1, 1, 1]
    assert found.wavelength == pytest.approx(1e-9)
    # the beam meets the middle of pixel (cy, cx)
    np.testing.assert_allclose(found.geometry.pixel_position[0, 5, 3], [-0.5e-4, -0.5e-4, 0.3], atol=1e-15)
    assert {"pulse_energy", "diameter", "intensity_of_file"} & set(columns_of(found))


def test_condor__without_a_detector_asks_for_its_geometry(tmp_path):
    write_condor(tmp_path / "condor.h5", frames(shape=(10, 8)))
    with h5py.File(tmp_path / "condor.h5", "a") as file:
        del file["detector/distance"]
    with pytest.raises(FormatError, match="does not tell all of cx, cy, pixel_size, distance of its detector"):
        open_frames(tmp_path / "condor.h5")
    assert open_frames(tmp_path / "condor.h5", geometry=flat_panel((10, 8), 1e-4, 0.3)).n_shots == N


def test_condor__of_two_particles_has_places_only_where_both_have(tmp_path):
    told = write_condor(tmp_path / "condor.h5", frames(shape=(10, 8)))
    with h5py.File(tmp_path / "condor.h5", "a") as file:
        file["particles/particle_01/extrinsic_quaternion"] = -told["q"]
    truth = open_frames(tmp_path / "condor.h5").truth(range(N))
    assert set(truth) == {"n_particles", "orientation", "photon_energy"}
    assert truth["n_particles"].tolist() == [2] * N
    np.testing.assert_array_equal(truth["orientation"][:, 1], -told["q"])
