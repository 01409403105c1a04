from __future__ import annotations

import numpy as np
import pytest

from tests.images import shots
from xfeldask.errors import InputError
from xfeldask.features.rows import counts, fourier_crop, normalised, unit_root, variance_stabilised

pytestmark = pytest.mark.rounding


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
