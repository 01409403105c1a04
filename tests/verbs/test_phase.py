"""`phase`: what is added to a reconstruction, and the files that are written."""

from __future__ import annotations

from pathlib import Path

import gemmi
import h5py
import numpy as np
import pytest

from tests.orient.devices import Narrow
from tests.verbs.test_reconstruct import COMMON, SMALL
from xfeldask import devices, open_run, phase, reconstruct, simulate
from xfeldask.errors import InputError, MemoryNeededError, UnknownNameError


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("phase") / "run.zarr"
    simulate(path, n_shots=100, **COMMON)
    reconstruct(path, **{**SMALL, "rotations": 60, "n_iterations": 2})
    return path


def test_density__is_added_and_written(path, tmp_path):
    before = open_run(path).reconstructions["emc"].dataset().load()
    found = phase(path, starts=2, iterations=20, density=tmp_path / "a.mrc", intensity=tmp_path / "a.h5")
    for name in before.variables:
        np.testing.assert_array_equal(found[name].values, before[name].values)
    assert open_run(path).reconstructions["emc"].is_finished
    pitch = np.diff(found.position.values)
    np.testing.assert_allclose(pitch, 1 / (found.sizes["x"] * np.diff(found.s.values)[0]))
    made = gemmi.read_ccp4_map(str(tmp_path / "a.mrc"))
    np.testing.assert_allclose(np.array(made.grid), found.density.values)
    assert made.grid.unit_cell.a == pytest.approx(found.sizes["x"] * pitch[0] * 1e10, rel=1e-5)
    assert made.header_float(50) == pytest.approx(found.position.values[0] * 1e10, rel=1e-5)
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["intensity"], found.intensity.values)
        np.testing.assert_array_equal(file["s"], found.s.values)
    again = phase(path, starts=2, iterations=20)
    np.testing.assert_array_equal(again.density.values, found.density.values)


def no_room(*_):
    raise InputError("there is no room")


def test_what_cannot_be__is_refused(path, tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"written as \.mrc"):
        phase(path, starts=1, iterations=1, density=tmp_path / "a.txt")
    with pytest.raises(InputError, match="cannot write"):
        phase(path, starts=1, iterations=1, density=tmp_path / "no" / "a.mrc")
    with pytest.raises(InputError, match=r"written as \.h5"):
        phase(path, starts=1, iterations=1, intensity=tmp_path / "a.txt")
    monkeypatch.setattr("xfeldask.verbs.phase.write_map", no_room)
    with pytest.raises(InputError, match="no room"):
        phase(path, starts=1, iterations=3, density=tmp_path / "b.mrc")
    assert "density" in open_run(path).reconstructions["emc"].dataset()
    with pytest.raises(InputError, match="seed is 0"):
        phase(path, seed=-1)
    with pytest.raises(UnknownNameError, match="unknown reconstruction 'nobody'"):
        phase(path, name="nobody")


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> Narrow:
    """A GPU that is none."""
    found = Narrow(0)
    monkeypatch.setattr("xfeldask.verbs.phase.device_of", lambda name: None if name == "cpu" else found)
    return found


def test_density__tells_which_gpu_phased_it(path, narrow, run):
    plain = phase(path, starts=1, iterations=5, device="cpu")
    assert "device" not in plain.density.attrs
    found = phase(path, starts=1, iterations=5)
    assert found.density.attrs["device"] == "the CPU"
    np.testing.assert_array_equal(found.density.values, plain.density.values)
    assert ", phased on the CPU; " in run("phase", path, "--starts", 1, "--iterations", 5)[1]
    narrow.memory = 1000
    assert "device" not in phase(path, starts=1, iterations=5).density.attrs
    with pytest.raises(MemoryNeededError, match=r"phasing 21\^3 voxels on the CPU needs .*--device cpu"):
        phase(path, starts=1, iterations=5, device="cuda")


def test_device__that_is_not_there_is_refused(path, monkeypatch, run):
    monkeypatch.setattr(devices, "find_spec", lambda _: None)
    code, _, err = run("phase", path, "--device", "cuda")
    assert (code, len(err.strip().splitlines())) == (2, 1)
    assert "CuPy is not installed" in err


def test_command__tells_where_starts_agree(path, run):
    code, out, _ = run("phase", path, "--starts", 1, "--iterations", 5)
    assert code == 0
    assert "agree" in out


def test_half_sets__tell_how_well_their_densities_agree(path, run):
    reconstruct(path, name="halves", half_sets=True, symmetry="D4", **{**SMALL, "rotations": 60, "n_iterations": 1})
    found = phase(path, name="halves", starts=1, iterations=10)
    assert found.density_correlation.dims == found.phase_transfer.dims
    assert (np.abs(found.density_correlation) <= 1 + 1e-9).all()
    assert "half sets" in run("phase", path, "--name", "halves", "--starts", 1, "--iterations", 10)[1]
    assert "density_correlation" not in phase(path, name="emc", starts=1, iterations=5)
