from __future__ import annotations

import numpy as np
import pytest

from xfeldask.config import Experiment
from xfeldask.engines.preparation import prepare
from xfeldask.engines.thinning import AT_ONCE, Thinning
from xfeldask.formats.inputs import resolve
from xfeldask.physics import forward
from xfeldask.physics.atoms import make_atoms
from xfeldask.physics.planned_shots import shots_of_plan
from xfeldask.physics.shot_blocks import split

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
    drawn = [shot for block in engine.draw(plan, SHOTS) for shot in block]
    planned = shots_of_plan(plan, ready.inputs.experiment.seed, SHOTS, geometry)
    for (pixel, count), shot in zip(drawn, split(planned), strict=True):
        alone, how_many = engine.model.draw(shot)
        np.testing.assert_array_equal(pixel, alone)
        np.testing.assert_array_equal(count, how_many)
        assert geometry.mask.ravel()[pixel].all()


@pytest.mark.parametrize("enough", [1, 200, forward.ENOUGH])
def test_thinning__draws_a_shot_alike_whatever_is_beside_it(ready, monkeypatch, enough):
    monkeypatch.setattr(forward, "ENOUGH", enough)
    shots = np.arange(40)
    alone = [next(iter(ready.engine.draw(ready.plan(shots[i : i + 1]), shots[i : i + 1]))) for i in range(len(shots))]
    together = list(ready.engine.draw(ready.plan(shots), shots))
    assert all(len(block) <= AT_ONCE for block in together)
    for (one,), other in zip(alone, [shot for block in together for shot in block], strict=True):
        np.testing.assert_array_equal(one[0], other[0])


def test_thinning__draws_a_bright_shot_pixel_by_pixel_among_others(ready):
    planned = shots_of_plan(ready.plan(np.arange(20)), 0, np.arange(20), ready.inputs.geometry)
    strength = planned.strength.copy()
    strength[planned.start[7]] *= 100
    blocks = list(ready.engine.model.draw_blocks(planned._replace(strength=strength)))
    assert [len(block) for block in blocks] == [7, 1, 12]
    assert blocks[1].count.max() > 1


def test_thinning__photons_are_as_many_as_expected(ready):
    shots = np.arange(200)
    plan = ready.plan(shots)
    mean = np.array([frame.sum(dtype=float) for frame in ready.engine.expected(plan, shots)])
    drawn = np.array([count.sum() for block in ready.engine.draw(plan, shots) for _, count in block])
    assert abs(drawn.sum() - mean.sum()) < 4 * np.sqrt(mean.sum())
    blank = plan.n_particles == 0
    assert blank.any()
    assert drawn[~blank].mean() > 3 * drawn[blank].mean()
