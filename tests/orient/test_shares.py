"""Background in the model of shots: intensities come out as they are, and kinds are told over it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.orient.shots import PIXELS, RADIUS, intensity, shots
from xfeldask.orient.alignment import turned_onto
from xfeldask.orient.cycle import expand_maximise_compress, explained_at_once, merged
from xfeldask.orient.models import Models, profile, radii
from xfeldask.orient.schedule import Level
from xfeldask.orient.shares import Background
from xfeldask.orient.sparse import SparseFrames
from xfeldask.orient.starts import begun
from xfeldask.sorting.kinds.comparing import log_likelihoods
from xfeldask.sorting.kinds.found import Kinds

LEVELS = (Level(3, 7.0, 12, 0.05, everywhere=True), Level(4, RADIUS, 6, 1.0))
FAR = np.linalg.norm(PIXELS.s, axis=1) / PIXELS.step
SHAPE = np.exp(-((FAR - 5) ** 2)) * PIXELS.factor * (1 + 2 * (abs(PIXELS.s[:, 0]) < PIXELS.step) * (PIXELS.s[:, 1] > 0))


def over(data, photons: float, seed: int) -> SparseFrames:
    """Shots over a ring with a streak to one side, whose weight differs by half from shot to shot."""
    rng, count = np.random.default_rng(seed), len(data.frames)
    ring = photons * SHAPE / SHAPE[: PIXELS.within(RADIUS)].sum()
    amount = rng.gamma(4, 0.25, count)
    images = rng.poisson(amount[:, None] * ring)
    np.add.at(images, (np.repeat(np.arange(count), np.diff(data.frames.start)), data.frames.pixel), data.frames.count)
    frames = SparseFrames.of(images, np.arange(len(PIXELS.s)))
    return replace(frames, background=Background(ring, amount))


@pytest.fixture(scope="module")
def data():
    return shots(250, 300, 4)


@pytest.fixture(scope="module")
def known(data) -> SparseFrames:
    return over(data, 130, 104)


def agreement(found: Models, atoms: np.ndarray) -> float:
    """Mean correlation of shells with the exact intensity, turned onto it."""
    grid = found.intensity[0]
    axis = (np.arange(len(grid)) - len(grid) // 2) * found.step
    true = intensity(atoms, np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1))
    turned, shell = turned_onto(grid, true), np.rint(radii(len(grid)))
    return float(np.mean([np.corrcoef(turned[shell == k], true[shell == k])[0, 1] for k in range(2, 8)]))


def test_reconstruction__over_a_known_ring_is_nearer_to_the_exact_intensity(data, known):
    found = {}
    for name, frames in {"known": known, "unknown": replace(known, background=None)}.items():
        start = begun(frames, PIXELS, LEVELS[0], starts=1)
        found[name] = agreement(expand_maximise_compress(frames, PIXELS, start, LEVELS).models, data.atoms)
    assert found["known"] > 0.95
    assert found["unknown"] < 0.92


def test_merged__over_a_known_ring_is_the_exact_intensity(data, known):
    found, plain = (
        merged(frames, PIXELS, data.orientation, RADIUS) for frames in (known, replace(known, background=None))
    )
    assert agreement(found, data.atoms) > 0.98 > 0.96 > agreement(plain, data.atoms)


def test_profile__is_that_of_the_particles(data, known):
    alone, found, both = (profile(f, PIXELS, 7.0) for f in (data.frames, known, replace(known, background=None)))
    at = slice(8, 26)
    np.testing.assert_allclose(found[at], alone[at], rtol=0.15)
    assert (both[at] / alone[at]).max() > 1.5


@pytest.mark.rounding
def test_known_streak__is_no_sign_of_one_orientation(data, known):
    def at_once(frames: SparseFrames) -> float:
        half = np.arange(len(frames)) < 125
        return float(explained_at_once(frames[half], frames[~half], PIXELS, RADIUS).mean())

    assert at_once(known) < 0 < 2 < at_once(replace(known, background=None))
    ring, amount = known.background.image, known.background.amount
    cells = Background(ring / 2, amount, np.stack([ring, 0 * ring]).astype(np.float32), np.zeros(250, np.int32))
    # all of the shots are of the cell that has the streak
    assert at_once(replace(known, background=cells)) == pytest.approx(at_once(known), rel=1e-3)
    alike = data._replace(frames=data.frames[np.full(250, 7)])
    assert at_once(over(alike, 130, 104)) > 0.5 * at_once(alike.frames) > 20


def test_kinds__are_told_over_a_known_ring():
    a, b = shots(60, 60, 3), shots(60, 60, 9)
    frames = SparseFrames.joined([a.frames, b.frames])
    both = a._replace(frames=frames)
    known = over(both, 60, 1)
    intensities = np.concatenate([merged(x.frames, PIXELS, x.orientation, RADIUS).intensity for x in
                                  (shots(400, 2000, 3), shots(400, 2000, 9))])  # fmt: skip
    kinds = Kinds(Models(intensities, np.array([0.5, 0.5]), PIXELS.step), np.array([0, 1]), 7.0)
    right = {
        name: ((log_likelihoods(each, PIXELS, kinds) @ [-1, 1] > 0) == (np.arange(120) >= 60)).mean()
        for name, each in {"known": known, "unknown": replace(known, background=None), "alone": frames}.items()
    }
    assert right["alone"] >= right["known"] > right["unknown"] + 0.05


def test_frames__keep_the_background_of_their_shots(known):
    some = known[np.array([3, 200])]
    assert some.background.amount.tolist() == known.background.amount[[3, 200]].tolist()
    blank = replace(known, background=Background(known.background.image * 0, known.background.amount))
    start = [begun(each, PIXELS, Level(1, 4.0, 2, 1.0, everywhere=True), starts=1)
             for each in (blank, replace(known, background=None))]  # fmt: skip
    assert (start[0].models.intensity == start[1].models.intensity).all()
