from __future__ import annotations

import fcntl
import shutil
from pathlib import Path

import h5py
import matplotlib.image
import numpy as np
import pytest

from tests.formats import cxi_writer
from tests.formats.emc_writer import sparse_bytes, write_vlen
from tests.tiny import frames, tiny_run
from xfeldask import embed, export, ingest, open_frames, open_run, simulate, write_back
from xfeldask.config import Detector
from xfeldask.errors import ExperimentMismatchError, FormatError, InputError, StoreExistsError, UnknownNameError
from xfeldask.formats.frames import columns_of
from xfeldask.formats.geometries import read_detector
from xfeldask.physics.detectors import scattering_vector

N = 40
QUIET = {"progress": False}


@pytest.fixture(scope="module")
def hits(tmp_path_factory):
    """A hit file, its store with an embedding, and what was put into the file."""
    folder = tmp_path_factory.mktemp("hits")
    told = cxi_writer.write_euxfel(folder / "r0042.cxi", cxi_writer.frames(N))
    ingest(folder / "r0042.cxi", folder / "r0042.zarr", **QUIET)
    embed(folder / "r0042.zarr", n_components=2, sort="elliptic_envelope", **QUIET)
    return folder, told


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """A simulated store of singles and doubles."""
    path = tmp_path_factory.mktemp("sim") / "run.zarr"
    two = [[0, 0, 0], [2e-9, 0, 0]], ["C", "C"]
    beam = {"photon_energy": 4600.0, "photons_per_pulse": 5e16, "focus_radius": 5e-7}
    simulate(path, particle=two, detector="square-32", n_shots=12, hits={1: 1, 2: 1}, beam=beam, **QUIET)
    return path


def test_emc__to_store_to_emc_is_bit_for_bit(tmp_path):
    photons = np.random.default_rng(1).poisson(0.7, (N, 64))
    photons[3], photons[5, 9] = 0, 70
    (tmp_path / "in.emc").write_bytes(sparse_bytes(photons))
    ingest(tmp_path / "in.emc", tmp_path / "run.zarr", geometry="square-8", wavelength=2e-10, **QUIET)
    export(tmp_path / "run.zarr", tmp_path / "out.emc", **QUIET)
    assert (tmp_path / "out.emc").read_bytes() == (tmp_path / "in.emc").read_bytes()
    export(tmp_path / "run.zarr", tmp_path / "some.h5", where="shot % 3 == 1", **QUIET)
    write_vlen(tmp_path / "due.h5", photons[1::3])
    with h5py.File(tmp_path / "some.h5") as mine, h5py.File(tmp_path / "due.h5") as due:
        assert set(mine) == set(due)
        for name in due:
            assert mine[name].dtype == due[name].dtype
            assert [np.asarray(row).tolist() for row in mine[name]] == [np.asarray(row).tolist() for row in due[name]]
    assert (tmp_path / "some_shots.txt").read_text().split() == [str(i) for i in range(1, N, 3)]
    blacklist = np.loadtxt(tmp_path / "some_blacklist.dat", int)
    np.testing.assert_array_equal(np.flatnonzero(blacklist == 0), range(1, N, 3))
    assert len(blacklist) == N


@pytest.mark.parametrize("name", ["h5.emc", "h5_multi.emc"])
def test_real_emc__comes_back_as_it_was(tmp_path, shared, name):
    path = shared / "data/real" / name
    parts = {"source": "square-81", "pixel_size": 1.2e-3, "distance": 0.13}
    ingest(path, tmp_path / "run.zarr", geometry=parts, wavelength=2.5e-10, **QUIET)
    export(tmp_path / "run.zarr", tmp_path / "out.h5", **QUIET)
    with h5py.File(path) as due, h5py.File(tmp_path / "out.h5") as mine:
        for place in ("place_ones", "place_multi", "count_multi"):
            for theirs, ours in zip(due[place][:], mine[place][:], strict=True):
                np.testing.assert_array_equal(ours, theirs)


