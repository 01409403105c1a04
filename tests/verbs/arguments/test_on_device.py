"""Verbs that compare shots with slices, on a device that stands in for a GPU."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.orient.devices import Narrow
from tests.orient.shots import atoms_of
from xfeldask import devices, embed, find_kinds, judge, open_run, project, reconstruct, simulate
from xfeldask.devices import Device
from xfeldask.errors import InputError, MemoryNeededError, UnknownNameError
from xfeldask.orient.dense import DenseFrames
from xfeldask.schema import Variable
from xfeldask.sorting.decision import Decision
from xfeldask.sorting.protocol import Rule
from xfeldask.sorting.rules import RULES, register_rule
from xfeldask.verbs.arguments import on_device

BEAM = {"photon_energy": 4600.0, "photons_per_pulse": 2.4e18, "focus_radius": 5e-7}
RUN = {"particle": (atoms_of(4), ["C"] * 12), "beam": BEAM, "detector": "square-64", "n_shots": 250, "seed": 1}
SMALL = {"resolution": 6e-9, "rotations": 60, "starts": 1}
FEW = {**SMALL, "n_iterations": 4}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("device") / "run.zarr"
    simulate(path, single_fraction=1.0, **RUN, progress=False)
    embed(path, sort="elliptic_envelope", contamination=0.01, progress=False)
    return path


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A GPU that is none, and how many shots were compared on it each time."""
    seen, compare = list[int](), DenseFrames.compared

    def noted(self, *arguments, **more):
        seen.append(len(self.frames))
        return compare(self, *arguments, **more)

    monkeypatch.setattr(DenseFrames, "compared", noted)
    monkeypatch.setattr(on_device, "device_of", lambda name: None if name == "cpu" else Device(half=True))
    return seen


def test_reconstruct__on_a_device_gives_what_the_cpu_gives(path, compared, capsys):
    loops = reconstruct(path, where="n_particles == 1", name="loops", device="cpu", progress=False, **FEW)
    assert "device" not in loops.attrs
    assert not compared
    found = reconstruct(path, where="n_particles == 1", name="dense", **FEW)
    assert "on the CPU, " in capsys.readouterr().err
    assert found.attrs["device"] == "the CPU"
    assert open_run(path).reconstructions["dense"].facts()["device"] == "the CPU"
    # all, those held out, and eight likenesses of each of these
    assert set(compared) == {238, 12, 96}
    np.testing.assert_allclose(found.mean_log_likelihood, loops.mean_log_likelihood, atol=0.5)
    assert np.corrcoef(found.intensity.values.ravel(), loops.intensity.values.ravel())[0, 1] > 0.99


@pytest.mark.usefixtures("compared")
def test_embed__takes_no_gpu_for_a_rule_that_measures_on_none(path, capsys):
    asked = {"sort": "elliptic_envelope", "contamination": 0.01, "overwrite": True}
    with pytest.raises(InputError, match="device='cuda' is for a rule that measures shots"):
        embed(path, device="cuda", **asked)
    assert "device" not in embed(path, device="auto", **asked).attrs
    assert "sorting on" not in capsys.readouterr().err


@pytest.mark.usefixtures("compared")
def test_embed__tells_which_gpu_measured(path, capsys, monkeypatch):
    monkeypatch.setattr("xfeldask.verbs.arguments.on_device.measures_on_devices", lambda _: True)
    again = {"sort": "elliptic_envelope", "contamination": 0.01, "overwrite": True}
    assert embed(path, device="auto", **again).attrs["device"] == "the CPU"
    assert "sorting on the CPU\n" in capsys.readouterr().err
    assert open_run(path).embedding().facts()["device"] == "the CPU"
    assert "device" not in embed(path, device="cpu", **again).attrs
    assert "sorting on" not in capsys.readouterr().err


class Where(Rule):
    """Measures nothing but whether it learned, and measures, on the device that is asked for."""

    needs = ("photon_count",)
    columns = tuple(Variable(name, ("shot",), "bool", "whether it did so on a GPU") for name in ("learned", "measured"))

    def __init__(self, device="cpu"):
        self.device = device

    def fit(self, shots):
        self.learned = self.device == "auto"
        return self

    def arrays(self):
        return {"learned": np.array(self.learned)}

    @classmethod
    def restore(cls, arrays, device="cpu"):
        rule = cls(device)
        rule.learned = bool(arrays["learned"])
        return rule

    def evidence(self, shots):
        n = len(shots["photon_count"])
        return {"learned": np.full(n, self.learned), "measured": np.full(n, self.device == "auto")}

    def decide(self, columns, allowance):
        return {"score": columns["measured"].astype(float), "is_single": columns["measured"]}, Decision()


