from __future__ import annotations

import numpy as np
import pytest

from tests import oracles
from tests.physics.scenes import EVERYTHING
from xfeldask.config import Experiment
from xfeldask.physics.detectors import HC, R_E, square
from xfeldask.physics.draws import Stream, stream_key
from xfeldask.physics.orientations import rotation_matrix
from xfeldask.physics.plan import plan_shots
from xfeldask.physics.planned_shots import shots_of_plan
from xfeldask.physics.shot_blocks import join, some, split

pytestmark = pytest.mark.rounding

PIXEL = 75e-6


def test_shots_of_plan__carry_the_truth():
    e = Experiment(particle="chaperonin", n_shots=10**9, hits="poisson:1.2", nuisance=EVERYTHING, seed=7)
    geometry = square(16, PIXEL, 0.1)
    shots = np.arange(50, 90)
    plan = plan_shots(e, PIXEL, shots, single_photons=500.0)
    keys = stream_key(e.seed, Stream.PHOTONS, shots)
    made = list(split(shots_of_plan(plan, e.seed, shots, geometry)))
    assert len(made) == len(shots)
    for i, shot in enumerate(made):
        k = plan.n_particles[i]
        assert shot.rotation.shape == (k, 3, 3)
        np.testing.assert_allclose(shot.rotation, rotation_matrix(plan.orientation[i, :k]))
        assert np.array_equal(shot.position, plan.position[i, :k])
        assert np.array_equal(shot.size, plan.size[i, :k])
        np.testing.assert_allclose(shot.strength**2, plan.fluence[i, :k] * 1e12 * PIXEL**2 * R_E**2)
        assert shot.wavenumber == pytest.approx(plan.photon_energy[i] / HC)
        assert np.array_equal(shot.center, plan.beam_center[i])
        assert shot.background * geometry.mask.size == pytest.approx(plan.background[i])
        assert int(shot.key) == int(keys[i]) == oracles.stream_key(e.seed, Stream.PHOTONS, int(shots[i]))


@pytest.mark.parametrize(("first", "last"), [(0, 40), (7, 19), (39, 40), (5, 5)])
def test_some__are_the_shots_between(first, last):
    e = Experiment(particle="chaperonin", n_shots=40, hits="poisson:1.2", nuisance=EVERYTHING)
    shots = np.arange(40)
    made = shots_of_plan(plan_shots(e, PIXEL, shots, single_photons=500.0), 0, shots, square(16, PIXEL, 0.1))
    some_of_them = list(split(some(made, first, last)))
    for one, other in zip(some_of_them, list(split(made))[first:last], strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    if some_of_them:
        joined = join(some_of_them)
        assert all(np.array_equal(a, b) for a, b in zip(joined, some(made, first, last), strict=True))
