from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import eigh

from tests.strategies import fractions
from xfeldask.physics.interpolation import Table, _least_eigenvector, kernel_pieces, roll_off

pytestmark = pytest.mark.rounding


@given(st.floats(2, 6))
def test_kernel_pieces__make_a_symmetric_kernel(sampling):
    pieces = kernel_pieces(sampling)
    t = np.linspace(0, 1, 21)
    taps = np.polynomial.polynomial.polyval(t, pieces)
    np.testing.assert_allclose(taps[::-1, ::-1], taps, atol=1e-12)
    # at a grid point its own coefficient weighs most, and the two beside it alike
    assert pieces[0, 1] == 1
    assert 0 < pieces[0, 0] < 0.5
    assert pieces[0, 2] == pytest.approx(pieces[0, 0], abs=0.01)
    assert abs(pieces[0, 3]) < 0.01


@pytest.mark.parametrize(("sampling", "worst"), [(2.3, 2.2e-3), (3, 8e-4), (4.5, 1.6e-4), (6, 6e-5)])
def test_kernel_pieces__interpolate_waves_within_the_band(sampling, worst):
    pieces = kernel_pieces(sampling)
    x = np.linspace(0, 1 / (2 * sampling), 40)
    t = np.linspace(0, 1, 33)
    taps = np.polynomial.polynomial.polyval(t, pieces)
    distance = np.arange(4)[:, None] - 1 - t
    found = (taps * np.exp(2j * np.pi * x[:, None, None] * distance)).sum(axis=1) / roll_off(pieces, x)[:, None]
    assert np.abs(found - 1).max() < worst


@given(fractions)
def test_roll_off__is_the_kernels_fourier_transform(x):
    pieces = kernel_pieces(2.3)
    t = (np.arange(4000) + 0.5) / 4000
    taps = np.polynomial.polynomial.polyval(t, pieces)
    distance = np.arange(4)[:, None] - 1 - t
    plain = (taps * np.cos(2 * np.pi * x * distance)).mean(axis=1).sum()
    assert roll_off(pieces, np.array([x]))[0] == pytest.approx(plain, abs=1e-6)


@given(st.integers(1, 8), st.integers(0, 2**32))
def test_least_eigenvector__is_that_of_lapack(n, seed):
    rng = np.random.default_rng(seed)
    a, b = (rows @ rows.T + np.eye(n) for rows in rng.standard_normal((2, n, n)))
    # one far below the others, as that of the kernel is
    a = a - (1 - 1e-4) * np.outer(b @ (u := eigh(a, b)[1][:, 0]), b @ u) * eigh(a, b)[0][0]
    found, exact = _least_eigenvector(a, b), eigh(a, b)[1][:, 0]
    np.testing.assert_allclose(np.abs(found), np.abs(exact / np.abs(exact).max()), atol=1e-6)


def test_table__is_linear_between_its_values_and_ends_with_the_last():
    table = Table.of(lambda x: x * x, 4.0, 5)
    np.testing.assert_allclose(table(np.array([[0.0, 1.0], [2.5, 4.0]])), [[0, 1], [6.5, 16]])
    x = np.linspace(0, 4, 99)
    np.testing.assert_allclose(table(x), np.interp(x, np.arange(5), np.arange(5) ** 2), atol=1e-14)
