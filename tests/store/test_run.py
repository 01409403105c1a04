from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from tests.tiny import embed_tiny, frames, tiny_run
from xfeldask import embed, open_dataset, open_run, simulate
from xfeldask.errors import CorruptStoreError, IncompleteStoreError, InputError, MissingFileError, UnknownNameError
from xfeldask.physics.binning import image_grid, low_q_grid
from xfeldask.physics.detectors import builtin_geometry, wavelength
from xfeldask.store.store_given import opened

N = 9


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A small store with two embeddings; read only."""
    path = tmp_path_factory.mktemp("run") / "run.zarr"
    simulate(path, particle="chaperonin", detector="square-64", n_shots=N, seed=4, progress=False)
    for name in ("b", "a"):
        embed(path, name=name, n_components=2, sort=None, progress=False)
    return path


@pytest.fixture
def copy(store, tmp_path):
    """A copy that may be spoilt."""
    return Path(shutil.copytree(store, tmp_path / "run.zarr"))


def without(path: Path, *names: str) -> Path:
    """Take attributes of the root away."""
    root = json.loads((path / "zarr.json").read_text())
    for name in names:
        del root["attributes"][name]
    (path / "zarr.json").write_text(json.dumps(root))
    return path


def test_run__knows_what_it_was_simulated_from(store):
    run = open_run(store)
    assert (run.n_shots, run.complete, run.symmetry, run.done().all()) == (N, True, "D8", True)
    assert run.experiment is not None
    assert (run.experiment.seed, run.identity) == (4, run.experiment.digest)
    assert run.photon_energy == 4600
    assert run.wavelength == wavelength(4600)
    assert run.atoms is not None
    assert len(run.atoms) == run.dataset().sizes["atom"]
    assert run.volume.values.ndim == 3


def test_run__knows_its_bins(store):
    run = open_run(store)
    geometry = builtin_geometry("square-64")
    np.testing.assert_array_equal(run.geometry.pixel_position, geometry.pixel_position)
    for mine, made in (
        (run.image_grid, image_grid(geometry, wavelength(4600), run.bin)),
        (run.low_q_grid, low_q_grid(geometry, wavelength(4600))),
    ):
        np.testing.assert_array_equal(mine.s, made.s)
    assert run.image_grid is run.image_grid


def test_run__opens_its_root_once(store, monkeypatch):
    opened = []
    open_group = zarr.open_group
    monkeypatch.setattr(zarr, "open_group", lambda *a, **k: opened.append(a) or open_group(*a, **k))
    run = open_run(store)
    _ = run.geometry, run.atoms, run.volume, run.embeddings, run.selections, run.facts(), run.experiment, run.done()
    assert len(opened) == 1


def test_run__travels_as_its_path(store):
    run = open_run(store)
    sent = pickle.dumps(run)
    assert len(sent) < 500
    assert pickle.loads(sent).identity == run.identity


def test_run__of_shots_that_were_not_simulated(copy):
    for name in ("atom_position", "atom_element", "atom_occupancy", "volume"):
        shutil.rmtree(copy / name)
    run = open_run(without(copy, "experiment", "experiment_digest", "particle", "seed"))
    assert (run.experiment, run.identity, run.atoms, run.symmetry) == (None, None, None, None)
    assert run.wavelength == wavelength(4600)
    assert run.facts()["source"] == "not simulated"
    with pytest.raises(MissingFileError, match="holds no form factor; it was not simulated"):
        _ = run.volume


def test_run__of_an_older_store_has_its_energy_from_the_experiment(copy):
    assert open_run(without(copy, "photon_energy")).photon_energy == 4600
    without(copy, "experiment")
    with pytest.raises(CorruptStoreError, match="tells no photon energy"):
        _ = open_run(copy).wavelength


def test_dataset__is_what_open_dataset_gives(store):
    run = open_run(store)
    xr.testing.assert_identical(run.dataset(), open_dataset(store))
    xr.testing.assert_identical(run.dataset("latent/a", None), open_dataset(store, group="latent/a", chunks=None))
    with pytest.raises(MissingFileError, match=r"has no group photons; it has latent/a"):
        run.dataset("photons")
    with pytest.raises(MissingFileError, match=r"has no group latent/c; it has latent/a, latent/b, volume/chaperonin"):
        run.dataset("latent/c")


def test_embeddings__are_those_on_disk_now(copy):
    run = open_run(copy)
    assert list(run.embeddings) == ["a", "b"]
    embed(copy, name="c", n_components=2, sort=None, progress=False)
    assert list(run.embeddings) == ["a", "b", "c"]


def test_embedding__is_the_one_that_is_meant(copy):
    run = open_run(copy)
    assert run.embedding("b").name == "b"
    with pytest.raises(InputError, match="has the embeddings a, b; say which"):
        run.embedding()
    with pytest.raises(UnknownNameError, match="unknown embedding 'c'; known: a, b"):
        run.embedding("c")
    shutil.rmtree(copy / "latent" / "b")
    assert run.embedding().name == "a"
    shutil.rmtree(copy / "latent")
    with pytest.raises(MissingFileError, match="has no embedding; make one with xfeldask embed"):
        run.embedding()


def test_refuse_incomplete__is_one_sentence(copy):
    zarr.open_group(copy, mode="r+").attrs["complete"] = False
    with pytest.raises(IncompleteStoreError, match=r"is not complete; finish it with resume=True \(--resume\)"):
        open_run(copy).refuse_incomplete()
    with pytest.raises(IncompleteStoreError):
        open_dataset(copy)


@pytest.mark.parametrize("shown", [repr, lambda run: run._repr_html_()])
def test_repr__says_what_is_in_it(store, shown):
    told = shown(open_run(store))
    for words in (str(store), f"{N} of {N} done", "64 x 64 pixels of 1200 um, 150 mm away", "4600 eV", "a, b"):
        assert words in told


def test_repr__has_a_column_of_names_and_one_of_values(store):
    run = open_run(store)
    for name, line in zip(run.facts(), repr(run).splitlines()[1:], strict=True):
        assert line[:19].strip() == name
        assert line[18] == " "
        assert line[19:] == run.facts()[name]
    assert run.facts()["shots"] == f"{N} of {N} done, 1 shard"


def test_repr_html__shows_a_hostile_name_as_text(copy):
    hostile = copy.rename(copy.with_name("<img src=x>.zarr"))
    assert "<img" not in open_run(hostile)._repr_html_()


def test_run__opened_by_a_relative_path_stays_the_same_in_another_folder(tmp_path, monkeypatch):
    for name, seed in (("here", 1), ("there", 2)):
        (tmp_path / name).mkdir()
        embed_tiny(tiny_run(tmp_path / name / "run.zarr", frames(20, seed=seed)))
    due = frames(20, seed=1)
    monkeypatch.chdir(tmp_path / "here")
    run, ds = open_run("run.zarr"), open_dataset("run.zarr")
    assert "xfeldask.Run run.zarr" in repr(run)
    assert f"{run.embedding()!r}".startswith("<xfeldask.Embedding pca of run.zarr>")
    monkeypatch.chdir(tmp_path / "there")
    assert f"xfeldask.Run {tmp_path}/here/run.zarr" in repr(run)
    assert (run.path, ds.encoding["source"]) == (tmp_path / "here/run.zarr", str(tmp_path / "here/run.zarr"))
    np.testing.assert_array_equal(run.read("photons"), due)
    np.testing.assert_array_equal(run.reopened().read("photons"), due)
    np.testing.assert_array_equal(ds.photons.values, due)
    np.testing.assert_array_equal(opened(ds).read("photons"), due)
    here = open_run(tmp_path / "here/run.zarr").embedding().dataset()
    np.testing.assert_array_equal(run.embedding().dataset().latent, here.latent)


def test_mixture__reads_atoms_once(store, monkeypatch):
    run = open_run(store)
    monkeypatch.setattr(type(run), "read", lambda run, name: pytest.fail(f"{name} was read"))
    assert run.mixture.wanted_body.name == "chaperonin"
