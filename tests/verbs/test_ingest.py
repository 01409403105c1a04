from __future__ import annotations

import shutil

import dask
import h5py
import numpy as np
import pytest

from tests.formats import cxi_writer
from tests.formats.emc_writer import sparse_bytes, write_vlen
from xfeldask import embed, explore, ingest, open_dataset, open_run, photonize, simulate, verify
from xfeldask.errors import ExperimentMismatchError, FormatError, InputError, StoreExistsError
from xfeldask.store import layout
from xfeldask.store.adu_histogram import read_histogram
from xfeldask.store.choosing.columns import Shots
from xfeldask.store.choosing.selecting import select
from xfeldask.store.results.labels import write_labels

GIVEN = {"geometry": "square-16", "wavelength": 2e-10, "progress": False}
N = 40


@pytest.fixture
def frames():
    return np.random.default_rng(1).poisson(0.5, (N, 1, 16, 16)).astype(np.uint8)


@pytest.fixture
def small_shards(monkeypatch):
    """Several shards, each read in several blocks."""
    monkeypatch.setattr(layout, "SHARD_BYTES", 8 * 256)
    monkeypatch.setattr("xfeldask.engines.reading.BLOCK_BYTES", 3 * 4 * 256)
    yield
    monkeypatch.undo()


def test_ingest__keeps_every_photon_in_order(tmp_path, frames, small_shards):
    np.save(tmp_path / "run.npy", frames)
    ds = ingest(tmp_path / "run.npy", tmp_path / "run.zarr", **GIVEN)
    np.testing.assert_array_equal(ds.photons.values, frames)
    np.testing.assert_array_equal(ds.photon_count.values, frames.sum(axis=(1, 2, 3)))
    np.testing.assert_array_equal(ds.image.values.sum(axis=(1, 2)), frames.sum(axis=(1, 2, 3)))
    run = open_run(tmp_path / "run.zarr")
    assert (run.layout.n_shards, run.experiment, run.complete) == (5, None, True)
    assert run.facts()["source"] == "ingested from run.npy, npy"
    assert run.identity is not None
    assert verify(tmp_path / "run.zarr", progress=False).problems == ()


def test_ingest__opens_its_files_once_for_all_shards_of_a_process(tmp_path, frames, small_shards, monkeypatch):
    np.save(tmp_path / "run.npy", frames)
    monkeypatch.setattr("xfeldask.engines.reading.open_intake", lambda *_: pytest.fail("a shard opened them again"))
    with dask.config.set(scheduler="threads", num_workers=2):
        ds = ingest(tmp_path / "run.npy", tmp_path / "run.zarr", **GIVEN)
    np.testing.assert_array_equal(ds.photons.values, frames)


def test_ingest__joins_files_and_keeps_what_they_tell_of_shots(tmp_path, frames, small_shards):
    for name, part in (("a.h5", frames[:15]), ("b.h5", frames[15:])):
        write_vlen(tmp_path / name, part.reshape(-1, 256))
        with h5py.File(tmp_path / name, "a") as file:
            file["id/trains"] = np.arange(len(part)) + 100
            file["scores/litpixel"] = part.any(axis=1).sum(axis=(1, 2)).astype(float)
    ds = ingest([tmp_path / "a.h5", tmp_path / "b.h5"], tmp_path / "run.zarr", **GIVEN)
    assert ds.photons.dtype == np.uint16
    np.testing.assert_array_equal(ds.photons.values, frames)
    assert {"train", "file"} <= set(ds.coords)
    assert "litpixel" in ds.data_vars
    np.testing.assert_array_equal(ds.file.values, [0] * 15 + [1] * 25)
    np.testing.assert_array_equal(ds.train.values, [*range(100, 115), *range(100, 125)])
    assert verify(tmp_path / "run.zarr", progress=False).problems == ()
    chosen = select(tmp_path / "run.zarr", "train >= 110 and litpixel > 0 and file == 1")
    np.testing.assert_array_equal(chosen, range(25, 40))


