"""The orientation view: quantities folded by the particle's symmetry, and the tab that shows them."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import panel as pn
import pytest
import zarr

from tests.explorer.gestures import box, lasso
from tests.rarely import rarely
from xfeldask import open_dataset
from xfeldask.errors import InputError, UnknownNameError
from xfeldask.explorer.model.masks import in_box, in_polygon
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs.orientation import LYING, Sphere, about, orientation
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.physics.angles import ANGLES, GROUPS, axis_angles, folded
from xfeldask.physics.orientations import symmetry_group
from xfeldask.physics.symmetry import SYMMETRY, fold
from xfeldask.store.choosing.columns import Column, Shots
from xfeldask.store.run import open_run


@pytest.fixture(scope="module")
def strange(stores: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of a particle whose symmetry nobody knows."""
    path = tmp_path_factory.mktemp("orientation") / "strange.zarr"
    shutil.copytree(stores["whole"], path)
    root = zarr.open_group(path, mode="r+", use_consolidated=False)
    experiment = json.loads(str(root.attrs["experiment"]))
    experiment["particle"]["source"] = "structures/chaperonin.pdb"
    root.attrs["experiment"] = json.dumps(experiment)
    return path


@pytest.fixture
def session(stores: dict[str, Path]) -> Session:
    return Session(stores["whole"], "pairs")


def texts(view: Any) -> str:
    return "\n".join(str(pane.object) for pane in view.select(pn.pane.HTML))


def labels(view: Any) -> tuple[str, str]:
    """What the plot writes along its axes."""
    figure = next(iter(view.select(pn.pane.Bokeh))).object
    return figure.xaxis[0].axis_label, figure.yaxis[0].axis_label


def test_symmetry__is_that_of_built_in_particles_only(stores: dict[str, Path], strange: Path, tmp_path: Path) -> None:
    assert Shots.of(open_run(stores["whole"])).symmetry == "D8"
    assert Shots.of(open_run(strange)).symmetry is None
    shutil.copytree(strange, bare := tmp_path / "bare.zarr")
    for experiment in ("{}", "[]", "no json", '{"particle": {"source": []}}'):
        zarr.open_group(bare, mode="r+", use_consolidated=False).attrs["experiment"] = experiment
        assert Shots.of(open_run(bare)).symmetry is None


def test_groups__hold_that_of_each_built_in_particle() -> None:
    assert set(SYMMETRY.values()) <= set(GROUPS)
    assert {group[0] for group in GROUPS} == set(LYING)


@pytest.mark.parametrize("group", [group if group in ("C2", "D8", "I") else rarely(group) for group in GROUPS])
def test_folded__angles_are_those_of_folded_orientations(session: Session, group: str) -> None:
    q = open_dataset(session.shots.path).orientation.values[:, 0]
    wanted = axis_angles(fold(q, symmetry_group(group)))
    for name, values in zip(ANGLES, wanted, strict=True):
        column = session.shots.column(folded(name, group))
        np.testing.assert_array_equal(column.values, values)
        assert column.name == f"{name}_{group}"
        assert column.label.endswith(f"axis, folded by {group}")
        assert column.units == "degree"


def test_folded__quantities_are_computed_once_and_shared(stores: dict[str, Path]) -> None:
    shots = Shots.of(open_run(stores["whole"]), "pairs")
    one, two = shots.own(), shots.own()
    assert one.column("azimuth_D8") is two.column("azimuth_D8")
    assert one._angles("D8") is two._angles("D8")
    assert not [name for name in shots.names() if name.endswith("_D8")]
    with pytest.raises(ValueError, match="read-only"):
        one.column("rotation_D8").values[0] = 0
    with pytest.raises(InputError, match="azimuth_D8 already"):
        one.add(Column("azimuth_D8", "", "1", np.zeros(one.n_shots)))


def test_folded__quantities_can_be_selected_by(session: Session) -> None:
    session.choose_where("azimuth_D8 > 30 and elevation_O < 0")
    azimuth, elevation = (session.shots.column(name).values for name in ("azimuth_D8", "elevation_O"))
    np.testing.assert_array_equal(session.selected, (azimuth > 30) & (elevation < 0))
    assert 0 < session.selected.sum() < session.shots.n_shots


def test_folded__quantities_need_orientations(stores: dict[str, Path]) -> None:
    with pytest.raises(UnknownNameError):
        Shots.of(open_run(stores["no truth"])).column("azimuth_D8")


