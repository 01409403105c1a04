from __future__ import annotations

import numpy as np
import pytest
import zarr
from zarr.storage import MemoryStore

from xfeldask.physics.interpolation import kernel_pieces
from xfeldask.physics.volume import Volume, interpolate
from xfeldask.store.volumes import read_volume, write_volume


@pytest.fixture(scope="module")
def volume():
    values = np.random.default_rng(1).normal(size=(13, 13, 13, 2)).astype(np.float32).view(np.complex64)[..., 0]
    return Volume(values, 1e7, 2.5e7, kernel_pieces(2.5).astype(np.float32))


@pytest.fixture
def root(volume):
    found = zarr.create_group(MemoryStore())
    write_volume(found, "mine", volume, 1.23456e-4)
    return found


def test_volume__comes_back_to_the_bit(root, volume):
    found = read_volume(root, "mine")
    for name in ("values", "taps"):
        np.testing.assert_array_equal(getattr(found, name), getattr(volume, name))
    assert (found.step, found.s_max) == (volume.step, volume.s_max)


def test_form_factor__beside_it_is_what_the_coefficients_give_on_the_grid(root, volume):
    group = root["volume/mine"]
    s, form_factor = group["s"][:], group["form_factor"][:]
    np.testing.assert_allclose(s, (np.arange(13) - 6) * 1e7)
    i, j, k = 7, 5, 6
    assert form_factor[i, j, k] == interpolate(volume, np.array([s[i], s[j], s[k]])[None])[0]
    # nothing is told beyond the largest s
    beyond = np.linalg.norm(np.stack(np.meshgrid(s, s, s, indexing="ij")), axis=0) > volume.s_max
    np.testing.assert_array_equal(np.isnan(form_factor), beyond)


def test_attributes__hold_as_many_digits_as_processors_agree_on(root):
    assert root["volume/mine"].attrs["relative_error"] == 1.23e-4


def test_volumes__of_two_particles_lie_side_by_side(root, volume):
    write_volume(root, "theirs", Volume(volume.values * 2, 2e7, 3e7, volume.taps), 1e-3)
    assert read_volume(root, "theirs").step == 2e7
    assert read_volume(root, "mine").step == 1e7
