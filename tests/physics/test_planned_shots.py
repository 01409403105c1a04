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

pytestmark = pytest.mark.rounding

PIXEL = 75e-6


def test_shots_of_plan__carry_the_truth():
    e = Experiment(particle="chaperonin", n_shots=10**9, hits="poisson:1.2", nuisance=EVERYTHING, seed=7)
    geometry = square(16, PIXEL, 0.1)
    shots = np.arange(50, 90)
    plan = plan_shots(e, PIXEL, shots, single_photons=500.0)
    keys = stream_key(e.seed, Stream.PHOTONS, shots)
    made = shots_of_plan(plan, e.seed, shots, geometry)
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