def test_detector_file__scatters_as_the_store_does(tmp_path, hits):
    store = hits[0] / "r0042.zarr"
    export(store, tmp_path / "out.emc", **QUIET)
    source = str(tmp_path / "out_detector.h5")
    geometry = open_run(store).geometry
    found = read_detector(Detector(source=source, pixel_size=geometry.pixel_size))
    due = scattering_vector(geometry.pixel_position, 1).reshape(-1, 3)
    np.testing.assert_allclose(scattering_vector(found.pixel_position, 1).reshape(-1, 3), due, atol=1e-12)
    np.testing.assert_array_equal(found.mask.ravel(), geometry.mask.ravel())
    with h5py.File(source) as file:
        # near the beam, a step of a pixel is one of a voxel
        q = np.column_stack([file["qx"][:], file["qy"][:]]).reshape(*geometry.shape, 2)
        assert np.linalg.norm(np.diff(q, axis=2), axis=-1) == pytest.approx(1, rel=5e-3)


def test_cxi__has_all_that_a_store_has(tmp_path, hits):
    folder, told = hits
    export(folder / "r0042.zarr", tmp_path / "out.cxi", where="hit_score > 0", **QUIET)
    chosen = told["hit_score"] > 0
    found, due = open_frames(tmp_path / "out.cxi"), open_frames(folder / "r0042.cxi")
    np.testing.assert_array_equal(found.read(range(chosen.sum())), due.read(range(N))[chosen])
    np.testing.assert_array_equal(found.geometry.pixel_position, due.geometry.pixel_position)
    np.testing.assert_array_equal(found.truth(range(N))["photon_energy"], due.truth(range(N))["photon_energy"][chosen])
    mine, theirs = columns_of(found), columns_of(due)
    for name in ("train", "cell", "run", "experiment_identifier", "pulse_energy", "hit_score", "is_good"):
        np.testing.assert_array_equal(mine[name].values, theirs[name].values[chosen])
        assert mine[name].identifier == theirs[name].identifier
    with h5py.File(tmp_path / "out.cxi") as file:
        assert file["cxi_version"][()] == 160
        assert file["entry_1/data_1/data"].attrs["axes"] == "experiment_identifier:module_identifier:y:x"
        corner, steps, _ = cxi_writer.panels()
        np.testing.assert_allclose(file["entry_1/data_1/corner_position"][:], corner, atol=1e-12)
        np.testing.assert_allclose(file["entry_1/data_1/basis_vectors"][:], steps, atol=1e-12)
        single = open_run(folder / "r0042.zarr").embedding().dataset().is_single.values[chosen]
        np.testing.assert_array_equal(file["entry_1/result_1/data"][:] == 1, single)


def test_cspi__has_truth_and_patterns(tmp_path, simulated):
    export(simulated, tmp_path / "mixed.h5", format="cspi", **QUIET)
    ds = open_run(simulated).dataset()
    found = open_frames(tmp_path / "mixed.h5")
    np.testing.assert_array_equal(found.read(range(12)), ds.photons.values)
    np.testing.assert_array_equal(found.truth(range(12))["n_particles"], ds.n_particles.values)
    np.testing.assert_allclose(found.wavelength, open_run(simulated).wavelength)
    export(simulated, tmp_path / "double.h5", format="cspi", where="n_particles == 2", **QUIET)
    doubles = ds.n_particles.values == 2
    truth = open_frames(tmp_path / "double.h5").truth(range(doubles.sum()))
    np.testing.assert_array_equal(truth["orientation"], ds.orientation.values[doubles])
    np.testing.assert_array_equal(truth["position"], ds.position.values[doubles])
    with h5py.File(tmp_path / "mixed.h5") as file:
        np.testing.assert_array_equal(file["diffraction_patterns"][3], ds.xfel.assemble(ds.photons[3], gap=0))


def test_png__is_a_folder_of_pictures(tmp_path, hits):
    export(hits[0] / "r0042.zarr", tmp_path / "pictures", where="shot == 3", **QUIET)
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["shot_00000003.png"]
    pixels = matplotlib.image.imread(tmp_path / "pictures/shot_00000003.png")
    geometry = open_run(hits[0] / "r0042.zarr").geometry
    assert pixels.shape[2] == 4
    # the gaps between panels are grey
    assert ((pixels[..., :3] - 0.5) ** 2 < 1e-3).all(axis=-1).sum() == pixels[..., 0].size - geometry.mask.sum()


