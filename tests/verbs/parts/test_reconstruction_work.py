"""What an intensity says of shots that it was not made of: low contrast is told, and nothing is told as nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from tests.orient.shots import PIXELS, RADIUS, atoms_of, intensity
from xfeldask.orient.cycle import judged
from xfeldask.orient.models import Models, at_radii, grid_size, profile, radii, random_models
from xfeldask.orient.schedule import Level
from xfeldask.orient.shares import Background
from xfeldask.orient.sparse import SparseFrames
from xfeldask.physics.orientations import rotation_matrix, uniform_quaternion
from xfeldask.store.results.reconstruction import HeldOut
from xfeldask.verbs.parts.reconstruction_work import look_at

ATOMS = atoms_of(4)
NEAR = PIXELS.within(RADIUS)


def speckles(s: np.ndarray) -> np.ndarray:
    """Intensity over its mean at each distance (P. Debye, 1915), but a quarter of its contrast."""
    apart = np.linalg.norm(ATOMS[:, None] - ATOMS, axis=-1).ravel()
    mean = np.sinc(2 * np.linalg.norm(s, axis=-1)[..., None] * apart).sum(axis=-1)
    return 1 + 0.25 * (intensity(ATOMS, s) / mean - 1)


def looked(kind: str, photons: float, count: int = 100) -> HeldOut:
    """Look at shots of a particle with its true intensity, or at shots of none."""
    rng = np.random.default_rng(1)
    turns = rotation_matrix(uniform_quaternion(rng.random((count, 3))))
    w = np.exp(-np.linalg.norm(PIXELS.s[:NEAR], axis=1) / PIXELS.step / 4) * PIXELS.factor[:NEAR]
    slices = np.array([speckles(PIXELS.s[:NEAR] @ turn) for turn in turns])
    images = rng.poisson(photons * w / w.sum() * (np.ones_like(slices) if "no particle" in kind else slices))
    if "blank" in kind:
        images[::2] = 0
    if "hot" in kind:
        images[np.arange(0, count, 3), rng.integers(NEAR, size=len(images[::3]))] += 40
    frames, size = SparseFrames.of(images, np.arange(NEAR)), grid_size(RADIUS)
    axis = (np.arange(size) - size // 2) * PIXELS.step
    contrast = speckles(np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1))
    average = at_radii(profile(frames, PIXELS, RADIUS), radii(size))
    models = Models((contrast * average)[None], np.ones(1), PIXELS.step)
    look = partial(judged, pixels=PIXELS, models=models, schedule=[Level(3, RADIUS, 1)])
    return look_at(frames, frames, PIXELS, RADIUS, look)[1]


@pytest.mark.rounding
@pytest.mark.parametrize("shots", ["all hits", "half blank", "a third hot"])
def test_low_contrast__shows(shots):
    """Speckles of 0.21 rms, 400 photons."""
    told = looked(shots, 400)
    assert told.shows
    assert told.gain > told.scrambled + 1


@pytest.mark.rounding
@pytest.mark.parametrize("shots", ["all hits", "half blank", "a third hot"])
def test_no_particle__shows_nothing_however_the_shots_differ(shots):
    told = looked(f"no particle, {shots}", 400)
    assert not told.shows
    assert abs(told.above - 0.5) < 3 * told.error


@pytest.mark.rounding
def test_no_particle__under_a_known_ring_shows_nothing():
    rng, distance = np.random.default_rng(1), np.linalg.norm(PIXELS.s, axis=1) / PIXELS.step
    wide, ring = np.exp(-distance / 4) * PIXELS.factor, np.exp(-(((distance - 4) / 2) ** 2))
    wide[NEAR:], ring[NEAR:] = 0, 0
    known = Background(240 * ring / ring.sum(), np.ones(100))
    frames = SparseFrames.of(
        rng.poisson(160 * wide / wide.sum() + known.image, (100, len(distance))), np.arange(len(distance))
    )
    frames = replace(frames, background=known)
    look = partial(
        judged, pixels=PIXELS, models=random_models(frames, PIXELS, RADIUS, seed=1), schedule=[Level(3, RADIUS, 1)]
    )
    told = look_at(frames, frames, PIXELS, RADIUS, look)[1]
    assert not told.shows
    assert abs(told.above - 0.5) < 3 * told.error
