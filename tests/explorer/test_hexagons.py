"""Hexagons against the nearest of all middles, and counts against counting one by one."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfeldask.explorer.model.drawing import DENSITIES, Points, draw
from xfeldask.explorer.model.hexagons import ACROSS, UP, count, hexagon, tiles
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.view.plane import Plane

WIDTH, HEIGHT = 120, 90


def middles() -> np.ndarray:
    """Middles of all hexagons in and about a picture, (hexagon, 2)."""
    columns, rows = np.meshgrid(np.arange(-2, WIDTH // ACROSS + 3), np.arange(-2, HEIGHT // UP + 3))
    even = np.stack([columns * ACROSS, rows * UP], axis=-1).reshape(-1, 2)
    return np.concatenate([even, even + np.array([ACROSS, UP]) / 2])


@given(st.integers(0, 10_000))
def test_hexagon__is_that_of_the_nearest_middle(seed: int) -> None:
    x, y = np.random.default_rng(seed).uniform(0, (WIDTH, HEIGHT), (300, 2)).T
    nearest = np.hypot(*(np.stack([x, y], axis=1)[:, None] - middles()[None]).T).argmin(axis=0)
    pairs = set(zip(hexagon(x, y, WIDTH).tolist(), nearest.tolist(), strict=True))
    # each number stands for one middle and each middle has one number
    assert len({number for number, _ in pairs}) == len({middle for _, middle in pairs}) == len(pairs)


def test_count__is_of_the_places_in_the_same_hexagon() -> None:
    x, y = np.random.default_rng(1).uniform(0, (WIDTH, HEIGHT), (2_000, 2)).T
    by_hexagon = Counter(hexagon(x, y, WIDTH).tolist())
    wanted = [[by_hexagon[number] for number in row] for row in tiles(WIDTH, HEIGHT).tolist()]
    np.testing.assert_array_equal(count(x, y, WIDTH, HEIGHT), wanted)


@pytest.mark.parametrize("some", [False, True])
def test_draw__counts_every_shot_of_the_view_once(some: bool) -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(0, 1, (2, 5_000)).astype(np.float32)
    points = Points(x, y, None, {}, DENSITIES, hexagons=True)
    selected = x > 0.2 if some else np.zeros(5_000, bool)
    drawing = draw(points, np.ones(5_000, bool), selected, (-1.5, 1.5), (-2.0, 2.0), WIDTH, HEIGHT)
    inside = (np.abs(x) <= 1.5) & (np.abs(y) <= 2)
    assert drawing.drawn == inside.sum()
    assert drawing.counts is not None
    number, first = np.unique(tiles(WIDTH, HEIGHT), return_index=True)
    total = int(drawing.counts.ravel()[first].sum())
    among = inside & selected if some else inside
    # a hexagon at the edge may lie in the picture by less than half a pixel
    assert among.sum() - 3 <= total <= among.sum()
    assert len(number) > 40
    grey = (drawing.rgba[..., 0] == drawing.rgba[..., 2]) & (drawing.rgba[..., 3] > 0)
    assert grey.any() == some
    np.testing.assert_array_equal(drawing.rgba[..., 3] > 0, (drawing.counts > 0) | grey)


def test_plane__tells_how_many_shots_are_in_the_hexagon_under_the_pointer(stores: dict[str, Path]) -> None:
    session = Session(stores["whole"], colour="hexagons")
    plane = Plane(session)
    (x0, x1), (y0, y1) = plane.canvas.view
    height, width = plane.canvas.picture.data["image"][0].shape
    column, row = (plane.x - x0) / (x1 - x0) * width, (y1 - plane.y) / (y1 - y0) * height
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    of_shots = hexagon(column, row, width)
    of_pixel = tiles(width, height)
    for shot in np.flatnonzero(inside)[::7]:
        under = of_pixel[int(row[shot]), int(column[shot])]
        assert plane.counted(plane.x[shot], plane.y[shot]) == (of_shots[inside] == under).sum()
    assert plane.counted(x1 + 1, y0) == 0
    session.colour = "density"
    assert plane.counted(plane.x[0], plane.y[0]) == 0
