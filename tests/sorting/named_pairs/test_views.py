"""Shots compared with one particle and with two."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles import log_ratio_of_two
from tests.sorting.named_pairs.views_of import views_of
from xfeldask.orient.sparse import SparseFrames
from xfeldask.sorting.named_pairs import views as module
from xfeldask.sorting.named_pairs.drawn_hits import drawn_hits
from xfeldask.sorting.named_pairs.pair_places import Distances

pytestmark = pytest.mark.rounding

APART = Distances(np.array([[5e-9, 2e-9], [-20e-9, 14e-9], [0.0, 0.0]]), np.array([0.3, 0.5, 0.2]), 3e-9)


@pytest.fixture(scope="module")
def views() -> module.Views:
    return views_of(refinement=2)


def two_or_one(views: module.Views, n: int, photons: int = 150, seed: int = 0) -> tuple[SparseFrames, np.ndarray]:
    two = np.arange(n) % 2
    light = np.stack([photons // (1 + two), photons // 2 * two], axis=1)
    return drawn_hits(views, light, 0.0, np.random.default_rng(seed)), two


@pytest.mark.parametrize(("distances", "share"), [(APART, 0.0), (Distances(np.zeros((1, 2)), np.ones(1), 3e-9), 0.2)])
def test_log_ratio__is_that_of_all_pairs_of_rotations(
    distances: Distances, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = views_of(5.0, 20 * share, refinement=1, distances=distances, radius=40e-9)
    keep = 60
    for name, value in {"ROWS": keep, "KEPT": keep * keep, "CELL": 0.5}.items():
        monkeypatch.setattr(module, name, value)
    pixel = np.sort(np.random.default_rng(0).integers(0, len(small.pixels.s), 20))
    expected = log_ratio_of_two(small, pixel, module.BRIGHT, module.HOW_OFTEN)
    assert small.log_ratio(pixel) == pytest.approx(expected, abs=2e-3)


def test_log_ratio__is_larger_for_two_particles(views: module.Views) -> None:
    frames, two = two_or_one(views, 120)
    ratio = views.log_ratios(frames)
    assert (ratio[two > 0][:, None] > ratio[two == 0]).mean() > 0.99
    assert np.median(ratio[two == 0]) < 0 < np.median(ratio[two > 0])


def test_log_ratio__of_no_photons_is_none(views: module.Views) -> None:
    assert views.log_ratio(np.zeros(0, np.int64)) == 0


def test_log_ratio__of_bright_shots_is_finite(views: module.Views) -> None:
    ratio = views.log_ratios(two_or_one(views, 2, 6000)[0])
    assert np.isfinite(ratio).all()
    assert ratio[1] > max(0, ratio[0])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_log_ratio__depends_on_no_order_of_photons(seed: int, n: int) -> None:
    small, dice = SMALL, np.random.default_rng(seed)
    pixel = dice.integers(0, len(small.pixels.s), n)
    assert small.log_ratio(dice.permutation(pixel)) == pytest.approx(small.log_ratio(pixel), abs=0.01)


SMALL = views_of(8.0, refinement=1)


def test_views__travel_without_their_tables(views: module.Views) -> None:
    frames, _ = two_or_one(views, 4)
    ratio = views.log_ratios(frames)
    sent = pickle.dumps(views)
    assert len(sent) < 4 * (views.volume.values.nbytes + views.pixels.s.nbytes)
    np.testing.assert_array_equal(pickle.loads(sent).log_ratios(frames), ratio)
