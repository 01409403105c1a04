from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import dask
import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.rarely import rarely
from tests.strategies import examples
from xfeldask import Experiment, open_dataset, simulate
from xfeldask.engines.engine import ENGINES
from xfeldask.engines.thinning import Thinning
from xfeldask.engines.workshop import simulate_shard
from xfeldask.errors import (
    ExperimentMismatchError,
    FewPhotonsWarning,
    FormatError,
    IncompleteStoreError,
    InputError,
    MemoryNeededError,
    MissingFileError,
    RunError,
    StoreExistsError,
    UnknownNameError,
    XfeldaskError,
)
from xfeldask.physics.atoms import make_atoms
from xfeldask.physics.detectors import Geometry
from xfeldask.schema import named
from xfeldask.store.layout import FORMAT, READ
from xfeldask.verbs.arguments.asked import as_experiment

ATOMS = (np.random.default_rng(1).normal(size=(30, 3)) * 5e-10, ["C", "N", "O"] * 10)
BRIGHT = {"photon_energy": 4600.0, "photons_per_pulse": 1e16, "focus_radius": 5e-7}
NUISANCE = {"pulse_spread": 0.3, "size_spread": 0.03, "center_spread": 0.5, "energy_spread": 0.005,
            "background": 0.15, "dead_fraction": 0.02, "focus": "gaussian"}  # fmt: skip
N_SHOTS = 24


def run(path, **changes):
    """A run with everything random switched on."""
    return simulate(path, **{
        "particle": ATOMS, "detector": "square-32", "beam": BRIGHT, "n_shots": N_SHOTS, "seed": 5, "progress": False,
        "hits": {0: 0.1, 1: 0.5, 2: 0.4}, "nuisance": NUISANCE, "intensity": True, **changes,
    })  # fmt: skip


def sharded(patch, shots):
    """Have the stores made from here on hold `shots` in a shard."""
    patch.setattr("xfeldask.store.layout.SHARD_BYTES", shots * 32 * 32)


def values(ds, shots):
    """Every value of the first shots."""
    names = [v.name for role in ("raw", "total", "truth") for v in named(role) if v.name not in READ]
    return {name: np.asarray(ds[name][:shots]) for name in names}


def assert_same_shots(one, other, shots=N_SHOTS):
    left, right = values(one, shots), values(other, shots)
    for name, value in left.items():
        twin = right[name]
        if "particle" in one[name].dims:
            # a longer run may have room for more particles
            room = min(value.shape[1], twin.shape[1])
            assert np.isnan(value[:, room:]).all()
            assert np.isnan(twin[:, room:]).all()
            value, twin = value[:, :room], twin[:, :room]
        np.testing.assert_array_equal(value, twin, err_msg=name)


def tree(path):
    """Hash and time of last change of every file."""
    return {
        str(f.relative_to(path)): (hashlib.sha256(f.read_bytes()).hexdigest(), f.stat().st_mtime_ns)
        for f in path.rglob("*") if f.is_file()
    }  # fmt: skip


