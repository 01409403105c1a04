from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import oracles
from xfeldask.config import Experiment
from xfeldask.physics import sampling
from xfeldask.physics.atoms import make_atoms
from xfeldask.physics.detectors import R_E, make_geometry, wavelength
from xfeldask.physics.draws import Stream, stream_key
from xfeldask.physics.forward import Margins, largest_s, make_forward_model
from xfeldask.physics.members import taken_apart
from xfeldask.physics.orientations import multiply, rotation_matrix, uniform_quaternion
from xfeldask.physics.plan import plan_shots
from xfeldask.physics.rates import tile_rates
from xfeldask.physics.scattering import Shot
from xfeldask.physics.species import Body, Mixture, Species, build_form
from xfeldask.physics.spheroid import Spheroid, spheroid_at, spheroid_bound

pytestmark = pytest.mark.rounding

ENERGY, FLUENCE = 4600.0, 3e27
LAMBDA = wavelength(ENERGY)
MARGINS = Margins(center=2e-4, scale=1.03)


def some_atoms(seed, n, radius):
    rng = np.random.default_rng(seed)
    return make_atoms(rng.uniform(-radius, radius, (n, 3)), rng.choice(["C", "N", "O", "S"], n)).centered()


BODIES = (
    Body("large", some_atoms(1, 400, 6e-9)),
    Body("small", some_atoms(2, 100, 2e-9)),
    Body("drop", Spheroid(8e-9, 12e-9, 3e29)),
)


@pytest.fixture(scope="module")
def scene():
    """A small detector with a gap, and a model of three bodies of different grids, one in closed form."""
    y, x = np.mgrid[-20:20, -20:20] * 4e-4 + 2e-4
    position = np.stack([x, y, np.full_like(x, 0.08)], axis=-1)[None]
    geometry = make_geometry(position, 4e-4, np.abs(y)[None] > 4e-4)
    s_max = largest_s(geometry, LAMBDA, MARGINS)
    forms = [build_form(body, s_max) for body in BODIES]
    return geometry, forms, make_forward_model(forms, geometry, LAMBDA, MARGINS)


def shot_of(geometry, seed, bodies, background=0.01):
    """A shot of bodies anywhere, everything within the margins."""
    rng = np.random.default_rng(seed)
    n = len(bodies)
    size = rng.uniform(0.98, 1.02, n)
    fluence = FLUENCE * rng.uniform(0.5, 1.5, n)
    # a droplet is bright
    strength = np.sqrt(fluence) * geometry.pixel_size * R_E * np.where(np.array(bodies, int) == 2, 0.02, 1.0)
    return Shot(
        rotation_matrix(uniform_quaternion(rng.uniform(size=(n, 3)))), rng.uniform(-3e-8, 3e-8, (n, 3)), strength, size,
        1 / LAMBDA, rng.uniform(-1e-4, 1e-4, 2), background, np.uint64(seed), np.array(bodies, np.int64),
    )  # fmt: skip


def summed(geometry, shot):
    """Expected photons summed over the atoms of all bodies, or in closed form."""
    pixels = geometry.pixel_position.reshape(-1, 3)
    s, factor = oracles.pixel_factors(pixels, geometry.pixel_size, ENERGY, shot.center)
    total = np.zeros(len(s), complex)
    for k, body in enumerate(shot.body):
        view = shot.size[k] * (s @ shot.rotation[k])
        matter = BODIES[body].matter
        found = oracles.spheroid(matter, view) if body == 2 else oracles.summed_amplitude(matter, view)
        total += shot.strength[k] / geometry.pixel_size / R_E * found * np.exp(2j * np.pi * (s @ shot.position[k]))
    return np.where(geometry.mask.ravel(), factor * np.abs(total) ** 2 + shot.background, 0.0).reshape(geometry.shape)


@pytest.mark.parametrize("bodies", [[0], [1], [2], [1, 0], [0, 2], [2, 1, 0, 1]])
def test_expected__of_mixed_bodies_equals_the_sum_over_atoms(scene, bodies):
    geometry, _, model = scene
    shot = shot_of(geometry, 5, bodies)
    exact = summed(geometry, shot)
    found = model.expected(shot)
    off = np.abs(np.sqrt(found) - np.sqrt(exact)).sum() / np.sqrt(exact).sum()
    assert off < 2e-3


@given(st.integers(0, 2**31), st.lists(st.integers(0, 2), min_size=1, max_size=4))
def test_tile_rates__of_mixed_bodies_hold(scene, seed, bodies):
    geometry, _, model = scene
    shot = shot_of(geometry, seed, bodies, 0.0)
    mean = model.expected(shot).ravel().astype(float)
    for screen in model.screens:
        if screen.spread.size < model.screen_of(shot).spread.size:
            continue
        rate = np.empty(screen.spread.size)
        tile_rates(model.scatterer, screen, shot, rate)
        for bound, (first, height, width) in zip(rate, screen.tile, strict=True):
            for row in range(height):
                at = first + row * screen.stride
                assert mean[at : at + width].max() <= bound * (1 + 1e-6)


