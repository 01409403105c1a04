from __future__ import annotations

import numpy as np
import pytest

from xfeldask.sorting.kinds.fits import misfits

pytestmark = pytest.mark.rounding


def some(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Log likelihoods of shots that fit, and their photons."""
    photons = rng.integers(20, 2000, count)
    return -7.0 * photons + 3 * np.sqrt(photons) * rng.normal(size=count) + 40 * np.log(photons), photons


def test_misfits__are_standard_normal_where_all_fit_whatever_their_brightness() -> None:
    found = misfits(*some(np.random.default_rng(1), 8000))
    assert abs(np.median(found)) < 0.1
    assert 0.8 < found.std() < 1.3


def test_misfits__see_what_fits_worse_at_any_brightness() -> None:
    fit, photons = some(np.random.default_rng(2), 4000)
    fit[::50] -= 24 * np.sqrt(photons[::50])
    found = misfits(fit, photons)
    assert np.quantile(found[::50], 0.05) > 3
    assert np.median(np.delete(found, np.arange(0, 4000, 50))) < 0.1


def test_misfits__of_no_photons_are_nothing() -> None:
    assert misfits([0.0, 0.0], [0, 0]).tolist() == [0.0, 0.0]
    found = misfits(*some(np.random.default_rng(3), 5))
    assert np.isfinite(found).all()
