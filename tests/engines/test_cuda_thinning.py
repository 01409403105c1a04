"""Photons on a GPU: under numba's simulator of one, on one where there is one, and what is told where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.orient.devices import gpu
from xfeldask import Experiment, simulate
from xfeldask.devices import Device
from xfeldask.engines import cuda_thinning
from xfeldask.engines.cuda_thinning import TRIED, CudaThinning, _launch_unfused, _refuse_fused, gpu_for
from xfeldask.engines.preparation import prepare
from xfeldask.errors import InputError, RunError, UnknownNameError
from xfeldask.formats.inputs import resolve
from xfeldask.physics.planned_shots import shots_of_plan
from xfeldask.physics.shot_blocks import split
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
    planned = list(split(shots_of_plan(ready.plan(shots), 0, shots, ready.inputs.geometry)))
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

    draw_here = draw


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
def test_simulate__says_nothing_of_a_gpu_that_it_does_not_need(tmp_path, capsys):
    simulate(tmp_path / "a.zarr", **SMALL, beam=BRIGHT)
    capsys.readouterr()
    again = SMALL | {"progress": True, "resume": True, "device": "cuda"}
    simulate(tmp_path / "a.zarr", **again, beam=BRIGHT)
    assert capsys.readouterr().err == ""
    assert not Same.made


@pytest.mark.usefixtures("card")
def test_selfcheck__counts_shots_whose_photons_differ(monkeypatch):
    monkeypatch.setattr(selfcheck, "CudaThinning", Same)
    monkeypatch.setattr(selfcheck, "DRAWN", selfcheck.DRAWN | {"n_shots": 5, "detector": "square-32"})
    found = selfcheck._photons(Card())
    assert found.fits
    assert found.told.startswith("5 of 5 shots as on the CPU")
    other = np.arange(2, dtype=np.uint32), np.ones(2, np.int64)
    monkeypatch.setattr(Same, "draw_here", lambda self, shots: [other, None, *map(self.model.draw, shots[2:])])
    found = selfcheck._photons(Card())
    assert not found.fits
    assert found.told.startswith("3 of 4 shots as on the CPU, 1 left to the CPU")
    monkeypatch.setattr(Same, "draw_here", lambda self, shots: [None] * len(shots))
    found = selfcheck._photons(Card())
    assert not found.fits
    assert found.told.startswith("0 of 0 shots as on the CPU, 5 left to the CPU")


@pytest.mark.usefixtures("card")
def test_selfcheck__goes_on_where_a_gpu_is_refused(monkeypatch):
    def refuse(*_):
        raise RunError("it draws other photons")

    monkeypatch.setattr(selfcheck, "CudaThinning", Same)
    monkeypatch.setattr(selfcheck, "DRAWN", selfcheck.DRAWN | {"n_shots": 5, "detector": "square-32"})
    monkeypatch.setattr(Same, "draw_here", refuse)
    assert selfcheck._photons(Card()) == ("photons", "it draws other photons", False)


def test_kernel__that_fuses_operations_is_refused():
    _refuse_fused({"one": "mul.rn.f64 %fd1, %fd2, %fd3; mad.lo.s64 %rd1, %rd2, 3, %rd4;"})
    # what names no rounding may be fused by the assembler
    for line in ("fma.rn.f64 %fd1, %fd2, %fd3, %fd4;", "mul.f32 %f1, %f2, %f3;", "add.f64 %fd1, %fd2, %fd3;"):
        with pytest.raises(RunError, match="roundings"):
            _refuse_fused({"one": line})


class Kernel:
    """Is compiled for a type of argument when it is launched with the first of them."""

    def __init__(self, nvvm):
        self.nvvm, self.overloads, self.compilers = nvvm, set(), []

    def __getitem__(self, size):
        return self.launch

    def launch(self, *arguments):
        self.compilers.append(self.nvvm.compile_ir)
        self.overloads.add(tuple(map(type, arguments)))

    def typeof_pyval(self, value):
        return type(value)

    def inspect_asm(self):
        return {}


def test_kernel__is_compiled_unfused_and_nothing_else_is(monkeypatch):
    nvvm = SimpleNamespace(compile_ir=lambda ir, **options: options)
    monkeypatch.setattr(cuda_thinning.importlib, "import_module", lambda name: nvvm)
    plain, kernel = nvvm.compile_ir, Kernel(nvvm)
    for arguments in ((1, 2.0), (3, 4.0), (1, 2)):
        _launch_unfused(kernel, (1, 1), arguments)
        assert nvvm.compile_ir is plain
    assert [compiler("") for compiler in kernel.compilers] == [{"fma": False}, {}, {"fma": False}]
    del nvvm.compile_ir
    with pytest.raises(RunError, match="roundings"):
        _launch_unfused(kernel, (1, 1), ("other",))


OTHER = np.arange(3, dtype=np.uint32), np.ones(3, np.int64)


def drawing(monkeypatch, n_shots, drawn):
    """What draws as `drawn` of a model says, the model and shots with photons."""
    asked = Experiment(particle="chaperonin", detector="square-32", n_shots=n_shots)
    ready, shots = prepare(resolve(asked)), np.arange(n_shots)
    planned = list(split(shots_of_plan(ready.plan(shots), 0, shots, ready.inputs.geometry)))
    monkeypatch.setattr(CudaThinning, "_drawn", lambda self, shots: [drawn(self._model, shot) for shot in shots])
    return CudaThinning(ready.engine.model, Device()), planned


def test_draw__of_other_photons_than_the_cpu_is_refused(monkeypatch):
    gpu, planned = drawing(monkeypatch, 1, lambda model, shot: OTHER)
    with pytest.raises(RunError, match="other photons than the CPU"):
        gpu.draw(planned)


def test_draw__is_tried_until_enough_shots_with_photons_were_drawn_on_the_gpu(monkeypatch):
    wrong = False
    gpu, planned = drawing(monkeypatch, TRIED + 1, lambda model, shot: OTHER if wrong else model.draw(shot))
    empty = planned[0]._replace(strength=0 * planned[0].strength)
    assert gpu._model.draw(empty)[0].size == 0
    with monkeypatch.context() as patch:
        patch.setattr(gpu, "_drawn", lambda shots: [None] * len(shots))
        gpu.draw(planned)
    gpu.draw([empty] * (TRIED + 1))
    gpu.draw(planned[: TRIED - 1])
    wrong = True
    with pytest.raises(RunError, match="other photons than the CPU"):
        gpu.draw(planned[TRIED - 1 : TRIED])
    with pytest.raises(RunError, match="other photons than the CPU"):
        gpu.draw([empty])
    wrong = False
    gpu.draw(planned[TRIED - 1 :])
    wrong = True
    assert gpu.draw(planned[:1]) == [OTHER]


def test_draw__without_memory_for_a_shot_says_what_to_do(monkeypatch):
    def run_out(*_):
        raise MemoryError

    gpu, planned = drawing(monkeypatch, 1, None)
    monkeypatch.undo()
    monkeypatch.setattr(gpu, "_launch", run_out)
    with pytest.raises(RunError, match=r"drawing a shot ran out of memory on the CPU, .* GB free; take device='cpu'"):
        gpu.draw(planned)
