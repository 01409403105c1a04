"""Photons on a GPU: under numba's simulator of one, on one where there is one, and what is told where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.orient.devices import gpu
from xfeldask import Experiment, simulate
from xfeldask.devices import Device
from xfeldask.engines import cuda_thinning
from xfeldask.engines.cuda_thinning import CudaThinning, _refuse_fused, gpu_for
from xfeldask.engines.preparation import prepare
from xfeldask.errors import InputError, RunError, UnknownNameError
from xfeldask.formats.inputs import resolve
from xfeldask.physics.plan import shots_of_plan
from xfeldask.verbs import selfcheck

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"particle": (np.eye(3) * 1e-9, ["C"] * 3), "detector": "square-32", "n_shots": 3, "progress": False}
BRIGHT = {"photon_energy": 4600.0, "photons_per_pulse": 1e17, "focus_radius": 5e-7}


def test_kernel__under_the_simulator_draws_the_photons_of_the_cpu():
    pytest.importorskip("numba.cuda.simulator", reason="this numba has no simulator of a GPU")
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "tests.engines.simulated_gpu"]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.cuda
def test_photons__on_a_gpu_are_those_of_the_cpu():
    device = gpu()
    pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")
    asked = Experiment(particle="chaperonin", n_shots=500, hits={0: 1, 1: 8, 2: 2}, nuisance="realistic")
    ready, shots = prepare(resolve(asked)), np.arange(500)
    planned = shots_of_plan(ready.plan(shots), 0, shots, ready.inputs.geometry)
    for shot, (pixel, count) in zip(planned, CudaThinning(ready.engine.model, device).draw(planned), strict=True):
        mine, how_many = ready.engine.model.draw(shot)
        np.testing.assert_array_equal(pixel, mine)
        np.testing.assert_array_equal(count, how_many)


class Card(Device):
    name, label = "cuda", "NVIDIA Test 80GB"


class Same:
    """Draws on the CPU, and remembers on which device it was told to."""

    made: list[Device] = []  # noqa: RUF012

    def __init__(self, model, device):
        self.model = model
        self.made.append(device)

    def draw(self, shots):
        return [self.model.draw(shot) for shot in shots]


@pytest.fixture
def card(monkeypatch):
    monkeypatch.setattr(cuda_thinning, "device_of", lambda name: None if name == "cpu" else Card())
    monkeypatch.setattr("xfeldask.engines.thinning.CudaThinning", Same)
    monkeypatch.setattr(cuda_thinning, "find_spec", lambda name: name)
    monkeypatch.setattr(Same, "made", [])


@pytest.mark.parametrize("device", ["auto", "cuda"])
@pytest.mark.usefixtures("card")
def test_simulate__on_a_gpu_tells_which_and_stores_the_same(tmp_path, capsys, device):
    one = simulate(tmp_path / "a.zarr", **SMALL, beam=BRIGHT)
    assert not Same.made
    two = simulate(tmp_path / "b.zarr", **SMALL | {"progress": True}, beam=BRIGHT, device=device)
    assert len(Same.made) == 1
    assert "drawing on NVIDIA Test 80GB" in capsys.readouterr().err
    assert (one.attrs["device"], two.attrs["device"]) == ("the CPU", "NVIDIA Test 80GB")
    assert one.attrs["experiment_digest"] == two.attrs["experiment_digest"]
    assert one.photons.values.sum() > 0
    np.testing.assert_array_equal(one.photons.values, two.photons.values)


@pytest.mark.usefixtures("card")
def test_gpu_for__refuses_what_draws_on_the_cpu(monkeypatch):
    assert gpu_for("cpu", "skopi") is None
    assert gpu_for("auto", "skopi") is None
    with pytest.raises(InputError, match="engine='skopi' draws on the CPU"):
        gpu_for("cuda", "skopi")
    monkeypatch.setattr(cuda_thinning, "find_spec", lambda name: None)
    assert gpu_for("auto", "xfeldask") is None
    with pytest.raises(InputError, match=r"numba-cuda is not installed; install 'xfeldask\[cuda\]'"):
        gpu_for("cuda", "xfeldask")


def test_simulate__on_what_is_no_device_writes_nothing(tmp_path):
    with pytest.raises(UnknownNameError, match="device"):
        simulate(tmp_path / "a.zarr", **SMALL, device="gpu")
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("card")
def test_selfcheck__counts_shots_whose_photons_differ(monkeypatch):
    monkeypatch.setattr(selfcheck, "CudaThinning", Same)
    monkeypatch.setattr(selfcheck, "DRAWN", selfcheck.DRAWN | {"n_shots": 5, "detector": "square-32"})
    found = selfcheck._photons(Card())
    assert found.fits
    assert found.told.startswith("5 of 5 shots as on the CPU")
    other = np.arange(2, dtype=np.uint32), np.ones(2, np.int64)
    monkeypatch.setattr(Same, "draw", lambda self, shots: [other, *map(self.model.draw, shots[1:])])
    found = selfcheck._photons(Card())
    assert not found.fits
    assert found.told.startswith("4 of 5 shots")


def test_kernel__that_fuses_operations_is_refused():
    _refuse_fused({"one": "mul.rn.f64 %fd1, %fd2, %fd3; mad.lo.s64 %rd1, %rd2, 3, %rd4;"})
    with pytest.raises(RunError, match="roundings"):
        _refuse_fused({"one": "fma.rn.f64 %fd1, %fd2, %fd3, %fd4;"})


def test_draw__of_other_photons_than_the_cpu_is_refused(monkeypatch):
    ready, shots = prepare(resolve(Experiment(particle="chaperonin", detector="square-32", n_shots=1))), np.arange(1)
    planned = shots_of_plan(ready.plan(shots), 0, shots, ready.inputs.geometry)
    other = np.arange(3, dtype=np.uint32), np.ones(3, np.int64)
    monkeypatch.setattr(CudaThinning, "_drawn", lambda self, shots: [other])
    with pytest.raises(RunError, match="other photons than the CPU"):
        CudaThinning(ready.engine.model, Device()).draw(planned)