def test_tab__folds_by_the_symmetry_of_the_store(session: Session) -> None:
    view = orientation(session, Pictures(session.shots.run), Watch(session))
    view.get_root()
    assert next(iter(view.select(pn.widgets.Select))).value == "D8"
    assert labels(view) == tuple(f"{name}, folded by D8 (°)" for name in ("azimuth", "elevation"))
    assert "<b>Folded by D8</b>, the symmetry of the store's particle: of the 16 orientations" in texts(view)
    assert "repeats every 45°" in texts(view)
    there = int((open_dataset(session.shots.path).n_particles.values > 0).sum())
    assert f"drawn {there} of {session.shots.n_shots}" in texts(view)


def test_tab__folds_by_what_is_chosen(session: Session) -> None:
    view = orientation(session, Pictures(session.shots.run), Watch(session))
    view.get_root()
    symmetry = next(iter(view.select(pn.widgets.Select)))
    assert set(symmetry.options.values()) == {"", *GROUPS}
    for group in ("T", "", "C7"):
        symmetry.value = group
        assert labels(view)[0].removeprefix("azimuth") == (f", folded by {group} (°)" if group else " (°)")
        assert about(group, "D8") in texts(view)
    assert "chosen here (its axis along z of its atoms; the particle has D8)" in texts(view)
    assert "of the 7 orientations in which the particle looks the same, the one least turned" in texts(view)
    assert "repeats every 51.43°" in texts(view)


def test_tab__does_not_fold_where_nobody_knows_the_symmetry(strange: Path) -> None:
    session = Session(strange, "pairs")
    view = orientation(session, Pictures(open_run(strange)), Watch(session))
    view.get_root()
    assert labels(view)[0] == "azimuth (°)"
    assert "<b>Not folded</b>" in texts(view)
    next(iter(view.select(pn.widgets.Select))).value = "D3"
    assert "the store does not tell whether the particle has it" in texts(view)


@pytest.mark.parametrize("group", ["", "D8", "I"])
def test_sphere__selects_and_finds_what_it_shows(session: Session, group: str) -> None:
    sphere = Sphere(session, "D8", Watch(session))
    sphere.pane.get_root()
    sphere.fold(group)
    x, y = (np.float32(session.shots.column(folded(name, group)).values) for name in ("azimuth", "elevation"))
    done = session.shots.done
    (x0, x1), (y0, y1) = (np.nanquantile(v, [0.3, 0.7]) for v in (x, y))
    box(sphere, x0, y0, x1, y1)
    np.testing.assert_array_equal(session.selected, in_box(x, y, (x0, y0, x1, y1)) & done)
    corners = np.array([[x0, y0], [x1, y0], [x1, y1]])
    lasso(sphere, corners)
    np.testing.assert_array_equal(session.selected, in_polygon(x, y, corners) & done)
    assert 0 < session.selected.sum() < session.shots.n_shots
    shot = int(np.flatnonzero(session.selected)[0])
    found = sphere.under(float(x[shot]), float(y[shot]))
    assert found is not None
    assert (x[found], y[found]) == (x[shot], y[shot])
    session.shot = shot
    assert sphere.canvas.pin.data == {"x": [x[shot]], "y": [y[shot]]}
    sphere.fold("C2")
    assert sphere.canvas.pin.data["x"] == [np.float32(session.shots.column("azimuth_C2").values[shot])]


@pytest.mark.parametrize(("group", "half"), [("", 180), ("D8", 22.5), ("C3", 60), ("O", 45)])
def test_sphere__colours_of_the_rotation_end_where_they_begin(session: Session, group: str, half: float) -> None:
    sphere = Sphere(session, "D8", Watch(session))
    sphere.by_rotation(True)
    sphere.fold(group)
    assert sphere.colour == folded("rotation", group)
    assert sphere.points.span == (-half, half)
    assert sphere.points.palette[0] == sphere.points.palette[-1]
    assert (sphere.canvas.mapper.low, sphere.canvas.mapper.high) == (-half, half)
    assert sphere.canvas.mapper.palette == list(sphere.points.palette)
    there = sphere.points.value[np.isfinite(sphere.points.value)]
    assert 0.9 * half < np.abs(there).max() <= half + 1e-9
    sphere.by_rotation(False)
    assert sphere.colour == session.colour
