from __future__ import annotations

from dataclasses import replace

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tests import oracles
from tests.physics.scenes import ENERGY, FLUENCE, LAMBDA, MARGINS, TRIPLE, TURNS, bent, flat, shot_of, single
from tests.strategies import examples, fractions, members
from xfeldask.config import BEAMS
from xfeldask.physics import sampling
from xfeldask.physics.atoms import make_atoms
from xfeldask.physics.chaperonin import chaperonin
from xfeldask.physics.detectors import square
from xfeldask.physics.draws import Stream, stream_key
from xfeldask.physics.forward import Margins, largest_s, make_forward_model, mean_photons
from xfeldask.physics.orientations import rotation_matrix, uniform_quaternion
from xfeldask.physics.rates import tile_rates
from xfeldask.physics.volume import build_volume, interpolate

pytestmark = pytest.mark.rounding

SAMPLERS = ["thinned", "every pixel"]


@pytest.fixture(scope="module")
def volume():
    return build_volume(chaperonin(), max(largest_s(geometry, LAMBDA, MARGINS) for geometry in (flat(), bent())))


@pytest.fixture(scope="module", params=[flat, bent])
def scene(request, volume):
    geometry = request.param()
    return geometry, make_forward_model(volume, geometry, LAMBDA, MARGINS)


@pytest.fixture(scope="module")
def plain(volume):
    return flat(), make_forward_model(volume, flat(), LAMBDA, Margins())


def thinned(model, shot):
    rate = np.empty(model.screen.spread.size)
    tile_rates(model.scatterer, model.screen, shot, rate)
    return sampling.draw_thinned(model.scatterer, model.screen, shot, rate)


def drawn(model, shot, sampler):
    """Photons in each pixel (panel, ss, fs), by one of the two kernels."""
    if sampler == "every pixel":
        return framed(model, *sampling.draw_every_pixel(model.scatterer, model.screen, shot))
    pixel = thinned(model, shot)
    return framed(model, pixel, np.ones(pixel.size, np.int64))


def framed(model, pixel, count):
    assert (pixel.dtype, count.dtype) == (np.uint32, np.int64)
    frame = np.zeros(model.screen.pixel.shape[0], np.int64)
    np.add.at(frame, pixel, count)
    return frame.reshape(model.shape)


def two_sided(law, value):
    return 2 * min(law.cdf(value), law.sf(value))


def p_values(geometry, model, shot, sampler, n):
    """How likely the photons of `n` shots are, if each pixel is Poisson distributed around its expected intensity."""
    mean = model.expected(shot).astype(float).ravel()
    total, squares, totals = np.zeros(mean.size), np.zeros(mean.size), np.empty(n)
    counts = np.zeros(256, int)
    for i, key in enumerate(stream_key(21, Stream.PHOTONS, np.arange(n))):
        values = drawn(model, shot._replace(key=key), sampler).ravel()
        total += values
        squares += values * values
        counts += np.bincount(values, minlength=256)
        totals[i] = values.sum()
    dark = mean == 0
    assert np.array_equal(dark, ~geometry.mask.ravel())
    assert total[dark].sum() == 0
    seen = n * mean >= 10
    chi = ((total - n * mean)[seen] ** 2 / (n * mean[seen])).sum()
    s = np.linalg.norm(oracles.pixel_factors(geometry.pixel_position.reshape(-1, 3), 1, ENERGY)[0], axis=1)
    shell = np.searchsorted(np.quantile(s, np.linspace(0, 1, 21)[1:-1]), s)
    in_shell, mean_in_shell = np.bincount(shell, total), n * np.bincount(shell, mean)
    # of a Poisson variate (n - m)^2 - n has the mean 0 and the variance 2 m^2
    excess = (squares - 2 * mean * total + n * mean**2 - total)[~dark] / mean[~dark]
    law = stats.poisson(mean[~dark][:, None])
    expected_counts = n * law.pmf(np.arange(60)).sum(axis=0)
    often = expected_counts >= 20
    counts[0] -= n * dark.sum()
    found = {
        "pixels": two_sided(stats.chi2(seen.sum()), chi),
        "shells": two_sided(stats.chi2(20), ((in_shell - mean_in_shell) ** 2 / mean_in_shell).sum()),
        "dispersion": 2 * stats.norm.sf(abs(excess.sum()) / np.sqrt(2 * n * excess.size)),
        "totals": two_sided(stats.chi2(n), ((totals - mean.sum()) ** 2 / mean.sum()).sum()),
        "values": stats.chi2(often.sum()).sf(
            ((counts[:60] - expected_counts)[often] ** 2 / expected_counts[often]).sum()
        ),
    }
    print(sampler, {k: f"{v:.3f}" for k, v in found.items()}, f"{mean.sum():.0f} photons, at most {mean.max():.1f}")
    return found


