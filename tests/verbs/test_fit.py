"""`fit` and `transform` on Datasets of every kind, against `embed` on the store that they came from."""

from __future__ import annotations

import shutil
from pathlib import Path

import dask
import numpy as np
import pytest
import xarray as xr
from sklearn.neighbors import LocalOutlierFactor

from tests.small_stores import TAUGHT
from tests.tiny import frames, tiny_run
from xfeldask import embed, fit, open_dataset, transform
from xfeldask.errors import InputError

N = TAUGHT["n_shots"]
QUIET = {"sort": "elliptic_envelope", "progress": False}


@pytest.fixture(scope="module")
def store(sorted_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(sorted_run, tmp_path_factory.mktemp("dataset") / "run.zarr"))


@pytest.fixture(scope="module")
def embedded(store: Path) -> xr.Dataset:
    return embed(store, **QUIET).load()


@pytest.mark.parametrize("kind", ["memory", "dask", "lazy", "turned"])
def test_fit_and_transform__are_embed_without_a_store(store: Path, embedded: xr.Dataset, kind: str) -> None:
    ds = {
        "memory": lambda: open_dataset(store).load(),
        "dask": lambda: open_dataset(store, chunks={"shot": 70}),
        "lazy": lambda: open_dataset(store, chunks=None),
        "turned": lambda: open_dataset(store)[["image", "pixel_position", "mask"]].transpose("y", "x", "shot", ...),
    }[kind]()
    model = fit(ds, **QUIET)
    found = transform(ds, model, progress=False)
    for name in ("latent", "score", "is_single", "verdict", "envelope_distance", "components"):
        np.testing.assert_array_equal(found[name], embedded[name])
    assert found.attrs["decision"] == embedded.attrs["decision"]
    assert found.attrs["parameters"] == embedded.attrs["parameters"]


def test_fit__with_the_pair_rule_reads_low_q(sorted_run: Path) -> None:
    whole = open_dataset(sorted_run, group="latent/sorted").load()
    ds = open_dataset(sorted_run).drop_vars(["photons", "n_particles"])
    with dask.config.set(scheduler="synchronous"):
        model = fit(ds, progress=False)
        found = transform(ds, model, progress=False)
    for name in ("latent", "log_ratio", "probability_single", "is_single"):
        np.testing.assert_array_equal(found[name], whole[name])
    some = transform(ds.isel(shot=slice(256)), model, max_singles_lost=0.1, progress=False)
    np.testing.assert_array_equal(some.log_ratio, whole.log_ratio[:256])
    with pytest.raises(InputError, match=r"sort='pairs' needs low_q, which the shots do not have"):
        fit(ds.drop_vars("low_q"), progress=False)


def test_transform__of_other_shots_keeps_their_indices(store: Path, embedded: xr.Dataset) -> None:
    ds = open_dataset(store)
    model = fit(ds, **QUIET)
    part = transform(ds.isel(shot=slice(100, 150)), model, contamination=0.2, progress=False)
    np.testing.assert_array_equal(part.shot, np.arange(100, 150))
    np.testing.assert_allclose(part.latent, embedded.latent[100:150], atol=1e-4)
    assert int(part.is_single.sum()) == 40
    # blanks lie too close together for it
    hits = ds.isel(shot=ds.n_particles.values > 0)
    lonely = fit(hits, sort=LocalOutlierFactor(), progress=False)
    with pytest.raises(InputError, match="judges only the shots that it is fitted to"):
        transform(ds.isel(shot=slice(50)), lonely, progress=False)


def test_fit__takes_a_dataset_that_never_was_a_store(store: Path) -> None:
    ours = open_dataset(store)
    bare = xr.Dataset(
        {
            "image": (("shot", "y", "x"), ours.image.values),
            "pixel_position": ours.pixel_position.reset_coords(drop=True),
        },
        attrs={"pixel_size": ours.attrs["pixel_size"], "bin": ours.attrs["bin"]},
    ).assign(wavelength=2.695e-10)
    model = fit(bare, features="radial_profile", sort=None, progress=False)
    found = transform(bare, model, progress=False)
    assert found.latent.shape == (N, 3)
    assert "score" not in found


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda ds: ds.drop_vars("image"), r"no image \(shot, y, x\)"),
        (lambda ds: ds.drop_vars("pixel_position"), "no pixel_position"),
        (lambda ds: ds.drop_attrs(deep=False), r"no pixel_size \[m\]"),
        (lambda ds: ds.assign_attrs(photon_energy=0.0), "photon_energy"),
        (lambda ds: ds.assign_attrs(bin=2), "image of the Dataset has 64 x 64 bins, by its pixel_position.* 32 x 32"),
        (lambda ds: ds.isel(shot=slice(2)), "3 components need more shots"),
    ],
)
def test_fit__says_what_a_dataset_lacks(store: Path, change: object, told: str) -> None:
    with pytest.raises(InputError, match=told):
        fit(change(open_dataset(store)), **QUIET)


def test_transform__refuses_another_instrument(store: Path, tmp_path: Path) -> None:
    model = fit(open_dataset(store), sort=None, progress=False)
    other = tiny_run(tmp_path / "other.zarr", frames())
    with pytest.raises(InputError, match="images of 8 x 8 bins, the model knows 64 x 64"):
        transform(open_dataset(other.path), model, progress=False)
