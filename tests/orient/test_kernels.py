"""Compiled loops against their slow twins."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracles import merged, posterior, sliced
from xfeldask.orient import kernels
from xfeldask.orient.rotations import TILE
from xfeldask.orient.shares import contrasts
from xfeldask.orient.sparse import SparseFrames
from xfeldask.physics.orientations import rotation_matrix, symmetry_group, uniform_quaternion

pytestmark = pytest.mark.rounding

RNG = np.random.default_rng(0)
SIZE = 11


def turns(n: int) -> np.ndarray:
    return rotation_matrix(uniform_quaternion(RNG.random((n, 3))))


def places(n: int) -> np.ndarray:
    found = RNG.normal(size=(n, 3))
    return found / np.linalg.norm(found, axis=1, keepdims=True) * RNG.random((n, 1)) * (SIZE // 2 - 1)


def test_slices__are_interpolated_between_eight_points():
    model, at, turn = RNG.random((SIZE,) * 3), places(20), turns(5)
    out = np.empty((20, 5))
    kernels.slices(model, at, turn, out)
    np.testing.assert_allclose(out, np.stack([sliced(model, at, r) for r in turn], axis=1), rtol=1e-12)


def test_spread__puts_photons_where_slices_read_them():
    at, turn, factor = places(20), turns(3), RNG.random(20)
    values, weight = RNG.random((20, 3)), np.array([1.0, 0.0, 2.0])
    grid = np.zeros((SIZE, SIZE, SIZE, 2))
    kernels.spread(values, factor, weight, at, turn, grid)
    expected = sum(merged(values[:, t], factor * weight[t], at, turn[t], SIZE) for t in (0, 2))
    np.testing.assert_allclose(grid, expected, atol=1e-12)
    model, read = RNG.random((SIZE,) * 3), np.empty((20, 3))
    kernels.slices(model, at, turn, read)
    assert (grid[..., 0] * model).sum() == pytest.approx((values * read)[:, [0, 2]].sum())


def few_frames() -> tuple[np.ndarray, SparseFrames]:
    images = RNG.poisson(0.8, (6, 30))
    images[2] = 0
    return images, SparseFrames.of(images, np.arange(30))


def test_expand_and_compress__are_sums_over_photons():
    images, frames = few_frames()
    table = RNG.normal(size=(30, TILE)).astype(np.float32)
    shots, end = np.array([5, 0, 2, 3], np.int32), frames.ends(25)
    out = np.empty((4, TILE), np.float32)
    level, other = np.array([0, 0, 0, 0, 1, 0]), np.full_like(table, np.nan)
    kernels.expand(np.stack([table, other]), level, frames.start, end, frames.pixel, frames.count, shots, out)
    np.testing.assert_allclose(out, images[shots, :25] @ table[:25].astype(float), rtol=1e-5, atol=1e-5)
    probability = RNG.random((4, TILE)).astype(np.float32)
    probability[1] = 0
    photons, part = images.sum(axis=1).astype(float), RNG.random((1, 30, TILE)).astype(np.float32)
    for signal in (part[:0], np.concatenate([part, np.full_like(part, np.nan)])):
        sums, weight = np.ones((30, TILE)), np.zeros(TILE)
        kernels.compress(probability, frames.start, end, frames.pixel, frames.count, shots, photons, signal, level,
                         sums, weight)  # fmt: skip
        due = images[shots, :25].T @ probability.astype(float) * (part[0, :25] if len(signal) else 1)
        np.testing.assert_allclose(sums[:25] - 1, due, rtol=1e-5)
        assert (sums[25:] == 1).all()
        np.testing.assert_allclose(weight, photons[shots] @ probability.astype(float), rtol=1e-6)
    total = np.empty(6)
    kernels.weighed(table[:, 0].astype(float), frames.start, end, frames.pixel, frames.count, total)
    np.testing.assert_allclose(total, images[:, :25] @ table[:25, 0].astype(float), rtol=1e-6)


@pytest.mark.parametrize("exponent", [0.5, 1.0])
@pytest.mark.parametrize("depth", [1, 8])
def test_contrasts_and_softmax__give_the_multinomial_posterior(exponent, depth):
    images, frames = few_frames()
    factor, slices = RNG.random(30) + 0.5, (RNG.random((2 * TILE, 30)) + 0.2) ** depth
    weight = RNG.random(2 * TILE)
    weight[-5:] = 0
    reference = np.log(RNG.random(30))
    totals, likelihood = np.empty((2, TILE)), np.empty((12, TILE), np.float32)
    everyone = np.arange(6, dtype=np.int32)
    for tile in range(2):
        expected = np.ascontiguousarray(slices[tile * TILE : (tile + 1) * TILE].T, np.float32)
        table, none = np.empty_like(expected)[None], np.zeros(1)
        contrasts(expected, factor, none, np.zeros(30), reference[None], table, totals[tile])
        kernels.expand(table, np.zeros(6, np.int64), frames.start, frames.ends(30), frames.pixel, frames.count,
                       everyone, likelihood[tile * 6 : tile * 6 + 6])  # fmt: skip
    np.testing.assert_allclose(totals.reshape(-1), (slices * factor).sum(axis=1), rtol=1e-6)
    with np.errstate(divide="ignore"):
        prior = np.log(weight / weight.sum()).reshape(2, TILE)
    order = np.arange(12).reshape(2, 6).T.reshape(-1)
    tile = np.repeat(np.arange(2, dtype=np.int32), 6)
    evidence, information, exposure = np.empty((3, 6))
    kernels.softmax(likelihood, np.arange(0, 13, 2), order, prior, totals, tile, exponent, 0.0, evidence,
                    information, exposure)  # fmt: skip
    share = weight / weight.sum()
    expected, mean = posterior(images, factor, slices, share, exponent)
    found = likelihood.reshape(2, 6, TILE).transpose(1, 0, 2).reshape(6, -1)
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-7)
    np.testing.assert_allclose(evidence + images @ reference, mean, rtol=1e-5, atol=1e-9)
    known = expected > 0
    bits = np.where(known, expected * np.log(np.where(known, expected, 1) / np.where(known, share, 1)), 0).sum(axis=1)
    np.testing.assert_allclose(information, bits, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(exposure, expected @ (1 / totals.reshape(-1)), rtol=1e-4)


def test_kept__are_the_likeliest_in_order():
    probability = RNG.random((4, TILE)).astype(np.float32)
    rotation, chance = np.empty((2, 5), np.int32), np.empty((2, 5), np.float32)
    tile = np.array([3, 3, 8, 8], np.int32)
    kernels.kept(probability, np.array([0, 2, 4]), np.array([0, 2, 1, 3]), tile, 0.5, rotation, chance)
    for shot in range(2):
        own = probability[[shot, shot + 2]].reshape(-1)
        best = np.argsort(-own, kind="stable")[:5]
        assert chance[shot].tolist() == own[best].tolist()
        assert rotation[shot].tolist() == [[3, 8][b // TILE] * TILE + b % TILE for b in best]
    probability[:, 1:] *= 0.01
    kernels.kept(probability, np.array([0, 2, 4]), np.array([0, 2, 1, 3]), tile, 0.5, rotation, chance)
    assert set(rotation[:, 2:].reshape(-1).tolist()) == {-1}


def test_visits__are_the_tiles_near_what_was_kept_each_once():
    near = np.array([[0, 0, 1], [1, 2, 1], [2, 2, 2]], np.int32)
    rotation = np.array([[0, 1, -1], [5, -1, -1]], np.int32)
    out = np.empty(4, np.int64)
    seen = np.full(6, -1)
    assert kernels.visits(rotation, near, 3, 3, seen, out) == 4
    assert out.tolist() == [0 * 2, 1 * 2, 2 * 2, 5 * 2 + 1]


def test_turned__adds_up_what_looks_the_same():
    grid = np.zeros((SIZE, SIZE, SIZE, 2))
    grid[7, 5, 6] = 1, 2
    out = np.zeros_like(grid)
    kernels.turned(grid, rotation_matrix(symmetry_group("C4")), out)
    expected = np.zeros_like(grid)
    for x, y in ((2, 0), (0, 2), (-2, 0), (0, -2)):
        for z in (1, -1):
            expected[5 + x, 5 + y, 5 + z] += (1, 2)
    np.testing.assert_allclose(out, expected, atol=1e-12)
