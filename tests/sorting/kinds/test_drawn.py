"""Shots drawn of kinds, and what they say of probabilities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from tests.orient.shots import PIXELS, RADIUS, atoms_of, intensity, shots
from xfeldask.orient.models import Models, grid_size
from xfeldask.orient.shares import Background
from xfeldask.orient.sparse import SparseFrames
from xfeldask.sorting.kinds import drawn as drawing
from xfeldask.sorting.kinds.comparing import log_likelihoods
from xfeldask.sorting.kinds.drawn import balanced, corrections, drawn_like, times
from xfeldask.sorting.kinds.found import Kinds, posterior

pytestmark = pytest.mark.rounding

INSIDE = PIXELS.within(RADIUS)
MANY, FEW = 260, 40
FRAMES = SparseFrames.joined([shots(MANY, 300, 1).frames, shots(FEW, 60, 2, size=3e-9).frames])
KIND = np.repeat([0, 1], [MANY, FEW])


def exact() -> Kinds:
    """The intensities of both particles."""
    axis = np.arange(grid_size(RADIUS)) - grid_size(RADIUS) // 2
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1) * PIXELS.step
    both = np.stack([intensity(atoms_of(1), grid), intensity(atoms_of(2, 3e-9), grid)]) + 1e-3
    return Kinds(Models(both, np.array([MANY, FEW]) / len(KIND), PIXELS.step), np.arange(2), RADIUS)


def test_drawn_like__is_of_the_kind_and_as_bright_as_the_shots() -> None:
    kinds = exact()
    drawn = drawn_like(FRAMES, PIXELS, kinds, KIND, np.random.default_rng(0))
    np.testing.assert_array_equal(drawn.photons(INSIDE), FRAMES.photons(INSIDE))
    told = posterior(log_likelihoods(drawn, PIXELS, kinds), kinds.fractions)[0].argmax(axis=1)
    assert (told == KIND).mean() > 0.95


def test_drawn_like__has_the_known_background_of_the_shots() -> None:
    image = np.zeros(len(PIXELS.s))
    image[INSIDE // 2 : INSIDE] = 1.0
    share = np.repeat([0.0, 0.5], len(FRAMES) // 2)
    dark = Background(image, share * FRAMES.photons(INSIDE) / image.sum())
    over = replace(FRAMES, background=dark)
    drawn = drawn_like(over, PIXELS, exact(), KIND, np.random.default_rng(0))
    plain = drawn_like(FRAMES, PIXELS, exact(), KIND, np.random.default_rng(0))
    outer = [frames.photons(INSIDE) - frames.photons(INSIDE // 2) for frames in (drawn, plain)]
    half = slice(len(FRAMES) // 2, None)
    assert outer[0][half].sum() > 0.5 * FRAMES.photons(INSIDE)[half].sum()
    assert outer[1][half].sum() < 0.5 * FRAMES.photons(INSIDE)[half].sum()
    assert drawn.background is dark


def test_balanced__finds_the_amount_that_log_likelihoods_are_wrong_by() -> None:
    dice = np.random.default_rng(0)
    kind = (dice.random(20000) < 0.2).astype(int)
    # normal distributions of unit width, 3 apart, whose log ratio is known
    x = dice.normal(3.0 * kind)
    told = np.stack([np.zeros(len(x)), 3 * x - 4.5], axis=1)
    wrong = balanced(told - [0.0, 2.0], kind)
    assert wrong[0] == 0
    assert wrong[1] == pytest.approx(2, abs=0.1)
    probability, _ = posterior(told - [0.0, 2.0] + wrong, [0.8, 0.2])
    right = expit(-(told[:, 1] + np.log(0.25)))
    np.testing.assert_allclose(probability[:, 0], right, atol=0.03)


def test_balanced__of_three_kinds_that_nobody_confuses_corrects_nothing() -> None:
    kind = np.arange(300) % 3
    np.testing.assert_allclose(balanced(np.where(np.eye(3)[kind] > 0, 0.0, -40.0), kind), 0, atol=1e-6)


def test_corrections__make_the_rarer_and_dimmer_kind_likelier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "DRAWN", len(FRAMES))
    monkeypatch.setattr(drawing, "ITERATIONS", (1, 1))
    kinds = exact()
    told = log_likelihoods(FRAMES, PIXELS, kinds)
    turns: list[int] = []
    added = corrections(FRAMES, PIXELS, kinds, told, tell=lambda: turns.append(1))
    assert len(turns) == times(len(FRAMES)) == 1
    assert added[0] == 0
    assert 0 < added[1] < 10
