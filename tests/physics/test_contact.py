"""Copies of a body that touch, and the surface that they touch by."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from xfeldask.physics import contact

pytestmark = pytest.mark.rounding


def ball(count: int, radius: float, seed: int) -> np.ndarray:
    """Points everywhere in a ball (count, 3) [m]."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(count, 3))
    return radius * rng.random((count, 1)) ** (1 / 3) * points / np.linalg.norm(points, axis=1)[:, None]


@pytest.mark.parametrize("most", [50, 900, 20_000])
def test_surface__is_what_erosion_takes_away(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(contact, "MOST_POINTS", most)
    points = ball(30_000, 4e-9, 1)
    found, spacing = contact._surface(points)
    cell = np.floor((points - points.min(axis=0)) / spacing).astype(int) + 1
    filled = np.zeros(cell.max(axis=0) + 2, bool)
    filled[tuple(cell.T)] = True
    outer = filled & ~binary_erosion(filled)
    assert len(found) == outer.sum() <= most
    assert spacing == 3.5e-10 or len(found) > most / 4
    of = {tuple(one): k for k, one in reversed(list(enumerate(cell)))}
    np.testing.assert_array_equal(found, points[[of[tuple(one)] for one in np.argwhere(outer)]])


def test_surface__of_a_body_of_micrometres_takes_no_more_room_than_its_points() -> None:
    points = ball(2_000, 20e-6, 2)
    found, spacing = contact._surface(points)
    assert (len(found), spacing) == (2_000, 3.5e-10)
    _, places = contact.grown(points, 2, "last", 0.0, 1)
    assert np.isfinite(places).all()
