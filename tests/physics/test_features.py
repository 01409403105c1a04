from __future__ import annotations

import pickle
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import xfeldask
from xfeldask.errors import InputError, UnknownNameError
from xfeldask.physics.binning import bin_frames, bin_index, coarser, image_grid
from xfeldask.physics.detectors import (
    assembled_index,
    builtin_geometry,
    make_geometry,
    scattering_vector,
    square,
    wavelength,
)
from xfeldask.physics.features import (
    FEATURES,
    autocorrelation,
    autocorrelation_lags,
    autocorrelation_profile,
    counts,
    fourier_crop,
    lag_edges,
    make_feature,
    normalised,
    radial_profile,
    s_edges,
    unit_root,
    variance_stabilised,
)
from xfeldask.physics.forward import binned_shape

LAMBDA = wavelength(4600)
SEEDS = st.integers(0, 2**32 - 1)


def two_panels(seed=None, height=9, width=7):
    """Two panels with a gap, off the beam, a third of the pixels masked when there is a seed."""
    row, column = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    position = np.stack([row - 3.2, column - 4.7, np.full(row.shape, 200.0)], axis=-1)
    panels = np.stack([position, position + np.array([0.3, width + 3, 0])]) * 75e-6
    mask = None if seed is None else np.random.default_rng(seed).random(panels.shape[:3]) < 2 / 3
    if mask is not None:
        mask[0, 0, 0] = True
    return make_geometry(panels, 75e-6, mask)


def shots(seed, n, shape, kind="poisson"):
    """Images of few photons; of `kind` float, any finite numbers."""
    rng = np.random.default_rng(seed)
    if kind == "float":
        return rng.gamma(0.3, 2.0, (n, *shape))
    return rng.poisson(0.3, (n, *shape)).astype(np.uint16)


@pytest.fixture(scope="module")
def pnccd():
    return image_grid(builtin_geometry("pnccd-amo86615"), LAMBDA, 8)


@pytest.fixture(scope="module")
def small():
    """A grid with a gap, masked pixels and odd and even sides."""
    return image_grid(two_panels(3), LAMBDA, 2)


