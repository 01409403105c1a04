from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfeldask.config import Beam
from xfeldask.physics.atoms import make_atoms
from xfeldask.physics.detectors import R_E, builtin_geometry, make_geometry, scattering_vector, square, wavelength
from xfeldask.physics.forward import LEAST_S, Margins, largest_s, make_forward_model, mean_photons
from xfeldask.physics.scattering import Shot
from xfeldask.physics.volume import build_volume

pytestmark = pytest.mark.rounding

ENERGY = 4600.0
LAMBDA = wavelength(ENERGY)
DETECTOR = square(16, 2e-3, 0.1)
BEAM = Beam(photon_energy=ENERGY, photons_per_pulse=1e18, focus_radius=1e-7)
ATOMS = make_atoms(np.random.default_rng(1).normal(size=(30, 3)) * 5e-10, ["C", "O"] * 15).centered()


@pytest.fixture(scope="module")
def volume():
    return build_volume(ATOMS, largest_s(DETECTOR, LAMBDA, Margins(1e-3, 1.1)))


@pytest.fixture(scope="module")
def model(volume):
    mask = np.ones(DETECTOR.shape, bool)
    mask[0, 3, :9] = False
    return make_forward_model(volume, make_geometry(DETECTOR.pixel_position, 2e-3, mask), LAMBDA, Margins(1e-3, 1.1))


def shot_of(strength=1e12, **changes):
    usual = Shot(np.eye(3)[None], np.zeros((1, 3)), np.array([np.sqrt(strength) * R_E * 2e-3 * 1e6]), np.ones(1),
                 1 / LAMBDA, np.zeros(2), 0.0, np.uint64(3), np.zeros(1, np.int64))  # fmt: skip
    return usual._replace(**changes)


def test_largest_s__is_the_pnccd_corner():
    pnccd = builtin_geometry("pnccd-amo86615")
    corner = np.linalg.norm(scattering_vector(pnccd.pixel_position, LAMBDA), axis=-1).max()
    assert largest_s(pnccd, LAMBDA, Margins()) == pytest.approx(corner, rel=1e-9)
    assert largest_s(pnccd, LAMBDA, Margins(center=1e-3, scale=1.1)) > 1.1 * corner


@given(st.floats(0, 0.02), st.floats(0.8, 1.3), st.floats(0, 6.283))
def test_largest_s__is_never_passed_by_a_beam_aside(center, scale, angle):
    aside = DETECTOR.pixel_position - center * np.array([np.cos(angle), np.sin(angle), 0])
    reached = np.linalg.norm(scattering_vector(aside, LAMBDA), axis=-1).max() * scale
    assert reached <= largest_s(DETECTOR, LAMBDA, Margins(center, scale)) * (1 + 1e-12)


def test_largest_s__of_a_pixel_in_the_beam_is_not_zero():
    assert largest_s(make_geometry([[[[0, 0, 0.1]]]], 1e-3), LAMBDA, Margins()) == LEAST_S


def test_expected__has_the_shape_of_the_detector_and_none_in_bad_pixels(model):
    expected = model.expected(shot_of(background=0.5))
    assert (expected.shape, expected.dtype) == ((1, 16, 16), np.float32)
    assert not expected[0, 3, :9].any()
    assert (np.delete(expected[0], 3, axis=0) > 0.5).all()


def test_expected__grows_with_the_fluence_and_adds_the_background(model):
    one, four = model.expected(shot_of()), model.expected(shot_of(4e12))
    np.testing.assert_allclose(four, 4 * one, rtol=1e-5)
    more = model.expected(shot_of(background=0.25))
    np.testing.assert_allclose(more[one > 0], one[one > 0] + 0.25, rtol=1e-5)


def test_expected__of_a_blank_is_nothing(model):
    none = {"rotation": np.empty((0, 3, 3)), "position": np.empty((0, 3)), "strength": np.empty(0), "size": np.empty(0)}
    blank = shot_of()._replace(**none)
    assert not model.expected(blank).any()
    pixel, count = model.draw(blank)
    assert pixel.size == count.size == 0


@pytest.mark.parametrize("strength", [1e10, 1e15])
def test_draw__by_either_sampler_has_the_photons_that_are_expected(model, strength):
    expected = model.expected(shot_of(strength)).sum(dtype=float)
    drawn = [model.draw(shot_of(strength, key=np.uint64(key))) for key in range(100)]
    totals = [count.sum() for _, count in drawn]
    assert abs(np.mean(totals) - expected) < 5 * np.sqrt(expected / len(totals)) + 1e-3 * expected
    pixels = np.concatenate([pixel for pixel, _ in drawn])
    assert not np.isin(pixels, 3 * 16 + np.arange(9)).any()


def test_mean_photons__grow_with_the_fluence_and_come_from_good_pixels(volume):
    s_max = largest_s(DETECTOR, LAMBDA, Margins())
    mean = mean_photons(volume, DETECTOR, BEAM, s_max)
    brighter = BEAM.model_copy(update={"photons_per_pulse": 3e18})
    assert mean_photons(volume, DETECTOR, brighter, s_max) == pytest.approx(3 * mean)
    half = replace(DETECTOR, mask=np.arange(256).reshape(1, 16, 16) % 2 == 0)
    assert 0.3 * mean < mean_photons(volume, half, BEAM, s_max) < 0.7 * mean
    none = replace(DETECTOR, mask=np.zeros((1, 16, 16), bool))
    assert mean_photons(volume, none, BEAM, s_max) == 0
