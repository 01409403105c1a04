from __future__ import annotations

import shutil

import dask
import numpy as np
import pytest

from tests.tiny import embed_tiny, frames, tiny_run
from xfeldask import project
from xfeldask.errors import IncompleteStoreError, InputError, StoreExistsError, UnknownNameError
from xfeldask.physics.detectors import square
from xfeldask.store.run import Run

QUIET = {"progress": False}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return embed_tiny(tiny_run(tmp_path_factory.mktemp("project") / "model.zarr", frames(24)))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("project") / "other.zarr", frames(9, seed=2))


@pytest.fixture
def other(made, tmp_path):
    return Run.open(shutil.copytree(made.path, tmp_path / "other.zarr"))


@pytest.fixture(autouse=True)
def here():
    with dask.config.set(scheduler="synchronous"):
        yield


def test_project__gives_other_shots_the_coordinates_of_the_model(model, other):
    found = project(model.path, "pca", other.path, **QUIET)
    stored = model.embedding().dataset()
    rows = other.read("image").reshape(9, -1) - stored["mean"].values.ravel()
    np.testing.assert_allclose(found.latent, rows @ stored.components.values.reshape(2, -1).T, rtol=1e-4, atol=1e-4)
    assert not found.fitted.any()
    told = other.reopened().embedding("pca").parameters
    assert (told.projected_from, told.n_fitted) == ("model.zarr", 0)


def test_project__sorts_by_the_envelope_that_the_model_knows(model, other):
    found = project(model.path, "pca", other.path, as_name="theirs", **QUIET)
    parts = model.embedding().parts()["rule"]
    away = found.latent.values - parts.location_.values
    due = np.einsum("si,ij,sj->s", away, parts.precision_.values, away)
    np.testing.assert_allclose(found.envelope_distance, due, rtol=1e-4)
    assert list(other.reopened().embeddings) == ["theirs"]


def test_project__of_a_store_onto_itself_is_what_it_was(model, tmp_path):
    same = Run.open(shutil.copytree(model.path, tmp_path / "same.zarr"))
    found = project(same.path, "pca", same.path, as_name="again", **QUIET)
    np.testing.assert_allclose(found.latent, same.embedding("pca").dataset().latent, rtol=1e-4, atol=1e-4)


def test_project__never_replaces_unasked(model, other):
    project(model.path, "pca", other.path, **QUIET)
    with pytest.raises(StoreExistsError, match="has an embedding pca"):
        project(model.path, "pca", other.path, **QUIET)
    project(model.path, "pca", other.path, overwrite=True, **QUIET)


def test_project__refuses_in_one_sentence(model, other, tmp_path):
    wide = tiny_run(tmp_path / "wide.zarr", frames(4, square(16, 1e-3, 0.1)), square(16, 1e-3, 0.1))
    away = tiny_run(tmp_path / "away.zarr", frames(4), square(8, 1e-3, 0.2))
    half = tiny_run(tmp_path / "half.zarr", frames(8), done=4)
    for words, error, told in (
        ((model.path, "none", other.path), UnknownNameError, "unknown embedding 'none'"),
        ((model.path, "pca", wide.path), InputError, "is of another detector or geometry: its shots have 256 features"),
        ((model.path, "pca", away.path), InputError, "these shots are of another distance, wavelength or pixel size"),
        ((model.path, "pca", half.path), IncompleteStoreError, "is not complete"),
        ((half.path, "pca", other.path), IncompleteStoreError, "is not complete"),
    ):
        with pytest.raises(error, match=told):
            project(*words, **QUIET)
    assert list(other.reopened().embeddings) == []
