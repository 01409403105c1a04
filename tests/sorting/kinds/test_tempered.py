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
    assert found.rate == pytest.approx(FAULT / (2 * MEAN), rel=0.1)


def test_temper__makes_probabilities_right_of_other_shots() -> None:
    dice = np.random.default_rng(1)
    kind, photons = dice.integers(0, 2, 2000), dice.integers(50, 1000, 2000)
    found = temper(ratios(kind, photons, dice), kind, photons)
    kind, photons = (dice.random(20000) < 0.2).astype(int), dice.integers(50, 1000, 20000)
    told = ratios(kind, photons, dice)
    sure, trusted = (posterior(each, [0.8, 0.2])[0] for each in (told, found.of(told, photons)))
    for low, high in ((0.5, 0.7), (0.7, 0.9), (0.9, 0.97)):
        some = (trusted[:, 0] > low) & (trusted[:, 0] < high)
        assert (kind == 0)[some].mean() == pytest.approx(trusted[some, 0].mean(), abs=0.05)
    some = (sure[:, 0] > 0.9) & (sure[:, 0] < 0.97)
    assert (kind == 0)[some].mean() < 0.87


def test_temper__leaves_kinds_alone_that_nobody_confuses() -> None:
    kind = np.arange(300) % 3
    told = np.where(np.eye(3)[kind] > 0, 0.0, -400.0)
    found = temper(told, kind, np.full(300, 100))
    assert posterior(found.of(told, np.full(300, 100)), np.full(3, 1 / 3))[0].max(axis=1).min() > 1 - 1e-9


def test_tempered__keeps_the_order_of_kinds() -> None:
    told = np.array([[-3.0, -1.0, -2.0]])
    assert Tempered(0.1).of(told, [30])[0] == pytest.approx([-0.75, -0.25, -0.5])