def test_ingest__names_columns_apart_from_groups_and_components(tmp_path, frames):
    write_vlen(tmp_path / "a.h5", frames.reshape(-1, 256))
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["scores/labels"], file["scores/c0"] = np.arange(N) + 1, np.arange(N) + 2
        file["scores/known_background"], file["scores/azimuth"] = np.arange(N) + 3, np.arange(N) + 4
    ds = ingest(tmp_path / "a.h5", tmp_path / "run.zarr", **GIVEN)
    assert (ds.file_labels.values[0], ds.file_c0.values[0]) == (1, 2)
    assert (ds.file_known_background.values[0], ds.file_azimuth.values[0]) == (3, 4)
    write_labels(open_run(tmp_path / "run.zarr"), "ann", {0: "single"})
    embed(tmp_path / "run.zarr", n_components=2, sort="elliptic_envelope", progress=False)
    shots = Shots.of(open_run(tmp_path / "run.zarr"))
    np.testing.assert_array_equal(shots.latent, open_run(tmp_path / "run.zarr").embedding().dataset().latent)
    assert shots.column("label_ann").values[0] == 1


def test_ingest__masks_pixels(tmp_path, frames):
    np.save(tmp_path / "run.npy", frames)
    good = np.ones((1, 16, 16), bool)
    good[0, 5:9] = False
    ds = ingest(tmp_path / "run.npy", tmp_path / "run.zarr", mask=good, **GIVEN)
    np.testing.assert_array_equal(ds.photons.values, frames * good)
    np.testing.assert_array_equal(ds.mask.values, good)


def test_ingest__of_a_simulated_run_makes_the_same_images(tmp_path):
    two = [[0, 0, 0], [2e-9, 0, 0]], ["C", "C"]
    theirs = simulate(tmp_path / "sim.zarr", particle=two, detector="square-32", n_shots=12, progress=False)
    (tmp_path / "sim.emc").write_bytes(sparse_bytes(theirs.photons.values.reshape(12, -1)))
    given = {"geometry": "square-32", "wavelength": open_run(tmp_path / "sim.zarr").wavelength, "progress": False}
    mine = ingest(tmp_path / "sim.emc", tmp_path / "run.zarr", **given)
    assert mine.photons.dtype == np.uint8
    for name in ("photons", "image", "low_q", "photon_count", "q", "pixel_position", "solid_angle"):
        np.testing.assert_array_equal(mine[name].values, theirs[name].values)


def test_resume__reads_what_is_pending_only(tmp_path, frames, small_shards, monkeypatch):
    (tmp_path / "run.emc").write_bytes(sparse_bytes(frames.reshape(N, -1)))
    ingest(tmp_path / "run.emc", tmp_path / "run.zarr", **GIVEN)
    whole = {f: f.read_bytes() for f in (tmp_path / "run.zarr").rglob("*") if f.is_file()}
    run = open_run(tmp_path / "run.zarr", mode="r+")
    status = layout.shot_array(run.group, "shot_status")
    status[8:16] = 0
    run.group.attrs["complete"] = False
    (tmp_path / "run.zarr/photons/c/1/0/0/0").unlink()
    shutil.move(tmp_path / "run.emc", tmp_path / "moved.emc")
    from xfeldask.engines import reading

    read = []
    monkeypatch.setattr(reading, "events_of", lambda frames, shots: read.append(shots) or frames.photons(shots))
    ingest(tmp_path / "moved.emc", tmp_path / "run.zarr", resume=True, **GIVEN)
    assert sorted(shot for shots in read for shot in shots) == list(range(8, 16))
    again = {f: f.read_bytes() for f in (tmp_path / "run.zarr").rglob("*") if f.is_file()}
    assert {f: b for f, b in again.items() if f.name != "zarr.json"} == {
        f: b for f, b in whole.items() if f.name != "zarr.json"
    }


def test_resume__refuses_other_frames(tmp_path, frames):
    np.save(tmp_path / "run.npy", frames)
    ingest(tmp_path / "run.npy", tmp_path / "run.zarr", **GIVEN)
    with pytest.raises(StoreExistsError):
        ingest(tmp_path / "run.npy", tmp_path / "run.zarr", **GIVEN)
    np.save(tmp_path / "run.npy", frames + 1)
    with pytest.raises(ExperimentMismatchError, match="fingerprint"):
        ingest(tmp_path / "run.npy", tmp_path / "run.zarr", resume=True, **GIVEN)
    other = ingest(tmp_path / "run.npy", tmp_path / "run.zarr", overwrite=True, **GIVEN)
    with pytest.raises(ExperimentMismatchError, match="photon_dtype: stored 'uint8', asked 'uint32'"):
        ingest(tmp_path / "run.npy", tmp_path / "run.zarr", resume=True, photon_dtype="uint32", **GIVEN)
    ingest(tmp_path / "run.npy", tmp_path / "run.zarr", resume=True, photon_dtype="uint8", **GIVEN)
    np.testing.assert_array_equal(other.photons.values, frames + 1)


