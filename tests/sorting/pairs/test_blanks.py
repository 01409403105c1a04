"""Blanks are told by the shots themselves, whatever the background's shape; where they are not, nothing is."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.sorting.pairs.test_networks import grid
from tests.sorting.pairs.test_networks import shots as speckled
from tests.sorting.pairs.test_steady import GRID, PHOTONS, ring, shots, spot
from tests.sorting.pairs.test_window import expected
from xfeldask.errors import InputError
from xfeldask.sorting.pairs.blanks import find_blanks
from xfeldask.sorting.pairs.networks import HIT, PairNetworks
from xfeldask.sorting.pairs.window import Window, excess, find_window

pytestmark = pytest.mark.rounding


def gas() -> np.ndarray:
    """Background that falls off from the beam as a particle's photons do, and farther out."""
    return expected(GRID, 150, 14, 0)


@pytest.mark.parametrize(("make", "blank"), [(ring, 300), (ring, 900), (gas, 300), (spot, 300), (spot, 900)])
def test_find_blanks__are_those_that_hold_no_particle(make, blank: int) -> None:
    images = shots(make(), 1000, spread=0.5, blank=blank)
    found, window = find_blanks(images, GRID)
    assert np.flatnonzero(found).tolist() == list(range(blank))
    more = shots(make(), 600, spread=0.5, blank=300, seed=1)
    assert ((excess(more, window) <= HIT) == (np.arange(600) < 300)).all()


@pytest.mark.parametrize("make", [ring, gas])
@pytest.mark.parametrize("blank", [0, 40])
def test_find_blanks__hits_among_which_there_are_hardly_any_tell_none(make, blank: int) -> None:
    with pytest.raises(InputError, match="do not tell which of them are blank"):
        find_blanks(shots(make(), 500, spread=0.5, blank=blank), GRID)


def test_window__of_a_known_background_is_where_particles_are() -> None:
    """A ring on both sides of the beam passes for a particle's, unless it is known."""
    images = shots(ring(), 1500, spread=0.5, blank=500)
    there = ring() > ring().max() / 2
    naive, window = find_window(images, GRID), find_window(images, GRID, images[:500].mean(axis=0))
    assert naive.weight[there].mean() > 0.9
    assert window.weight[there].mean() < 0.75
    assert window.known.sum() == pytest.approx((ring() + 0.02).sum(), rel=0.05)
    assert (excess(images[:500], naive) > HIT).mean() > 0.9
    assert not (excess(images[:500], window) > HIT).any()
    assert (excess(images[500:], window) > HIT).all()


def test_excess__is_of_counting_noise_where_the_background_is_known() -> None:
    truth = ring() + 0.02
    signal = expected(GRID, PHOTONS, 6, 0)
    rng = np.random.default_rng(0)
    mean = 0.4 * signal + truth
    plain = Window.plain((signal / (signal + truth)).astype(np.float32), GRID.weight, 0.0, 24)
    known = truth.astype(np.float32)
    window = plain.with_steady(known, known, mean)
    amount = rng.gamma(4, 0.25, (2000, 1, 1))
    above = excess(rng.poisson(amount * truth), window)
    assert abs(above.mean()) < 0.1
    assert 0.5 < above.std() < 1.1


@pytest.mark.parametrize("background", [np.ones((3, 3)), np.full(GRID.shape, -1.0), np.full(GRID.shape, np.nan)])
def test_window__of_a_background_that_cannot_be_is_refused(background: np.ndarray) -> None:
    with pytest.raises(InputError, match="a background of low_q is"):
        find_window(shots(ring(), 10), GRID, background)


def test_rule__sorts_particles_over_a_background_that_is_known() -> None:
    images, number, _ = speckled(900, 1, blank=0.2)
    rng = np.random.default_rng(0)
    ring = np.exp(-(((np.hypot(*np.moveaxis(grid().s, -1, 0)) / grid().step[0] - 12) / 3) ** 2))
    ring *= 150 / ring.sum()
    lit = images + rng.poisson(ring * rng.gamma(4, 0.25, (len(images), 1, 1))).astype(np.uint16)
    rule = PairNetworks(seed=3).fit(lit, grid(), background=lit[number == 0].mean(axis=0))
    assert rule.background_photons == pytest.approx(150 + 0.01 * grid().weight.size, rel=0.05)
    assert (rule.steady_photons, rule.light_photons) == (None, None)
    found = PairNetworks.restore(rule.arrays()).judge(lit)
    assert found.hit[number > 0].mean() > 0.99
    assert found.hit[number == 0].mean() < 0.01
    assert roc_auc_score(number[found.hit] == 1, found.log_ratio[found.hit]) > 0.98
