"""How far log likelihoods are trusted."""

from __future__ import annotations

import numpy as np
import pytest

from xfeldask.sorting.kinds.found import posterior
from xfeldask.sorting.kinds.tempered import Tempered, temper

pytestmark = pytest.mark.rounding

MEAN, FAULT = 0.01, 0.0004
"""Of the log ratio of two kinds, a photon, and of its variance, a squared photon, by a fault of the intensities."""


def ratios(kind: np.ndarray, photons: np.ndarray, dice: np.random.Generator) -> np.ndarray:
    """Log likelihoods of two kinds that are told apart less well than they tell."""
    noise = np.sqrt(2 * MEAN * photons + FAULT * photons**2)
    ratio = dice.normal(np.where(kind == 1, 1, -1) * MEAN * photons, noise)
    return np.stack([np.zeros(len(ratio)), ratio], axis=1)


def test_temper__finds_the_rate_at_which_faults_grow_with_the_photons() -> None:
    dice = np.random.default_rng(0)
    kind, photons = dice.integers(0, 2, 40000), dice.choice([50, 200, 1000], 40000)
    found = temper(ratios(kind, photons, dice), kind, photons)
    assert found.rate == pytest.approx([FAULT / (2 * MEAN)] * 2, rel=0.1)
    assert found.strays < 1e-3


def test_temper__finds_the_fraction_of_shots_that_stray() -> None:
    dice = np.random.default_rng(2)
    kind, photons, told = dice.integers(0, 2, 4000), np.full(4000, 1000), np.zeros((4000, 2))
    told[:, 1] = dice.normal(np.where(kind == 1, 1, -1) * MEAN * photons, np.sqrt(2 * MEAN * photons))
    wrong = np.arange(4000) % 50 == 0
    told[wrong, 1] = np.where(kind[wrong] == 0, 90, -90)
    found = temper(told, kind, photons)
    assert found.rate.max() < 1e-4  # that of the others
    assert found.strays == pytest.approx(0.04, rel=0.25)  # half of them are right by chance


def test_temper__gives_kinds_that_are_not_alike_rates_of_their_own() -> None:
    dice = np.random.default_rng(4)
    kind, photons = dice.integers(0, 4, 8000), dice.choice([50, 200, 1000], 8000)
    faulty = kind > 1
    told = np.full((8000, 4), -500.0)
    told[faulty, 2:] = ratios(kind[faulty] - 2, photons[faulty], dice)
    exact = dice.normal(np.where(kind == 1, 1, -1) * MEAN * photons, np.sqrt(2 * MEAN * photons))
    told[~faulty, :2] = np.stack([0 * exact, exact], axis=1)[~faulty]
    found = temper(told, kind, photons, [False, False, True, True])
    assert found.rate[2:] == pytest.approx([FAULT / (2 * MEAN)] * 2, rel=0.2)
    assert found.rate[:2].max() < 0.05 * found.rate[2]


def test_temper__makes_probabilities_right_of_other_shots() -> None:
    dice = np.random.default_rng(1)
    kind, photons = dice.integers(0, 2, 2000), dice.integers(50, 1000, 2000)
    found = temper(ratios(kind, photons, dice), kind, photons)
    kind, photons = (dice.random(20000) < 0.2).astype(int), dice.integers(50, 1000, 20000)
    told = ratios(kind, photons, dice)
    sure, trusted = (posterior(each, [0.8, 0.2])[0] for each in (told, found.of(told, photons, [0.8, 0.2])))
    for low, high in ((0.5, 0.7), (0.7, 0.9), (0.9, 0.97)):
        some = (trusted[:, 0] > low) & (trusted[:, 0] < high)
        assert (kind == 0)[some].mean() == pytest.approx(trusted[some, 0].mean(), abs=0.05)
    some = (sure[:, 0] > 0.9) & (sure[:, 0] < 0.97)
    assert (kind == 0)[some].mean() < 0.87


def test_temper__leaves_kinds_alone_that_nobody_confuses() -> None:
    kind = np.arange(300) % 3
    told = np.where(np.eye(3)[kind] > 0, 0.0, -400.0)
    found = temper(told, kind, np.full(300, 100))
    even = np.full(3, 1 / 3)
    # nobody strays among 300, which does not tell that nobody ever does
    assert posterior(found.of(told, np.full(300, 100), even), even)[0].max(axis=1).min() > 1 - 1e-6


def test_tempered__keeps_the_order_of_kinds_and_divides_their_differences() -> None:
    told = Tempered(np.full(3, 0.1), 1e-9).of([[-3.0, -1.0, -2.0]], [30], np.full(3, 1 / 3))[0]
    assert told - told[1] == pytest.approx([-0.5, 0.0, -0.25])
    assert np.exp(told).mean() == pytest.approx(1.0)


def test_tempered__leaves_every_kind_the_chance_that_a_shot_strays() -> None:
    fractions = np.array([0.9, 0.09, 0.01])
    told = Tempered(np.zeros(3), 0.01).of([[0.0, -50.0, -900.0]], [30], fractions)
    joint = np.exp(told[0]) * fractions
    assert joint / joint.sum() == pytest.approx([0.99 + 0.01 * 0.9, 0.01 * 0.09, 0.01 * 0.01])