@pytest.mark.parametrize("n", [2_000, pytest.param(10_000, marks=pytest.mark.campaign)])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_photons__of_a_single_are_poisson_distributed(plain, sampler, n):
    geometry, model = plain
    shot = shot_of(geometry, single())
    mean = model.expected(shot)[geometry.mask]
    assert mean.min() < 0.01
    assert mean.max() > 10
    for name, p in p_values(geometry, model, shot, sampler, n).items():
        assert p > 1e-3, name


@pytest.mark.parametrize("n", [300, pytest.param(1_500, marks=pytest.mark.campaign)])
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("several", [TRIPLE[:2], TRIPLE], ids=["double", "triple"])
def test_photons__of_several_with_every_nuisance_are_poisson_distributed(scene, several, sampler, n):
    geometry, model = scene
    shot = shot_of(geometry, several, energy=1.05 * ENERGY, center=(1.1e-3, -0.7e-3), background=0.02)
    for name, p in p_values(geometry, model, shot, sampler, n).items():
        assert p > 1e-3, name


@pytest.mark.parametrize("n", [200, pytest.param(1_000, marks=pytest.mark.campaign)])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_photons__of_a_blank_are_the_background(scene, sampler, n):
    geometry, model = scene
    for name, p in p_values(geometry, model, shot_of(geometry, [], background=0.05), sampler, n).items():
        assert p > 1e-3, name


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_photons__of_a_blank_without_background_are_none(scene, sampler):
    geometry, model = scene
    assert drawn(model, shot_of(geometry, []), sampler).sum() == 0
    assert model.expected(shot_of(geometry, [])).sum() == 0


@examples(0.5)
@given(
    members(sizes=(0.9, 1.05)),
    st.floats(0.9, 1.05),
    st.tuples(st.floats(-1.4e-3, 1.4e-3), st.floats(-1.4e-3, 1.4e-3)),
    st.floats(0, 1),
)
def test_expected__equals_its_naive_twin(scene, volume, particles, energy, center, background):
    geometry, model = scene
    found = model.expected(shot_of(geometry, particles, energy * ENERGY, center, background))
    exact = oracles.expected_photons(volume, geometry, particles, energy * ENERGY, center, background)
    np.testing.assert_allclose(found, exact, atol=1e-4 * max(exact.max(), 1e-12))
    assert np.all(found[~geometry.mask] == 0)


def test_expected__of_a_double_has_fringes(plain):
    geometry, model = plain
    apart = [(TURNS[0], np.zeros(3), FLUENCE, 1.0), (TURNS[0], np.array([40e-9, 0, 0]), FLUENCE, 1.0)]
    one, two = (model.expected(shot_of(geometry, p)) for p in (single(), apart))
    s, _ = oracles.pixel_factors(geometry.pixel_position.reshape(-1, 3), geometry.pixel_size, ENERGY)
    fringes = 2 + 2 * np.cos(2 * np.pi * s[:, 0] * 40e-9)
    np.testing.assert_allclose(two.ravel(), one.ravel() * fringes, atol=1e-4 * one.max())