@pytest.mark.parametrize("bin", [1, 2, 3, 5, 20])
@pytest.mark.parametrize("seed", [None, 1])
def test_image_grid__holds_the_mean_of_good_pixels(bin, seed):
    geometry = two_panels(seed)
    grid = image_grid(geometry, LAMBDA, bin)
    row, column = assembled_index(geometry)
    s = scattering_vector(geometry.pixel_position, LAMBDA)[..., :2]
    assert grid.shape == binned_shape(geometry, bin)
    assert (grid.s.dtype, grid.weight.dtype) == (np.float64, np.float32)
    for i, j in np.ndindex(grid.shape):
        inside = geometry.mask & (row // bin == i) & (column // bin == j)
        assert grid.weight[i, j] == pytest.approx(inside.sum() / bin**2)
        if inside.any():
            np.testing.assert_allclose(grid.s[i, j], s[inside].mean(axis=0), rtol=1e-12)
        else:
            np.testing.assert_allclose(grid.s[i, j], grid.step * (np.array([i, j]) - grid.center), rtol=1e-12)


def test_image_grid__extends_over_bins_without_pixels():
    whole = square(120, 0.6e-3, 0.15)
    mask = np.ones(whole.shape, bool)
    mask[0, 40:80, 60:88] = False
    grid = image_grid(make_geometry(whole.pixel_position, whole.pixel_size, mask), LAMBDA, 4)
    empty = grid.weight == 0
    assert empty.sum() > 50
    reference = image_grid(whole, LAMBDA, 4).s
    assert np.abs(grid.s - reference)[empty].max() < 0.3 * grid.step[0]
    np.testing.assert_array_equal(grid.s[~empty], reference[~empty])


def test_image_grid__of_pnccd_has_its_center_in_the_beam(pnccd):
    assert pnccd.shape == (130, 129)
    np.testing.assert_allclose(pnccd.step, 8 * 75e-6 / 0.15 / LAMBDA)
    near = np.linalg.norm(pnccd.s, axis=-1) < 1e8
    at = np.moveaxis(np.indices(pnccd.shape), 0, -1)[near & (pnccd.weight == 1)]
    s = pnccd.s[near & (pnccd.weight == 1)]
    # panels lie up to half a pixel beside the assembled image's grid
    np.testing.assert_allclose(s, (at - pnccd.center) * pnccd.step, atol=pnccd.step[0] / 16 * 1.1)


@pytest.mark.parametrize("bin", [1, 4])
def test_image_grid__center_follows_the_detector(bin):
    geometry = square(16, 1e-3, 0.1)
    moved = make_geometry(geometry.pixel_position + np.array([3e-3, -1.5e-3, 0]), 1e-3)
    there, here = image_grid(moved, LAMBDA, bin).center, image_grid(geometry, LAMBDA, bin).center
    assert here == pytest.approx(((16 / bin - 1) / 2,) * 2)
    assert np.subtract(there, here) == pytest.approx(np.array([-3, 1.5]) / bin)


@given(seed=SEEDS, bin=st.integers(1, 4), factor=st.integers(1, 6))
@settings(max_examples=30)
def test_coarser__is_the_grid_of_larger_bins(seed, bin, factor):
    geometry = two_panels(seed)
    joined, direct = coarser(image_grid(geometry, LAMBDA, bin), factor), image_grid(geometry, LAMBDA, bin * factor)
    assert joined.center == pytest.approx(direct.center)
    np.testing.assert_allclose(joined.step, direct.step)
    np.testing.assert_allclose(joined.weight, direct.weight, rtol=1e-6)
    np.testing.assert_allclose(joined.s, direct.s, atol=1e-5 * direct.step[0])


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda g: image_grid(g, LAMBDA, 0), "at least 1 pixel"),
        (lambda g: image_grid(g, 0.0, 1), "wavelength must be positive"),
        (lambda g: image_grid(g, np.nan, 1), "wavelength must be positive"),
        (lambda g: coarser(image_grid(g, LAMBDA, 1), 0), "factor of at least 1"),
        (lambda g: lag_edges(image_grid(g, LAMBDA, 1), 4), "1 to 3 rings, got 4"),
        (lambda g: lag_edges(image_grid(g, LAMBDA, 4), 1), "1 to 0 rings"),
        (lambda g: s_edges(image_grid(g, LAMBDA, 1), 0), "at least 1 ring"),
    ],
)
def test_grids__refuse_bad_input(call, told):
    with pytest.raises(InputError, match=told):
        call(square(4, 1e-3, 0.1))