def test_ingest__never_takes_the_place_of_what_it_reads(tmp_path, frames):
    np.save(tmp_path / "run.npy", frames)
    store = tmp_path / "run.zarr"
    ingest(tmp_path / "run.npy", store, **GIVEN)
    (tmp_path / "link.zarr").symlink_to(store)
    np.save(store / "photons/gain.npy", np.full((16, 16), 8.0))
    for source, path, more in (
        (store / "photons", store, {}),
        (tmp_path / "link.zarr/photons", store, {}),
        (store / "photons", tmp_path / "link.zarr", {"geometry": str(store)}),
        (tmp_path / "run.npy", store, {"photonize": store / "photons/gain.npy"}),
    ):
        with pytest.raises(InputError, match=r"lies in .*, whose place the store would take; ingest it into another"):
            ingest(source, path, overwrite=True, **(GIVEN | more))
    np.testing.assert_array_equal(open_dataset(store).photons.values, frames)


def test_damage__met_half_way_leaves_nothing(tmp_path, frames, small_shards):
    data = bytearray(sparse_bytes(frames.reshape(N, -1)))
    data[-4:] = np.int32(-5).tobytes()
    (tmp_path / "run.emc").write_bytes(data)
    with pytest.raises(FormatError, match="shot 39 has -5 photons"):
        ingest(tmp_path / "run.emc", tmp_path / "run.zarr", **GIVEN)
    assert [path.name for path in tmp_path.iterdir()] == ["run.emc"]


@pytest.mark.parametrize("can_exchange", [True, False])
def test_damage__met_half_way_puts_the_old_store_back(tmp_path, frames, small_shards, monkeypatch, can_exchange):
    if not can_exchange:
        monkeypatch.setattr("xfeldask.store.storage.publish._renameat2", lambda: None)
    np.save(tmp_path / "run.npy", frames)
    ingest(tmp_path / "run.npy", tmp_path / "run.zarr", **GIVEN)
    np.save(tmp_path / "run.npy", np.where(np.arange(N)[:, None, None, None] == 39, -5, frames.astype(np.int16)))
    (tmp_path / "link.zarr").symlink_to(tmp_path / "run.zarr")
    for path in (tmp_path / "run.zarr", tmp_path / "link.zarr"):
        with pytest.raises(InputError, match="shot 39 has -5 photons"):
            ingest(tmp_path / "run.npy", path, overwrite=True, photon_dtype="uint8", **GIVEN)
    assert verify(tmp_path / "run.zarr", progress=False).problems == ()
    np.testing.assert_array_equal(open_dataset(tmp_path / "run.zarr").photons.values, frames)
    np.save(tmp_path / "run.npy", frames + 1)
    ingest(tmp_path / "run.npy", tmp_path / "run.zarr", overwrite=True, **GIVEN)
    np.testing.assert_array_equal(open_dataset(tmp_path / "run.zarr").photons.values, frames + 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.zarr", "run.npy", "run.zarr"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"geometry": None}, "give its geometry"),
        ({"wavelength": None}, r"give wavelength in m \(--wavelength\)"),
        ({"photon_dtype": "int8"}, "photon_dtype is uint8, uint16 or uint32, got 'int8'"),
        ({"wavelength": -1.0}, "the wavelength must be positive, got -1.0 m"),
        ({"wavelength": 2.7}, r"wavelength: 2.7 m is beyond any .* did you mean 2.7e-10 m \(2.7 angstrom\)\?"),
        ({"wavelength": 0.27}, r"did you mean 0.27e-9 m \(0.27 nm\)\?"),
        ({"wavelength": 9300.0}, "wavelength: 9300 m is beyond any laboratory .* give one that is within"),
        ({"mask": np.ones((3, 3))}, "the mask must be boolean or whole numbers"),
        ({"geometry": "square-17"}, "give the geometry that belongs"),
    ],
)
def test_ingest__refuses_before_anything_is_written(tmp_path, frames, change, told):
    np.save(tmp_path / "run.npy", frames)
    with pytest.raises(InputError, match=told):
        ingest(tmp_path / "run.npy", tmp_path / "run.zarr", **(GIVEN | change))
    assert [path.name for path in tmp_path.iterdir()] == ["run.npy"]


