"""All pairs of components beside each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from xfeldask import embed, simulate
from xfeldask.explorer.model.drawing import FAINT
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.session import HEXAGONS, Session
from xfeldask.explorer.tabs import TABS, Tabs
from xfeldask.explorer.tabs.pairs_grid import SIDE, PairsGrid
from xfeldask.explorer.tabs.watch import Watch


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with embeddings of four components, of two and of one."""
    path = tmp_path_factory.mktemp("pairs") / "run.zarr"
    two = ([[0, 0, 0], [2e-9, 0, 0]], ["U", "U"])
    beam = {"photon_energy": 4600.0, "photons_per_pulse": 1e15, "focus_radius": 5e-7}
    simulate(path, particle=two, detector="square-32", n_shots=60, beam=beam, progress=False)
    for n in (1, 2, 4):
        embed(path, name=f"of_{n}", n_components=n, sort=None, progress=False)
    return path


def colours(image: NDArray[np.uint32]) -> NDArray[np.uint8]:
    return image.view(np.uint8).reshape(*image.shape, 4)


def test_grid__shows_every_pair_once(store: Path) -> None:
    session = Session(store, "of_4")
    grid = PairsGrid(session, Watch(session))
    assert grid.pairs == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    images = grid.cells.data["image"]
    assert [image.shape for image in images] == [(SIDE, SIDE)] * 6
    assert all((colours(image)[..., 3] > 0).any() for image in images)
    assert len({image.tobytes() for image in images}) == 6


def test_grid__follows_colours_and_selection_and_marks_the_pair_of_the_plot(store: Path) -> None:
    session = Session(store, "of_4")
    grid = PairsGrid(session, Watch(session))
    before = [image.copy() for image in grid.cells.data["image"]]
    session.choose_where("shot < 5")
    grey = np.array([int(FAINT[i : i + 2], 16) for i in (1, 3, 5)])
    assert all((colours(image)[..., :3] == grey).all(axis=-1).any() for image in grid.cells.data["image"])
    session.choose_where("shot < 0")
    session.colour = HEXAGONS
    assert all(np.array_equal(a, b) for a, b in zip(before, grid.cells.data["image"], strict=True))
    assert grid.outline.data == {"x": [0.5], "y": [2.5]}
    session.param.update(x="c2", y="c1")
    assert grid.outline.data == {"x": [1.5], "y": [1.5]}
    session.x = "shot"
    assert grid.outline.data == {"x": [], "y": []}


def test_grid__a_tap_takes_a_pair_into_the_plot_and_beside_the_triangle_none(store: Path) -> None:
    session = Session(store, "of_4")
    grid = PairsGrid(session, Watch(session))
    grid.tapped(1.2, 0.3)
    assert (session.x, session.y) == (grid.names[1], grid.names[3])
    grid.tapped(2.5, 2.5)
    assert (session.x, session.y) == (grid.names[1], grid.names[3])


def test_grid__is_made_anew_for_an_embedding_of_fewer_components(store: Path) -> None:
    session = Session(store, "of_4")
    tabs = Tabs(session, Pictures(session.shots.run), {"latent space": TABS["latent space"]})
    for name, there in (("of_2", True), ("of_1", False)):
        session.reopen(name)
        assert (
            any(
                "all pairs of components" in str(pane.object)
                for pane in tabs.view.select(lambda p: hasattr(p, "object"))
            )
            == there
        )
