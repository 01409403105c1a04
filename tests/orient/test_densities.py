"""Densities on each other: shifted, of the other hand, and unlike."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import fft, ndimage

from xfeldask.orient.densities import fourier_shell_correlation

pytestmark = pytest.mark.rounding

RNG = np.random.default_rng(0)
DENSITY = ndimage.gaussian_filter(RNG.random((25, 25, 25)), 1.0, mode="wrap")


def test_fourier_shell_correlation__takes_off_a_shift_and_the_hand():
    x = fft.fftfreq(25)
    turn = np.exp(-2j * np.pi * (0.4 * x[:, None, None] - 2.3 * x[:, None] + 5.5 * x))
    moved = fft.ifftn(fft.fftn(DENSITY - DENSITY.min()) * turn).real
    for each in (moved, moved[::-1, ::-1, ::-1]):
        found = fourier_shell_correlation(DENSITY - DENSITY.min(), each)
        assert found.shape == (11,)
        assert found.min() > 0.98


def test_fourier_shell_correlation__of_unlike_densities_is_small():
    found = fourier_shell_correlation(DENSITY, RNG.random((25, 25, 25)))
    assert np.abs(found[2:]).max() < 0.2
