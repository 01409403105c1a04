"""A detector's response stands between what an engine draws and what a store holds, in every way to a shot."""

from __future__ import annotations

import shutil
from pathlib import Path

import dask
import numpy as np
import pytest
import zarr

from xfeldask import Experiment, ingest, open_dataset, open_run, register_engine, simulate, verify
from xfeldask.engines.engine import ENGINES
from xfeldask.engines.preparation import prepare
from xfeldask.engines.simulated import SimulatedFrames
from xfeldask.errors import ExperimentMismatchError, InputError
from xfeldask.formats.inputs import resolve
from xfeldask.physics.atoms import make_atoms

ATOMS = (np.random.default_rng(1).normal(size=(30, 3)) * 5e-10, ["C", "N", "O"] * 10)
N = 24
PLAIN = {"particle": ATOMS, "detector": {"source": "square-32", "pixel_size": 75e-6}, "n_shots": N, "seed": 5,
         "beam": {"photon_energy": 4600.0, "photons_per_pulse": 3e19, "focus_radius": 5e-7},
         "hits": {0: 0.1, 1: 0.6, 2: 0.3}, "nuisance": {"energy_spread": 0.01, "dead_fraction": 0.02}}  # fmt: skip
NOISY = {"preset": "pnccd", "noise": 1000.0, "dead_fraction": 0.02, "hot_fraction": 0.02}
QUIET = {"progress": False}


