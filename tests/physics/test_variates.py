from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from xfeldask.physics.draws import Stream, stream_key
from xfeldask.physics.variates import NORMAL_CUT, cut_normals, unit_gammas

pytestmark = pytest.mark.rounding


def test_cut_normals__are_quantiles_within_the_cut() -> None:
    u = np.concatenate([[0.0], np.random.default_rng(0).random(999), [1 - 2.0**-53]]).reshape(7, 143)
    np.testing.assert_allclose(cut_normals(u), np.clip(stats.norm.ppf(u), -NORMAL_CUT, NORMAL_CUT), atol=1e-9)


@pytest.mark.parametrize("spread", [0.05, 0.5, 2.0])
def test_unit_gammas__have_mean_one_and_their_spread(spread: float) -> None:
    found = unit_gammas(stream_key(3, Stream.PULSE, np.arange(20_000)), spread)
    assert stats.kstest(found, stats.gamma(spread**-2, scale=spread**2).cdf).pvalue > 1e-3


@pytest.mark.parametrize("spread", [0.0, 1e-200])
def test_unit_gammas__without_spread_are_one(spread: float) -> None:
    assert (unit_gammas(stream_key(3, Stream.PULSE, np.arange(9)), spread) == 1).all()
