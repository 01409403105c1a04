from __future__ import annotations

import numpy as np
import pytest

from tests.images import two_panels
from tests.tiny import frames, tiny_run
from xfeldask.physics.detectors import assembled_index, assembled_shape, scattering_vector


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    geometry = two_panels(3)
    return tiny_run(tmp_path_factory.mktemp("accessor") / "run.zarr", frames(5, geometry), geometry)


@pytest.fixture
def ds(run):
    return run.dataset()


def test_assemble__lays_pixels_where_they_stand_and_gaps_between(run, ds):
    picture = ds.xfel.assemble(ds.photons[2], gap=0)
    assert picture.dtype == np.uint8
    assert picture.shape == ds.xfel.shape == assembled_shape(run.geometry)
    row, column = assembled_index(run.geometry)
    np.testing.assert_array_equal(picture[row, column], run.read("photons", 2))
    assert picture.sum() == run.read("photon_count")[2]


@pytest.mark.parametrize(
    ("gap", "dtype"), [(-1, np.int16), (255, np.uint8), (1000, np.uint16), (0.0, np.uint8), (0.5, np.float32)]
)
def test_assemble__gives_a_type_that_holds_the_gap(run, ds, gap, dtype):
    picture = ds.xfel.assemble(ds.photons[2], gap=gap)
    assert picture.dtype == dtype
    row, column = assembled_index(run.geometry)
    good = run.geometry.mask
    np.testing.assert_array_equal(picture[row[good], column[good]], run.read("photons", 2)[good])
    gaps = np.ones(picture.shape, bool)
    gaps[row[good], column[good]] = False
    assert gaps.any()
    assert (picture[gaps] == gap).all()


def test_assemble__without_a_value_for_gaps_has_nan_there_and_at_bad_pixels(run, ds):
    picture = ds.xfel.assemble(ds.photons.values)
    assert picture.dtype == np.float32
    assert picture.shape == (5, *ds.xfel.shape)
    assert np.isfinite(picture[0]).sum() == run.geometry.mask.sum()
    np.testing.assert_array_equal(np.nansum(picture, axis=(1, 2)), run.read("photon_count"))


def test_q__is_the_length_of_the_scattering_vector_with_its_unit(run, ds):
    due = np.linalg.norm(scattering_vector(run.geometry.pixel_position, run.wavelength), axis=-1) * 1e-10
    np.testing.assert_allclose(ds.xfel.q, due, rtol=1e-5)
    assert (ds.xfel.q.dims, ds.xfel.q.attrs["units"]) == (("panel", "ss", "fs"), "angstrom-1")
    np.testing.assert_allclose(ds.xfel.resolution * ds.xfel.q, 1)
    assert ds.xfel.resolution.attrs["units"] == "angstrom"


def test_shot__is_one_of_them_in_memory(run, ds):
    found = ds.xfel.shot(3)
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, run.read("photons", 3))
