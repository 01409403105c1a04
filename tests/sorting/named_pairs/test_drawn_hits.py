"""Shots that are drawn of one particle and of two, and what they say of how far log ratios are to be trusted."""

import numpy as np
import pytest

from tests.sorting.named_pairs.views_of import views_of
from xfeldask.sorting.named_pairs.drawn_hits import Trust, drawn_hits, pattern

pytestmark = pytest.mark.rounding


def test_drawn_hits__have_the_photons_that_are_asked_for() -> None:
    light = np.array([[30, 0], [20, 40], [1, 0]])
    drawn = drawn_hits(views_of(background=5.0), light, 0.03, np.random.default_rng(0))
    assert drawn.photons(10_000).tolist() == [30, 60, 1]


def test_pattern__of_two_has_fringes_and_the_light_of_both() -> None:
    views = views_of()
    one, two = (
        np.mean([pattern(views, np.array(light), 0.0, np.random.default_rng(i)) for i in range(40)], axis=0)
        for light in ([1.0], [0.4, 0.6])
    )
    assert two @ views.pixels.factor == pytest.approx(one @ views.pixels.factor, rel=0.1)
    inner = slice(0, 200)
    dark = [pattern(views, np.array([0.5, 0.5]), 0.0, np.random.default_rng(seed))[inner] for seed in range(4)]
    assert (np.min(dark, axis=0) >= 0).all()
    assert np.min(np.min(dark, axis=0) / one[inner]) < 0.1  # where they cancel


def test_trust__takes_back_what_photons_add_too_much() -> None:
    dice = np.random.default_rng(0)
    two, n = np.arange(6000) % 2, dice.integers(20, 500, 6000)
    right = dice.normal(4.0 * two - 2, 2.0)  # is the log ratio itself
    found = Trust.found(2 * right * (1 + n / 100) + 1, n, two)
    np.testing.assert_allclose(found.of([1, 9, 25], [100, 100, 100]), [0, 2, 6], atol=0.4)
    np.testing.assert_allclose(found.of([13], [400]), [6 / 5], atol=0.3)