def test_normalised__sums_to_one():
    images = shots(1, 5, (12, 11))
    np.testing.assert_allclose(normalised(images).sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(
        normalised(images), images.reshape(5, -1) / images.sum(axis=(1, 2))[:, None], rtol=1e-6
    )  # fmt: skip


def test_normalised__does_not_know_the_fluence():
    images = shots(1, 5, (12, 11))
    for feature in (normalised, unit_root):
        np.testing.assert_allclose(feature(images * np.uint16(7)), feature(images), rtol=1e-6)


def test_unit_root__has_norm_one():
    images = shots(2, 5, (12, 11))
    rows = unit_root(images)
    np.testing.assert_allclose((rows.astype(float) ** 2).sum(axis=1), 1, rtol=1e-6)
    root = np.sqrt(images.reshape(5, -1))
    np.testing.assert_allclose(rows, root / np.linalg.norm(root, axis=1, keepdims=True), rtol=1e-6)


@pytest.mark.parametrize("mean", [6, 30, 400])
def test_variance_stabilised__has_variance_one(mean):
    images = np.random.default_rng(4).poisson(mean, (1, 200, 500))
    assert variance_stabilised(images).var() == pytest.approx(1, abs=0.03)


def cropped(image, n):
    """Sum over the kept frequencies, one by one."""
    y, x = image.shape
    out = np.zeros((n, n), complex)
    rows, columns, at = np.arange(y)[:, None], np.arange(x), np.arange(n)
    for k in range(-(n // 2), (n + 1) // 2):
        for m in range(-(n // 2), (n + 1) // 2):
            f = (image * np.exp(-2j * np.pi * (k * rows / y + m * columns / x))).sum()
            out += f * np.exp(2j * np.pi * (k * at[:, None] + m * at) / n)
    return out.real / n**2


@pytest.mark.parametrize("shape", [(7, 8), (8, 7), (6, 6)])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6])
def test_fourier_crop__equals_the_sum_over_frequencies(shape, n):
    images = shots(5, 3, shape)
    rows = fourier_crop(images, n)
    np.testing.assert_allclose(rows, [cropped(image, n).ravel() for image in images], atol=1e-5)
    np.testing.assert_allclose(rows.sum(axis=1), images.sum(axis=(1, 2)), rtol=1e-5)


@pytest.mark.parametrize("n", [8, 9])
def test_fourier_crop__to_the_same_size_keeps_images(n):
    images = shots(6, 2, (n, n))
    np.testing.assert_allclose(fourier_crop(images, n), counts(images), atol=1e-5)


def test_fourier_crop__samples_slow_waves_again():
    def wave(y, x):
        return 5 + np.cos(2 * np.pi * (np.arange(y)[:, None] * 3 / y + np.arange(x) * 2 / x) + 0.7)

    small = fourier_crop(wave(104, 102)[None], 16).reshape(16, 16)
    np.testing.assert_allclose(small, wave(16, 16) * (104 * 102) / 16**2, rtol=1e-5)


@pytest.mark.parametrize("n", [0, 8, -2])
def test_fourier_crop__refuses_what_is_no_crop(n):
    with pytest.raises(InputError, match=rf"7 x 9 are cropped to 1 to 7 a side, got {n}"):
        fourier_crop(np.zeros((1, 7, 9)), n)


def patterson(image, grid, lags):
    """Sum of cos(2 pi r.s) over the photons, lag by lag."""
    at = grid.step * (np.moveaxis(np.indices(grid.shape), 0, -1) - grid.center)
    n = np.where(grid.weight > 0, image, 0.0)
    flat = lags.reshape(-1, 2)
    return np.array([(n * np.cos(2 * np.pi * (at @ r))).sum() for r in flat]) / n.sum()


def test_autocorrelation__equals_the_sum_over_photons(small):
    images = shots(7, 3, small.shape)
    lags = autocorrelation_lags(small)
    rows = autocorrelation(images, small)
    assert (small.weight == 0).any()
    np.testing.assert_allclose(rows, [patterson(image, small, lags) for image in images], atol=2e-6)
    np.testing.assert_allclose(rows.reshape(3, *lags.shape[:2])[:, len(lags) // 2, 0], 1, rtol=1e-6)


@pytest.mark.parametrize("shape", [(5, 5), (8, 8), (11, 11), (13, 13), (23, 23), (43, 43)])
def test_autocorrelation_lags__halve_the_reciprocal_extent(shape):
    grid = image_grid(square(shape[0], 1e-3, 0.1), LAMBDA, 1)
    lags = autocorrelation_lags(grid)
    middle = len(lags) // 2
    np.testing.assert_array_equal(lags[middle, 0], 0)
    step = lags[middle + 1, 1] * grid.step * grid.shape
    assert (step <= 0.5 + 1e-12).all()
    assert (step > 0.45).all()
    np.testing.assert_allclose(lags[::-1, :, 0], -lags[..., 0])
    assert (lags[-1, -1] * grid.step < 0.5).all()
    assert (lags[-1, -1] + lags[middle + 1, 1] >= 0.5 / grid.step * (1 - 1 / grid.shape[0])).all()


@pytest.mark.parametrize("distance", [(12e-9, 0.0), (0.0, 20e-9), (9e-9, -12e-9), (15e-9, 21e-9)])
def test_autocorrelation__of_two_particles_peaks_at_their_distance(pnccd, distance):
    envelope = np.exp(-(pnccd.s**2).sum(axis=-1) / 2 / 1.2e8**2)
    expected = np.abs(1 + np.exp(2j * np.pi * pnccd.s @ distance)) ** 2 * envelope * (pnccd.weight > 0)
    images = np.random.default_rng(8).poisson(expected * 1000 / expected.sum(), (4, *pnccd.shape))
    lags = autocorrelation_lags(pnccd)
    far = np.linalg.norm(lags, axis=-1) > 8e-9
    for row in autocorrelation(images.astype(np.uint16), pnccd):
        found = lags[far][row.reshape(lags.shape[:2])[far].argmax()]
        np.testing.assert_allclose(found * np.sign(found @ distance), distance, atol=0.6e-9)
    edges = lag_edges(pnccd, 64)
    maximum = autocorrelation_profile(images, pnccd, 64)[:, :64]
    ring = np.where(edges[:-1] > 8e-9, maximum, 0).argmax(axis=1)
    np.testing.assert_allclose(edges[ring], np.linalg.norm(distance), atol=2 * edges[1])


def test_autocorrelation__follows_the_center():
    image = np.zeros((12, 12), np.uint16)
    image[3:8, 2:6] = shots(9, 1, (5, 4))[0]
    geometry = square(12, 1e-3, 0.1)
    moved = make_geometry(geometry.pixel_position - np.array([3e-3, 4e-3, 0]), 1e-3)
    rows = autocorrelation(image[None], image_grid(geometry, LAMBDA, 1))
    shifted = autocorrelation(np.roll(image, (3, 4), axis=(0, 1))[None], image_grid(moved, LAMBDA, 1))
    np.testing.assert_allclose(shifted, rows, atol=1e-5)
    assert np.abs(rows - autocorrelation(np.roll(image, 1, axis=0)[None], image_grid(geometry, LAMBDA, 1))).max() > 0.1


@pytest.mark.parametrize("name", ["autocorrelation", "autocorrelation_profile", "radial_profile"])
def test_masked_bins__contribute_nothing(small, name):
    images = shots(10, 2, small.shape)
    spoilt = np.where(small.weight == 0, 5000, images).astype(np.uint16)
    feature = make_feature(name, small)
    np.testing.assert_array_equal(feature(spoilt), feature(images * (small.weight > 0)))


@pytest.mark.parametrize("n_rings", [1, 2, 3, 4])
def test_autocorrelation_profile__is_the_maximum_and_mean_over_rings(small, n_rings):
    images = shots(11, 3, small.shape)
    distance = np.linalg.norm(autocorrelation_lags(small), axis=-1).ravel()
    edges = lag_edges(small, n_rings)
    for row, profile in zip(
        autocorrelation(images, small), autocorrelation_profile(images, small, n_rings), strict=True
    ):  # fmt: skip
        for k in range(n_rings):
            outer = edges[k + 1] * (1 - 1e-9 if k < n_rings - 1 else 1 + 1e-9)
            inside = row[(distance >= edges[k] * (1 - 1e-9)) & (distance <= outer)]
            assert profile[k] == pytest.approx(inside.max(), abs=1e-6)
            assert profile[n_rings + k] == pytest.approx(inside.mean(), abs=1e-6)


@given(n=st.integers(2, 30), bin=st.integers(1, 3), data=st.data())
@settings(max_examples=30)
def test_autocorrelation_profile__has_no_empty_ring(n, bin, data):
    grid = image_grid(square(n * bin, 1e-3, 0.1), LAMBDA, bin)
    n_rings = data.draw(st.integers(1, n - 1))
    profile = autocorrelation_profile(np.eye(n, dtype=np.uint16)[None], grid, n_rings)
    assert np.isfinite(profile).all()
    assert (np.abs(profile) <= 1 + 1e-6).all()
    assert (profile[0, :n_rings] >= profile[0, n_rings:] - 1e-6).all()


@pytest.mark.parametrize("n_rings", [1, 4, 40])
def test_radial_profile__is_the_mean_over_good_pixels(small, n_rings):
    images = shots(12, 3, small.shape)
    radius, edges = np.linalg.norm(small.s, axis=-1), s_edges(small, n_rings)
    good = small.weight > 0
    profiles = radial_profile(images, small, n_rings)
    lone = 0
    for k in range(n_rings):
        outer = edges[k + 1] * (1 - 1e-9 if k < n_rings - 1 else 1 + 1e-9)
        inside = good & (radius >= edges[k] * (1 - 1e-9)) & (radius <= outer)
        weight = small.weight[inside].sum()
        lone += weight == 0
        np.testing.assert_allclose(profiles[:, k], images[:, inside].sum(axis=1) / max(weight, 1e-9), rtol=1e-5)
    assert (lone > 0) == (n_rings == 40)


def test_radial_profile__of_an_even_exposure_is_flat(pnccd):
    profile = radial_profile((pnccd.weight * 64).astype(np.uint16)[None], pnccd, 50)[0]
    np.testing.assert_allclose(profile[profile > 0], 64, rtol=1e-6)
    assert (profile > 0).sum() >= 49


@pytest.mark.parametrize("name", FEATURES)
def test_feature__rows_fit_its_shape(small, name):
    feature = make_feature(name, small)
    rows = feature(shots(13, 4, small.shape))
    assert (feature.name, rows.dtype, rows.shape) == (name, np.float32, (4, prod(feature.shape)))
    assert feature.units in {"1", "count"}
    assert feature(np.zeros((0, *small.shape), np.uint16)).shape == (0, prod(feature.shape))


@pytest.mark.parametrize("name", FEATURES)
def test_feature__of_no_photons_is_zero(small, name):
    rows = make_feature(name, small)(np.zeros((3, *small.shape), np.uint16))
    np.testing.assert_array_equal(rows, 0)


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_feature__of_a_saturated_shot_is_finite(pnccd, name, kind):
    rows = make_feature(name, pnccd)(np.full((1, *pnccd.shape), 65535, kind))
    assert np.isfinite(rows).all()
    assert np.abs(rows).max() > 0


@pytest.mark.parametrize("name", FEATURES)
@given(seed=SEEDS, kind=st.sampled_from(["poisson", "float"]), cuts=st.sets(st.integers(1, 11)), step=st.integers(1, 2))
@settings(max_examples=15)
def test_feature__rows_have_the_same_bits_in_any_batch(small, name, seed, kind, cuts, step):
    images = shots(seed, 12, small.shape, kind)
    feature = make_feature(name, small)
    whole = feature(images)
    parts = np.split(np.repeat(images, step, axis=0)[::step], sorted(cuts))
    np.testing.assert_array_equal(np.concatenate([feature(part) for part in parts]), whole)
    np.testing.assert_array_equal(feature(np.asfortranarray(images)), whole)


@pytest.mark.parametrize("name", ["autocorrelation", "fourier_crop", "normalised", "autocorrelation_profile"])
def test_feature__rows_of_large_images_have_the_same_bits_alone(pnccd, name):
    images = np.random.default_rng(14).gamma(0.1, 1.0, (5, *pnccd.shape)).astype(np.float32)
    feature = make_feature(name, pnccd)
    np.testing.assert_array_equal(np.concatenate([feature(image[None]) for image in images]), feature(images))


@pytest.mark.parametrize("name", FEATURES)
def test_feature__survives_pickling(small, name):
    feature = make_feature(name, small)
    again = pickle.loads(pickle.dumps(feature))
    assert (again.name, again.shape, again.units) == (feature.name, feature.shape, feature.units)
    images = shots(15, 2, small.shape)
    np.testing.assert_array_equal(again(images), feature(images))


def test_make_feature__passes_options_on(small):
    images = shots(16, 2, small.shape)
    np.testing.assert_array_equal(make_feature("fourier_crop", small, n=3)(images), fourier_crop(images, 3))
    np.testing.assert_array_equal(
        make_feature("radial_profile", small, n_rings=3)(images), radial_profile(images, small, 3)
    )  # fmt: skip
    assert make_feature("autocorrelation_profile", small, n_rings=3).shape == (2, 3)


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("fourier_crop", {"n": 10}, "cropped to 1 to 5 a side, got 10"),
        ("autocorrelation_profile", {"n_rings": 5}, "1 to 4 rings, got 5"),
        ("radial_profile", {"rings": 5}, "takes n_rings, got rings"),
        ("counts", {"n": 5}, "takes no options, got n"),
    ],
)
def test_make_feature__refuses_bad_options(small, name, options, told):
    with pytest.raises(InputError, match=told):
        make_feature(name, small, **options)


def test_make_feature__tells_the_nearest_name(small):
    with pytest.raises(UnknownNameError, match="autocorrelation"):
        make_feature("autocorelation", small)


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
@pytest.mark.parametrize("name", FEATURES)
def test_feature__refuses_what_is_no_count(small, name, value):
    images = np.zeros((2, *small.shape))
    images[(1, *np.argwhere(small.weight > 0)[0])] = value
    with pytest.raises(InputError, match="finite numbers of photons"):
        make_feature(name, small)(images)


def test_features__refuse_images_that_do_not_fit(small):
    with pytest.raises(InputError, match=r"must have shape \(shot, y, x\)"):
        counts(np.zeros((4, 5)))
    with pytest.raises(InputError, match=r"must fit the grid's \(5, 9\), got \(1, 9, 5\)"):
        autocorrelation(np.zeros((1, 9, 5)), small)


@given(seed=SEEDS, dtype=st.sampled_from([np.uint8, np.uint16]), bin=st.integers(1, 9), height=st.integers(1, 9),
       width=st.integers(1, 9), bright=st.booleans())  # fmt: skip
@settings(max_examples=60)
def test_bin_frames__equals_the_sum_pixel_by_pixel(seed, dtype, bin, height, width, bright):
    geometry = two_panels(seed, height, width)
    rng = np.random.default_rng(seed)
    high = np.iinfo(dtype).max if bright else 2
    frames = rng.integers(0, high, (3, *geometry.shape), endpoint=True) * (rng.random((3, *geometry.shape)) < 0.3)
    frames = frames.astype(dtype)
    row, column = (index[geometry.mask] // bin for index in assembled_index(geometry))
    expected = np.zeros((3, *binned_shape(geometry, bin)), int)
    for image, frame in zip(expected, frames, strict=True):
        np.add.at(image, (row, column), frame[geometry.mask])
    images = bin_frames(frames, bin_index(geometry, bin), expected.shape[1:])
    assert images.dtype == np.uint16
    np.testing.assert_array_equal(images, np.minimum(expected, 65535))


def test_bin_frames__stop_at_full_bins():
    frames = np.full((3, 1, 8, 8), 1024, np.uint16)
    frames[:, 0, 5, 5] = [1022, 1023, 1025]
    images = bin_frames(frames, bin_index(square(8, 1e-3, 0.1), 8), (1, 1))
    assert images.ravel().tolist() == [65534, 65535, 65535]


def test_bin_frames__take_slices_and_read_only_frames():
    geometry = two_panels(1, 8, 8)
    frames = shots(17, 6, geometry.shape).astype(np.uint8)
    index, shape = bin_index(geometry, 3), binned_shape(geometry, 3)
    whole = bin_frames(frames, index, shape)
    np.testing.assert_array_equal(bin_frames(frames[::2], index, shape), whole[::2])
    np.testing.assert_array_equal(bin_frames(np.asfortranarray(frames), index, shape), whole)
    frames.flags.writeable = False
    np.testing.assert_array_equal(bin_frames(frames, index, shape), whole)
    assert bin_frames(frames[:0], index, shape).shape == (0, *shape)


@pytest.mark.parametrize(
    ("frames", "shape", "told"),
    [
        (np.zeros((1, 1, 4, 4), np.float32), (2, 2), "uint8 or uint16 photons, got float32"),
        (np.zeros((1, 1, 4, 5), np.uint8), (2, 2), "do not fit a bin index"),
        (np.zeros((1, 1, 4, 4), np.uint8), (2, 1), "bin 3 lies outside an image of shape"),
    ],
)
def test_bin_frames__refuse_what_does_not_fit(frames, shape, told):
    with pytest.raises(InputError, match=told):
        bin_frames(frames, bin_index(square(4, 1e-3, 0.1), 2), shape)


def test_bin_frames__make_the_images_of_a_store(tmp_path):
    atoms = (np.random.default_rng(1).normal(size=(30, 3)) * 5e-10, ["C", "N", "O"] * 10)
    beam = {"photon_energy": 4600.0, "photons_per_pulse": 1e15, "focus_radius": 5e-7}
    ds = xfeldask.simulate(
        tmp_path / "run.zarr", particle=atoms, beam=beam, detector="square-256", n_shots=3, progress=False
    )  # fmt: skip
    geometry = make_geometry(ds.pixel_position.values, 76.8e-3 / 256, ds["mask"].values)
    images = bin_frames(ds.photons.values, bin_index(geometry, 2), binned_shape(geometry, 2))
    assert images.sum() == ds.photon_count.sum() > 0
    np.testing.assert_array_equal(images, ds.image.values)