def bytes_of(path):
    return {name: digest for name, (digest, _) in tree(path).items()}


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Path of a run of six shards."""
    path = tmp_path_factory.mktemp("simulation") / "run.zarr"
    with pytest.MonkeyPatch.context() as patch:
        sharded(patch, 4)
        ds = run(path)
    assert ds.photons.chunks[0] == (4,) * 6
    assert ds.photon_count.max() > 200
    assert ds.lost_photons.sum() == 0
    assert set(ds.n_particles.values.tolist()) == {0, 1, 2}
    return path


@pytest.fixture
def disk(tmp_path):
    """A file system of 16 MB of our own."""
    path = tmp_path / "disk"
    path.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", path], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("file systems can be mounted by root only")
    yield path
    subprocess.run(["umount", "-l", path], check=True)


def fill(file):
    """Write until the disk is full."""
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as ballast:
        while ballast.write(bytes(4096)):
            pass


def breaking_after(shards):
    """`simulate_shard` that fails once `shards` are done, and the shards that it was asked for."""
    asked = []

    def broken(run, shard):
        asked.append(shard)
        if len(asked) > shards:
            raise OSError("the power went out\nin the whole building")
        simulate_shard(run, shard)

    return broken, asked


@pytest.mark.parametrize("n_shots", [rarely(1), 7, rarely(40)])
def test_simulate__shot_is_the_same_in_a_run_of_any_length(reference, tmp_path, n_shots):
    assert_same_shots(run(tmp_path / "a", n_shots=n_shots), open_dataset(reference), min(n_shots, N_SHOTS))


@pytest.mark.parametrize("shots", [1, rarely(2), rarely(64)])
def test_simulate__shot_is_the_same_in_a_shard_of_any_length(reference, tmp_path, monkeypatch, shots):
    sharded(monkeypatch, shots)
    ds = run(tmp_path / "a")
    assert ds.photons.chunks[0][0] == min(shots, 32, N_SHOTS)
    assert_same_shots(ds, open_dataset(reference))


def test_simulate__works_the_assembled_index_out_once(tmp_path, monkeypatch):
    asked, steps = [], Geometry._steps
    monkeypatch.setattr(Geometry, "_steps", lambda self, axis: asked.append(axis) or steps(self, axis))
    run(tmp_path / "a")
    assert asked == [0, 1]


def test_simulate__two_runs_at_once_keep_their_own_models(tmp_path, monkeypatch):
    """A run that ends while another is computing takes nothing from it."""
    sharded(monkeypatch, 4)
    read, began, ended = [], Event(), Event()

    def slow(opened, shard):
        if opened.path.name == "slow":
            began.set()
            assert ended.wait(60)
        simulate_shard(opened, shard)

    monkeypatch.setattr("xfeldask.verbs.simulate.simulate_shard", slow)
    monkeypatch.setattr("xfeldask.store.run.read_form", lambda *key: read.append(key))
    with dask.config.set(scheduler="synchronous"), ThreadPoolExecutor(1) as pool:
        first = pool.submit(run, tmp_path / "slow")
        assert began.wait(60)
        run(tmp_path / "quick")
        ended.set()
        first.result()
    assert read == [], "the form factor was at hand"


@settings(examples(0.04), phases=[Phase.generate])
@given(st.integers(0, 2**63 - 1), st.integers(1, 30), st.integers(1, 30), st.sampled_from([1, 4, 32]))
def test_simulate__shot_depends_on_seed_and_index_only(seed, one, other, shots):
    parts = {"nuisance": "realistic", "hits": "poisson:1", "seed": seed}
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        first = run(Path(folder, "a"), n_shots=one, **parts)
        sharded(patch, shots)
        second = run(Path(folder, "b"), n_shots=other, **parts)
        assert_same_shots(first, second, min(one, other))


def test_simulate__seeds_differ(reference, tmp_path):
    ds, other = open_dataset(reference), run(tmp_path / "a", seed=6)
    assert not np.array_equal(ds.orientation, other.orientation, equal_nan=True)
    assert not np.array_equal(ds.photons, other.photons)
    assert ds.experiment_digest != other.experiment_digest


@pytest.mark.parametrize("scheduler", ["threads", rarely("synchronous"), "processes"])
def test_simulate__writes_the_same_files_on_any_scheduler(reference, tmp_path, monkeypatch, scheduler, request):
    sharded(monkeypatch, 4)
    ways = {"num_workers": 4} if scheduler != "processes" else {"pool": request.getfixturevalue("processes")}
    with dask.config.set(scheduler=scheduler, **ways):
        run(tmp_path / "run.zarr")
    assert bytes_of(tmp_path / "run.zarr") == bytes_of(reference)


@pytest.mark.parametrize("done", [0, 5])
def test_simulate__resumes_with_what_is_pending(reference, tmp_path, monkeypatch, done):
    path = tmp_path / "run.zarr"
    sharded(monkeypatch, 4)
    broken, first = breaking_after(done)
    with dask.config.set(scheduler="synchronous"):
        with monkeypatch.context() as patch:
            patch.setattr("xfeldask.verbs.simulate.simulate_shard", broken)
            with pytest.raises(
                RunError, match="the run stopped: the power went out; what was committed is kept"
            ) as error:
                run(path)
        assert "\n" not in str(error.value)
        with pytest.raises(IncompleteStoreError):
            open_dataset(path)
        with pytest.raises(StoreExistsError, match=r"--resume"):
            run(path)
        (path / "photons/0.99.partial").write_bytes(b"half")
        before = tree(path)
        whole, asked = breaking_after(99)
        monkeypatch.setattr("xfeldask.verbs.simulate.simulate_shard", whole)
        run(path, resume=True)
    assert sorted(first[:done] + asked) == list(range(6))
    assert bytes_of(path) == bytes_of(reference)
    after = tree(path)
    kept = [name for name in before if name in after and "/c/" in name]
    assert all(before[name] == after[name] for name in kept)
    assert len([name for name in kept if name.startswith("photons/")]) == done


def test_simulate__resume_makes_a_store_that_is_not_there(reference, tmp_path, monkeypatch):
    sharded(monkeypatch, 4)
    run(tmp_path / "run.zarr", resume=True)
    assert bytes_of(tmp_path / "run.zarr") == bytes_of(reference)


def test_simulate__resume_of_a_complete_store_does_nothing(disk, monkeypatch):
    sharded(monkeypatch, 4)
    run(disk / "run.zarr")
    before = tree(disk)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    assert run(disk / "run.zarr", resume=True).sizes["shot"] == N_SHOTS
    assert tree(disk) == before


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"seed": 6}, "seed: stored 5, asked 6"),
        ({"n_shots": 25}, "n_shots: stored 24, asked 25"),
        ({"beam": {**BRIGHT, "photon_energy": 4700.0}}, "beam.photon_energy: stored 4600.0, asked 4700.0"),
        ({"detector": "square-33"}, "detector.digest"),
        ({"particle": (ATOMS[0] * 1.01, ATOMS[1])}, "particle.digest"),
        ({"hits": 1.0, "photon_dtype": "uint16"}, "hits.single_fraction: .*; hits.weights: .*; photon_dtype"),
    ],
)
def test_simulate__refuses_to_resume_another_experiment(reference, changes, told):
    before = tree(reference)
    with pytest.raises(ExperimentMismatchError, match=told):
        run(reference, resume=True, **changes)
    assert tree(reference) == before


def test_simulate__refuses_to_finish_shots_that_were_drawn_otherwise(reference, tmp_path):
    shutil.copytree(reference, tmp_path / "run.zarr")
    attributes = zarr.open_group(tmp_path / "run.zarr", use_consolidated=False).attrs
    attributes["format"] = FORMAT - 1
    del attributes["manifest"]
    assert run(tmp_path / "run.zarr", resume=True).sizes["shot"] == N_SHOTS
    attributes["complete"] = False
    with pytest.raises(ExperimentMismatchError, match=f"format: stored {FORMAT - 1}, asked {FORMAT}"):
        run(tmp_path / "run.zarr", resume=True)


def test_simulate__never_overwrites_unasked(reference, tmp_path):
    before = tree(reference)
    with pytest.raises(StoreExistsError, match=r"exists; pass resume=True .*, overwrite=True"):
        run(reference)
    with pytest.raises(InputError, match="exclude each other"):
        run(reference, resume=True, overwrite=True)
    assert tree(reference) == before
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_text("mine")
    before = tree(tmp_path)
    for name in ("file", "folder"):
        for asked in ("overwrite", "resume"):
            with pytest.raises(InputError, match="not a Zarr store"):
                run(tmp_path / name, **{asked: True})
    assert tree(tmp_path) == before


def test_simulate__overwrites_when_asked(tmp_path):
    run(tmp_path / "run.zarr", n_shots=3)
    assert run(tmp_path / "run.zarr", n_shots=5, overwrite=True).sizes["shot"] == 5
    assert [f.name for f in tmp_path.iterdir()] == ["run.zarr"]


def test_simulate__keeps_the_old_store_when_the_new_one_cannot_be_made(tmp_path, monkeypatch):
    run(tmp_path / "run.zarr", n_shots=3)
    before = tree(tmp_path)
    replace = Path.replace

    def last_fails(self, target):
        if self.name.endswith(".new"):
            raise OSError("the disk is gone")
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", last_fails)
        patch.setattr("xfeldask.store.storage.publish._renameat2", lambda: None)
        with pytest.raises(InputError, match="the disk is gone"):
            run(tmp_path / "run.zarr", n_shots=5, overwrite=True)
    assert tree(tmp_path) == before


def test_simulate__leaves_the_disk_as_it_was_when_an_engine_fails_on_the_first_shots(tmp_path, monkeypatch):
    class Broken(Thinning):
        def draw(self, *_, **__):
            raise ValueError("no shot can be drawn")

    run(tmp_path / "run.zarr", n_shots=3)
    before = tree(tmp_path)
    for engine, replaced in (("broken", "run.zarr"), ("broken", "new.zarr"), ("xfeldask", "run.zarr")):
        monkeypatch.setitem(ENGINES._things, engine, Broken)
        with pytest.raises(ValueError, match="no shot can be drawn"):
            run(tmp_path / replaced, n_shots=5, overwrite=True, engine=engine)
        assert tree(tmp_path) == before


def test_simulate__particle_in_any_form_is_the_same_experiment(tmp_path):
    position, element = np.round(ATOMS[0] * 1e10, 3), ATOMS[1]
    lines = [
        f"ATOM  {i + 1:5d}  {e:<3s} GLY A{1:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00          {e:>2s}"
        for i, ((x, y, z), e) in enumerate(zip(position, element, strict=True))
    ]
    (tmp_path / "blob.pdb").write_text("\n".join([*lines, "END"]) + "\n")
    parts = {
        "n_shots": 2,
        "seed": 3,
        "hits": {"single_fraction": 0.5},
        "detector": {"source": "square-32"},
        "beam": BRIGHT,
    }
    (tmp_path / "e.toml").write_text(
        'particle = "blob.pdb"\nn_shots = 2\nseed = 3\ndetector = "square-32"\nhits = {single_fraction = 0.5}\n'
        "[beam]\nphoton_energy = 4600.0\nphotons_per_pulse = 1e16\nfocus_radius = 5e-7\n"
    )
    path = str(tmp_path / "blob.pdb")
    runs = [
        {"particle": path, "n_shots": 2, "seed": 3, "single_fraction": 0.5, "detector": "square-32", "beam": BRIGHT},
        {"experiment": Experiment(particle=path, **parts)},
        {"experiment": Experiment.from_toml(tmp_path / "e.toml")},
        {"experiment": Experiment(particle=path, **{**parts, "seed": 9}), "seed": 3},
        {"experiment": Experiment(particle=path, **parts), "particle": (position * 1e-10, element)},
        {"experiment": Experiment(particle=path, **parts), "particle": make_atoms(position * 1e-10, element)},
    ]
    made = [simulate(tmp_path / f"{i}.zarr", progress=False, **one) for i, one in enumerate(runs)]
    assert len({ds.experiment_digest for ds in made[:4]}) == 1
    assert len({ds.experiment_digest for ds in made[4:]}) == 1
    for ds in made[1:]:
        np.testing.assert_array_equal(ds.photons, made[0].photons)
        np.testing.assert_array_equal(ds.orientation, made[0].orientation)
    again = simulate(tmp_path / "0.zarr", Experiment.from_toml(tmp_path / "e.toml"), resume=True, progress=False)
    assert again.sizes["shot"] == 2


def test_simulate__takes_orientations_from_a_list(tmp_path):
    listed = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0.6, 0, 0.8, 0]])
    ds = run(tmp_path / "a.zarr", orientations=listed, hits=0.0, n_shots=5)
    np.testing.assert_allclose(ds.orientation[:, 0], listed[[0, 1, 2, 0, 1]], atol=1e-15)
    np.save(tmp_path / "q.npy", listed)
    source = {"kind": "list", "source": str(tmp_path / "q.npy")}
    assert run(tmp_path / "b.zarr", orientations=source, hits=0.0, n_shots=5).photons.equals(ds.photons)
    for array_like in (tuple(listed), xr.DataArray(listed), listed.tolist()):
        _, _, found = as_experiment(None, "chaperonin", 5, array_like, {})
        np.testing.assert_array_equal(found, listed)


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"particle": "chaperonim"}, UnknownNameError, "did you mean chaperonin"),
        ({"detector": "pnccd-amo86614"}, UnknownNameError, "did you mean pnccd-amo86615"),
        ({"beam": "amo8661"}, UnknownNameError, "did you mean amo86615"),
        ({"nuisance": "jiter"}, UnknownNameError, "did you mean jitter"),
        ({"nuisance": {"pulse_sprad": 0.1}}, UnknownNameError, "did you mean pulse_spread"),
        ({"particle": "none.pdb"}, MissingFileError, "none.pdb"),
        ({"detector": "none.data"}, MissingFileError, "none.data"),
        ({"beam": "none.beam"}, MissingFileError, "none.beam"),
        ({"detector": {"source": "square-32", "mask": "none.npy"}}, MissingFileError, "no mask file none.npy"),
        ({"particle": (np.empty((0, 3)), [])}, InputError, "at least one atom"),
        ({"particle": (ATOMS[0] * np.nan, ATOMS[1])}, InputError, "atom 0 has the position .nan"),
        ({"particle": (ATOMS[0], ["Xx"] * 30)}, InputError, "Xx"),
        ({"particle": (ATOMS[0],)}, InputError, "pair"),
        ({"n_shots": 0}, InputError, "n_shots: .*greater than 0, got 0"),
        ({"n_shots": 2.5}, InputError, "n_shots"),
        ({"seed": -1}, InputError, "seed"),
        ({"hits": None, "single_fraction": 1.5}, InputError, "less than or equal to 1, got 1.5"),
        ({"single_fraction": 0.5}, InputError, "either single_fraction or hits"),
        ({"hits": {1: -1.0}}, InputError, "weights"),
        ({"beam": {**BRIGHT, "photon_energy": -4600}}, InputError, "greater than 0, got -4600 eV"),
        ({"beam": {**BRIGHT, "focus_radius": 0}}, InputError, "got 0 m"),
        ({"beam": {**BRIGHT, "photons_per_pulse": np.nan}}, InputError, "finite"),
        (
            {"beam": {"photon_energy": 4600, "photons_per_pulse": 1e20, "focus_radius": 1e-9}},
            InputError,
            r"photons_per_pulse 1e\+20 in a focus of radius 1e-09 m scatter up to .* photons a shot, and a total holds",
        ),
        ({"beam": {**BRIGHT, "photon_energy": 9e5}}, MemoryNeededError, "GB of memory"),
        ({"beam": {**BRIGHT, "photon_energy": 4.6}}, InputError, r"4.6 eV .*; did you mean 4600 eV \(4.6 keV\)"),
        ({"beam": {**BRIGHT, "focus_radius": 1e300}}, InputError, r"focus_radius: 1e\+300 m is beyond any laboratory"),
        ({"particle": (ATOMS[0] * 1e10, ATOMS[1])}, InputError, "are positions in angstrom"),
        ({"orientations": [[1, 0, 0]]}, InputError, "quaternions"),
        ({"orientations": [[1, 0], [1]]}, InputError, "quaternions .* got rows of several lengths"),
        ({"orientations": [[1, 0, 0, 1]]}, InputError, "length 1"),
        ({"orientations": {"kind": "list", "source": "none.npy"}}, MissingFileError, "none.npy"),
        ({"engine": "skopy"}, UnknownNameError, "unknown engine 'skopy'; did you mean skopi"),
        ({"photon_dtype": "int8"}, InputError, "photon_dtype"),
    ],
)
def test_simulate__refuses_bad_input_and_leaves_nothing(tmp_path, monkeypatch, changes, error, told):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=told) as raised:
        run(tmp_path / "run.zarr", **changes)
    assert isinstance(raised.value, XfeldaskError)
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_simulate__warns_of_single_hits_without_photons(tmp_path):
    photons = run(tmp_path / "bright.zarr").mean_single_photons * (1 + NUISANCE["background"])
    enough = BRIGHT["photons_per_pulse"] / photons
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(tmp_path / "enough.zarr", beam={**BRIGHT, "photons_per_pulse": enough * 1.001})
    with pytest.warns(FewPhotonsWarning, match="a single hit will have 1 photons on average") as told:
        run(tmp_path / "few.zarr", beam={**BRIGHT, "photons_per_pulse": enough * 0.999})
    assert told[0].filename == __file__


def test_simulate__refuses_malformed_files_and_leaves_nothing_else(tmp_path):
    (tmp_path / "bad.pdb").write_text("HEADER\nATOM      1  C   GLY A   1       x.000   0.000   0.000  1.00  0.00\n")
    (tmp_path / "bad.beam").write_text("beam/photon_energy = much\n")
    (tmp_path / "bad.toml").write_text("n_shots = \n")
    (tmp_path / "bad.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "bad.data").write_text("IP:V1 0 PNCCD:V1\n")
    before = tree(tmp_path)
    for changes in ({"particle": str(tmp_path / "bad.pdb")}, {"beam": str(tmp_path / "bad.beam")},
                    {"detector": str(tmp_path / "bad.data")},
                    {"orientations": {"kind": "list", "source": str(tmp_path / "bad.npy")}}):  # fmt: skip
        with pytest.raises(FormatError, match=r"bad\."):
            run(tmp_path / "run.zarr", **changes)
    with pytest.raises(FormatError, match=r"bad\.toml: not valid TOML.*line 1"):
        Experiment.from_toml(tmp_path / "bad.toml")
    assert tree(tmp_path) == before


def test_simulate__refuses_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"there is no folder .*; make it first"):
        run(tmp_path / "none" / "run.zarr")
    assert list(tmp_path.iterdir()) == []


def test_simulate__refuses_more_memory_than_there_is(tmp_path, monkeypatch):
    monkeypatch.setattr("xfeldask.engines.preparation.MEMORY_PART", 1e-6)
    with pytest.raises(MemoryNeededError, match=r"needs 0\.\d GB of memory, 0\.0 GB are allowed"):
        run(tmp_path / "run.zarr")
    assert list(tmp_path.iterdir()) == []


def test_simulate__refuses_a_read_only_folder(disk):
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    with pytest.raises(InputError, match=r"cannot write .*run\.zarr: .*[Rr]ead-only.*; choose a disk"):
        run(disk / "run.zarr")
    assert list(disk.iterdir()) == []


def test_simulate__refuses_to_resume_in_a_read_only_folder(disk, monkeypatch):
    broken, _ = breaking_after(0)
    with monkeypatch.context() as patch:
        patch.setattr("xfeldask.verbs.simulate.simulate_shard", broken)
        with pytest.raises(RunError):
            run(disk / "run.zarr")
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    with pytest.raises(InputError, match=r"cannot write .*[Rr]ead-only"):
        run(disk / "run.zarr", resume=True)


def test_simulate__refuses_a_disk_without_room(disk):
    (disk / "ballast").write_bytes(bytes(15_000_000))
    with pytest.raises(InputError, match=r"will take about .* GB and .* GB are free"):
        run(disk / "run.zarr")
    assert [f.name for f in disk.iterdir()] == ["ballast"]


def test_simulate__refuses_a_disk_that_fills_with_the_template(disk, monkeypatch):
    monkeypatch.setattr("xfeldask.verbs.simulate.refuse_full_disk", lambda *_: None)
    (disk / "ballast").write_bytes(bytes(15_000_000))
    with pytest.raises(InputError, match=r"cannot write .*[Nn]o space left.*; choose a disk with room"):
        run(disk / "run.zarr")
    assert [f.name for f in disk.iterdir()] == ["ballast"]


def test_simulate__resumes_after_a_full_disk(reference, disk, monkeypatch):
    sharded(monkeypatch, 4)
    path = disk / "run.zarr"
    asked = []

    def filling(opened, shard):
        asked.append(shard)
        if len(asked) == 3:
            fill(disk / "ballast")
        simulate_shard(opened, shard)

    with monkeypatch.context() as patch, dask.config.set(scheduler="synchronous"):
        patch.setattr("xfeldask.verbs.simulate.simulate_shard", filling)
        with pytest.raises(RunError, match=r"the run stopped: .*No space left.*; what was committed is kept") as error:
            run(path)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=r"cannot write .*No space left"):
        run(path, resume=True)
    (disk / "ballast").unlink()
    run(path, resume=True)
    assert bytes_of(path) == bytes_of(reference)
