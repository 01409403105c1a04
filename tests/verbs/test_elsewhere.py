"""Photons that stay in the files they came from: the same values, and one sentence where a file is not there."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
from pathlib import Path
from threading import Thread

import h5py
import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.formats import cxi_writer
from tests.formats.emc_writer import write_vlen
from tests.rarely import rarely
from tests.strategies import examples
from xfeldask import embed, export, ingest, open_dataset, open_run, verify
from xfeldask.errors import InputError, LostPhotonsWarning, MissingFileError, StoreBusyError
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.statistics import frame_sums
from xfeldask.store import layout
from xfeldask.store.elsewhere import PhotonStore, forget_readers, stored_elsewhere
from xfeldask.store.layout import INGESTED
from xfeldask.store.storage.lock import held
from xfeldask.verbs.export import write_back

N = 40
GIVEN = {"geometry": "square-16", "wavelength": 2e-10, "progress": False}


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """Several shards, each read in several blocks; no file stays open."""
    monkeypatch.setattr(layout, "SHARD_BYTES", 8 * 256)
    monkeypatch.setattr("xfeldask.engines.reading.BLOCK_BYTES", 3 * 4 * 256)
    yield
    forget_readers()


def frames(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).poisson(0.5, (N, 1, 16, 16)).astype(np.uint8)


def npy(folder: Path) -> tuple[list[Path], dict]:
    good = np.ones((1, 16, 16), bool)
    good[0, 5:9] = False
    np.save(folder / "run.npy", frames().astype(np.int32) * 200)
    return [folder / "run.npy"], GIVEN | {"mask": good, "photon_dtype": "uint8"}


def several(folder: Path) -> tuple[list[Path], dict]:
    for name, part in (("a.h5", frames()[:15]), ("b.h5", frames()[15:])):
        write_vlen(folder / name, part.reshape(-1, 256))
    return [folder / "a.h5", folder / "b.h5"], GIVEN


def chunked(folder: Path) -> tuple[list[Path], dict]:
    with h5py.File(folder / "run.h5", "w") as file:
        file.create_dataset("frames", data=frames(), chunks=(7, 1, 16, 16), compression="gzip", dtype=">u2")
    return [folder / "run.h5"], GIVEN


def cxi(folder: Path) -> tuple[list[Path], dict]:
    cxi_writer.write_euxfel(folder / "run.cxi", cxi_writer.frames(N))
    return [folder / "run.cxi"], {"progress": False}


def virtual(folder: Path) -> tuple[list[Path], dict]:
    cxi_writer.write_virtual(folder / "run.cxi", np.random.default_rng(2).poisson(0.5, (N, 2, 8, 16)).astype(np.uint8))
    return [folder / "run.cxi"], {**GIVEN, "geometry": {"source": "square-16"}}


def adu(folder: Path) -> tuple[list[Path], dict]:
    rng = np.random.default_rng(3)
    np.save(folder / "run.npy", (frames() * 8 + rng.normal(0, 1, (N, 1, 16, 16))).astype(np.float32))
    np.save(folder / "gain.npy", np.full((1, 16, 16), 8.0))
    return [folder / "run.npy"], GIVEN | {"photonize": {"gain": str(folder / "gain.npy"), "common_mode": "row"}}


@pytest.mark.filterwarnings("ignore::xfeldask.errors.LostPhotonsWarning")
@pytest.mark.parametrize("write", [rarely(npy), rarely(several), chunked, cxi, virtual, adu])
def test_left__is_as_copied(tmp_path, write):
    sources, given_ = write(tmp_path)
    copied = ingest(sources, tmp_path / "copied.zarr", **given_)
    left = ingest(sources, tmp_path / "left.zarr", copy=False, **given_)
    xr.testing.assert_equal(left.load(), copied.load())
    assert left.photons.dtype == copied.photons.dtype
    here, there = open_run(tmp_path / "left.zarr"), open_run(tmp_path / "copied.zarr")
    assert (here.layout, here.identity) == (there.layout, there.identity)
    assert not (tmp_path / "left.zarr/photons").exists()
    assert verify(tmp_path / "left.zarr", progress=False).problems == ()


@pytest.mark.filterwarnings("ignore::xfeldask.errors.LostPhotonsWarning")
@examples(0.1)
@given(
    data=arrays(np.uint16, st.tuples(st.integers(1, 12), st.just(8), st.just(8)), elements=st.integers(0, 400)),
    dtype=st.sampled_from([None, "uint8", "uint16", "uint32"]),
    seed=st.integers(0, 99),
)
def test_left__is_as_copied_whatever_the_frames(tmp_path_factory, data, dtype, seed):
    folder = tmp_path_factory.mktemp("any")
    np.save(folder / "run.npy", data)
    mask = np.random.default_rng(seed).random((1, 8, 8)) < 0.8
    given_ = {"geometry": "square-8", "wavelength": 2e-10, "mask": mask, "photon_dtype": dtype, "progress": False}
    forget_readers()
    two = (ingest(folder / "run.npy", folder / f"{copy}.zarr", copy=copy, **given_) for copy in (True, False))
    xr.testing.assert_equal(*(one.load() for one in two))


@pytest.fixture
def left(tmp_path):
    np.save(tmp_path / "run.npy", frames())
    ingest(tmp_path / "run.npy", tmp_path / "left.zarr", copy=False, **GIVEN)
    return tmp_path / "left.zarr"


def test_left__is_read_by_whoever_asks_for_photons(tmp_path, left):
    ingest(tmp_path / "run.npy", tmp_path / "copied.zarr", **GIVEN)
    for name in ("left", "copied"):
        export(tmp_path / f"{name}.zarr", tmp_path / f"{name}.emc", where="photon_count > 120", progress=False)
    assert (tmp_path / "left.emc").read_bytes() == (tmp_path / "copied.emc").read_bytes()
    run = open_run(left)
    assert ("photons" in run, "where photons are left" in run.facts()["source"]) == (True, True)
    np.testing.assert_array_equal(run.read("photons", slice(5, 21)), frames()[5:21])
    np.testing.assert_array_equal(frame_sums(run, np.array([0, 3, 4, 30]))[0], frames()[[0, 3, 4, 30]].sum(axis=0))
    assert np.nansum(Pictures(run).whole(7).values) == frames()[7].sum()
    lazily = pickle.loads(pickle.dumps(open_dataset(left)))
    np.testing.assert_array_equal(lazily.photons[[1, 39]].values, frames()[[1, 39]])


def test_left__is_not_taken_for_blank_shots_by_plain_readers(left):
    plain = xr.open_zarr(left, consolidated=False)
    assert "photons" not in plain
    assert int(plain.image.sum()) == frames().sum()


def test_left__of_the_format_before_is_gone_on_with_as_nothing_of_it_is_drawn(tmp_path, monkeypatch):
    np.save(tmp_path / "run.npy", frames())
    with monkeypatch.context() as patch:
        patch.setattr("xfeldask.verbs.parts.ingest_template.FORMAT", min(INGESTED))
        ingest(tmp_path / "run.npy", tmp_path / "left.zarr", copy=False, **GIVEN)
    assert open_run(tmp_path / "left.zarr").attributes["format"] == min(INGESTED)
    (tmp_path / "run.npy").rename(tmp_path / "moved.npy")
    found = ingest(tmp_path / "moved.npy", tmp_path / "left.zarr", copy=False, resume=True, **GIVEN)
    np.testing.assert_array_equal(found.photons.values, frames())


def test_left__whose_file_is_gone_is_told_and_the_rest_goes_on(tmp_path, left):
    open_run(left).read("photons", 0)
    (tmp_path / "run.npy").rename(tmp_path / "moved.npy")
    for read in (lambda: open_run(left).read("photons", 3), lambda: open_dataset(left).photons[2].values):
        with pytest.raises(
            MissingFileError, match=r"the photons of .*left\.zarr are in .*run\.npy, which cannot be read"
        ):
            read()
    with pytest.raises(MissingFileError, match=r"run\.npy, which cannot be read") as told:
        export(left, tmp_path / "left.emc", progress=False)
    assert "choose a disk" not in str(told.value)
    (problem,) = verify(left, progress=False).problems
    assert (problem.variable, problem.shots, "run.npy" in problem.what) == ("photons", range(N), True)
    assert embed(left, sort="elliptic_envelope", n_components=2, progress=False).sizes["shot"] == N
    found = ingest(tmp_path / "moved.npy", left, copy=False, resume=True, **GIVEN)
    np.testing.assert_array_equal(found.photons.values, frames())
    assert verify(left, progress=False).problems == ()


@pytest.mark.parametrize("read", [False, True])
def test_left__whose_file_has_changed_is_told(tmp_path, left, read):
    if read:
        open_run(left).read("photons", 0)
    (tmp_path / "run.npy").unlink()
    np.save(tmp_path / "run.npy", frames(2))
    with pytest.raises(InputError, match=r"in .*run\.npy, which has changed since; ingest it again"):
        open_run(left).read("photons")
    with pytest.raises(InputError, match="fingerprint"):
        ingest(tmp_path / "run.npy", left, copy=False, resume=True, **GIVEN)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("read", [False, True])
def test_left__of_a_zarr_array_whose_chunk_was_written_anew_is_told(tmp_path, version, read):
    source = tmp_path / "run.zarr"
    array = zarr.create_array(source, data=frames(), chunks=(10, 1, 16, 16), zarr_format=version)
    ingest(source, tmp_path / "left.zarr", copy=False, **GIVEN)
    (told,) = stored_elsewhere(open_run(tmp_path / "left.zarr").group).files
    assert told.path == str(source)
    if read:
        np.testing.assert_array_equal(open_run(tmp_path / "left.zarr").read("photons"), frames())
    array[20:25] = 7
    with pytest.raises(InputError, match=r"in .*run\.zarr, which has changed since; ingest it again"):
        open_dataset(tmp_path / "left.zarr").photons.load()
    shutil.rmtree(source)
    with pytest.raises(MissingFileError, match=r"run\.zarr, which cannot be read"):
        open_run(tmp_path / "left.zarr").read("photons", 0)


def test_left__is_looked_for_once_in_a_read(left, monkeypatch):
    looks = []
    monkeypatch.setattr(PhotonStore, "_reader", lambda self, real=PhotonStore._reader: looks.append(1) or real(self))
    open_run(left).read("photons", slice(3, 30))
    assert len(looks) == 1


def test_left__of_a_virtual_file_misses_what_that_names(tmp_path):
    sources, given_ = virtual(tmp_path)
    ingest(sources, tmp_path / "left.zarr", copy=False, **given_)
    (tmp_path / "module01.h5").unlink()
    with pytest.raises(MissingFileError, match=r"module01\.h5, which cannot be read"):
        open_run(tmp_path / "left.zarr").read("photons", 0)


@pytest.fixture
def sorted_cxi(tmp_path):
    """A store of a CXI file, sorted, and how it was ingested."""
    sources, given_ = cxi(tmp_path)
    ingest(sources, tmp_path / "left.zarr", copy=False, **given_)
    embed(tmp_path / "left.zarr", sort="elliptic_envelope", n_components=2, progress=False)
    return tmp_path / "left.zarr", sources, given_


def test_left__stays_readable_after_verdicts_were_written_back(sorted_cxi):
    left, sources, given_ = sorted_cxi
    before = open_run(left).read("photons")
    write_back(left)
    np.testing.assert_array_equal(open_run(left).read("photons"), before)
    assert verify(left, progress=False).problems == ()
    # the file is still the one that was ingested
    np.testing.assert_array_equal(ingest(sources, left, copy=False, resume=True, **given_).photons.values, before)
    assert verify(left, progress=False).problems == ()


def test_write_back__that_breaks_off_leaves_photons_readable(sorted_cxi, monkeypatch):
    left, _, _ = sorted_cxi
    before = open_run(left).read("photons")

    def half(path, *rest):
        with h5py.File(path, "r+") as file:
            file.attrs["half"] = 1
        raise InputError("another has it open")

    monkeypatch.setattr("xfeldask.verbs.export.write_back_result", half)
    with pytest.raises(InputError, match="another has it open"):
        write_back(left)
    np.testing.assert_array_equal(open_run(left).read("photons"), before)


def test_write_back__refuses_other_frames_than_those_that_were_sorted(sorted_cxi):
    left, (source,), _ = sorted_cxi
    source.unlink()
    cxi_writer.write_euxfel(source, cxi_writer.frames(N)[::-1])
    with pytest.raises(InputError, match="which has changed since"):
        write_back(left)


def test_resume__keeps_the_type_of_photons(tmp_path):
    sources, given_ = npy(tmp_path)
    with pytest.warns(LostPhotonsWarning):
        before = ingest(sources, tmp_path / "left.zarr", copy=False, **given_).photons.values
    broken_off = open_run(tmp_path / "left.zarr", mode="r+")
    layout.shot_array(broken_off.group, "shot_status")[8:16] = 0
    broken_off.group.attrs["complete"] = False
    with pytest.warns(LostPhotonsWarning):
        again = ingest(sources, tmp_path / "left.zarr", copy=False, resume=True, **given_ | {"photon_dtype": None})
    np.testing.assert_array_equal(again.photons.values, before)
    assert again.photons.dtype == before.dtype == np.uint8


def test_resume__writes_nothing_while_another_does(tmp_path, left):
    (tmp_path / "run.npy").rename(tmp_path / "moved.npy")
    before = (left / "zarr.json").read_bytes()
    refused = []
    with held(left):

        def resume() -> None:
            with pytest.raises(StoreBusyError):
                ingest(tmp_path / "moved.npy", left, copy=False, resume=True, **GIVEN)
            refused.append(True)

        another = Thread(target=resume)
        another.start()
        another.join()
    assert refused
    assert (left / "zarr.json").read_bytes() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_left__is_read_in_a_process_that_was_forked(left):
    # dask's own threads are not there in the child
    shot = open_dataset(left).photons[5]
    wanted = shot.compute(scheduler="synchronous").values
    child = os.fork()
    if not child:
        signal.alarm(60)
        os._exit(0 if (shot.compute(scheduler="synchronous").values == wanted).all() else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_resume__finishes_what_was_interrupted(tmp_path, left):
    whole = open_dataset(left).load()
    broken_off = open_run(left, mode="r+")
    layout.shot_array(broken_off.group, "shot_status")[8:16] = 0
    broken_off.group.attrs["complete"] = False
    again = ingest(tmp_path / "run.npy", left, copy=False, resume=True, **GIVEN)
    xr.testing.assert_equal(again.load(), whole)
    assert not (left / "photons").exists()


def test_resume__does_not_mix_what_is_copied_and_what_is_left(tmp_path, left):
    with pytest.raises(InputError, match="its photons in the files; pass copy=False"):
        ingest(tmp_path / "run.npy", left, resume=True, **GIVEN)
    shutil.rmtree(left)
    ingest(tmp_path / "run.npy", left, **GIVEN)
    with pytest.raises(InputError, match="photons of its own; leave copy out"):
        ingest(tmp_path / "run.npy", left, copy=False, resume=True, **GIVEN)


def test_ingest__leaves_photons_from_the_command_line(tmp_path, run):
    np.save(tmp_path / "run.npy", frames())
    flags = ["--no-copy", "--detector", "square-16", "--wavelength", "2e-10", "--scheduler", "synchronous", "--quiet"]
    code, _, _ = run("ingest", tmp_path / "run.npy", tmp_path / "run.zarr", *flags)
    assert code == 0
    np.testing.assert_array_equal(open_dataset(tmp_path / "run.zarr").photons.values, frames())
    assert not (tmp_path / "run.zarr/photons").exists()
