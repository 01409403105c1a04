from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import oracles
from tests.strategies import examples, volumes
from xfeldask.physics.atoms import make_atoms
from xfeldask.physics.bounds import bernstein, bound_volume
from xfeldask.physics.interpolation import kernel_pieces
from xfeldask.physics.volume import Volume, build_volume, interpolate

pytestmark = pytest.mark.rounding

S_MAX = 5e8


def cells_of(bound, volume, s):
    """Index (n, 3) of the cell that holds each `s`, as the samplers look it up."""
    return (s * (bound.fineness / volume.step) + bound.origin).astype(int)


def within_ball(rng, n, radius):
    direction = rng.standard_normal((n, 3))
    direction /= np.linalg.norm(direction, axis=1)[:, None]
    return direction * radius * np.cbrt(rng.random((n, 1)))


@pytest.fixture(scope="module")
def blob():
    """A particle of 40 atoms."""
    rng = np.random.default_rng(1)
    return build_volume(make_atoms(within_ball(rng, 40, 9e-9), ["C", "S"] * 20), S_MAX)


@examples(0.3)
@given(volumes(), st.integers(1, 4), st.floats(0, 2.5), st.floats(0.1, 1), st.integers(0, 2**32))
def test_cell__bounds_any_coefficients(volume, fineness, distance, part, seed):
    bound = bound_volume(volume, part * volume.s_max, distance * volume.step, fineness)
    s = within_ball(np.random.default_rng(seed), 300, part * volume.s_max)
    i, j, k = cells_of(bound, volume, s).T
    amplitude = np.abs(interpolate(volume, s))
    assert np.all(amplitude <= bound.cell[i, j, k])
    assert np.all(np.abs(oracles.interpolated(volume, s)) <= bound.cell[i, j, k])


@examples(0.3)
@given(volumes(), st.integers(1, 4), st.floats(0, 2.5), st.floats(0.1, 1), st.integers(0, 2**32))
def test_reach__bounds_everything_within_distance(volume, fineness, distance, part, seed):
    bound = bound_volume(volume, part * volume.s_max, distance * volume.step, fineness)
    rng = np.random.default_rng(seed)
    asked = within_ball(rng, 20, part * volume.s_max)
    i, j, k = cells_of(bound, volume, asked).T
    for s, reach in zip(asked, bound.reach[i, j, k], strict=True):
        near = s + within_ball(rng, 100, distance * volume.step)
        near = near[np.linalg.norm(near, axis=1) <= volume.s_max]
        assert np.all(np.abs(interpolate(volume, near)) <= reach)


@pytest.mark.parametrize("fineness", [1, 2, 3])
def test_cell__is_the_largest_of_its_control_points(fineness):
    rng = np.random.default_rng(8)
    values = rng.standard_normal((14, 14, 14, 2)).astype(np.float32).view(np.complex64)[..., 0]
    taps = kernel_pieces(2.3).astype(np.float32)
    bound = bound_volume(Volume(values, 1e7, 2e7, taps), 1e9, 0.0, fineness)
    parts = [bernstein(taps, part / fineness, (part + 1) / fineness) for part in range(fineness)]
    largest = oracles.cell_bounds(values[1:, 1:, 1:], np.array(parts))
    assert bound.cell.shape == largest.shape
    np.testing.assert_allclose(bound.cell, largest, rtol=2e-5)
    assert np.all(bound.cell >= largest)


@pytest.mark.parametrize(("fineness", "distance"), [(1, 0.0), (1, 0.4), (1, 1.4), (2, 1.4), (3, 0.7), (1, 2.0)])
def test_reach__is_the_largest_cell_within_distance(fineness, distance):
    rng = np.random.default_rng(6)
    values = rng.standard_normal((12, 12, 12, 2)).astype(np.float32).view(np.complex64)[..., 0]
    volume = Volume(values, 1e7, 2e7, kernel_pieces(2.3).astype(np.float32))
    bound = bound_volume(volume, 1e7, distance * volume.step, fineness)
    side = bound.cell.shape[0]
    for cell in rng.integers(0, side, (40, 3)).tolist():
        near = oracles.cells_within(cell, side, distance * fineness)
        assert bound.reach[tuple(cell)] == max(bound.cell[other] for other in near)


@pytest.mark.parametrize("fineness", [1, 2, 3])
def test_cell__is_reached_by_the_amplitude(blob, fineness):
    bound = bound_volume(blob, 0.5 * S_MAX, 0.0, fineness)
    rng = np.random.default_rng(2)
    m = bound.cell.shape[0]
    cells = rng.integers(m // 4, 3 * m // 4, (300, 3))
    inside = cells[:, None] + rng.random((300, 200, 3))
    amplitude = np.abs(interpolate(blob, (inside - bound.origin) * blob.step / fineness)).max(axis=1)
    tight = amplitude / bound.cell[tuple(cells.T)]
    assert tight.max() <= 1
    # control points leave the hull's corners by less where cells are finer
    assert np.median(tight) > {1: 0.55, 2: 0.75, 3: 0.85}[fineness]


def test_finer_cells__are_tighter(blob):
    bounds = [bound_volume(blob, 0.3 * S_MAX, blob.step, fineness) for fineness in (1, 2, 4)]
    s = within_ball(np.random.default_rng(3), 1000, 0.3 * S_MAX)
    means = [bound.cell[tuple(cells_of(bound, blob, s).T)].mean() for bound in bounds]
    assert means[0] > means[1] > means[2]


@examples(0.2)
@given(volumes(), st.integers(1, 3), st.floats(0, 3), st.floats(0, 1))
def test_bound_volume__covers_what_may_be_looked_up(volume, fineness, distance, part):
    bound = bound_volume(volume, part * volume.s_max, distance * volume.step, fineness)
    ends = np.concatenate([np.eye(3), -np.eye(3)]) * part * volume.s_max
    cells = cells_of(bound, volume, ends)
    assert cells.min() >= 0
    assert cells.max() < bound.cell.shape[0]
    assert bound.cell.shape == bound.reach.shape
    assert np.all(bound.reach >= bound.cell)


@given(st.floats(2, 6), st.floats(0, 0.9), st.floats(0.05, 1))
def test_bernstein__holds_the_polynomial_in_its_hull(sampling, low, width):
    pieces, high = kernel_pieces(sampling), min(1.0, low + width)
    control = bernstein(pieces, low, high)
    t = np.linspace(low, high, 17)
    taps = np.polynomial.polynomial.polyval(t, pieces)
    u = (t - low) / (high - low)
    basis = np.stack([(1 - u) ** 3, 3 * u * (1 - u) ** 2, 3 * u**2 * (1 - u), u**3])
    np.testing.assert_allclose(control.T @ basis, taps, atol=1e-12)
    assert np.all(taps <= control.max(axis=0)[:, None] + 1e-12)
    assert np.all(taps >= control.min(axis=0)[:, None] - 1e-12)
