"""Networks that weigh measures."""

from __future__ import annotations

import numpy as np
import pytest

from xfeldask.sorting.pairs import weighing
from xfeldask.sorting.pairs.weighing import Networks

pytestmark = pytest.mark.rounding


def lessons() -> tuple[np.ndarray, np.ndarray]:
    """Two bands of peaks, both of them higher where there are several particles."""
    rng = np.random.default_rng(0)
    single = rng.normal(0, 0.3, (1000, 2))
    several = rng.normal([1.0, 3.0], [0.5, 1.0], (1000, 2))
    return np.concatenate([single, several]).astype(np.float32), np.repeat([1, 0], 1000)


def test_networks__take_no_low_band_for_a_single_hit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A band lower than any of the lessons' does not outweigh fringes in another."""
    monkeypatch.setattr(weighing, "STEPS", 400)
    x, y = lessons()
    networks = Networks.trained(x, y, 1, 0, slice(0, 2))
    fringes = np.array([[0, 2], [-20, 2]], np.float32)
    ordinary, odd = networks.log_ratio(fringes)
    assert odd == ordinary < -1
    without = Networks.trained(x, y, 1, 0)
    assert without.floor.tolist() == [-np.inf, -np.inf]
    assert without.log_ratio(fringes)[1] > without.log_ratio(fringes)[0] + 3
