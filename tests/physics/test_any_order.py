from __future__ import annotations

import numpy as np
import pytest

from tests import oracles
from tests.physics.scenes import FLUENCE, LAMBDA, MARGINS, TRIPLE, bent, flat, shot_of, single
from xfeldask.physics import sampling
from xfeldask.physics.any_order import NONE, background_part, background_photon, tile_part, tile_photon
from xfeldask.physics.atoms import make_atoms
from xfeldask.physics.forward import largest_s, make_forward_model
from xfeldask.physics.rates import tile_rates
from xfeldask.physics.species import Body, build_form
from xfeldask.physics.spheroid import Spheroid

pytestmark = pytest.mark.rounding

BALL = Spheroid(6e-9, 9e-9, 3e29)


@pytest.fixture(scope="module", params=[flat, bent])
def scene(request):
    """A detector, and a model of a particle on a grid and a spheroid, with more background on one side."""
    geometry = request.param()
    s_max = largest_s(geometry, LAMBDA, MARGINS)
    atoms = make_atoms(np.random.default_rng(2).uniform(-6e-9, 6e-9, (800, 3)), ["C", "O"] * 400).centered()
    background = np.linspace(0, 2, geometry.mask.size, dtype=np.float32).reshape(geometry.shape)
    forms = [build_form(Body("grid", atoms), s_max), build_form(Body("ball", BALL), s_max)]
    return geometry, make_forward_model(forms, geometry, LAMBDA, MARGINS, background)


def mixed(geometry, bodies, **changes):
    """Up to three bodies, the second of them a spheroid as bright as the others."""
    shot = shot_of(geometry, [(*one[:2], 100 * one[2], one[3]) for one in TRIPLE[: len(bodies)]], **changes)
    strength = shot.strength * np.where(np.array(bodies, int) == 1, 0.02, 1.0)
    return shot._replace(body=np.array(bodies, np.int64), strength=strength)


def whole(model, shot):
    """Photons by `draw_thinned`, and the tiles' bounds."""
    screen = model.screen_of(shot)
    rate = np.empty(screen.spread.size)
    tile_rates(model.scatterer, screen, shot, rate)
    return sampling.draw_thinned(model.scatterer, screen, shot, rate), rate


@pytest.mark.parametrize("bodies", [[], [0], [1], [0, 1, 0]])
def test_parts__drawn_in_any_order_are_the_shot(scene, bodies):
    geometry, model = scene
    shot = mixed(geometry, bodies, center=(1e-3, -5e-4), background=0.05, key=8)
    body, screen, rng = model.scatterer, model.screen_of(shot), np.random.default_rng(0)
    photons, rate = whole(model, shot)
    found, n = {}, rate.size
    state, count = background_part(screen, shot)
    for b in rng.permutation(count).tolist():
        found[n, b] = background_photon(screen, np.uint64(state), b)
    for t in rng.permutation(n).tolist():
        bound, state, count = tile_part(body, screen, shot, t)
        assert bound == rate[t]
        for c in rng.permutation(count).tolist():
            found[t, c] = tile_photon(body, screen, shot, t, bound, np.uint64(state), c)
    kept = [found[part] for part in sorted(found) if found[part] != NONE]
    assert len(kept) > 20
    assert len(kept) < len(found)
    assert photons.tolist() == kept


def test_candidates__are_those_of_the_plain_twin(scene):
    geometry, model = scene
    shot = shot_of(geometry, single(fluence=600 * FLUENCE), key=5)
    photons, rate = whole(model, shot)
    expected, kept = model.expected(shot).ravel(), []
    for t, (first, height, width) in enumerate(model.screen.tile.tolist()):
        assert rate[t] * height * width < 10
        for row, column, threshold in oracles.tile_candidates(5, t, float(rate[t]), height, width):
            pixel = first + row * model.screen.stride + column
            kept += [pixel] if threshold < expected[pixel] else []
    assert len(kept) > 50
    assert photons.tolist() == kept


def test_background__is_drawn_with_the_weight_of_each_pixel(scene):
    geometry, model = scene
    shot = shot_of(geometry, [], background=20.0)
    state, count = background_part(model.screen, shot)
    pixel = np.array([background_photon(model.screen, np.uint64(state), b) for b in range(count)])
    mean = 20.0 * model.screen.shade * geometry.mask.ravel()
    total = np.bincount(pixel[pixel != NONE], minlength=mean.size)
    assert total[mean == 0].sum() == 0
    assert abs(total.sum() - mean.sum()) < 4 * np.sqrt(mean.sum())
    half = mean.size // 2
    assert abs(total[half:].sum() - mean[half:].sum()) < 4 * np.sqrt(mean.sum())