def test_write_back__adds_verdicts_and_changes_nothing_else(tmp_path, hits):
    for name in ("r0042.cxi", "more.cxi"):
        told = cxi_writer.write_euxfel(tmp_path / name, cxi_writer.frames(N))
    store = tmp_path / "run.zarr"
    ingest([tmp_path / "r0042.cxi", tmp_path / "more.cxi"], store, **QUIET)
    embed(store, n_components=2, sort="elliptic_envelope", **QUIET)
    before = dict(listed(tmp_path / "r0042.cxi"))
    places = write_back(store)
    assert places == [f"{tmp_path}/r0042.cxi:/entry_1/result_3", f"{tmp_path}/more.cxi:/entry_1/result_3"]
    latent = open_run(store).embedding().dataset()
    for name, part in (("r0042.cxi", slice(N)), ("more.cxi", slice(N, 2 * N))):
        with h5py.File(tmp_path / name) as file:
            result, score = file["entry_1/result_3"], file["entry_1/instrument_1/detector_1/score"]
            np.testing.assert_array_equal(result["score"][:], latent.score.values[part])
            np.testing.assert_array_equal(score["is_hit"][:], latent.is_single.values[part])
            np.testing.assert_array_equal(score["is_hit_original"][:], told["is_hit"])
            assert result["class_labels"].asstr()[:].tolist() == ["blank", "single", "multiple"]
    after = dict(listed(tmp_path / "r0042.cxi"))
    assert {k: v for k, v in after.items() if k in before and not k.endswith("is_hit")} == {
        k: v for k, v in before.items() if not k.endswith("is_hit")
    }
    # the second time replaces what the first one wrote
    assert write_back(store) == places
    assert dict(listed(tmp_path / "r0042.cxi")) == after


