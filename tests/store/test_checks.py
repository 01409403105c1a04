from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import zarr

from xfeldask import simulate
from xfeldask.errors import CorruptStoreError, MissingFileError
from xfeldask.schema import PENDING, VARIABLES
from xfeldask.store.checks import Problem, check_root, check_shard, merged
from xfeldask.store.run import open_run
from xfeldask.verbs.verify import Report, verify

ATOMS = (np.random.default_rng(1).normal(size=(30, 3)) * 5e-10, ["C", "N", "O"] * 10)
BRIGHT = {"photon_energy": 4600.0, "photons_per_pulse": 1e15, "focus_radius": 5e-7}
N_SHOTS, SHARD = 72, 32
LAST = range(64, 72)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A complete store of three shards, the last one short, with blank shots; read only."""
    path = tmp_path_factory.mktemp("verification") / "run.zarr"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xfeldask.store.layout.SHARD_BYTES", SHARD * 32 * 32)
        ds = simulate(path, particle=ATOMS, detector="square-32", beam=BRIGHT, n_shots=N_SHOTS, progress=False,
                      hits={0: 0.2, 1: 0.4, 2: 0.4}, intensity=True)  # fmt: skip
    assert ds.photons.chunks[0] == (32, 32, 8)
    assert (ds.photon_count == 0).any()
    return path


@pytest.fixture
def store(made, tmp_path):
    """A copy that may be spoilt."""
    return shutil.copytree(made, tmp_path / "run.zarr")


def flip(file, at):
    data = bytearray(file.read_bytes())
    data[at] ^= 0x10
    file.write_bytes(data)


def found(store):
    """Variables and shots of the problems, in order."""
    return [(problem.variable, problem.shots) for problem in verify(store, progress=False).problems]


def chunk_start(file, number):
    """Where a chunk of a shard file starts, from the index at its end."""
    chunks = {"photons": SHARD, "intensity": SHARD, "image": SHARD // 16}[file.parts[-file.parts[::-1].index("c") - 2]]
    index = np.frombuffer(file.read_bytes()[-16 * chunks - 4 : -4], "<u8").reshape(-1, 2)
    return int(index[number, 0])


def set_root(store, **values):
    text = json.loads((store / "zarr.json").read_text())
    text["attributes"] |= values
    (store / "zarr.json").write_text(json.dumps(text))


def test_verify__passes_a_whole_store(made):
    report = verify(made, progress=False)
    assert report == Report(N_SHOTS, ())
    assert report.ok
    assert str(report) == "72 shots checked, no problems"


@pytest.mark.parametrize(("variable", "shot"), [("photons", 0), ("photons", 40), ("photons", 71), ("intensity", 31)])
def test_verify__names_the_shot_of_a_flipped_bit(store, variable, shot):
    file = store / variable / f"c/{shot // SHARD}/0/0/0"
    flip(file, chunk_start(file, shot % SHARD) + 15)
    assert found(store) == [(variable, range(shot, shot + 1))]


def test_verify__names_all_shots_of_flipped_bits(store):
    file = store / "photons/c/1/0/0/0"
    for shot in (33, 34, 60):
        flip(file, chunk_start(file, shot - 32) + 14)
    assert found(store) == [("photons", range(33, 35)), ("photons", range(60, 61))]


@pytest.mark.parametrize(("part", "shots"), [(0, range(32, 48)), (1, range(48, 64))])
def test_verify__names_the_shots_of_a_chunk_of_images(store, part, shots):
    file = store / "image/c/1/0/0"
    flip(file, chunk_start(file, part) + 20)
    assert found(store) == [("image", shots)]


@pytest.mark.parametrize("at", [-1, -5, -100])
def test_verify__names_the_shard_of_a_flipped_index(store, at):
    flip(store / "photons/c/2/0/0/0", at)
    flip(store / "intensity/c/1/0/0/0", at)
    assert found(store) == [("intensity", range(32, 64)), ("photons", LAST)]


def test_check_shard__finds_a_flip_of_any_byte(store):
    for file in (store / "photons/c/2/0/0/0", store / "image/c/2/0/0"):
        good = file.read_bytes()
        for at in range(0, len(good), 61):
            flip(file, at)
            (problem,) = check_shard(open_run(store), 2)
            assert problem.variable == file.relative_to(store).parts[0]
            assert problem.shots == LAST or (len(problem.shots) == 1 and problem.shots.start in LAST)
            file.write_bytes(good)
        assert check_shard(open_run(store), 2) == []


def test_verify__names_the_shards_of_flipped_totals(store):
    for shard, variable in enumerate(("photon_count", "lost_photons", "shot_status")):
        flip(store / variable / f"c/{shard}", 13)
    assert found(store) == [("lost_photons", range(32, 64)), ("photon_count", range(32)), ("shot_status", LAST)]


def test_verify__finds_flipped_bits_in_every_other_array(store):
    arrays = [f.parent for f in store.rglob("zarr.json") if (f.parent / "c").exists()]
    named = {str(array.relative_to(store)) for array in arrays}
    others = sorted(named - {v.name for v in VARIABLES.values() if v.role in ("raw", "total")})
    assert {"orientation", "q", "atom_element", "xyz", "volume/arrays/coefficient"} <= set(others)
    for name in others:
        file = next(f for f in (store / name / "c").rglob("0") if f.is_file())
        flip(file, file.stat().st_size // 2)
    along = {name for name in others if name in VARIABLES and VARIABLES[name].dims[0] == "shot"}
    assert "shot" in along
    assert found(store) == [(name, range(N_SHOTS if name in along else 0)) for name in others]


def test_verify__names_the_shots_of_missing_files(store):
    gone = {
        "image/c/0/0/0": range(32),
        "intensity/c/2/0/0/0": LAST,
        "lost_photons/c/0": range(32),
        "mask/c/0/0/0": range(0),
        "orientation/c/0/0/0": range(N_SHOTS),
        "photon_count/c/2": LAST,
        "photons/c/1/0/0/0": range(32, 64),
        "shot/c/0": range(N_SHOTS),
        "shot_status/c/1": range(32, 64),
        "volume/arrays/kernel/c/0/0": range(0),
    }
    for file in gone:
        (store / file).unlink()
    told = [Problem(file.split("/c/")[0], shots, "the file is missing") for file, shots in gone.items()]
    assert list(verify(store, progress=False).problems) == told


def test_verify__names_the_shots_of_missing_shards(store):
    shutil.rmtree(store / "photons/c/1")
    shutil.rmtree(store / "photons/c/2")
    assert found(store) == [("photons", range(32, 72))]


@pytest.mark.parametrize("kept", [0, 3, 700, -1])
def test_verify__names_the_shots_of_truncated_files(store, kept):
    for file in ("photons/c/0/0/0/0", "image/c/1/0/0", "photon_count/c/2", "fluence/c/0/0"):
        path = store / file
        path.write_bytes(path.read_bytes()[: min(kept, path.stat().st_size - 1)])
    assert found(store) == [
        ("fluence", range(N_SHOTS)), ("image", range(32, 64)), ("photon_count", LAST), ("photons", range(32)),
    ]  # fmt: skip


def test_verify__compares_photons_and_images_with_their_totals(store):
    root = zarr.open_group(store, mode="r+", use_consolidated=False)
    count = root["photon_count"][:]
    root["photon_count"][40] = count[40] + 1
    frame = root["photons"][70]
    frame[0, 0, 0] += 1
    root["photons"][70] = frame
    image = root["image"][3]
    image[0, 0] += 2
    root["image"][3] = image
    told = {40: f"holds {count[40]} photons, photon_count says {count[40] + 1}"}
    told |= {70: f"holds {count[70] + 1} photons, photon_count says {count[70]}"}
    told |= {3: f"holds {count[3] + 2} photons, photon_count says {count[3]}"}
    assert sorted(map(str, verify(store, progress=False).problems)) == sorted([
        f"photons, shot 40: {told[40]}", f"image, shot 40: {told[40]}",
        f"photons, shot 70: {told[70]}", f"image, shot 3: {told[3]}",
    ])  # fmt: skip


def test_verify__lets_a_full_bin_hold_less(store):
    root = zarr.open_group(store, mode="r+", use_consolidated=False)
    image, frame = np.zeros((32, 32), np.uint16), np.zeros((1, 32, 32), np.uint8)
    frame[...] = 255
    image[0, 0] = 65535
    root["photons"][5], root["image"][5], root["photon_count"][5] = frame, image, int(frame.sum())
    assert verify(store, progress=False).ok
    image[0, 0] = 65534
    root["image"][5] = image
    assert found(store) == [("image", range(5, 6))]


def test_verify__names_shots_that_are_not_done(store):
    root = zarr.open_group(store, mode="r+", use_consolidated=False)
    root["shot_status"][33:36] = PENDING
    told = "not done, though the store is marked complete"
    assert verify(store, progress=False).problems == (Problem("shot_status", range(33, 36), told),)


def test_verify__tells_what_an_incomplete_store_lacks(store):
    set_root(store, complete=False)
    (store / "shot_status/c/1").unlink()
    (store / "photons/c/1/0/0/0").unlink()
    assert found(store) == [("shot_status", range(32, 64))]
    flip(store / "photons/c/2/0/0/0", -1)
    assert found(store) == [("photons", LAST), ("shot_status", range(32, 64))]


def test_verify__tells_of_a_store_that_is_only_not_marked(store):
    set_root(store, complete=False)
    assert found(store) == [("complete", range(0))]


@pytest.mark.parametrize(
    ("old", "new"),
    [('\\"n_shots\\":72', '\\"n_shots\\":73'), ("4600.0", "4700.0"), ('\\"weights', '\\"weightz'),
     ('\\"particle', "{"), ('"experiment_digest": "', '"experiment_digest": "0')],
)  # fmt: skip
def test_verify__finds_an_experiment_that_is_not_its_digest(store, old, new):
    text = (store / "zarr.json").read_text()
    assert old in text
    (store / "zarr.json").write_text(text.replace(old, new, 1))
    told = {(problem.variable, problem.shots) for problem in check_root(open_run(store))}
    assert told == {("experiment", range(0)), ("attributes of the root", range(0))}


def test_verify__compares_the_seed_with_the_experiment(store):
    set_root(store, seed=8)
    assert verify(store, progress=False).problems[1:] == (Problem("seed", range(0), "8, the experiment's is 0"),)


def test_verify__compares_metadata_with_the_schema(store):
    for name, old, new in (("fluence", '"um-2"', '"um-3"'), ("photon_count", "uint32", "int32")):
        file = store / name / "zarr.json"
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))
    problems = verify(store, progress=False).problems
    assert Problem("fluence", range(N_SHOTS), "units um-3, should be um-2") in problems
    assert Problem("photon_count", range(N_SHOTS), "type int32, should be uint32") in problems


@pytest.mark.parametrize(
    ("name", "shots"), [("lost_photons", range(N_SHOTS)), ("size", range(N_SHOTS)), ("q", range(0)),
                        ("volume/arrays/s", range(0))],
)  # fmt: skip
def test_verify__finds_metadata_that_are_gone_or_broken(store, name, shots):
    (store / name / "zarr.json").write_text("{")
    assert found(store) == [(name, shots)]
    shutil.rmtree(store / name)
    assert verify(store, progress=False).problems == (Problem(name, shots, "the array is missing"),)


def test_verify__finds_a_group_of_a_form_factor_that_cannot_be_read(store):
    (store / "volume" / "arrays" / "zarr.json").write_text("{")
    assert found(store) == [("volume/arrays", range(0))]


@pytest.mark.parametrize("name", ["zarr.json", "photons/zarr.json", "image/zarr.json"])
def test_verify__stops_where_nothing_can_be_read(store, name):
    (store / name).write_text("{")
    with pytest.raises(CorruptStoreError, match="metadata") as error:
        verify(store, progress=False)
    assert "\n" not in str(error.value)


def test_verify__misses_a_store(tmp_path):
    with pytest.raises(MissingFileError, match="no store at"):
        verify(tmp_path / "none.zarr")


def test_verify__reads_latent_spaces_too(store):
    group = zarr.open_group(store, mode="r+").create_group("latent/ipca")
    latent = group.create_array(
        "latent", shape=(N_SHOTS, 3), dtype="f4", chunks=(36, 3), dimension_names=("shot", "component")
    )
    latent[:36] = 1.0
    latent[36:] = 2.0
    assert verify(store, progress=False).ok
    file = store / "latent/ipca/latent/c/0/0"
    file.write_bytes(file.read_bytes()[:-5])
    assert found(store) == [("latent/ipca/latent", range(36))]


def test_report__tells_the_first_problems():
    report = Report(100, tuple(Problem("photons", range(2 * i, 2 * i + 1), "gone") for i in range(25)))
    lines = str(report).split("\n")
    assert lines[:2] == ["100 shots checked, 25 problems:", "  photons, shot 0: gone"]
    assert lines[-1] == "  and 5 more"
    assert len(lines) == 22


def test_merged__joins_neighbours_that_say_the_same():
    one = [Problem("a", range(i, i + 1), "x") for i in (0, 1, 2, 5)]
    assert merged(one) == [Problem("a", range(3), "x"), one[-1]]
    different = [Problem("a", range(1), "x"), Problem("a", range(1, 2), "y"), Problem("b", range(2, 3), "y")]
    assert merged(different) == different
