from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import examples
from xfeldask.physics import nufft

pytestmark = pytest.mark.rounding


def planes(position, weight, half):
    """Frequencies (0 to half, -half to half, -half to half)."""
    spectrum = nufft.spectrum(position, weight, half)
    re, im = np.empty((2, half + 1, 2 * half + 1, 2 * half + 1))
    for k in range(half + 1):
        nufft.plane(spectrum, k, re[k], im[k])
    return re + 1j * im


def summed(position, weight, half):
    """The same, point by point."""
    k = np.arange(-half, half + 1)
    x, y, z = (np.exp(2j * np.pi * np.multiply.outer(k, r)) for r in position.T)
    return np.einsum("n,kn,ln,mn->klm", weight, x[half:], y, z)


@examples(0.67)
@given(st.integers(1, 30), st.integers(0, 40), st.floats(0, 0.24), st.integers(0, 2**32))
def test_plane__equals_the_sum_over_points(n, half, extent, seed):
    rng = np.random.default_rng(seed)
    position, weight = rng.uniform(-extent, extent, (n, 3)), rng.uniform(0.1, 2, n)
    error = np.abs(planes(position, weight, half) - summed(position, weight, half))
    assert error.max() < 4e-6 * weight.sum()


def test_plane__has_the_stated_error():
    rng = np.random.default_rng(2)
    position, weight = rng.uniform(-0.2174, 0.2174, (400, 3)), rng.uniform(0.1, 2, 400)
    exact = summed(position, weight, 40)
    assert np.linalg.norm(planes(position, weight, 40) - exact) < 5e-7 * np.linalg.norm(exact)


@pytest.mark.parametrize("length", [48, 50, 54, 60, 64, 90, 250, 384])
def test_transform__is_numpys(length):
    rng = np.random.default_rng(length)
    value = rng.standard_normal((length, nufft.COLUMNS)) + 1j * rng.standard_normal((length, nufft.COLUMNS))
    re, im = nufft._transform(value.real.copy(), value.imag.copy(), nufft.make_wave(length))
    np.testing.assert_allclose(re + 1j * im, np.fft.ifft(value, axis=0) * length, atol=1e-12 * length)


def test_spectrum__has_the_same_bits_on_any_number_of_cores(monkeypatch):
    rng = np.random.default_rng(3)
    position, weight = rng.uniform(-0.2, 0.2, (50, 3)), rng.uniform(0.1, 2, 50)
    found = []
    for cores in (1, 3, 16):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        found.append(planes(position, weight, 20).tobytes())
    assert found[1:] == found[:-1]


@given(st.integers(0, 2000))
def test_fine_length__is_even_and_of_small_factors(half):
    length = nufft.fine_length(half)
    assert length % 2 == 0
    assert length >= nufft.UPSAMPLING * (2 * half + 1)
    assert length < 1.3 * nufft.UPSAMPLING * (2 * half + 1) + nufft.LEAST_LENGTH
    for p in (2, 3, 5):
        while length % p == 0:
            length //= p
    assert length == 1


def test_memory_needed__is_what_the_arrays_take():
    half, extent = 30, 0.2
    spectrum = nufft.spectrum(np.full((1, 3), extent), np.ones(1), half)
    m = spectrum.re.shape[1]
    assert nufft.memory_needed(half, extent) == spectrum.re.nbytes + spectrum.im.nbytes + 8 * m**3