@st.composite
def shots_within(draw, particles):
    """Energy, beam centre and sizes as far as `MARGINS` let them go."""
    energy = draw(st.floats(0.8, MARGINS.scale))
    sizes = [draw(st.floats(0.8, MARGINS.scale / energy)) for _ in range(particles)]
    angle, radius = 2 * np.pi * draw(fractions), MARGINS.center * draw(st.sampled_from([0.0, 0.5, 1.0]))
    return energy * ENERGY, sizes, (radius * np.cos(angle), radius * np.sin(angle))


@given(members(), st.data())
def test_tile_rates__bound_every_pixel(scene, particles, data):
    geometry, model = scene
    energy, sizes, center = data.draw(shots_within(len(particles)))
    particles = [(*p[:3], size) for p, size in zip(particles, sizes, strict=True)]
    shot = shot_of(geometry, particles, energy, center)
    rate = np.empty(model.screen.spread.size)
    candidates = tile_rates(model.scatterer, model.screen, shot, rate)
    expected = model.expected(shot)
    # what single precision rounds more coarsely is no measure
    expected = np.where(expected < np.finfo(np.float32).tiny, 0, expected)
    for bound, (first, height, width) in zip(rate, model.screen.tile, strict=True):
        panel, row, column = np.unravel_index(first, model.shape)
        assert bound >= expected[panel, row : row + height, column : column + width].max()
    assert candidates == pytest.approx((rate * model.screen.tile[:, 1] * model.screen.tile[:, 2]).sum())
    assert candidates >= expected.sum()


@pytest.mark.parametrize("turn", [0, 1, 2])
def test_tile_rates__bound_the_pixel_factors_of_a_lone_atom(turn):
    # its amplitude hardly changes within a tile, so that only the bound of the factors is left
    geometry = square(24, 2e-3, 0.04)
    wide = Margins(center=3e-3)
    volume = build_volume(make_atoms(np.zeros((1, 3)), ["C"]), largest_s(geometry, LAMBDA, wide))
    model = make_forward_model(volume, geometry, LAMBDA, wide)
    rate = np.empty(model.screen.spread.size)
    for center in ((0.0, 0.0), (3e-3, 0.0), (-2e-3, -2e-3)):
        shot = shot_of(geometry, single(turn), center=center)
        tile_rates(model.scatterer, model.screen, shot, rate)
        expected = model.expected(shot).ravel()
        largest = [
            max(expected[first + row * 24 : first + row * 24 + width].max() for row in range(height))
            for first, height, width in model.screen.tile
        ]
        assert np.all(rate >= largest)
        assert (rate / largest).min() < 1.05


@given(members(), st.data())
def test_look_ups__stay_within_bounds_and_volume(scene, volume, particles, data):
    geometry, model = scene
    energy, sizes, center = data.draw(shots_within(len(particles)))
    pixels = geometry.pixel_position.reshape(-1, 3)
    fine = np.zeros(len(pixels), bool)
    for first, height, width in model.screen.tile[model.screen.first_fine :]:
        for row in range(height):
            fine[first + row * model.shape[2] : first + row * model.shape[2] + width] = True
    s, _ = oracles.pixel_factors(pixels, 1, energy, center)
    middles, _ = oracles.pixel_factors(model.screen.center, 1, energy, center)
    is_fine = np.arange(len(middles)) >= model.screen.first_fine
    for (rotation, *_), size in zip(particles, sizes, strict=True):
        at = size * (s @ rotation) / volume.step + volume.origin
        assert at.min() >= 0
        assert at.max() + 3 < volume.values.shape[0]
        for level, chosen, tiles in (
            (model.scatterer.coarse, ~fine & geometry.mask.ravel(), ~is_fine),
            (model.scatterer.fine, fine & geometry.mask.ravel(), is_fine),
        ):
            for vectors in (s[chosen], middles[tiles]):
                cells = size * (vectors @ rotation) * level.per_s[0] + level.origin[0]
                assert cells.size == 0 or (cells.min() >= 0 and cells.max() < level.side[0])


