from __future__ import annotations

import h5py
import numpy as np
import pytest

from tests.formats.conftest import TRUTH
from tests.tiny import frames, tiny_run
from xfeldask.errors import InputError
from xfeldask.formats.cspi_out import write_cspi
from xfeldask.physics.detectors import scattering_vector
from xfeldask.store.choosing.chosen import Chosen


def write(path, run, shots):
    told = []
    write_cspi(path, Chosen(run, np.array(shots)), told.append)
    assert sum(told) == len(shots)
    return h5py.File(path)


def test_cspi__has_frames_as_counted_and_as_assembled(tmp_path, written):
    with write(tmp_path / "out.h5", written, [1, 2, 5]) as file:
        photons = written.read("photons")[[1, 2, 5]]
        np.testing.assert_array_equal(file["photons"][:], photons)
        row, column = np.moveaxis(file["pixel_index_map"][:], -1, 0)
        np.testing.assert_array_equal(file["diffraction_patterns"][:][:, row, column], photons)
        s = scattering_vector(written.geometry.pixel_position, written.wavelength)
        np.testing.assert_allclose(file["pixel_position_reciprocal"][:], s)
        assert "atomic_coordinates" not in file


@pytest.mark.parametrize(
    ("shots", "names", "rank"),
    [
        # of doubles alone two orientations and places; of a mixture the first, and which are single
        ([1, 2, 5], {"orientations", "positions"}, 3),
        ([0, 1, 3], {"orientations", "single_hits_mask"}, 2),
        ([0, 4], {"orientations"}, 2),
    ],
)
def test_cspi__tells_truth_as_its_tools_expect_it(tmp_path, written, shots, names, rank):
    with write(tmp_path / "out.h5", written, shots) as file:
        assert set(file) & {"orientations", "positions", "single_hits_mask"} == names
        assert file["orientations"].ndim == rank
        due = TRUTH["orientation"][shots] if rank == 3 else TRUTH["orientation"][shots][:, 0]
        np.testing.assert_array_equal(file["orientations"][:], due)
        if "single_hits_mask" in file:
            assert file["single_hits_mask"][:].tolist() == [1, 0, 0]


def test_cspi__of_shots_without_truth_has_photons_alone(tmp_path):
    run = tiny_run(tmp_path / "run.zarr", frames(4).astype(np.uint16))
    with write(tmp_path / "out.h5", run, [0, 3]) as file:
        assert not set(file) & {"orientations", "positions", "single_hits_mask"}
    bright = frames(4).astype(np.uint16)
    bright[2, 0, 0, 0] = 256
    with pytest.raises(InputError, match=r"has pixels of 256 photons, and cspi's files hold 255; use cxi"):
        write(tmp_path / "bright.h5", tiny_run(tmp_path / "bright.zarr", bright), [2])
