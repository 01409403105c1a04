"""Windows and the excess of hits, on shots whose expected photons are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfeldask.errors import InputError
from xfeldask.physics.binning import ImageGrid
from xfeldask.sorting.pairs.networks import HIT
from xfeldask.sorting.pairs.window import LEAST_SHARE, checked, excess, find_window, too_bright

pytestmark = pytest.mark.rounding

STEP = 4e6


def make_grid(shape: tuple[int, int] = (48, 48), dead: tuple[slice, slice] | None = None) -> ImageGrid:
    """A flat grid with the beam between its four middle bins."""
    center = (shape[0] / 2 - 0.5, shape[1] / 2 - 0.5)
    weight = np.ones(shape, np.float32)
    if dead is not None:
        weight[dead] = 0
    s = STEP * (np.moveaxis(np.indices(shape), 0, -1) - center)
    return ImageGrid(s, weight, np.full(2, STEP), center)


def expected(grid: ImageGrid, photons: float, radius: float, background: float) -> np.ndarray:
    """Expected photons of a particle whose pattern is a Gaussian, (y, x)."""
    spot = np.exp(-((grid.s / (radius * STEP)) ** 2).sum(axis=-1))
    return (photons * spot / spot.sum() + background) * grid.weight


def drawn(grid: ImageGrid, shots: int, photons=500.0, radius=6.0, background=0.02, seed=0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.poisson(expected(grid, photons, radius, background), (shots, *grid.shape)).astype(np.uint16)


def test_find_window__weighs_each_bin_by_the_part_that_particles_have_in_it() -> None:
    grid = make_grid()
    window = find_window(drawn(grid, 2000), grid)
    signal = expected(grid, 500, 6, 0)
    share = signal / (signal + 0.02)
    sure = (np.abs(share - 0.5) > 0.3) & (np.hypot(*np.moveaxis(grid.s, -1, 0)) < 24 * STEP)
    assert np.quantile(np.abs(window.weight - share)[sure], 0.99) < 0.15
    farthest = np.hypot(*(grid.s[share > LEAST_SHARE].T / STEP)).max()
    assert farthest - 1 < window.half
    total = expected(grid, 500, 6, 0.02).sum()
    assert abs(window.background * total / 0.02 - 1) < 0.05


def test_find_window__neither_blanks_nor_a_saturated_shot_move_it() -> None:
    grid = make_grid()
    hits, blanks = drawn(grid, 300), drawn(grid, 2700, photons=0)
    fault = np.full((1, *grid.shape), 65535, np.uint16)
    among = find_window(np.concatenate([hits, blanks]), grid)
    center = np.hypot(*np.moveaxis(grid.s, -1, 0)) < 5 * STEP
    assert (among.weight[center] > 0.5).all()
    again = find_window(np.concatenate([hits, fault, blanks]), grid)
    np.testing.assert_array_equal(again.weight, among.weight)
    assert again.half == among.half


@pytest.mark.parametrize("shape", [(48, 48), (50, 48), (49, 47), (64, 33)])
def test_window__crops_any_shape_to_an_even_square_about_the_middle(shape: tuple[int, int]) -> None:
    grid = make_grid(shape)
    images = drawn(grid, 500, photons=2000, radius=4)
    window = find_window(images, grid)
    crops = window.crop(images)
    assert crops.shape == (500, 2 * window.half, 2 * window.half)
    assert crops.dtype == np.float32
    assert window.half <= min(shape) // 2
    np.testing.assert_array_equal(crops.max(axis=(1, 2)), images.max(axis=(1, 2)))


@pytest.mark.parametrize(("radius", "half", "least"), [(4, 14, 0.8), (18, 22, 0.3)])
def test_find_window__without_background_takes_all_that_is_lit(radius: float, half: int, least: float) -> None:
    grid = make_grid()
    images = drawn(grid, 500, photons=3000, radius=radius, background=0)
    window = find_window(images, grid)
    assert window.half >= half
    assert np.isfinite(window.weight).all()
    inside = np.hypot(*np.moveaxis(grid.s, -1, 0)) < radius * STEP
    assert window.weight[inside].min() > least
    assert excess(images, window).min() > HIT
    np.testing.assert_array_equal(excess(np.zeros_like(images), window), 0)


def test_find_window__bins_without_pixels_have_no_weight() -> None:
    grid = make_grid(dead=(slice(20, 28), slice(24, 48)))
    window = find_window(drawn(grid, 500), grid)
    assert not window.weight[20:28, 24:].any()
    assert np.isfinite(window.weight).all()


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.zeros((5, 48, 48)), "no photons"),
        (np.ones((5, 48, 48)), "no more photons near the beam .*look at where the beam is"),
        (np.ones((5, 48, 47)), r"\(shot, 48, 48\)"),
        (np.ones((48, 48)), r"\(shot, 48, 48\)"),
        (np.full((5, 48, 48), np.nan), "NaN"),
        (np.full((5, 48, 48), -1), "negative"),
        (np.full((5, 48, 48), "a"), "numbers"),
    ],
)
def test_find_window__refuses_what_holds_no_patterns(images: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        find_window(images, make_grid())


def test_find_window__refuses_a_detector_of_a_few_bins() -> None:
    grid = make_grid((6, 6))
    with pytest.raises(InputError, match="too small"):
        find_window(drawn(grid, 100, radius=1.0, background=0.1), grid)


def test_checked__takes_counts_of_any_number_type_as_they_are() -> None:
    for dtype in (np.uint8, np.uint16, np.int32, np.float32, np.float64):
        images = np.ones((2, 4, 4), dtype)
        assert checked(images, (4, 4)) is images


@given(st.lists(st.floats(0, 15_000), min_size=1, max_size=60))
def test_too_bright__no_shot_of_a_usual_brightness(photons: list[float]) -> None:
    assert not too_bright(np.array(photons)).any()
    assert too_bright(np.array([*photons, *photons, 1e9])).tolist()[-1]


@pytest.mark.parametrize("level", [0.0, 0.002, 0.05, 1.0])
def test_excess__of_background_alone_is_that_of_chance(level: float) -> None:
    grid = make_grid()
    window = find_window(drawn(grid, 1000), grid)
    found = excess(drawn(grid, 4000, photons=0, background=level, seed=1), window)
    assert abs(found.mean()) < 0.1
    assert found.std() < 1.1
    assert found.max() < HIT
    if level == 1:
        assert found.std() > 0.9


def test_excess__grows_with_the_particles_photons_and_not_with_batches() -> None:
    grid = make_grid()
    window = find_window(drawn(grid, 1000), grid)
    brighter = [excess(drawn(grid, 300, photons=photons), window).mean() for photons in (0, 50, 200, 1000)]
    assert (np.diff(brighter) > 2).all()
    images = drawn(grid, 300)
    parts = [excess(images[a:b], window) for a, b in ((0, 1), (1, 40), (40, 300), (0, 0))]
    np.testing.assert_allclose(np.concatenate(parts), excess(images, window), rtol=1e-5)
