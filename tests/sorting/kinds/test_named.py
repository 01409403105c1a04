"""Intensities of the species that a beam may hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from xfeldask.config import Species as Asked
from xfeldask.orient.models import grid_size, radii
from xfeldask.orient.shares import Background
from xfeldask.orient.sparse import SparseFrames, pixels_of
from xfeldask.physics.detectors import square
from xfeldask.physics.intensities import species_intensity
from xfeldask.physics.species import Body, Mixture, Species
from xfeldask.physics.spheroid import Spheroid
from xfeldask.sorting.kinds.found import RADIUS
from xfeldask.sorting.kinds.named import VARIANTS, brightness, named_kinds, relative_sizes, seen_in_bins

pytestmark = pytest.mark.rounding

PIXELS = pixels_of(square(128, 6e-4, 0.15), 2.7e-10)
SMALL, LARGE = Spheroid(6e-9, 6e-9, 3e29), Spheroid(9e-9, 14e-9, 3e29)
MIXTURE = Mixture((Body("small", SMALL), Body("large", LARGE)), (Species.of("small", 0), Species.of("large", 1)))
ASKED = {
    "small": Asked(sphere={"diameter": 12e-9}, weight=3),
    "large": Asked(sphere={"diameter": (17e-9, 19e-9), "aspect": 14 / 9}),
}
NONE = SparseFrames.of(np.zeros((3, 128 * 128), np.uint16), PIXELS.index)


def test_named_kinds__has_every_species_in_its_sizes() -> None:
    kinds = named_kinds(ASKED, MIXTURE, [SMALL, LARGE], NONE, PIXELS)
    assert kinds.names == ("small", "large")
    sizes = len(relative_sizes(ASKED["large"])[0])
    assert kinds.kind.tolist() == [0] + [1] * sizes
    assert sizes > 1
    np.testing.assert_allclose(kinds.fractions, [0.75, 0.25])
    middle = grid_size(RADIUS) // 2
    at_beam = kinds.models.intensity[:, middle, middle, middle]
    ratio = (LARGE.electrons / SMALL.electrons) ** 2 * (17 / 18) ** 6
    assert at_beam[1] / at_beam[0] == pytest.approx(ratio, rel=0.05)  # bins are wide
    assert (kinds.models.intensity > 0).all()


def test_named_kinds__are_as_bright_as_the_shots_with_their_background() -> None:
    rng = np.random.default_rng(0)
    near = np.linalg.norm(PIXELS.s, axis=1) <= RADIUS * PIXELS.step
    mean = PIXELS.factor * (0.01 + 0.5 * near)
    frames = SparseFrames.of(rng.poisson(mean, (200, len(mean))), np.arange(len(mean)))
    ball = {"small": ASKED["small"]}
    kinds = named_kinds(ball, Mixture(MIXTURE.bodies[:1], MIXTURE.species[:1]), [SMALL], frames, PIXELS)
    assert kinds.models.intensity.min() == pytest.approx(0.01, rel=0.05)
    average = kinds.models.intensity[0]
    at = PIXELS.s[near].T / PIXELS.step + len(average) // 2
    seen = (map_coordinates(average, at, order=1) * PIXELS.factor[near]).sum()
    assert seen == pytest.approx(mean[near].sum(), rel=0.1)


def test_seen_in_bins__is_the_mean_over_their_width_up_to_a_factor() -> None:
    size = grid_size(RADIUS)
    axis = np.arange(size) - size // 2
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1) * PIXELS.step
    row = slice(size // 2, size // 2 + 6), size // 2, size // 2
    within = (np.arange(5) - 2) / 5 * PIXELS.step
    places = np.stack(np.meshgrid(within, within, 0.0, indexing="ij"), axis=-1).reshape(-1, 3)
    exact = species_intensity(MIXTURE, [SMALL, LARGE], 0, grid)
    bins = species_intensity(MIXTURE, [SMALL, LARGE], 0, grid[row][:, None] + places).mean(axis=1)

    def away(intensity: np.ndarray) -> np.ndarray:
        return np.abs(intensity[row][1:] / intensity[row][0] / (bins[1:] / bins[0]) - 1)

    assert away(exact)[-1] > 0.015
    assert (away(seen_in_bins(exact)) < 0.002).all()


def test_brightness__is_that_of_the_outer_pixels_and_of_what_is_left_within() -> None:
    rate, fluence, radius = 0.02, 30.0, 12.0
    size = grid_size(radius)
    intensity = np.full((size,) * 3, 2.0)
    near = np.linalg.norm(PIXELS.s, axis=1) <= radius * PIXELS.step
    mean = rate * PIXELS.factor + fluence * 2.0 * PIXELS.factor * near
    images = np.random.default_rng(1).poisson(mean, (300, len(mean)))
    frames = SparseFrames.of(images, np.arange(len(mean)))
    assert brightness(frames, PIXELS, radius, intensity) == pytest.approx((fluence, rate), rel=0.02)


def test_brightness__leaves_out_the_background_that_is_known() -> None:
    radius = 12.0
    intensity, far = np.full((grid_size(radius),) * 3, 2.0), np.linalg.norm(PIXELS.s, axis=1) / PIXELS.step
    ring = 0.5 * np.exp(-((far - 8) ** 2))
    mean = 0.3 * PIXELS.factor * (far <= radius) + ring
    frames = SparseFrames.of(np.random.default_rng(1).poisson(mean, (300, len(mean))), np.arange(len(mean)))
    known = replace(frames, background=Background(ring / 2, np.full(300, 2.0)))
    assert brightness(known, PIXELS, radius, intensity) == pytest.approx((0.15, 0), rel=0.02)
    assert brightness(frames, PIXELS, radius, intensity)[0] > 0.19


def test_brightness__of_shots_without_photons_is_one_photon() -> None:
    fluence, rate = brightness(NONE, PIXELS, 12.0, np.ones((grid_size(12.0),) * 3))
    assert rate == 0
    assert fluence == pytest.approx(1 / PIXELS.factor[: PIXELS.within(12.0)].sum())


@pytest.mark.parametrize(
    ("sphere", "least", "largest"),
    [
        ({"diameter": (10e-9, 20e-9)}, 10 / 15, 20 / 15),
        ({"diameter": 10e-9, "spread": 0.1}, np.exp(-0.2), np.exp(0.2)),
        ({"diameter": 10e-9}, 1, 1),
        ({"diameter": (1e-9, 99e-9)}, 1 / 50, 99 / 50),
    ],
)
def test_relative_sizes__span_what_was_asked_for(sphere: dict, least: float, largest: float) -> None:
    sizes, frequent = relative_sizes(Asked(sphere=sphere))
    assert (sizes[0], sizes[-1]) == (pytest.approx(least), pytest.approx(largest))
    assert len(sizes) <= 16
    assert (np.diff(sizes) > 0).all()
    assert frequent.sum() == pytest.approx(1)
    np.testing.assert_allclose(frequent, frequent[::-1], rtol=1e-6)


@pytest.mark.parametrize("asked", [Asked(source="chaperonin"), Asked(sphere={"diameter": 10e-9})])
def test_relative_sizes__are_spread_as_those_of_particles(asked: Asked) -> None:
    size, frequent = relative_sizes(asked, 0.03)
    assert size @ frequent == pytest.approx(1, abs=1e-3)
    assert np.sqrt((size - 1) ** 2 @ frequent) == pytest.approx(0.03, rel=0.15)


def test_named_kinds__have_the_sizes_that_particles_have() -> None:
    asked, of_both = ASKED | {"large": Asked(source="chaperonin")}, (MIXTURE, [SMALL, LARGE], NONE, PIXELS)
    alike, spread = named_kinds(asked, *of_both), named_kinds(asked, *of_both, 0.05)
    assert alike.kind.tolist() == [0, 1]
    assert np.bincount(spread.kind)[1] == 3
    np.testing.assert_allclose(spread.fractions, alike.fractions)
    radius = radii(grid_size(RADIUS))
    extent = [np.average(radius, weights=each) for each in spread.models.intensity[spread.kind == 1]]
    assert extent[1] > extent[0] > extent[2]  # a smaller particle scatters wider; its own size comes first


def test_named_kinds__has_some_variants_and_knows_what_is_round() -> None:
    many = Species.of("many", np.zeros(40, np.int64))
    asked = {"small": ASKED["small"], "many": Asked(source="chaperonin"), "large": ASKED["large"]}
    mixture = Mixture(MIXTURE.bodies, (MIXTURE.species[0], many, MIXTURE.species[1]))
    kinds = named_kinds(asked, mixture, [SMALL, LARGE], NONE, PIXELS)
    assert kinds.round is not None
    assert (kinds.kind == 1).sum() == VARIANTS
    assert kinds.round.tolist() == (kinds.kind == 0).tolist()
