from __future__ import annotations

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.formats.emc_writer import sparse_bytes, write_vlen
from tests.images import two_panels
from xfeldask.formats.dragonfly import BAD
from xfeldask.formats.emc_out import write_dragonfly_detector, write_emc, write_hdf5_emc, write_lists
from xfeldask.physics.detectors import polarization, solid_angle

FRAMES = np.random.default_rng(1).poisson(0.7, (9, 1, 4, 6)).astype(np.uint16)
FRAMES[3], FRAMES[5, 0, 1, 1] = 0, 300


@given(st.lists(st.integers(0, 9), max_size=3))
def test_emc__of_any_blocks_is_the_file_that_dragonfly_writes(tmp_path_factory, cuts):
    path, told = tmp_path_factory.mktemp("emc") / "out.emc", []
    write_emc(path, np.split(FRAMES, sorted(cuts)), 9, 24, told.append)
    assert path.read_bytes() == sparse_bytes(FRAMES.reshape(9, 24))
    assert sum(told) == 9
    assert [file.name for file in path.parent.iterdir()] == ["out.emc"]


def test_emc__of_no_shots_is_a_header(tmp_path):
    write_emc(tmp_path / "out.emc", [], 0, 24, lambda _: None)
    assert (tmp_path / "out.emc").read_bytes() == sparse_bytes(np.zeros((0, 24), int))


def test_hdf5_emc__has_a_list_for_each_shot(tmp_path):
    write_hdf5_emc(tmp_path / "out.h5", [FRAMES[:4], FRAMES[4:]], 9, 24, lambda _: None)
    write_vlen(tmp_path / "due.h5", FRAMES.reshape(9, 24))
    with h5py.File(tmp_path / "out.h5") as found, h5py.File(tmp_path / "due.h5") as due:
        assert set(found) == set(due)
        for name in ("place_ones", "place_multi", "count_multi"):
            for one, other in zip(found[name], due[name], strict=True):
                np.testing.assert_array_equal(one, other)


def test_detector__is_told_in_pixels_with_corrections_and_mask(tmp_path):
    geometry = two_panels(3)
    write_dragonfly_detector(tmp_path / "det.h5", geometry)
    with h5py.File(tmp_path / "det.h5") as file:
        distance = geometry.pixel_position[..., 2].mean() / geometry.pixel_size
        assert file["detd"][()] == file["ewald_rad"][()] == pytest.approx(distance)
        np.testing.assert_allclose(file["corr"][:], (polarization(geometry) * solid_angle(geometry)).ravel())
        np.testing.assert_array_equal(file["mask"][:] == BAD, ~geometry.mask.ravel())
        q = np.stack([file[name][:] for name in ("qx", "qy", "qz")])
        # on the Ewald sphere around the sample
        np.testing.assert_allclose(np.linalg.norm(np.add(q, [[0], [0], [distance]]), axis=0), distance)


def test_lists__say_which_shots_and_which_not(tmp_path):
    write_lists(tmp_path / "out.emc", np.array([1, 3]), 5)
    assert (tmp_path / "out_shots.txt").read_text() == "1\n3\n"
    assert (tmp_path / "out_blacklist.dat").read_text() == "1\n0\n1\n0\n1\n"
