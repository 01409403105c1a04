"""Photons that stay without fluence: what is found of them, and where nothing is told."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sorting.pairs.test_window import STEP, expected, make_grid
from xfeldask.errors import InputError
from xfeldask.sorting.pairs import lessons, weighing
from xfeldask.sorting.pairs.networks import PairNetworks
from xfeldask.sorting.pairs.zero_fluence import Moments, at_zero_fluence, central_bins, light_beside

pytestmark = pytest.mark.rounding

GRID = make_grid()
RADIUS = np.hypot(*np.moveaxis(GRID.s, -1, 0)) / STEP
COLUMN = np.abs(np.arange(48) - 23.5)
SHAPES = {
    "a ring": np.exp(-(((RADIUS - 11) / 2) ** 2)),
    "a streak through the beam": np.exp(-((COLUMN[:, None] / 1.5) ** 2) - COLUMN / 12),
    "a spot": (np.abs(RADIUS - 12) < 3) * (np.arange(48) > 30) * (np.abs(COLUMN)[:, None] < 3),
    "none": np.zeros((48, 48)),
}


def shots(shape: str, photons: float = 150.0, n: int = 3000, spread: float = 0.5, fluence: float = 0.6) -> np.ndarray:
    """Shots of a round particle of 400 photons over light of a shape; both differ from shot to shot."""
    rng = np.random.default_rng(3)
    light = SHAPES[shape] * photons / max(SHAPES[shape].sum(), 1e-9)
    bright = rng.gamma(1 / fluence**2, fluence**2, n)[:, None, None] if fluence else np.ones((n, 1, 1))
    amount = rng.gamma(1 / spread**2, spread**2, n)[:, None, None]
    return rng.poisson(bright * expected(GRID, 400.0, 6, 0) + amount * light).astype(np.uint16)


def estimated(images: np.ndarray, good: np.ndarray = GRID.weight) -> np.ndarray:
    central = central_bins(images.sum(axis=0), good, GRID.center)
    return at_zero_fluence(Moments.of(images, central), central, good)


@pytest.mark.parametrize(("shape", "least"), [("a ring", 120), ("a spot", 120), ("a streak through the beam", 70)])
def test_light__is_where_it_was_put(shape: str, least: float) -> None:
    """What lies about the beam, where the fluence is told, is not found, as of a streak."""
    found, due = estimated(shots(shape)), SHAPES[shape] * 150 / SHAPES[shape].sum()
    assert least < found.sum() < 180
    # it is smoothed, which takes some of the edge of what is sharp
    assert np.corrcoef(found.ravel(), due.ravel())[0, 1] > 0.85


def test_light__that_is_not_there_is_not_found() -> None:
    assert estimated(shots("none")).sum() < 4
    assert light_beside(shots("none"), GRID.weight, GRID.center) == 0


@pytest.mark.parametrize(("shape", "least"), [("a ring", 120), ("a streak through the beam", 70)])
def test_light_beside__is_told_where_bins_hold_mostly_that(shape: str, least: float) -> None:
    assert least < light_beside(shots(shape), GRID.weight, GRID.center) < 180
    assert light_beside(shots(shape, photons=8.0), GRID.weight, GRID.center) == 0


def test_light_beside__leaves_out_what_is_known() -> None:
    flat = np.full((48, 48), 0.2)
    images = shots("none") + np.random.default_rng(4).poisson(flat, (3000, 48, 48)).astype(np.uint16)
    assert light_beside(images, GRID.weight, GRID.center) > 300
    assert light_beside(images, GRID.weight, GRID.center, flat) == 0
    both = images + shots("a ring") - shots("none")
    assert 75 < light_beside(both, GRID.weight, GRID.center, flat) < 180


@pytest.mark.parametrize("blank", [0, 1500])
def test_rule__tells_of_light_that_is_known_for_none(monkeypatch: pytest.MonkeyPatch, blank: int) -> None:
    monkeypatch.setattr(lessons, "FINAL", (1, 0.3))
    monkeypatch.setattr(weighing, "STEPS", 300)
    dark = np.random.default_rng(5).poisson(150 * SHAPES["a ring"] / SHAPES["a ring"].sum(), (blank, 48, 48))
    images = np.concatenate([shots("a ring", n=1000), dark.astype(np.uint16)])
    rule = PairNetworks(seed=3).fit(images, GRID)
    assert PairNetworks.restore(rule.arrays()).light_photons == rule.light_photons
    assert rule.light_photons == pytest.approx(150, rel=0.35)
    assert PairNetworks(seed=3).fit(shots("none", n=1000), GRID).light_photons is None


def test_light_beside__is_not_told_where_nothing_tells_it() -> None:
    assert light_beside(shots("a ring", n=200), GRID.weight, GRID.center) == 0
    assert light_beside(shots("a ring", fluence=0.0), GRID.weight, GRID.center) == 0
    assert light_beside(np.zeros((400, 48, 48), np.uint16), GRID.weight, GRID.center) == 0


def test_bins_without_pixels__hold_none_and_take_none_from_their_neighbours() -> None:
    good = make_grid(dead=(slice(20, 28), slice(30, 40))).weight
    images = shots("a ring") * (good > 0)
    found, whole = estimated(images.astype(np.uint16), good), estimated(shots("a ring"))
    assert not found[good == 0].any()
    beside = np.zeros((48, 48), bool)
    beside[18:30, 28:42] = good[18:30, 28:42] > 0
    assert found[beside].sum() == pytest.approx(whole[beside].sum(), rel=0.15)


@given(cuts=st.lists(st.integers(0, 60), max_size=4), order=st.randoms(use_true_random=False))
def test_moments__add_up_to_the_same_bits_however_shots_are_cut(cuts: list[int], order: object) -> None:
    images = np.random.default_rng(1).integers(0, 9, (60, 6, 5)).astype(np.uint16)
    central = np.zeros((6, 5), bool)
    central[2:4, 2] = True
    parts = np.split(images, sorted(cuts))
    order.shuffle(parts)
    found = sum((Moments.of(part, central) for part in parts[1:]), Moments.of(parts[0], central))
    level = images[:, central].sum(axis=1)
    assert (found.shots, found.level, found.squares) == (60, level.sum(), (level**2).sum())
    np.testing.assert_array_equal(found.photons, images.sum(axis=0))
    np.testing.assert_array_equal(found.products, np.einsum("n,nyx->yx", level, images.astype(np.int64)))


@pytest.mark.parametrize(
    ("images", "told"), [(shots("none", n=299), "299 shots are too few"), (shots("none", fluence=0.0), "same fluence")]
)
def test_shots__that_tell_nothing_are_refused(images: np.ndarray, told: str) -> None:
    with pytest.raises(InputError, match=told):
        estimated(images)


def test_shots__of_which_nothing_grows_are_refused() -> None:
    central = np.zeros((48, 48), bool)
    central[23:25, 23:25] = True
    images = np.zeros((400, 48, 48), np.uint16)
    with pytest.raises(InputError, match="same fluence"):
        at_zero_fluence(Moments.of(images, central), central, GRID.weight)


def test_photons__are_needed_to_tell_the_fluence() -> None:
    with pytest.raises(InputError, match="no photons near the beam"):
        central_bins(np.zeros((4, 4)), np.ones((4, 4)), (1.5, 1.5))