def test_ingest__of_a_file_whose_energy_is_in_kev_is_refused(tmp_path):
    cxi_writer.write_euxfel(tmp_path / "keV.cxi", cxi_writer.frames(4))
    with h5py.File(tmp_path / "keV.cxi", "a") as file:
        file["entry_1/instrument_1/source_1/energy"][:] = 9.3
    told = r"photon energy of keV \(give wavelength in its place\): 9.3 eV is beyond any .* did you mean 9300 eV"
    with pytest.raises(InputError, match=told):
        ingest(tmp_path / "keV.cxi", tmp_path / "run.zarr", progress=False)
    ds = ingest(tmp_path / "keV.cxi", tmp_path / "run.zarr", wavelength=1.333e-10, progress=False)
    assert ds.attrs["photon_energy"] == pytest.approx(9301, abs=1)


def test_command__takes_files_and_a_store(tmp_path, frames, run):
    for i in range(2):
        np.save(tmp_path / f"{i}.npy", frames[i::2])
    told = [tmp_path / "0.npy", tmp_path / "1.npy", tmp_path / "run.zarr", "--scheduler", "synchronous"]
    flags = ["--detector", "square-16", "--wavelength", "2e-10"]
    code, out, _ = run("ingest", *told, *flags, "--dry-run")
    assert (code, (tmp_path / "run.zarr").exists()) == (0, False)
    assert "nothing was written" in out
    code, out, _ = run("ingest", *told, *flags)
    assert code == 0
    assert "xfeldask embed" in out
    np.testing.assert_array_equal(
        open_dataset(tmp_path / "run.zarr").photons.values, np.concatenate([frames[::2], frames[1::2]])
    )
    code, _, err = run("ingest", tmp_path / "none.emc", tmp_path / "other.zarr", *flags, "--scheduler", "synchronous")
    assert (code, err) == (2, f"xfeldask: there is no {tmp_path / 'none.emc'}; give the path of frames\n")


def test_real_patterns__go_from_file_to_page(tmp_path, shared):
    path = shared / "data/real/pr772_patterns50.npz"
    parts = {"source": "flat-128x128", "pixel_size": 6e-4, "distance": 0.581}
    ds = ingest(f"{path}:/patterns", tmp_path / "run.zarr", geometry=parts, wavelength=7.9e-10,
                mask=f"bad:{path}:/mask", progress=False)  # fmt: skip
    with np.load(path) as file:
        np.testing.assert_array_equal(ds.photons.values[:, 0], file["patterns"] * (file["mask"] == 0))
        np.testing.assert_array_equal(ds.mask.values[0], file["mask"] == 0)
    embed(tmp_path / "run.zarr", n_components=3, sort="elliptic_envelope", progress=False)
    assert type(explore(tmp_path / "run.zarr")).__name__ == "Row"


def test_hits_of_the_european_xfel__keep_what_is_told_of_them(tmp_path, small_shards):
    data = cxi_writer.frames(N)
    told = cxi_writer.write_euxfel(tmp_path / "r0042_hits.cxi", data)
    ds = ingest(tmp_path / "r0042_hits.cxi", tmp_path / "r0042.zarr", progress=False)
    np.testing.assert_array_equal(ds.photons.values, data)
    np.testing.assert_allclose(ds.photon_energy.values, told["energy"] / cxi_writer.EV)
    assert {"run", "train", "cell", "experiment_identifier"} <= set(ds.coords)
    assert ds.experiment_identifier.values[3] == "p007927_r0042_t1000000003_c21"
    assert ds.file_class.attrs["flag_meanings"] == "none single water_shell"
    assert verify(tmp_path / "r0042.zarr", progress=False).problems == ()
    chosen = select(tmp_path / "r0042.zarr", 'is_hit and hit_score > 0 and file_class == "single" and cell > 3')
    due = told["is_hit"] & (told["hit_score"] > 0) & (np.arange(N) % 3 == 1) & (told["cell"] > 3)
    np.testing.assert_array_equal(chosen, np.flatnonzero(due))


def test_truth_of_others__is_truth_here(tmp_path, run):
    told = cxi_writer.write_condor(tmp_path / "condor.h5", cxi_writer.frames(N, (16, 16)))
    code, _, err = run("ingest", tmp_path / "condor.h5", tmp_path / "run.zarr", "--scheduler", "synchronous")
    assert (code, "unexpected" in err) == (0, False)
    ds = open_dataset(tmp_path / "run.zarr")
    np.testing.assert_array_equal(ds.orientation.values[:, 0], told["q"])
    np.testing.assert_array_equal(ds.position.values[:, 0], told["p"])
    assert (ds.n_particles.values == 1).all()
    assert verify(tmp_path / "run.zarr", progress=False).problems == ()
    assert type(explore(tmp_path / "run.zarr")).__name__ == "Row"
    shutil.rmtree(tmp_path / "run.zarr" / "position")
    assert [problem.variable for problem in verify(tmp_path / "run.zarr", progress=False).problems] == ["position"]


