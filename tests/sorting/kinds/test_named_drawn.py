"""Shots drawn of species that are known by name, and how far these are trusted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.sorting.kinds.test_named import PIXELS
from xfeldask.config import Species as Asked
from xfeldask.orient.shares import Background
from xfeldask.orient.sparse import SparseFrames
from xfeldask.physics.species import Body, Mixture, Species
from xfeldask.physics.spheroid import Spheroid
from xfeldask.sorting.kinds import named_drawn
from xfeldask.sorting.kinds.comparing import log_likelihoods
from xfeldask.sorting.kinds.found import posterior
from xfeldask.sorting.kinds.named import named_kinds
from xfeldask.sorting.kinds.named_drawn import Named, drawn_size, drawn_species, tempered_by_drawn

pytestmark = pytest.mark.rounding

RADIUS = 9.0
INSIDE = PIXELS.within(RADIUS)
RADII = {"less": 6.0e-9, "more": 6.3e-9}
BALLS = {name: Spheroid(radius, radius, 3e29) for name, radius in RADII.items()}
MIXTURE = Mixture(
    tuple(Body(name, ball) for name, ball in BALLS.items()),
    tuple(Species.of(name, body) for body, name in enumerate(BALLS)),
)
ASKED = {name: Asked(sphere={"diameter": 2 * radius}) for name, radius in RADII.items()}


def named(spread: float) -> Named:
    """Two spheres that differ by a twentieth of their size."""
    return Named(ASKED, MIXTURE, list(BALLS.values()), spread)


def frames(photons: int, count: int = 100) -> SparseFrames:
    """Shots of so many photons."""
    images = np.zeros((count, INSIDE), np.uint16)
    images[:, 0] = photons
    return SparseFrames.of(images, np.arange(INSIDE))


def test_drawn_species__have_the_photons_of_the_shots_and_the_mean_of_the_species() -> None:
    drawn = drawn_species(
        named(0.0), frames(400), PIXELS, RADIUS, np.zeros(100, np.int64), 0.0, np.random.default_rng(0)
    )
    assert (drawn.photons(INSIDE) == 400).all()
    far = np.linalg.norm(PIXELS.s[:INSIDE], axis=1)
    u = np.maximum(2 * np.pi * far * RADII["less"], 1e-9)
    exact = ((np.sin(u) - u * np.cos(u)) / u**3) ** 2 * PIXELS.factor[:INSIDE]
    counted = np.bincount(drawn.pixel, drawn.count, INSIDE)
    measured, expected = np.average(far, weights=counted), np.average(far, weights=exact)
    assert measured == pytest.approx(expected, rel=0.02)


def test_drawn_species__have_as_much_background_as_there_is() -> None:
    image = np.zeros(len(PIXELS.s))
    image[INSIDE // 2 : INSIDE] = 200 / (INSIDE - INSIDE // 2)
    over = replace(frames(400), background=Background(image, np.ones(100)))
    kind, dice = np.zeros(100, np.int64), np.random.default_rng(0)
    known = drawn_species(named(0.0), over, PIXELS, RADIUS, kind, 0.0, dice)
    outer = (known.photons(INSIDE) - known.photons(INSIDE // 2)).mean()
    assert outer == pytest.approx(200, rel=0.1)
    rate = 200 / PIXELS.factor[:INSIDE].sum()
    flat = drawn_species(named(0.0), frames(400), PIXELS, RADIUS, kind, rate, dice)
    assert (flat.photons(INSIDE) - flat.photons(INSIDE // 2)).mean() == pytest.approx(100, rel=0.2)


def test_drawn_size__is_spread_as_it_is_told() -> None:
    dice = np.random.default_rng(0)
    assert np.std([drawn_size(Asked(source="chaperonin"), 0.03, dice) for _ in range(3000)]) == pytest.approx(
        0.03, rel=0.1
    )
    droplet = Asked(sphere={"diameter": (10e-9, 20e-9), "spread": 0.1})
    assert np.mean([drawn_size(droplet, 0.0, dice) for _ in range(3000)]) == pytest.approx(1.0, abs=0.02)


def test_tempered_by_drawn__tells_that_sizes_are_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named_drawn, "DRAWN", 200)
    kind, dice = np.repeat([0, 1], 100), np.random.default_rng(3)
    shots = drawn_species(named(0.05), frames(800, 200), PIXELS, RADIUS, kind, 0.0, dice)
    kinds = named_kinds(ASKED, MIXTURE, list(BALLS.values()), shots, PIXELS)
    kinds = replace(kinds, radius=RADIUS)
    told = log_likelihoods(shots, PIXELS, kinds)

    def too_sure(log_likelihood: np.ndarray) -> float:
        found = posterior(log_likelihood, kinds.fractions)[0]
        return float(found.max(axis=1).mean() - (found.argmax(axis=1) == kind).mean())

    sized = replace(named_kinds(ASKED, MIXTURE, list(BALLS.values()), shots, PIXELS, 0.05), radius=RADIUS)
    assert abs(too_sure(log_likelihoods(shots, PIXELS, sized))) < 0.1
    trusted, blind = (tempered_by_drawn(named(spread), shots, PIXELS, kinds, told) for spread in (0.05, 0.0))
    assert too_sure(told) > 0.2
    assert abs(too_sure(trusted.of(told, shots.photons(INSIDE), kinds.fractions))) < 0.5 * too_sure(told)
    assert (trusted.rate > 3 * blind.rate).all()
