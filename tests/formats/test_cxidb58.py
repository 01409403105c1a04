from __future__ import annotations

import h5py
import numpy as np
import pytest

from xfeldask import open_frames
from xfeldask.engines.frame_formats import recognised
from xfeldask.errors import InputError
from xfeldask.formats.stacks import flat_panel


def test_cxidb58__needs_nothing_else(tmp_path):
    data = np.random.default_rng(1).poisson(0.3, (3, 260, 257)).astype(np.uint16)
    with h5py.File(tmp_path / "amo86615_182.h5", "w") as file:
        file["photonConverter/pnccdBack/photonCount"] = data
    found = open_frames(tmp_path / "amo86615_182.h5")
    np.testing.assert_array_equal(found.read(range(3))[:, 0], data)
    assert found.wavelength == pytest.approx(7.9e-10)
    np.testing.assert_allclose(found.geometry.pixel_position[0, 130, 128], [0, 0.15e-3, 0.581], atol=1e-12)


def test_cxidb58__of_other_bins_needs_its_geometry(tmp_path):
    with h5py.File(tmp_path / "run.h5", "w") as file:
        file["photonConverter/pnccdBack/photonCount"] = np.ones((2, 4, 6), np.uint16)
        file["photonConverter/pnccdBack/pulse"] = [3, 4]
    assert recognised(str(tmp_path / "run.h5")) == "cxidb58"
    with pytest.raises(InputError, match="does not say where its pixels are"):
        open_frames(tmp_path / "run.h5")
    found = open_frames(tmp_path / "run.h5", geometry=flat_panel((4, 6), 1e-3, 0.5), photon_energy=1700)
    assert found.wavelength == pytest.approx(1.23984198e-6 / 1700, rel=1e-6)
    assert found.columns()["pulse"].values.tolist() == [3, 4]
