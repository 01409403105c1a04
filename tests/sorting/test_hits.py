"""The rule that tells hits from blanks, whatever they hold."""

import numpy as np
import pytest

from tests.sorting.shots import Given
from xfeldask.errors import InputError
from xfeldask.physics.binning import low_q_grid
from xfeldask.physics.detectors import square
from xfeldask.sorting.hits import HitRule
from xfeldask.sorting.protocol import Allowance

pytestmark = pytest.mark.rounding

GRID = low_q_grid(square(32, 1e-3, 0.1), 1e-10)
RADIUS = np.hypot(*(np.indices(GRID.shape) - 15.5))


def drawn(background: np.ndarray, particle: float, n: int = 200) -> np.ndarray:
    expected = background + particle * np.exp(-((RADIUS / 5) ** 2))
    return np.random.default_rng(0).poisson(expected, (n, *GRID.shape))


def hits(rule: HitRule, images: np.ndarray) -> np.ndarray:
    return rule.decide(rule.evidence({"low_q": images}), Allowance())[0]["is_single"]


def test_hits__are_told_from_blanks_by_each_shot_alone() -> None:
    flat = np.full(GRID.shape, 0.1)
    images = np.concatenate([drawn(flat, 0), drawn(flat, 1.0)])
    rule = HitRule().fit(Given({"low_q": images[:1]}, GRID))
    np.testing.assert_array_equal(hits(rule, images), np.arange(400) >= 200)
    np.testing.assert_array_equal(hits(rule, images[7:8]), False)
    again = HitRule.restore(rule.arrays())
    above, restored = (each.evidence({"low_q": images})["excess"] for each in (rule, again))
    np.testing.assert_array_equal(restored, above)


def test_hits__lie_above_the_background_that_is_known() -> None:
    halo = 0.1 + np.exp(-((RADIUS / 6) ** 2))
    shots = Given({"low_q": drawn(halo, 0)}, GRID)
    assert hits(HitRule().fit(shots), shots.arrays["low_q"]).mean() > 0.9
    shots.background = halo.astype(np.float32)
    rule = HitRule().fit(shots)
    assert not hits(rule, shots.arrays["low_q"]).any()
    assert hits(rule, drawn(halo, 3.0)).all()


def test_hits__of_another_detector_are_refused() -> None:
    rule, other = HitRule().fit(Given({"low_q": drawn(np.ones(GRID.shape), 0, 1)}, GRID)), square(32, 2e-3, 0.1)
    rule.check(Given({}, GRID))
    with pytest.raises(InputError, match="of another detector or geometry"):
        rule.check(Given({}, low_q_grid(other, 1e-10)))