@pytest.mark.parametrize(("sampler", "more"), [("thinned", 50), ("every pixel", 1e9), ("every pixel", 1e15)])
def test_photons__of_a_strong_pulse_never_wrap(plain, sampler, more):
    geometry, model = plain
    shot = shot_of(geometry, single(fluence=FLUENCE * more))
    expected = model.expected(shot).astype(float)
    frame = drawn(model, shot, sampler)
    bright = expected > 400
    assert bright.any()
    np.testing.assert_allclose(frame[bright], expected[bright], rtol=0.3)
    assert frame.sum() == pytest.approx(expected.sum(), rel=0.01)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_photons__depend_on_the_key_alone(scene, sampler):
    geometry, model = scene
    frames = [drawn(model, shot_of(geometry, TRIPLE, background=0.1, key=key), sampler) for key in (1, 2, 1)]
    assert np.array_equal(frames[0], frames[2])
    assert not np.array_equal(frames[0], frames[1])


@pytest.mark.campaign
def test_photons__do_not_depend_on_the_batch_of_candidates(plain, monkeypatch):
    geometry, model = plain
    shot = shot_of(geometry, single())
    whole = thinned(model, shot)
    rate = np.empty(model.screen.spread.size)
    assert tile_rates(model.scatterer, model.screen, shot, rate) > 2 * sampling.BATCH
    monkeypatch.setattr(sampling, "BATCH", 7)
    # a compiled kernel keeps the constants it was compiled with
    again = numba.njit(error_model="numpy")(sampling.draw_thinned.py_func)
    assert np.array_equal(again(model.scatterer, model.screen, shot, rate), whole)


def test_photons__of_a_pixel_do_not_depend_on_the_mask_of_others(plain):
    geometry, model = plain
    shot = shot_of(geometry, single(), background=0.1, key=3)
    mask = geometry.mask.copy()
    mask[0, ::2] = False
    fewer = replace(model, screens=(screen_with(model.screen, mask),))
    some, all_of_them = (drawn(each, shot, "every pixel") for each in (fewer, model))
    assert some.sum() > 100
    np.testing.assert_array_equal(some, np.where(mask, all_of_them, 0))


def screen_with(screen, mask):
    pixel = screen.pixel.copy()
    pixel[:, 3] = mask.ravel()
    return screen._replace(pixel=pixel)


@pytest.mark.parametrize(("fluence", "sampler"), [(FLUENCE / 100, "thinned"), (FLUENCE * 100, "every pixel")])
def test_draw__takes_the_cheaper_sampler(plain, fluence, sampler):
    geometry, model = plain
    shot = shot_of(geometry, single(fluence=fluence), key=9)
    assert np.array_equal(framed(model, *model.draw(shot)), drawn(model, shot, sampler))


def test_mean_photons__is_the_mean_over_orientations(plain, volume):
    geometry, model = plain
    turns = rotation_matrix(uniform_quaternion(np.random.default_rng(7).random((400, 3))))
    beam = BEAMS["amo86615"]
    totals = [
        model.expected(shot_of(geometry, [(turn, np.zeros(3), beam.fluence, 1.0)])).sum(dtype=float) for turn in turns
    ]
    # the radial profile is averaged over its pixels' width: half a percent
    error = np.std(totals) / np.sqrt(len(totals))
    mean = mean_photons(volume, geometry, beam, largest_s(geometry, LAMBDA, MARGINS))
    assert mean == pytest.approx(np.mean(totals), abs=4 * error + 0.01 * np.mean(totals))


def test_largest_s__is_never_passed(volume):
    for geometry in (flat(), bent()):
        most = largest_s(geometry, LAMBDA, MARGINS)
        for angle in np.linspace(0, 2 * np.pi, 16):
            center = MARGINS.center * np.array([np.cos(angle), np.sin(angle)])
            s, _ = oracles.pixel_factors(geometry.pixel_position.reshape(-1, 3), 1, ENERGY, center)
            assert np.linalg.norm(s, axis=1).max() * MARGINS.scale <= most
        assert np.abs(interpolate(volume, np.array([0, most / 2, 0]))) > 0