@pytest.mark.parametrize("bodies", [[2], [1, 2], [2, 1, 0]])
def test_photons__of_mixed_bodies_are_as_many_as_expected(scene, bodies):
    geometry, _, model = scene
    shot = shot_of(geometry, 9, bodies)
    screen = model.screen_of(shot)
    mean, n = model.expected(shot).ravel().astype(float), 400
    thinned, every = np.zeros(mean.size), np.zeros(mean.size)
    rate = np.empty(screen.spread.size)
    tile_rates(model.scatterer, screen, shot, rate)
    for key in stream_key(3, Stream.PHOTONS, np.arange(n)):
        one = shot._replace(key=key)
        np.add.at(thinned, sampling.draw_thinned(model.scatterer, screen, one, rate), 1)
        np.add.at(every, *sampling.draw_every_pixel(model.scatterer, screen, one))
    assert n * mean.sum() > 1000
    for total in (thinned, every):
        assert abs(total.sum() - n * mean.sum()) < 4 * np.sqrt(n * mean.sum())
        # chi squared over pixels that were hit often enough
        bright = n * mean > 10
        spread = (total - n * mean)[bright] ** 2 / (n * mean[bright])
        assert abs(spread.sum() - bright.sum()) < 5 * np.sqrt(2 * bright.sum())


def test_screen__is_the_finest_of_the_bodies_of_a_shot(scene):
    geometry, _, model = scene
    tiles = [screen.spread.size for screen in model.screens]
    assert tiles[1] < tiles[0]
    assert model.screen_of(shot_of(geometry, 1, [1])).spread.size == tiles[1]
    assert model.screen_of(shot_of(geometry, 1, [1, 0])).spread.size == tiles[0]
    nothing = shot_of(geometry, 1, [])
    assert model.draw(nothing)[1].sum() >= 0


@given(st.floats(0, 50))
def test_spheroid__stays_below_its_bound(turns):
    assert abs(spheroid_at(turns)) <= spheroid_bound(turns)
    assert spheroid_bound(turns) >= spheroid_bound(turns + 0.1)


def test_spheroid__series_and_closed_form_meet():
    below, above = spheroid_at(0.01 - 1e-12), spheroid_at(0.01 + 1e-12)
    assert below == pytest.approx(above, rel=1e-11)


def test_spheroid__equals_the_sum_over_points_inside():
    ball = Spheroid(3e-9, 5e-9, 1e29)
    points = ball.points(40_000)
    assert np.all((points**2 / np.array([3e-9, 3e-9, 5e-9]) ** 2).sum(axis=1) < 1)
    s = np.random.default_rng(1).normal(size=(20, 3)) * 8e7
    summed = np.exp(2j * np.pi * s @ points.T).mean(axis=1) * ball.electrons
    np.testing.assert_allclose(summed.real, oracles.spheroid(ball, s), atol=0.01 * ball.electrons)


def test_taken_apart__moves_members_with_their_particle():
    dimer = Species(
        "dimer", np.array([[0, 1]]), np.array([[[1.0, 0, 0, 0], [0, 0, 0, 1.0]]]),
        np.array([[[0, 0, -5e-9], [0, 0, 5e-9]]]), np.full(1, np.nan),
    )  # fmt: skip
    mixture = Mixture(BODIES, (Species.of("drop", 2), dimer))
    turns = uniform_quaternion(np.random.default_rng(4).uniform(size=(3, 3)))
    place, size = np.arange(9.0).reshape(3, 3) * 1e-9, np.array([1.0, 1.1, 2.0])
    found = taken_apart(mixture, np.array([1, 0, 1], np.int16), np.zeros(3, np.int32), turns, place, size)
    assert found.particle.tolist() == [0, 0, 1, 2, 2]
    assert found.body.tolist() == [0, 1, 2, 0, 1]
    np.testing.assert_array_equal(found.orientation[2], turns[1])
    np.testing.assert_allclose(found.orientation[4], multiply(turns[2], [0, 0, 0, 1]))
    np.testing.assert_allclose(found.position[3], place[2] + 2.0 * rotation_matrix(turns[2]) @ [0, 0, -5e-9])
    np.testing.assert_allclose(found.growth, [1, 1, 1.1**3, 1, 1])


def test_plan__draws_species_by_weight_and_sizes_of_spheres():
    asked = Experiment(
        species={
            "a": {"source": "chaperonin", "weight": 3},
            "b": {"sphere": {"diameter": [20e-9, 60e-9]}, "weight": 1},
            "c": {"sphere": {"diameter": 20e-9, "spread": 0.3}, "weight": 1},
        },
        n_shots=10_000,
        hits={0: 1, 1: 3, 2: 1},
    )
    mixture = Mixture(BODIES, (Species.of("a", 0), Species.of("b", 2), Species.of("c", 2)))
    shots = np.arange(10_000)
    plan = plan_shots(asked, 1e-4, shots, mixture=mixture)
    present = np.arange(2) < plan.n_particles[:, None]
    assert (plan.species[~present] == -1).all()
    assert (plan.variant[~present] == -1).all()
    counts = np.bincount(plan.species[present])
    n, share = counts.sum(), np.array([0.6, 0.2, 0.2])
    assert np.all(np.abs(counts - n * share) < 4 * np.sqrt(n * share * (1 - share)))
    assert np.all(plan.size[plan.species == 0] == 1)
    uniform = plan.size[plan.species == 1]
    assert (uniform.min() >= 0.5, uniform.max() <= 1.5) == (True, True)
    assert uniform.mean() == pytest.approx(1, abs=0.03)
    assert np.log(plan.size[plan.species == 2]).std() == pytest.approx(0.3, rel=0.05)
    # a shot does not know what is drawn beside it
    alone = plan_shots(asked, 1e-4, shots[77:78], mixture=mixture)
    for name, value in alone.arrays().items():
        np.testing.assert_array_equal(value[0], plan.arrays()[name][77])
