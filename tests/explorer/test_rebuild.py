"""Rebuilt shots against least squares, and against the coordinates that the store has."""

import json
from pathlib import Path

import numpy as np
import pytest
import zarr
from sklearn import decomposition

from xfeldask import embed, open_dataset, simulate
from xfeldask.errors import CorruptStoreError, InputError, MissingFileError, UnknownNameError
from xfeldask.explorer.model.rebuild import IMAGE_FEATURES, LinearSpace
from xfeldask.store.run import open_run

ATOMS = (np.random.default_rng(1).normal(size=(30, 3)) * 5e-10, ["C", "N", "O"] * 10)
BRIGHT = {"photon_energy": 4600.0, "photons_per_pulse": 1e15, "focus_radius": 5e-7}
N = 60


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rebuild") / "run.zarr"
    simulate(path, particle=ATOMS, detector="square-32", beam=BRIGHT, n_shots=N, hits={0: 0.1, 1: 0.9}, progress=False)
    return path


def embedded(store: Path, name: str, **options: object) -> LinearSpace:
    embed(store, name=name, sort=None, overwrite=True, progress=False, **{"n_components": 4, **options})
    return LinearSpace.of(open_run(store).embedding(name))


@pytest.mark.parametrize(
    ("method", "feature"),
    [
        pytest.param(method, feature, marks=() if method == "ipca" or feature == "counts" else pytest.mark.campaign)
        for method in ("ipca", "pca", "ensemble_pca")
        for feature in IMAGE_FEATURES
    ],
)
def test_rebuild__is_the_least_squares_fit_of_the_components(store: Path, method: str, feature: str) -> None:
    space = embedded(store, "any", method=method, features=feature, batch_size=16)
    latent = open_dataset(store, group="latent/any").latent.values
    assert (space.name, space.feature, space.components.shape) == ("any", feature, (4, 32, 32))
    for shot in (0, 7, N - 1):
        for k in range(5):
            found = space.rebuild(shot, k)
            basis = space.components[:k].reshape(k, space.mean.size).T.astype(float)
            away = (found.image - space.mean).ravel()
            weight = np.linalg.lstsq(basis, away)[0] if k else np.zeros(0)
            scale = np.abs(found.image).max() + 1e-9
            np.testing.assert_allclose(found.rebuilt.ravel(), basis @ weight + space.mean.ravel(), atol=1e-4 * scale)
            np.testing.assert_allclose(weight, latent[shot, :k], atol=1e-4 * scale)
            np.testing.assert_allclose(found.image - found.rebuilt, found.residual, atol=1e-5 * scale)
            assert found.unexplained == pytest.approx(
                (found.residual.astype(float) ** 2).sum() / (away @ away), rel=1e-4
            )
            assert found.n_components == k


def test_rebuild__of_counts_is_the_stored_image(store: Path) -> None:
    space = embedded(store, "counts")
    for shot in (0, 3):
        np.testing.assert_array_equal(space.rebuild(shot).image, open_dataset(store).image.values[shot])
    assert space.units == "count"


def test_rebuild__of_a_bin_that_an_older_version_stored_as_a_float(store: Path) -> None:
    space = embedded(store, "older")
    group = zarr.open_group(store, mode="r+")["latent/older"]
    told = json.loads(group.attrs["parameters"])
    told["features"]["bin"] = float(told["features"]["bin"])
    group.attrs["parameters"] = json.dumps(told)
    again = LinearSpace.of(open_run(store).embedding("older"))
    np.testing.assert_array_equal(again.rebuild(3).rebuilt, space.rebuild(3).rebuilt)


def test_rebuild__gains_with_every_component(store: Path) -> None:
    space = embedded(store, "gains", n_components=8)
    for shot in range(5):
        left = [space.rebuild(shot, k).unexplained for k in range(9)]
        assert left[0] == pytest.approx(1)
        assert (np.diff(left) <= 1e-12).all()


def test_rebuild__takes_bins_of_another_size(store: Path) -> None:
    space = embedded(store, "coarse", features={"name": "counts", "bin": 4})
    image = open_dataset(store).image.values[5].reshape(8, 4, 8, 4).sum(axis=(1, 3))
    np.testing.assert_array_equal(space.rebuild(5).image, image)
    assert space.components.shape == (4, 8, 8)


def test_rebuild__with_all_directions_leaves_nothing(store: Path) -> None:
    space = embedded(store, "all", method=decomposition.PCA(N - 1), batch_size=N)
    images = open_dataset(store).image.values
    found = space.rebuild(11)
    assert found.unexplained < 1e-6
    np.testing.assert_allclose(found.rebuilt, images[11], atol=1e-2)


def test_scree__is_the_variance_of_the_coordinates(store: Path) -> None:
    scree = embedded(store, "scree", method="pca").scree()
    latent = open_dataset(store, group="latent/scree").latent.values
    np.testing.assert_allclose(scree.variance, latent.var(axis=0, ddof=1), rtol=1e-3)
    np.testing.assert_allclose(scree.share, scree.variance / scree.variance.sum())
    np.testing.assert_allclose(scree.cumulative, [scree.share[: i + 1].sum() for i in range(4)])
    assert scree.component.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "diffusion_map", "n_components": 2}, "diffusion_map, which is not linear"),
        ({"features": "autocorrelation"}, "autocorrelation, which has no number for each bin"),
        ({"features": "radial_profile"}, "radial_profile, which has no number"),
        ({"features": {"name": "fourier_crop", "n": 8}}, "fourier_crop, which has no number"),
        ({"method": decomposition.FactorAnalysis(2)}, "not orthonormal"),
        ({"method": decomposition.TruncatedSVD(2)}, "TruncatedSVD, which is not linear"),
    ],
)
def test_open__says_why_no_image_can_be_rebuilt(store: Path, options: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        embedded(store, "other", **options)


def test_rebuild__refuses_shots_and_components_that_are_not_there(store: Path) -> None:
    space = embedded(store, "refusals")
    for shot in (-1, N):
        with pytest.raises(InputError, match=f"shots 0 to {N - 1}"):
            space.rebuild(shot)
    for k in (-1, 5):
        with pytest.raises(InputError, match="has 4 components"):
            space.rebuild(0, k)


def test_open__refuses_what_is_not_there_or_broken(store: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="nobody"):
        LinearSpace.of(open_run(store).embedding("nobody"))
    bare = tmp_path / "bare.zarr"
    simulate(bare, particle=ATOMS, detector="square-32", beam=BRIGHT, n_shots=8, progress=False)
    with pytest.raises(MissingFileError, match="no embedding"):
        LinearSpace.of(open_run(bare).embedding())
    embed(bare, n_components=2, sort=None, progress=False)
    assert len(LinearSpace.of(open_run(bare).embedding()).components) == 2
    group = zarr.open_group(bare / "latent" / "ipca", mode="r+", use_consolidated=False)
    group.attrs["parameters"] = json.dumps({"method": "ipca"})
    with pytest.raises(CorruptStoreError, match="ipca"):
        LinearSpace.of(open_run(bare).embedding())
