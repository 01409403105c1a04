from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.images import LAMBDA, shots
from tests.strategies import examples
from xfeldask.errors import InputError
from xfeldask.features.autocorrelation import autocorrelation, autocorrelation_lags
from xfeldask.features.profiles import autocorrelation_profile, lag_edges, radial_profile, s_edges
from xfeldask.physics.binning import image_grid
from xfeldask.physics.detectors import square

pytestmark = pytest.mark.rounding


@pytest.mark.parametrize("n_rings", [1, 2, 3, 4])
def test_autocorrelation_profile__is_the_maximum_and_mean_over_rings(small, n_rings):
    images = shots(11, 3, small.shape)
    distance = np.linalg.norm(autocorrelation_lags(small), axis=-1).ravel()
    edges = lag_edges(small, n_rings)
    for row, profile in zip(
        autocorrelation(images, small), autocorrelation_profile(images, small, n_rings), strict=True
    ):  # fmt: skip
        for k in range(n_rings):
            outer = edges[k + 1] * (1 - 1e-9 if k < n_rings - 1 else 1 + 1e-9)
            inside = row[(distance >= edges[k] * (1 - 1e-9)) & (distance <= outer)]
            assert profile[k] == pytest.approx(inside.max(), abs=1e-6)
            assert profile[n_rings + k] == pytest.approx(inside.mean(), abs=1e-6)


@given(n=st.integers(2, 30), bin=st.integers(1, 3), data=st.data())
@examples(0.5)
def test_autocorrelation_profile__has_no_empty_ring(n, bin, data):
    grid = image_grid(square(n * bin, 1e-3, 0.1), LAMBDA, bin)
    n_rings = data.draw(st.integers(1, n - 1))
    profile = autocorrelation_profile(np.eye(n, dtype=np.uint16)[None], grid, n_rings)
    assert np.isfinite(profile).all()
    assert (np.abs(profile) <= 1 + 1e-6).all()
    assert (profile[0, :n_rings] >= profile[0, n_rings:] - 1e-6).all()


@pytest.mark.parametrize("n_rings", [1, 4, 40])
def test_radial_profile__is_the_mean_over_good_pixels(small, n_rings):
    images = shots(12, 3, small.shape)
    radius, edges = np.linalg.norm(small.s, axis=-1), s_edges(small, n_rings)
    good = small.weight > 0
    profiles = radial_profile(images, small, n_rings)
    lone = 0
    for k in range(n_rings):
        outer = edges[k + 1] * (1 - 1e-9 if k < n_rings - 1 else 1 + 1e-9)
        inside = good & (radius >= edges[k] * (1 - 1e-9)) & (radius <= outer)
        weight = small.weight[inside].sum()
        lone += weight == 0
        np.testing.assert_allclose(profiles[:, k], images[:, inside].sum(axis=1) / max(weight, 1e-9), rtol=1e-5)
    assert (lone > 0) == (n_rings == 40)


def test_radial_profile__of_an_even_exposure_is_flat(pnccd):
    profile = radial_profile((pnccd.weight * 64).astype(np.uint16)[None], pnccd, 50)[0]
    np.testing.assert_allclose(profile[profile > 0], 64, rtol=1e-6)
    assert (profile > 0).sum() >= 49


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda g: lag_edges(image_grid(g, LAMBDA, 1), 4), "1 to 3 rings, got 4"),
        (lambda g: lag_edges(image_grid(g, LAMBDA, 4), 1), "1 to 0 rings"),
        (lambda g: s_edges(image_grid(g, LAMBDA, 1), 0), "at least 1 ring"),
    ],
)
def test_edges__refuse_bad_input(call, told):
    with pytest.raises(InputError, match=told):
        call(square(4, 1e-3, 0.1))
