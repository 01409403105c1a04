from __future__ import annotations

import pickle
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.images import shots
from tests.strategies import examples
from xfeldask.errors import InputError, UnknownNameError
from xfeldask.features.autocorrelation import autocorrelation
from xfeldask.features.feature import FEATURES, make_feature
from xfeldask.features.profiles import radial_profile
from xfeldask.features.rows import counts, fourier_crop

pytestmark = pytest.mark.rounding

SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("name", ["autocorrelation", "autocorrelation_profile", "radial_profile"])
def test_masked_bins__contribute_nothing(small, name):
    images = shots(10, 2, small.shape)
    spoilt = np.where(small.weight == 0, 5000, images).astype(np.uint16)
    feature = make_feature(name, small)
    due = feature(images * (small.weight > 0))
    np.testing.assert_array_equal(feature(spoilt), due)
    np.testing.assert_array_equal(feature(np.where(small.weight == 0, np.nan, images)), due)


@pytest.mark.parametrize("name", FEATURES)
def test_feature__rows_fit_its_shape(small, name):
    feature = make_feature(name, small)
    rows = feature(shots(13, 4, small.shape))
    assert (feature.name, rows.dtype, rows.shape) == (name, np.float32, (4, prod(feature.shape)))
    assert feature.units in {"1", "count"}
    assert feature(np.zeros((0, *small.shape), np.uint16)).shape == (0, prod(feature.shape))


@pytest.mark.parametrize("name", FEATURES)
def test_feature__of_no_photons_is_zero(small, name):
    rows = make_feature(name, small)(np.zeros((3, *small.shape), np.uint16))
    np.testing.assert_array_equal(rows, 0)


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_feature__of_a_saturated_shot_is_finite(pnccd, name, kind):
    rows = make_feature(name, pnccd)(np.full((1, *pnccd.shape), 65535, kind))
    assert np.isfinite(rows).all()
    assert np.abs(rows).max() > 0


@pytest.mark.parametrize("name", FEATURES)
@given(seed=SEEDS, kind=st.sampled_from(["poisson", "float"]), cuts=st.sets(st.integers(1, 11)), step=st.integers(1, 2))
@examples(0.3)
def test_feature__rows_have_the_same_bits_in_any_batch(small, name, seed, kind, cuts, step):
    images = shots(seed, 12, small.shape, kind)
    feature = make_feature(name, small)
    whole = feature(images)
    parts = np.split(np.repeat(images, step, axis=0)[::step], sorted(cuts))
    np.testing.assert_array_equal(np.concatenate([feature(part) for part in parts]), whole)
    np.testing.assert_array_equal(feature(np.asfortranarray(images)), whole)


@pytest.mark.parametrize("name", ["autocorrelation", "fourier_crop", "normalised", "autocorrelation_profile"])
def test_feature__rows_of_large_images_have_the_same_bits_alone(pnccd, name):
    images = np.random.default_rng(14).gamma(0.1, 1.0, (5, *pnccd.shape)).astype(np.float32)
    feature = make_feature(name, pnccd)
    np.testing.assert_array_equal(np.concatenate([feature(image[None]) for image in images]), feature(images))


@pytest.mark.parametrize("name", FEATURES)
def test_feature__survives_pickling(small, name):
    feature = make_feature(name, small)
    again = pickle.loads(pickle.dumps(feature))
    assert (again.name, again.shape, again.units) == (feature.name, feature.shape, feature.units)
    images = shots(15, 2, small.shape)
    np.testing.assert_array_equal(again(images), feature(images))


def test_make_feature__passes_options_on(small):
    images = shots(16, 2, small.shape)
    np.testing.assert_array_equal(make_feature("fourier_crop", small, n=3)(images), fourier_crop(images, 3))
    np.testing.assert_array_equal(
        make_feature("radial_profile", small, n_rings=3)(images), radial_profile(images, small, 3)
    )  # fmt: skip
    assert make_feature("autocorrelation_profile", small, n_rings=3).shape == (2, 3)
    assert make_feature("radial_profile", small, n_rings=None).shape == make_feature("radial_profile", small).shape


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("fourier_crop", {"n": 10}, "cropped to 1 to 5 a side, got 10"),
        ("autocorrelation_profile", {"n_rings": 5}, "1 to 4 rings, got 5"),
        ("radial_profile", {"rings": 5}, "takes n_rings, got rings"),
        ("counts", {"n": 5}, "takes no options, got n"),
        ("fourier_crop", {"n": "3"}, "n of the feature 'fourier_crop' is a whole number, got '3'"),
        ("fourier_crop", {"n": 3.0}, r"is a whole number, got 3\.0"),
        ("fourier_crop", {"n": True}, "is a whole number, got True"),
        ("radial_profile", {"n_rings": 2.5}, "n_rings of the feature 'radial_profile' is a whole number, got 2.5"),
        ("radial_profile", {"n_rings": "12"}, "n_rings of the feature 'radial_profile' is a whole number, got '12'"),
    ],
)
def test_make_feature__refuses_bad_options(small, name, options, told):
    with pytest.raises(InputError, match=told):
        make_feature(name, small, **options)


def test_make_feature__tells_the_nearest_name(small):
    with pytest.raises(UnknownNameError, match="autocorrelation"):
        make_feature("autocorelation", small)


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
@pytest.mark.parametrize("name", FEATURES)
def test_feature__refuses_what_is_no_count(small, name, value):
    images = np.zeros((2, *small.shape))
    images[(1, *np.argwhere(small.weight > 0)[0])] = value
    with pytest.raises(InputError, match="finite numbers of photons"):
        make_feature(name, small)(images)


def test_features__refuse_images_that_do_not_fit(small):
    with pytest.raises(InputError, match=r"must have shape \(shot, y, x\)"):
        counts(np.zeros((4, 5)))
    with pytest.raises(InputError, match=r"must fit the grid's \(9, 5\), got \(1, 5, 9\)"):
        autocorrelation(np.zeros((1, 5, 9)), small)