def test_adu__become_photons_and_their_histogram_is_kept(tmp_path, small_shards, run):
    rng = np.random.default_rng(5)
    photons = rng.poisson(0.4, (N, 1, 16, 16))
    adu = (photons * 8 + rng.normal(0, 1, photons.shape) + rng.normal(0, 1, (N, 1, 16, 1))).astype(np.float32)
    adu[3, 0, 2, 2], adu[:, 0, 9, 9] = np.inf, np.nan
    np.save(tmp_path / "run.npy", adu)
    np.save(tmp_path / "gain.npy", np.full((16, 16), 8.0))
    flags = ["--detector", "square-16", "--wavelength", "2e-10", "--scheduler", "synchronous"]
    code, _, err = run("ingest", tmp_path / "run.npy", tmp_path / "run.zarr", *flags)
    assert (code, "by photonize (--photonize)" in err, (tmp_path / "run.zarr").exists()) == (2, True, False)
    for more, told in (
        (("--histogram", tmp_path / "histogram.png"), "say how many a photon has with --photonize"),
        (("--photonize", "8", "--histogram", tmp_path / "histogram.foo"), "give it an ending of a picture"),
    ):
        code, _, err = run("ingest", tmp_path / "run.npy", tmp_path / "run.zarr", *flags, *more)
        assert (code, told in err, (tmp_path / "run.zarr").exists()) == (2, True, False)
    flags += ["--photonize", tmp_path / "gain.npy", "--common-mode", "row", "--histogram", tmp_path / "histogram.png"]
    code, out, err = run("ingest", tmp_path / "run.npy", tmp_path / "run.zarr", *flags)
    assert (code, "one photon at" in out) == (0, True), err
    assert (tmp_path / "histogram.png").stat().st_size > 10_000
    ds = open_dataset(tmp_path / "run.zarr")
    due = photonize(adu, gain=8, common_mode="row", mask=ds.mask.values)
    assert np.argwhere(ds.mask.values == 0).tolist() == [[0, 9, 9]]
    np.testing.assert_array_equal(ds.photons.values, due.photons)
    assert ds.photons.values[3, 0, 2, 2] == 0
    found = read_histogram(open_run(tmp_path / "run.zarr").group)
    np.testing.assert_array_equal(found[1], due.histogram)
    assert verify(tmp_path / "run.zarr", progress=False).problems == ()
    with pytest.raises(ExperimentMismatchError, match="photonize"):
        ingest(tmp_path / "run.npy", tmp_path / "run.zarr", photonize={"gain": 8.5}, resume=True, **GIVEN)


def test_real_adu__go_from_file_to_page(tmp_path, shared):
    real = shared / "data/real"
    parts = {"source": "flat-260x257@130,128.5", "pixel_size": 3e-4, "distance": 0.581}
    ds = ingest(real / "pr772_adu10.npy", tmp_path / "run.zarr", geometry=parts, wavelength=7.9e-10, progress=False,
                mask=f"bad:{real}/pr772_adu_masks.npz:/artifact",
                photonize={"gain": 8, "common_mode": "half_row"})  # fmt: skip
    with np.load(real / "pr772_adu_masks.npz") as masks:
        assert not ds.mask.values[0][masks["artifact"] == 1].any()
    assert (ds.photon_count.values > 5e4).all()
    assert verify(tmp_path / "run.zarr", progress=False).problems == ()


def test_entries_of_one_file__follow_one_another(tmp_path, small_shards):
    """As entry 156 of the CXIDB has them."""
    photons = np.random.default_rng(2).poisson(0.4, (13, 1, 24, 24)).astype(np.uint8)
    with h5py.File(tmp_path / "several.cxi", "w") as file:
        file["entry_1/data_1/data"], file["entry_1/data_2/data"] = photons[:4], photons[4:7]
        file["entry_2/data_1/data"] = photons[7:]
    ds = ingest(
        tmp_path / "several.cxi", tmp_path / "run.zarr", geometry="square-24", wavelength=2.7e-10, progress=False
    )
    np.testing.assert_array_equal(ds.photons.values, photons)