@pytest.fixture
def where(path, tmp_path, monkeypatch) -> Path:
    """A copy of the store, and a rule that tells where it measures it."""
    monkeypatch.setattr(RULES, "_things", dict(RULES._things))
    register_rule("where", Where)
    return shutil.copytree(path, tmp_path / "run.zarr")


@pytest.mark.usefixtures("compared")
@pytest.mark.parametrize("follow", [False, True])
def test_embed__hands_its_device_to_the_rule(where, follow):
    asked = {"sort": "where", "name": "there", "overwrite": True, "progress": False, "follow": follow}
    for device in ("auto", "cpu"):
        found = embed(where, device=device, **asked)
        assert (found.learned == (device == "auto")).all()
        assert (found.measured == (device == "auto")).all()
        assert found.attrs.get("device") == (None if device == "cpu" else "the CPU")


@pytest.mark.usefixtures("compared")
def test_project__hands_its_device_to_the_rule(where, capsys):
    embed(where, sort="where", name="there", overwrite=True, progress=False)
    for device in ("auto", "cpu"):
        found = project(where, "there", where, as_name="again", device=device, overwrite=True)
        assert not found.learned.any()
        assert (found.measured == (device == "auto")).all()
        assert found.attrs.get("device") == (None if device == "cpu" else "the CPU")
    assert capsys.readouterr().err.count("sorting on the CPU\n") == 1


@pytest.mark.usefixtures("compared")
def test_project__takes_no_gpu_for_a_rule_that_measures_on_none(path):
    with pytest.raises(InputError, match="device='cuda' is for a rule that measures shots"):
        project(path, "ipca", path, as_name="refused", device="cuda", progress=False)
    assert "refused" not in open_run(path).embeddings


class ReachedError(Exception):
    """Raised in place of a comparison."""


@pytest.mark.parametrize("verb", [partial(judge, repeats=1, **SMALL), partial(find_kinds, most=1)])
def test_judge_and_find_kinds__compare_on_the_device(path, compared, monkeypatch, verb):
    def reached(*_: object, **__: object) -> None:
        raise ReachedError

    monkeypatch.setattr(DenseFrames, "compared", reached)
    with pytest.raises(ReachedError):
        verb(path, progress=False)


def test_auto__takes_the_cpu_where_slices_do_not_fit(path, monkeypatch, capsys):
    monkeypatch.setattr(on_device, "device_of", lambda _: Narrow(9, 1000))
    found = reconstruct(path, name="narrow", **{**SMALL, "n_iterations": 1})
    assert "device" not in found.attrs
    assert "on the CPU: slicing at 64 rotations needs 0.0 GB on the CPU, 0.0 GB free" in capsys.readouterr().err


def test_cuda__is_refused_where_slices_do_not_fit(path, monkeypatch):
    monkeypatch.setattr(on_device, "device_of", lambda _: Narrow(9, 1000))
    with pytest.raises(MemoryNeededError, match=r"slicing at 64 rotations on the CPU needs .*--device cpu"):
        reconstruct(path, name="refused", device="cuda", progress=False, **SMALL)
    assert "refused" not in open_run(path).reconstructions


@pytest.mark.parametrize(("device", "told"), [("cuda", "CuPy is not installed"), ("gpu", "unknown device 'gpu'")])
def test_device__that_is_not_there_is_refused_before_anything_is_written(path, monkeypatch, run, device, told):
    monkeypatch.setattr(devices, "find_spec", lambda _: None)
    with pytest.raises((InputError, UnknownNameError), match=told):
        reconstruct(path, name="refused", device=device, progress=False, **SMALL)
    for words in (["reconstruct", "--rotations", 60], ["kinds", "--most", 1], ["embed", "--overwrite"]):
        code, out, err = run(words[0], path, *words[1:], "--device", device, "--scheduler", "synchronous")
        assert (code, out) == (2, "")
        assert told in err
        assert len(err.strip().splitlines()) == 1
    assert "refused" not in open_run(path).reconstructions
