from __future__ import annotations

import shutil

import numpy as np
import pytest

from tests.explorer.few_shots import few_shots, pictures
from xfeldask.errors import CorruptStoreError
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.physics.detectors import assembled_index, scattering_vector
from xfeldask.store.run import Run


def test_binned__is_the_image_without_bins_that_no_good_pixel_is_in():
    run = few_shots()
    found, weight = pictures().binned(3).values, run.image_grid.weight
    np.testing.assert_array_equal(found[weight > 0], run.read("image", 3)[weight > 0])
    assert np.isnan(found[weight == 0]).all()


def test_whole__has_every_pixel_where_it_scatters_to():
    run = few_shots()
    picture = pictures().whole(5)
    left, bottom, width, height = picture.extent
    rows, columns = picture.values.shape
    row, column = assembled_index(run.geometry)
    good = run.geometry.mask
    np.testing.assert_array_equal(picture.values[row[good], column[good]], run.read("photons", 5)[good])
    # the middle of a pixel of the picture is its scattering vector in 1/nm, as far as small angles hold
    s = scattering_vector(run.geometry.pixel_position, run.wavelength) * 1e-9
    np.testing.assert_allclose(left + (column + 0.5) * width / columns, s[..., 0], atol=0.6 * width / columns)
    np.testing.assert_allclose(bottom + (row + 0.5) * height / rows, s[..., 1], atol=0.6 * height / rows)


def test_particles__of_a_store_that_does_not_tell_are_none():
    found = pictures()
    assert not found.has_particles
    assert found.particles(0) is None


def test_picture__of_a_shot_that_is_damaged_names_it(tmp_path):
    run = Run.open(shutil.copytree(few_shots().path, tmp_path / "run.zarr"))
    for name in ("photons", "image"):
        for file in (run.path / name / "c" / "0").rglob("0"):
            if file.is_file():
                file.write_bytes(b"torn")
    found = Pictures(run)
    for read in (found.binned, found.whole):
        with pytest.raises(CorruptStoreError, match=r"shot 2 cannot be read .*; xfeldask verify names what is broken"):
            read(2)
