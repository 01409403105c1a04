from __future__ import annotations

import numpy as np
import pytest

from xfeldask.physics.adu_peaks import fit_peaks
from xfeldask.physics.photonizing import histogram_centers

pytestmark = pytest.mark.rounding

X = histogram_centers()


def test_peaks__are_found_where_they_are() -> None:
    counts = 1e6 * np.exp(-((X - 0.03) ** 2) / (2 * 0.15**2)) + 1e4 * np.exp(-((X - 1.08) ** 2) / (2 * 0.17**2))
    assert fit_peaks(counts) == pytest.approx((0.03, 0.15, 1.08, 0.17), abs=0.01)


def test_peaks__of_nothing_are_none() -> None:
    assert np.isnan(fit_peaks(np.zeros(len(X)))).all()
    only_noise = fit_peaks(1e6 * np.exp(-(X**2) / (2 * 0.15**2)))
    assert only_noise.zero_width == pytest.approx(0.15, rel=0.01)
    assert np.isnan(only_noise.one)
