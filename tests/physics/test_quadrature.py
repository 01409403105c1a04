from __future__ import annotations

import numpy as np
import pytest

from xfeldask.physics.quadrature import gauss_legendre

pytestmark = pytest.mark.rounding


@pytest.mark.parametrize("n", [1, 2, 5, 16, 40])
def test_gauss_legendre__integrates_polynomials_exactly(n):
    node, weight = gauss_legendre(n)
    assert ((node > 0) & (node < 1) & (weight > 0)).all()
    for power in range(2 * n):
        assert (weight * node**power).sum() == pytest.approx(1 / (power + 1), rel=1e-13)


def test_gauss_legendre__is_that_of_numpy():
    x, w = np.polynomial.legendre.leggauss(16)
    node, weight = gauss_legendre(16)
    np.testing.assert_allclose(node, (x + 1) / 2, atol=1e-15)
    np.testing.assert_allclose(weight, w / 2, atol=1e-15)
