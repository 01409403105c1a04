"""Columns against the store that they are read from."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given
from scipy.spatial.transform import Rotation

from tests.explorer.conftest import N
from tests.once import Once
from tests.strategies import quaternions
from xfeldask import embed, open_dataset
from xfeldask.errors import MissingFileError, UnknownNameError
from xfeldask.physics.angles import axis_angles
from xfeldask.store.choosing.columns import Shots
from xfeldask.store.run import open_run


@pytest.fixture(scope="module")
def store(once: Once, stores: dict[str, Path]) -> Path:
    def make(path: Path) -> None:
        shutil.copytree(stores["whole"], path)
        shutil.rmtree(path / "latent" / "second")
        embed(path, name="early", n_components=2, sort=None, progress=False)

    return once("columns", make)


def test_shots__tell_of_everything_along_shot_and_nothing_twice(shots: Shots, store: Path) -> None:
    names = shots.names()
    root, found = open_dataset(store), open_dataset(store, group="latent/pairs")
    along = {
        str(k) for ds in (root, found) for k, v in ds.data_vars.items() if v.dims in {("shot",), ("shot", "particle")}
    }
    derived = {"c0", "c1", "c2", "hit", "confusion", "azimuth", "elevation", "rotation", "shot"}
    assert set(names) == along | derived
    assert len(set(names)) == len(names)
    assert names[:5] == ["c0", "c1", "c2", "hit", "confusion"]
    assert {"verdict", "fitted", "fluence", "size", "photon_energy", "background", "separation"} <= set(names)


def test_shots__columns_are_what_is_stored(shots: Shots, store: Path) -> None:
    root, found = open_dataset(store), open_dataset(store, group="latent/pairs")
    for name in shots.names():
        column = shots.column(name)
        assert column.name == name
        assert column.label
        assert column.units
        assert column.values.shape == (N,)
        for ds in (root, found):
            if name in ds.data_vars:
                stored = ds[name].values
                np.testing.assert_array_equal(column.values, stored if stored.ndim == 1 else stored[:, 0])
                assert column.label.startswith(ds[name].attrs["long_name"])
                assert column.units == ds[name].attrs["units"]
    assert shots.components == ("c0", "c1", "c2")
    np.testing.assert_array_equal(shots.latent, found.latent.values)
    assert shots.own().latent is shots.latent, "read once for all"
    for i, name in enumerate(shots.components):
        np.testing.assert_array_equal(shots.column(name).values, shots.latent[:, i])
        assert shots.column(name).label == f"component {i}"
    assert shots.column("shot").values.tolist() == list(range(N))


def test_shots__classes_say_what_their_values_mean(shots: Shots, store: Path) -> None:
    n = open_dataset(store).n_particles.values
    kept = open_dataset(store, group="latent/pairs").is_single.values
    meaning = dict(shots.column("confusion").classes)
    for particles, keep, value in zip(n, kept, shots.column("confusion").values, strict=True):
        wanted = (
            ("single accepted" if keep else "single rejected")
            if particles == 1
            else ("multiple accepted" if keep else "multiple rejected")
        )
        assert meaning[int(value)] == wanted
    kind = dict(shots.column("hit").classes)
    assert [kind[int(v)] for v in shots.column("hit").values] == [["blank", "single", "multiple"][min(k, 2)] for k in n]
    assert shots.column("verdict").classes == ((0, "blank"), (1, "single"), (2, "multiple"))
    assert shots.column("fitted").classes == ((0, "no"), (1, "yes"))
    assert shots.column("shot_status").classes == ((0, "pending"), (1, "done"))
    assert shots.column("photon_count").classes == ()


def test_shots__angles_turn_the_axis_to_where_it_points(shots: Shots, store: Path) -> None:
    n, q = (open_dataset(store)[name].values for name in ("n_particles", "orientation"))
    angles = [shots.column(name).values for name in ("azimuth", "elevation", "rotation")]
    for values in angles:
        np.testing.assert_array_equal(np.isnan(values), n == 0)
    azimuth, elevation = (np.deg2rad(a[n > 0]) for a in angles[:2])
    axis = Rotation.from_quat(q[n > 0, 0], scalar_first=True).apply([0, 0, 1])
    pointed = np.stack(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], -1
    )
    np.testing.assert_allclose(pointed, axis, atol=1e-12)


@given(quaternions)
def test_axis_angles__make_the_rotation_again(q: np.ndarray) -> None:
    azimuth, elevation, rotation = (float(a[0]) for a in axis_angles(q[None]))
    np.testing.assert_allclose([azimuth, elevation, rotation], np.ravel(axis_angles(-q[None])), atol=1e-9)
    # about z, then along the great circle from z towards the azimuth
    swing = Rotation.from_rotvec(
        np.deg2rad(90 - elevation) * np.array([-np.sin(np.deg2rad(azimuth)), np.cos(np.deg2rad(azimuth)), 0])
    )
    again = swing * Rotation.from_euler("z", rotation, degrees=True)
    apart = (again.inv() * Rotation.from_quat(q, scalar_first=True)).magnitude()
    assert apart < 1e-6 or elevation < -89.999


def test_shots__are_read_once_and_cannot_be_changed(shots: Shots) -> None:
    assert shots.column("c0") is shots.column("c0")
    with pytest.raises(ValueError, match="read-only"):
        shots.column("c0").values[0] = 0


def test_shots__know_the_embeddings(store: Path) -> None:
    first = Shots.of(open_run(store))
    assert (first.embeddings, first.embedding) == (["early", "pairs"], "pairs")
    assert {"c1", "verdict", "confusion"} <= set(first.names())
    first = Shots.of(open_run(store), "early")
    assert "c1" in first.names()
    assert not {"c2", "verdict", "confusion"} & set(first.names())
    with pytest.raises(UnknownNameError, match="pairs"):
        Shots.of(open_run(store), "pair")


def test_shots__unknown_quantities_are_told_with_the_near_ones(shots: Shots) -> None:
    with pytest.raises(UnknownNameError, match="did you mean photon_count"):
        shots.column("photon_cuont")
    with pytest.raises(UnknownNameError, match="c7"):
        shots.column("c7")


def test_shots__without_truth_and_embedding_have_fewer_quantities(store: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.zarr"
    shutil.copytree(store, bare)
    for name in ("n_particles", "orientation", "position", "fluence", "size", "background", "photon_energy", "latent"):
        shutil.rmtree(bare / name)
    shots = Shots.of(open_run(bare))
    assert shots.names() == ["photon_count", "lost_photons", "shot_status", "shot"]
    assert (shots.embeddings, shots.embedding, shots.n_shots) == ([], None, N)
    with pytest.raises(MissingFileError):
        Shots.of(open_run(tmp_path / "nothing.zarr"))


def test_shots__of_a_store_being_written_are_those_of_the_embedding(store: Path, tmp_path: Path) -> None:
    growing = tmp_path / "growing.zarr"
    shutil.copytree(store, growing)
    root = zarr.open_group(growing, mode="r+", use_consolidated=False)
    root.attrs["complete"] = False
    for array in root["latent/pairs"].arrays():
        if array[1].shape[0] == N:
            array[1].resize((300, *array[1].shape[1:]))
    shots = Shots.of(open_run(growing), "pairs")
    assert (shots.n_shots, shots.n_stored) == (300, N)
    assert all(shots.column(name).values.shape == (300,) for name in shots.names())
    assert Shots.of(open_run(growing), "early").n_shots == N


def test_kept__is_of_a_function_and_not_of_its_name(shots: Shots) -> None:
    lowest, highest = (lambda values: values.min()), (lambda values: values.max())
    assert lowest.__name__ == highest.__name__
    photons = shots.column("photon_count").values
    found = [shots.kept(make, "photon_count") for make in (lowest, highest, lowest)]
    assert found == [photons.min(), photons.max(), photons.min()]
    assert len([key for key in shots._kept if key[0] in (lowest, highest)]) == 2
