"""Shots drawn again from seed and index are those of the store, or are named."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

from xfeldask import expected_intensity, open_run, simulate
from xfeldask.engines.redrawing import DIFFERS, check_redrawn
from xfeldask.errors import CorruptStoreError, InputError, UnreachableError
from xfeldask.store.packing.codecs import EXACT, FAST, pipeline
from xfeldask.store.run import Run
from xfeldask.store.volumes import read_volume
from xfeldask.verbs.verify import verify

ATOMS = (np.random.default_rng(1).normal(size=(30, 3)) * 5e-10, ["C", "N", "O"] * 10)
BRIGHT = {"photon_energy": 4600.0, "photons_per_pulse": 1e16, "focus_radius": 5e-7}
N = 24
RUN = {"particle": ATOMS, "detector": "square-32", "beam": BRIGHT, "n_shots": N, "hits": {0: 0.1, 1: 0.5, 2: 0.4},
       "nuisance": "realistic", "seed": 5, "progress": False}  # fmt: skip
KINDS = {
    "usual": {},
    "read": {"response": {"preset": "pnccd", "noise": 900.0, "dead_fraction": 0.02, "hot_fraction": 0.02}},
    "adu": {"response": {"preset": "pnccd", "noise": 900.0, "adu": True}},
    "uniform": {"orientations": {"kind": "uniform", "count": 7}, "intensity": True, "photon_dtype": "uint16"},
    "listed": {"orientations": np.random.default_rng(1).permutation(np.eye(4))},
}


@pytest.fixture(
    scope="module",
    params=["usual", "read", *(pytest.param(kind, marks=pytest.mark.campaign) for kind in list(KINDS)[2:])],
)
def made(tmp_path_factory, request):
    path = tmp_path_factory.mktemp("redrawing") / "run.zarr"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xfeldask.store.layout.SHARD_BYTES", 8 * 32 * 32)
        simulate(path, **RUN | KINDS[request.param])
    return path


@pytest.fixture
def store(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "run.zarr"))


def test_verify__recomputes_all_shots_to_the_same_bytes(made):
    for count in (1, 10 * N):
        report = verify(made, recompute=count, progress=False)
        assert report.ok, report


def test_verify__finds_a_shard_that_another_seed_drew(store, tmp_path):
    other = tmp_path / "other.zarr"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xfeldask.store.layout.SHARD_BYTES", 8 * 32 * 32)
        simulate(other, **RUN | {"seed": 6, "photon_dtype": str(zarr.open_array(store / "photons").dtype)})
    names = ["photons", "image", "low_q", "photon_count", "lost_photons"]
    for name in names:
        for file in (other / name / "c" / "1").rglob("*") if name not in names[3:] else [other / name / "c" / "1"]:
            if file.is_file():
                shutil.copy(file, store / file.relative_to(other))
    assert verify(store, progress=False).ok
    problems = verify(store, recompute=N, progress=False).problems
    assert {problem.what for problem in problems} == {DIFFERS}
    assert {problem.variable for problem in problems} >= {"photons", "image", "low_q", "photon_count"}
    shots = open_run(store).layout.shots(1)
    assert {shot for problem in problems for shot in problem.shots} <= set(shots)
    assert len({s for p in problems if p.variable == "photons" for s in p.shots}) > len(shots) / 2


@pytest.mark.parametrize("lost", ["kernel", "step"])
def test_verify__tells_of_a_form_factor_that_cannot_be_read_and_of_all_else(store, lost):
    name = f"volume/{open_run(store).attributes['particle']}"
    if lost == "step":
        del zarr.open_group(store / name, mode="r+").attrs["step"]
    else:
        shutil.rmtree(store / name / "kernel")
    file = next(file for file in (store / "orientation").rglob("*") if file.name != "zarr.json" and file.is_file())
    file.unlink()
    told = rf"the form factor of .* cannot be read \(.*'?{lost}'?\)"
    with pytest.raises(CorruptStoreError, match=told):
        expected_intensity(store, 1)
    problems = verify(store, recompute=2, progress=False).problems
    (problem,) = [problem for problem in problems if problem.variable == "volume"]
    assert re.search(told, problem.what)
    assert "orientation" in {problem.variable for problem in problems}


@pytest.mark.parametrize("by", [EXACT, FAST])
def test_form_factor__whose_bytes_are_damaged_is_told_by_whatever_reads_them(store, by):
    name = open_run(store).attributes["particle"]
    (chunk,) = (file for file in (store / f"volume/{name}/coefficient/c").rglob("*") if file.is_file())
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 0xFF
    chunk.write_bytes(content)
    with pipeline(by), pytest.raises(CorruptStoreError, match=r"the form factor of .* cannot be read"):
        read_volume(open_run(store).group, name)
    assert "volume" in {problem.variable for problem in verify(store, recompute=1, progress=False).problems}


def test_verify__finds_truth_that_is_not_of_the_seed(store):
    root = zarr.open_group(store, mode="r+", use_consolidated=False)
    for shot, (name, change) in enumerate(
        [("position", 1e-12), ("fluence", 1.0), ("photon_energy", 1e-6), ("n_particles", 1), ("background", 1e-9)], 3
    ):
        root[name][shot] = root[name][shot] + change
    told = {(p.variable, p.shots.start) for p in verify(store, recompute=N, progress=False).problems}
    assert told >= {("photon_energy", 5), ("n_particles", 6)}
    assert {variable for variable, _ in told} <= {"position", "fluence", "photon_energy", "n_particles", "background"}


def test_verify__calls_no_shot_damaged_that_could_not_be_fetched(made, monkeypatch):
    real, errors = Run.array, {"photons": RuntimeError(), "image": UnreachableError("the server does not answer")}

    class Failing:
        def __getitem__(self, shot):
            raise errors[name]

    def array(run, asked, *codec):
        return Failing() if asked == name else real(run, asked, *codec)

    run = open_run(made)
    monkeypatch.setattr(Run, "array", array)
    name = "photons"
    (problem,) = check_redrawn(run, [3])
    assert problem.what == "it cannot be decoded (RuntimeError)"
    name = "image"
    with pytest.raises(UnreachableError, match="does not answer"):
        check_redrawn(run, [3])


def test_verify__finds_a_form_factor_that_is_not_of_the_atoms(store):
    root = zarr.open_group(store, mode="r+", use_consolidated=False)
    root["volume/arrays/coefficient"][...] = root["volume/arrays/coefficient"][...] * 1.01
    told = [str(problem) for problem in verify(store, recompute=1, progress=False).problems]
    assert any(line.startswith("volume/arrays: is off its atoms by 0.0") for line in told), told


def test_verify__recomputes_what_was_simulated_only(store):
    root = zarr.open_group(store, mode="r+", use_consolidated=False)
    with pytest.raises(InputError, match="recompute is a number of shots, got -1"):
        verify(store, recompute=-1, progress=False)
    root.attrs["format"] = 3
    with pytest.raises(InputError, match="has format 3, and shots are drawn by format"):
        verify(store, recompute=1, progress=False)
    for name in ("experiment", "experiment_digest"):
        del root.attrs[name]
    with pytest.raises(InputError, match="was not simulated"):
        verify(store, recompute=1, progress=False)
