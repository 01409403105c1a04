"""Photons of shots as lists, and where their bins lie."""

from __future__ import annotations

import numpy as np
import pytest

from xfeldask.errors import InputError
from xfeldask.orient.sparse import SparseFrames, pixels_of
from xfeldask.physics.binning import bin_factor, bin_index, image_grid, low_q_index
from xfeldask.physics.detectors import make_geometry, polarization, scattering_vector, solid_angle, square

pytestmark = pytest.mark.rounding

LAMBDA = 2.7e-10


def masked():
    whole = square(256, 0.3e-3, 0.15)
    mask = np.ones(whole.shape, bool)
    mask[0, 100:130, 120:140] = False
    return make_geometry(whole.pixel_position, whole.pixel_size, mask)


@pytest.mark.parametrize("images", ["image", "low_q"])
def test_pixels__are_the_bins_with_good_pixels_from_the_beam_outwards(images):
    geometry = masked()
    found = pixels_of(geometry, LAMBDA, images)
    index = (bin_index(geometry, bin_factor(geometry)) if images == "image" else low_q_index(geometry)).reshape(-1)
    s = scattering_vector(geometry.pixel_position, LAMBDA).reshape(-1, 3)
    seen = (solid_angle(geometry) * polarization(geometry)).reshape(-1)
    for i in (0, 57, len(found.s) - 1):
        own = index == found.index[i]
        np.testing.assert_allclose(found.s[i], s[own].mean(axis=0), rtol=1e-12, atol=1e-3)
        bin = bin_factor(geometry) if images == "image" else 1
        assert found.factor[i] == pytest.approx(seen[own].sum() / (bin * geometry.pixel_size / 0.15) ** 2)
    radius = np.linalg.norm(found.s, axis=1)
    assert (np.diff(radius) >= 0).all()
    assert found.within(10.0) == (radius <= 10 * found.step).sum()
    assert found.reach == pytest.approx(radius[-1] / found.step)


def test_pixels__leave_out_bins_that_are_mostly_bad():
    geometry = masked()
    grid = image_grid(geometry, LAMBDA, bin_factor(geometry))
    kept = np.zeros(grid.shape, bool).reshape(-1)
    kept[pixels_of(geometry, LAMBDA).index] = True
    assert (kept == (grid.weight.reshape(-1) >= 0.25)).all()
    assert not kept.all()


def test_pixels__of_other_images_are_refused():
    with pytest.raises(InputError, match="'photons'"):
        pixels_of(square(64, 1e-3, 0.1), LAMBDA, "photons")


def test_frames__hold_the_photons_of_images():
    pixels = pixels_of(masked(), LAMBDA)
    images = np.random.default_rng(0).poisson(0.3, (20, 128, 128)).astype(np.uint16)
    images[3] = 0
    frames = SparseFrames.of(images, pixels.index)
    dense = np.zeros((20, len(pixels.index)), int)
    dense[np.repeat(np.arange(20), np.diff(frames.start)), frames.pixel] = frames.count
    assert (dense == images.reshape(20, -1)[:, pixels.index]).all()
    assert (frames.photons(300) == dense[:, :300].sum(axis=1)).all()
    assert (frames.ends(300) - frames.start[:-1] == (dense[:, :300] > 0).sum(axis=1)).all()
    np.testing.assert_allclose(frames.mean(300), dense[:, :300].mean(axis=0))


def test_frames__are_chosen_and_joined():
    images = np.random.default_rng(1).poisson(1, (9, 4, 4))
    index = np.arange(16)[::-1].copy()
    frames = SparseFrames.of(images, index)
    chosen = frames[np.array([4, 0, 7])]
    assert (chosen.photons(16) == images[[4, 0, 7]].sum(axis=(1, 2))).all()
    assert chosen.pixel.tolist() == SparseFrames.of(images[[4, 0, 7]], index).pixel.tolist()
    again = SparseFrames.joined([frames[np.arange(5)], frames[np.arange(5, 9)]])
    for name in ("start", "pixel", "count"):
        assert (getattr(again, name) == getattr(frames, name)).all()
    assert len(frames[images.sum(axis=(1, 2)) > 1000]) == 0
