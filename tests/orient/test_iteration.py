"""An iteration, against a slow twin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.oracles import merged as spread_out
from tests.oracles import posterior, sliced
from tests.orient.shots import PIXELS, shots
from xfeldask.orient.iteration import Problem, next_state
from xfeldask.orient.models import PSEUDO, at_radii, estimate, profile, radii, random_models, symmetrised
from xfeldask.orient.rotations import rotation_grid
from xfeldask.orient.schedule import Level
from xfeldask.orient.shares import Background
from xfeldask.orient.state import State
from xfeldask.physics.orientations import symmetry_group

pytestmark = pytest.mark.rounding

RING = 0.3 * np.exp(-((np.linalg.norm(PIXELS.s, axis=1) / PIXELS.step - 3) ** 2))
BACKGROUND = Background(RING, np.array([0.2, 0.0, 1.0, 1.5, 3.0, 0.7, 99.0, 1.0]))


@pytest.mark.parametrize("background", [None, BACKGROUND], ids=["alone", "over a ring"])
def test_iteration__is_that_of_the_slow_twin(background):
    data = shots(8, 60, 5)
    frames = replace(data.frames, background=background)
    level, group = Level(1, 4.0, 1, 0.5, everywhere=True), symmetry_group("C2")
    models = replace(random_models(frames, PIXELS, 4.0, 2, 7, group), prior=np.array([0.3, 0.7]))
    after = next_state(Problem(frames, PIXELS, [level], group, size_prior=True), State(models))

    m = PIXELS.within(4.0)
    at, factor = PIXELS.s[:m] / PIXELS.step, PIXELS.factor[:m]
    images = np.zeros((8, len(PIXELS.s)))
    images[np.repeat(np.arange(8), np.diff(data.frames.start)), data.frames.pixel] = data.frames.count
    images = images[:, :m]
    under, share = RING[:m] / RING[:m].sum(), np.zeros(8)
    if background is not None:
        share = np.clip(np.rint(16 * background.amount * RING[:m].sum() / images.sum(axis=1)), 0, 15) / 16
        assert len(set(share)) > 4
    grid = rotation_grid(1, group)
    turns, weight = grid.matrix[: grid.n_rotations], grid.weight[: grid.n_rotations]
    mean = profile(frames, PIXELS, 4.0)
    average, factor = at_radii(mean, radii(11)), factor * at_radii(mean, np.linalg.norm(at, axis=1))
    slices = np.array([sliced(model / average, at, turn) for model in models.intensity for turn in turns])
    prior = (models.prior[:, None] * weight).reshape(-1)
    probability, evidence = posterior(images, factor, slices, prior, 0.5, under, share)
    sums = np.zeros((2, 11, 11, 11, 2))
    total, signal = (slices * factor).sum(axis=1), images.sum(axis=1) * (1 - share)
    for i in range(len(slices)):
        exposure = (probability[:, i] * signal).sum() / total[i]
        own = (1 - share)[:, None] * slices[i] * factor / total[i]
        counted = images * own / (own + share[:, None] * under)
        sums[i // len(turns)] += spread_out(
            probability[:, i] @ counted, exposure * factor, at, turns[i % len(turns)], 11
        )
    flat = np.ones_like(average)
    expected = [estimate(symmetrised(each, group), PSEUDO, flat) * average for each in sums]
    np.testing.assert_allclose(after.models.intensity, expected, rtol=1e-3)
    np.testing.assert_allclose(after.log_likelihood, evidence, rtol=1e-5)
    held = probability.reshape(8, 2, -1).sum(axis=2)
    np.testing.assert_allclose(after.responsibility, held, atol=1e-3)
    np.testing.assert_allclose(after.models.prior, (held.sum(axis=0) + 1) / 10, atol=1e-3)
    np.testing.assert_allclose(after.fluence, signal * (probability / total).sum(axis=1), rtol=1e-3)
    place = np.concatenate([np.arange(len(turns)), len(grid.quaternion) + np.arange(len(turns))])
    assert after.rotation[:, 0].tolist() == place[probability.argmax(axis=1)].tolist()