def made(path, response=None, **more):
    """A store of several shards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xfeldask.store.layout.SHARD_BYTES", 8 * 32 * 32)
        return simulate(path, **{**PLAIN, **({} if response is None else {"response": response}), **more}, **QUIET)


def bytes_of(path: Path) -> dict[str, bytes]:
    """What each chunk of a store holds."""
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("c/**/*") if file.is_file()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recording")
    made(folder / "plain.zarr")
    made(folder / "noisy.zarr", NOISY)
    made(folder / "adu.zarr", {**NOISY, "adu": True})
    return folder


def test_ideal_photons__are_those_of_the_store_without_response(folder):
    plain, noisy, adu = (open_dataset(folder / f"{name}.zarr") for name in ("plain", "noisy", "adu"))
    for ds in (noisy, adu):
        np.testing.assert_array_equal(ds.ideal_photons, plain.photons)
        assert (ds.photons != plain.photons).any()
        assert not ds.photons.values[:, plain.mask.values == 0].any()
        for name in ("orientation", "fluence", "photon_energy", "mask"):
            np.testing.assert_array_equal(ds[name], plain[name])
        sums = ds.photons.values.sum(axis=(1, 2, 3))
        np.testing.assert_array_equal(ds.photon_count, sums)
        np.testing.assert_array_equal(ds.image.values.sum(axis=(1, 2)), sums)
    assert plain.photons.sum() > 3000
    assert (noisy.pixel_gain == 0).any()
    assert noisy.hot_pixel.any()
    assert {"ideal_photons", "adu", "pixel_gain", "hot_pixel"}.isdisjoint(plain)
    assert ("adu" in adu, "adu" in noisy) == (True, False)


@pytest.mark.parametrize("name", ["noisy", "adu"])
def test_store__is_verified_and_drawn_again(folder, name, tmp_path):
    assert verify(folder / f"{name}.zarr", recompute=N, **QUIET).ok
    store = Path(shutil.copytree(folder / f"{name}.zarr", tmp_path / "run.zarr"))
    root = zarr.open_group(store, mode="r+")
    root["hot_pixel"][0, 3, 3] = 1 - root["hot_pixel"][0, 3, 3]
    assert {p.variable for p in verify(store, recompute=1, **QUIET).problems} == {"hot_pixel"}
    shutil.rmtree(store / "ideal_photons")
    shutil.rmtree(store / "pixel_gain")
    assert {"ideal_photons", "pixel_gain"} <= {p.variable for p in verify(store, **QUIET).problems}


def test_store__has_the_same_bytes_however_its_shots_are_drawn(folder, tmp_path):
    with dask.config.set(scheduler="threads", num_workers=3):
        made(tmp_path / "threads.zarr", NOISY)
    with dask.config.set(scheduler="synchronous"):
        made(tmp_path / "alone.zarr", NOISY)
    due = bytes_of(folder / "noisy.zarr")
    assert any(name.startswith("ideal_photons") for name in due)
    assert bytes_of(tmp_path / "threads.zarr") == bytes_of(tmp_path / "alone.zarr") == due
    # one shard
    ds = simulate(tmp_path / "whole.zarr", **PLAIN, response=NOISY, **QUIET)
    for name in ("photons", "ideal_photons", "image", "photon_count"):
        np.testing.assert_array_equal(ds[name], open_dataset(folder / "noisy.zarr")[name])


def test_run__that_broke_off_is_finished_to_the_same_bytes(folder, tmp_path):
    store = Path(shutil.copytree(folder / "noisy.zarr", tmp_path / "run.zarr"))
    run = open_run(store, mode="r+")
    run.group["shot_status"][8:16] = 0
    run.group.attrs["complete"] = False
    for name in ("photons", "ideal_photons", "image"):
        shutil.rmtree(store / name / "c" / "1")
    made(store, NOISY, resume=True)
    assert bytes_of(store) == bytes_of(folder / "noisy.zarr")
    with pytest.raises(ExperimentMismatchError, match=r"detector\.response\.noise"):
        made(store, {**NOISY, "noise": 900.0}, resume=True)
    with pytest.raises(ExperimentMismatchError, match=r"detector\.response"):
        made(store, resume=True)


def test_frames__of_an_experiment_are_those_of_its_store(folder):
    for name, response in (("noisy", NOISY), ("adu", {**NOISY, "adu": True})):
        parts = {**PLAIN, "particle": "arrays", "detector": {**PLAIN["detector"], "response": response}}
        frames = SimulatedFrames(prepare(resolve(Experiment(**parts), make_atoms(*ATOMS))))
        photons = open_dataset(folder / f"{name}.zarr").photons.values
        np.testing.assert_array_equal(frames.read(range(3, 9)), photons[3:9])


def test_adu__are_photonized_by_ingest_to_the_photons_of_the_store(folder, tmp_path):
    ds = open_dataset(folder / "adu.zarr")
    how = {"gain": 1250 * 4.6, "common_mode": "half_row"}
    again = ingest(folder / "adu.zarr" / "adu", tmp_path / "again.zarr", geometry=str(folder / "adu.zarr"),
                   wavelength=open_run(folder / "adu.zarr").wavelength, photonize=how, **QUIET)  # fmt: skip
    # pixels that are hot in most shots are found to be bad by what they give, and masked
    same = again.mask.values == 1
    assert same.mean() > 0.9
    np.testing.assert_array_equal(again.photons.values[:, same], ds.photons.values[:, same])


def test_response__is_of_any_engine(tmp_path, monkeypatch):
    class Ones:
        def __init__(self, geometry):
            self.shape = geometry.shape

        def draw(self, plan, shots):
            yield np.ones((len(shots), *self.shape), int)

    monkeypatch.setattr(ENGINES, "_things", dict(ENGINES._things))
    register_engine("ones", Ones)
    ds = made(tmp_path / "run.zarr", {"dead_fraction": 0.3}, engine="ones")
    good = ds.mask.values == 1
    assert (ds.ideal_photons.values[:, good] == 1).all()
    np.testing.assert_array_equal(ds.photons.values[3, good], (ds.pixel_gain.values > 0)[good])


def test_response__that_does_not_fit_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(InputError, match="more than a third of a pixel"):
        made(tmp_path / "run.zarr", {"cloud": 30e-6})
    assert not list(tmp_path.iterdir())


def test_response__not_given_leaves_the_digest_as_it_was():
    plain = Experiment(particle="chaperonin", n_shots=3)
    assert plain.digest == "afb4c8833663cf0eb22c3a71a2047bfb7fde0c1765985c2772dc74392bffcd6c"
    assert Experiment(particle="chaperonin", n_shots=3, detector={"response": "pnccd"}).digest != plain.digest
