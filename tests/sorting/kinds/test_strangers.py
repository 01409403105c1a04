"""Shots of a stranger put among others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.orient.shots import PIXELS, RADIUS, atoms_of, intensity, shots
from xfeldask.errors import InputError
from xfeldask.orient.models import Models, grid_size, profile
from xfeldask.orient.shares import Background
from xfeldask.orient.sparse import SparseFrames
from xfeldask.sorting.kinds import strangers
from xfeldask.sorting.kinds.found import Kinds
from xfeldask.sorting.kinds.strangers import FRACTIONS, drawn_strangers, least_found, told_apart

pytestmark = pytest.mark.rounding

INSIDE = PIXELS.within(RADIUS)
DATA = shots(400, 300, 1)


def kind_of(atoms: np.ndarray, photons: float) -> Kinds:
    """The exact intensity of a particle, so bright that a shot has so many photons on average."""
    axis = np.arange(grid_size(RADIUS)) - grid_size(RADIUS) // 2
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1) * PIXELS.step
    found = intensity(atoms, grid) + 1e-3
    whole = np.mean([intensity(atoms, PIXELS.s[:INSIDE] @ turn) @ PIXELS.factor[:INSIDE] for turn in turns()])
    return Kinds(
        Models((found * photons / whole)[None], np.ones(1), PIXELS.step), np.zeros(1, np.int64), RADIUS, ("a",)
    )


def turns() -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(2).normal(size=(200, 3, 3)))[0]


def test_drawn_strangers__are_as_measured_shots_of_that_particle() -> None:
    kinds = kind_of(atoms_of(1), float(DATA.frames.photons(INSIDE).mean()))
    drawn = drawn_strangers(kinds, 0, DATA.frames, PIXELS, np.arange(400), 7)
    counted, measured = drawn.photons(INSIDE), DATA.frames.photons(INSIDE)
    assert counted.mean() == pytest.approx(measured.mean(), rel=0.1)
    assert np.corrcoef(counted, measured)[0, 1] > 0.9  # each as bright as the shot that it is like
    a, b = (profile(frames, PIXELS, RADIUS) for frames in (drawn, DATA.frames))
    np.testing.assert_allclose(a[8:60], b[8:60], rtol=0.25)
    again = drawn_strangers(kinds, 0, DATA.frames, PIXELS, np.arange(400), 7)
    np.testing.assert_array_equal(again.count, drawn.count)
    assert drawn_strangers(kinds, 0, DATA.frames, PIXELS, np.arange(400), 8).count.sum() != drawn.count.sum()


def test_drawn_strangers__have_the_known_background_of_the_shots_that_they_are_like() -> None:
    dark = Background(np.full(len(PIXELS.s), 1.0), np.repeat([0.0, 0.4], 200))
    over = replace(DATA.frames, background=dark)
    kinds = kind_of(atoms_of(1), 1e-6)  # nothing but background is left
    drawn = drawn_strangers(kinds, 0, over, PIXELS, np.arange(400), 7)
    assert drawn.photons(INSIDE)[:200].sum() == 0
    assert drawn.photons(INSIDE)[200:].mean() == pytest.approx(0.4 * INSIDE, rel=0.03)


def test_told_apart__asks_for_most_of_them_in_a_kind_that_is_mostly_theirs() -> None:
    strange = np.arange(100) >= 90
    assert told_apart(strange.astype(int), strange)
    assert not told_apart(np.arange(100) >= 80, strange)  # as many wanted ones with them
    assert not told_apart(np.arange(100) >= 95, strange)  # half of them


@pytest.mark.parametrize("least", [*FRACTIONS[:3], None])
def test_least_found__is_the_least_fraction_down_to_which_all_are_found(
    least: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = DATA.frames[np.arange(380).repeat(3)]
    kinds, tried = kind_of(atoms_of(2), 300.0), []

    def grow(mixed: SparseFrames, *_: object, **__: object) -> Kinds:
        tried.append(1 - len(frames) / len(mixed))
        models = Models(np.ones((2, 9, 9, 9)), np.full(2, 0.5), 1.0)
        return Kinds(models, np.arange(2), RADIUS)

    def told(mixed: SparseFrames, *_: object, **__: object) -> np.ndarray:
        found = least is not None and tried[-1] > least - 2e-3
        strange = np.arange(len(mixed)) >= len(frames)
        return np.where(strange[:, None] & found, [-50.0, 0.0], [0.0, -50.0])

    monkeypatch.setattr(strangers, "grow_kinds", grow)
    monkeypatch.setattr(strangers, "log_likelihoods", told)
    sought = least_found(frames, PIXELS, kinds, 0)
    assert sought.least == least
    # at a hundredth there are fewer than an intensity is made of
    assert sought.tried == FRACTIONS[: 1 if least is None else min(3, FRACTIONS.index(least) + 2)]
    assert tried == sorted(tried, reverse=True)
    assert len(tried) == len(sought.tried)


def test_least_found__refuses_too_few_hits() -> None:
    with pytest.raises(InputError, match="at least 200 hits of the wanted kind, and there are 199"):
        least_found(DATA.frames[np.arange(199)], PIXELS, kind_of(atoms_of(2), 300.0), 0)
