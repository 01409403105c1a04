from __future__ import annotations

import numpy as np
import pytest

from xfeldask.config import Experiment
from xfeldask.engines.preparation import prepare
from xfeldask.engines.thinning import Thinning
from xfeldask.formats.inputs import resolve
from xfeldask.physics.atoms import make_atoms
from xfeldask.physics.planned_shots import shots_of_plan

SHOTS = np.array([3, 4, 5, 900])


@pytest.fixture(scope="module")
def ready():
    atoms = make_atoms(np.random.default_rng(1).normal(size=(30, 3)) * 5e-10, ["C", "N", "O"] * 10)
    beam = {"photon_energy": 4600.0, "photons_per_pulse": 1e15, "focus_radius": 5e-7}
    nuisance = {"pulse_spread": 0.3, "center_spread": 0.5, "background": 0.2, "dead_fraction": 0.02}
    asked = Experiment(
        particle="arrays", detector="square-32", beam=beam, n_shots=1000, hits={0: 1, 1: 1, 2: 1}, nuisance=nuisance
    )
    return prepare(resolve(asked, atoms))


def test_thinning__draws_each_shot_from_its_own_row(ready):
    engine, plan, geometry = ready.engine, ready.plan(SHOTS), ready.inputs.geometry
    assert isinstance(engine, Thinning)
    blocks = list(engine.draw(plan, SHOTS))
    assert [len(list(block)) for block in blocks] == [1] * len(SHOTS)
    for block, shot in zip(blocks, shots_of_plan(plan, ready.inputs.experiment.seed, SHOTS, geometry), strict=True):
        pixel, count = engine.model.draw(shot)
        np.testing.assert_array_equal(block.pixel, pixel)
        np.testing.assert_array_equal(block.count, count)
        assert geometry.mask.ravel()[pixel].all()


def test_thinning__draws_a_shot_alike_whatever_is_beside_it(ready):
    alone = [next(iter(ready.engine.draw(ready.plan(SHOTS[i : i + 1]), SHOTS[i : i + 1]))) for i in range(len(SHOTS))]
    together = list(ready.engine.draw(ready.plan(SHOTS), SHOTS))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.pixel, other.pixel)


def test_thinning__photons_are_as_many_as_expected(ready):
    shots = np.arange(200)
    plan = ready.plan(shots)
    mean = np.array([frame.sum(dtype=float) for frame in ready.engine.expected(plan, shots)])
    drawn = np.array([block.count.sum() for block in ready.engine.draw(plan, shots)])
    assert abs(drawn.sum() - mean.sum()) < 4 * np.sqrt(mean.sum())
    blank = plan.n_particles == 0
    assert blank.any()
    assert drawn[~blank].mean() > 3 * drawn[blank].mean()
