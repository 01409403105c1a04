"""Lassos against counting how often a ray meets the line, and masks against Python's sets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from xfeldask.errors import InputError, UnknownNameError
from xfeldask.explorer.model.masks import COMBINATIONS, combine, in_box, in_polygon

GRID = np.random.default_rng(0).uniform(-1, 11, (800, 2))


def crossings(points: NDArray, line: NDArray) -> NDArray[np.bool_]:
    """Whether a ray to the right of each point meets the closed line an odd number of times."""
    odd = np.zeros(len(points), bool)
    x, y = points.T
    for (x0, y0), (x1, y1) in zip(line, np.roll(line, -1, axis=0), strict=True):
        if y0 != y1:
            odd ^= ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))
    return odd


def distance_to(points: NDArray, line: NDArray) -> NDArray[np.float64]:
    """Smallest distance of each point to the closed line."""
    best = np.full(len(points), np.inf)
    for a, b in zip(line, np.roll(line, -1, axis=0), strict=True):
        along = b - a
        t = np.clip((points - a) @ along / max(along @ along, 1e-300), 0, 1)
        best = np.minimum(best, np.linalg.norm(points - a - t[:, None] * along, axis=1))
    return best


@given(st.integers(0, 2**32), st.integers(3, 12))
def test_in_polygon__holds_what_the_line_goes_around_an_odd_number_of_times(seed: int, n: int) -> None:
    line = np.random.default_rng(seed).uniform(0, 10, (n, 2))
    clear = distance_to(GRID, line) > 1e-9
    found = in_polygon(*GRID.T, line)
    np.testing.assert_array_equal(found[clear], crossings(GRID, line)[clear])


def test_in_polygon__takes_a_line_drawn_by_hand() -> None:
    # around twice, and a little beyond where it began
    angle = np.linspace(0, 4.1 * np.pi, 300)
    radius = 3 + np.sin(2.5 * angle) + 0.1 * np.random.default_rng(1).normal(size=300)
    line = 5 + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    wanted = crossings(GRID, line)
    assert 0 < wanted.sum() < len(GRID)
    np.testing.assert_array_equal(in_polygon(*GRID.T, line), wanted)
    np.testing.assert_array_equal(in_polygon(*GRID.T, np.concatenate([line, line[:1]])), wanted)
    single = GRID.astype(np.float32)
    np.testing.assert_array_equal(in_polygon(*single.T, line), crossings(single.astype(float), line))


@pytest.mark.parametrize("n", [3, 7, 12])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test_in_polygon__of_many_points_is_that_of_each(n: int, scale: float) -> None:
    rng = np.random.default_rng(n)
    line, points = rng.uniform(0, 10 * scale, (n, 2)), rng.uniform(0, 10 * scale, (60_000, 2)).astype(np.float32)
    # cells of the grid, and their edges, hold points too
    low, high = line.min(axis=0), line.max(axis=0)
    points[:8_450] = low + (high - low) * np.stack(np.meshgrid(*[np.arange(65) / 64] * 2), axis=-1).reshape(
        -1, 2
    ).repeat(2, axis=0)
    points = points.astype(np.float64)
    clear = distance_to(points, line) > 1e-9 * scale
    assert clear.sum() > 50_000
    np.testing.assert_array_equal(in_polygon(*points.T, line)[clear], crossings(points, line)[clear])


def test_in_polygon__never_holds_points_that_are_nowhere() -> None:
    x, y = np.array([np.nan, 1, np.inf, 1]), np.array([1, np.nan, 1, 1])
    assert in_polygon(x, y, [[0, 0], [9, 0], [0, 9]]).tolist() == [False, False, False, True]
    assert in_box(x, y, (-np.inf, -np.inf, np.inf, np.inf)).tolist() == [False, False, False, True]
    assert in_polygon(x[:0], y[:0], [[0, 0], [9, 0], [0, 9]]).shape == (0,)


def test_in_polygon__lines_without_area_hold_nothing() -> None:
    for line in ([[0, 0], [5, 5], [9, 9]], [[1, 1]] * 4):
        assert not in_polygon(np.array([1.0, 5, 7]), np.array([1.0, 5, 7]), line).any()


@pytest.mark.parametrize(
    ("vertices", "words"),
    [
        ([[0, 0], [1, 1]], "3 or more"),
        ([], "3 or more"),
        ([[0, 0, 0]] * 3, "3 or more"),
        ([[0, 0], [1, 1], [np.nan, 0]], "finite"),
    ],
)
def test_in_polygon__refuses_what_is_no_lasso(vertices: list, words: str) -> None:
    with pytest.raises(InputError, match=words):
        in_polygon(*GRID.T, vertices)


@given(st.lists(st.integers(0, 6), min_size=4, max_size=4))
def test_in_box__is_closed_and_takes_any_two_corners(box: list[int]) -> None:
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(7.0), np.arange(7.0)))
    ends = [range(min(a, b), max(a, b) + 1) for a, b in zip(box[:2], box[2:], strict=True)]
    wanted = [a in ends[0] and b in ends[1] for a, b in zip(x, y, strict=True)]
    assert in_box(x, y, tuple(box)).tolist() == wanted
    assert in_box(x.astype(np.float32), y, (*box[2:], *box[:2])).tolist() == wanted


def test_in_box__compares_float32_in_float64() -> None:
    tenth = np.array([0.1], np.float32)
    assert float(tenth[0]) > 0.1
    assert not in_box(tenth, tenth, (0, 0, 0.1, 0.1)).any()


def test_in_box__refuses_other_points_and_no_corners() -> None:
    with pytest.raises(InputError, match="same points"):
        in_box(np.zeros(3), np.zeros(4), (0, 0, 1, 1))
    with pytest.raises(InputError, match="corners"):
        in_box(np.zeros(3), np.zeros(3), (0, 0, np.nan, 1))


@given(st.lists(st.tuples(st.booleans(), st.booleans())), st.sampled_from(sorted(COMBINATIONS)))
def test_combine__is_what_sets_do(pairs: list[tuple[bool, bool]], how: str) -> None:
    old, new = (np.array([pair[i] for pair in pairs], bool) for i in (0, 1))
    a, b = (set(np.flatnonzero(mask)) for mask in (old, new))
    wanted = {"replace": b, "add": a | b, "subtract": a - b, "intersect": a & b}[how]
    found = combine(old, new, how)
    assert set(np.flatnonzero(found)) == wanted
    assert not np.shares_memory(found, new)


def test_combine__refuses_other_ways_and_other_shots() -> None:
    mask = np.zeros(3, bool)
    with pytest.raises(UnknownNameError, match="subtract"):
        combine(mask, mask, "substract")
    with pytest.raises(InputError, match="same shots"):
        combine(mask, mask[:2], "add")
    with pytest.raises(InputError, match="booleans"):
        combine(mask, np.zeros(3), "add")