def listed(path):
    """Datasets of a file and their bytes."""
    out = []
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: (
                out.append((name, item[()].tobytes() if item.dtype.kind != "O" else str(item[()])))
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
    return out


def test_write_back__says_what_hinders_it(tmp_path, hits, simulated):
    with pytest.raises(InputError, match="was not ingested from CXI files"):
        write_back(simulated)
    cxi_writer.write_euxfel(tmp_path / "a.cxi", cxi_writer.frames(N))
    ingest(tmp_path / "a.cxi", tmp_path / "run.zarr", **QUIET)
    embed(tmp_path / "run.zarr", n_components=2, sort=None, **QUIET)
    with pytest.raises(InputError, match="was sorted; embed it with a rule"):
        write_back(tmp_path / "run.zarr")
    embed(tmp_path / "run.zarr", n_components=2, sort="elliptic_envelope", overwrite=True, **QUIET)
    with (tmp_path / "a.cxi").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        before = (tmp_path / "a.cxi").read_bytes()
        with pytest.raises(InputError, match=r"a\.cxi is open elsewhere.*; close it there and try again"):
            write_back(tmp_path / "run.zarr")
        assert (tmp_path / "a.cxi").read_bytes() == before
    cxi_writer.write_euxfel(tmp_path / "a.cxi", cxi_writer.frames(N - 1))
    with pytest.raises((InputError, FormatError), match="another number of frames"):
        write_back(tmp_path / "run.zarr")


def test_write_back__goes_to_the_frames_that_were_ingested_and_to_no_others(tmp_path, hits):
    cxi = Path(shutil.copy(hits[0] / "r0042.cxi", tmp_path))
    ingest(cxi, tmp_path / "mine.zarr", **QUIET)
    embed(tmp_path / "mine.zarr", n_components=2, sort="elliptic_envelope", **QUIET)
    # another store writes beside them
    ingest(cxi, tmp_path / "theirs.zarr", **QUIET)
    embed(tmp_path / "theirs.zarr", name="theirs", n_components=2, sort="elliptic_envelope", **QUIET)
    write_back(tmp_path / "theirs.zarr")
    assert write_back(tmp_path / "mine.zarr") == [f"{cxi}:/entry_1/result_4"]
    with h5py.File(cxi, "r+") as file:
        data = file["entry_1/instrument_1/detector_1/data"]
        data[...] = data[()][::-1]
    before = cxi.read_bytes()
    with pytest.raises(InputError, match=r"shot 0 of .*mine\.zarr is not the one that its file holds; put back the"):
        write_back(tmp_path / "mine.zarr")
    assert cxi.read_bytes() == before
    with pytest.raises(ExperimentMismatchError):
        ingest(cxi, tmp_path / "mine.zarr", resume=True, **QUIET)


@pytest.mark.parametrize(
    ("out", "more", "error", "told"),
    [
        ("out.tif", {}, InputError, "names no format"),
        ("out.emc", {"format": "xtc"}, UnknownNameError, "unknown format 'xtc'"),
        ("out.emc", {"where": "photon_count < 0"}, InputError, "no shot of .* fulfils 'photon_count < 0'"),
        ("out.emc", {"where": "glitter > 1"}, UnknownNameError, "glitter"),
        ("out.emc", {"embedding": "nope"}, UnknownNameError, "unknown embedding 'nope'"),
        ("none/out.emc", {}, InputError, "there is no folder"),
    ],
)
def test_export__refuses_in_one_sentence(tmp_path, hits, out, more, error, told):
    with pytest.raises(error, match=told):
        export(hits[0] / "r0042.zarr", tmp_path / out, **QUIET, **more)
    assert list(tmp_path.iterdir()) == []


def test_command__exports_and_never_replaces_unasked(tmp_path, hits, run):
    store = hits[0] / "r0042.zarr"
    assert run("export", store, tmp_path / "out.emc", "--where", "is_good", "--quiet")[0] == 0
    before = (tmp_path / "out.emc").read_bytes()
    code, _, err = run("export", store, tmp_path / "out.emc")
    assert (code, "exists; pass overwrite=True" in err) == (2, True)
    assert (tmp_path / "out.emc").read_bytes() == before
    assert run("export", store, tmp_path / "out.emc", "--overwrite", "--quiet")[0] == 0
    assert (tmp_path / "out.emc").read_bytes() != before
    assert run("export", store)[0] == 2
    for more in (["--where", "is_good"], ["--format", "cxi"], ["--overwrite"]):
        code, out, err = run("export", store, "--write-back", *more)
        assert (code, out, "verdicts are written back on all shots" in err) == (2, "", True)
    with pytest.raises(StoreExistsError):
        export(store, tmp_path / "out.emc", **QUIET)


def test_overwrite__replaces_earlier_exports_and_nothing_else(tmp_path, hits, run):
    shutil.copytree(hits[0], tmp_path / "hits")
    cxi, pictures = tmp_path / "hits/r0042.cxi", tmp_path / "pictures"
    left, other, link = tmp_path / "left.zarr", tmp_path / "other.zarr", tmp_path / "link.cxi"
    ingest(cxi, left, copy=False, **QUIET)
    tiny_run(other, frames(4))
    link.symlink_to(cxi)
    export(left, pictures, where="shot < 2", **QUIET)
    export(left, pictures, where="shot < 1", overwrite=True, **QUIET)
    (pictures / "notes.txt").write_text("precious")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for out, *more in (
        (left, "--format", "emc"),
        (left / "latent.emc",),
        (other, "--format", "cxi"),
        (cxi, "--where", "shot < 3"),
        (link,),
        (pictures,),
        (pictures, "--format", "emc"),
    ):
        code, _, err = run("export", left, out, *more, "--overwrite", "--quiet")
        assert (code, "; give another path" in err) == (2, True), err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_exports_of_one_stem__keep_the_files_beside_each_other(tmp_path, hits):
    store = hits[0] / "r0042.zarr"
    export(store, tmp_path / "some.emc", where="shot < 3", **QUIET)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(StoreExistsError, match=r"some_detector.h5 exists; pass overwrite=True \(--overwrite\), or"):
        export(store, tmp_path / "some.h5", where="shot > 3", **QUIET)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    export(store, tmp_path / "some.h5", where="shot > 3", overwrite=True, **QUIET)
    assert (tmp_path / "some_shots.txt").read_text().startswith("4\n")
