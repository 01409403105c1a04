"""The comparison with Dragonfly, but for its program, of which a stand-in takes the place."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from tests.small_stores import COMMON

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def smallest(monkeypatch):
    """Benchmarks as a package beside the tests, at their smallest."""
    monkeypatch.setenv("XFELDASK_BENCH", "smoke")
    monkeypatch.syspath_prepend(str(ROOT))


def stand_in(path: Path, form: str) -> Path:
    # the names of its volumes stand in the program
    name = {"hdf5": "%s/output_%.3d.h5", "plain": "%s/output/intens_%.3d.bin"}[form]
    path.write_text(f'#!/bin/sh\n# {name}\nexec "{sys.executable}" "{ROOT}/tests/stand_in_emc.py" {form} "$@"\n')
    path.chmod(0o755)
    return path


@pytest.mark.campaign
def test_dragonfly__is_compared_at_the_same_frames_pixels_and_rotations(tmp_path, monkeypatch):
    from benchmarks import bench_dragonfly
    from benchmarks.common import run

    monkeypatch.setenv("XFELDASK_EMC", str(stand_in(tmp_path / "emc", "hdf5")))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    correlation, seconds, faster = (result.value for result in run(bench_dragonfly.AgainstDragonfly))
    assert faster == pytest.approx(2.5 / seconds)
    assert correlation > 0.8, "few rotations and shots"


def test_dragonfly__reads_and_writes_as_its_program_was_built(tmp_path):
    from benchmarks.dragonfly import Dragonfly
    from xfeldask import simulate

    simulate(tmp_path / "run.zarr", **(COMMON | {"n_shots": 5}))
    start = np.random.default_rng(0).random((49, 49, 49))
    for form, plain in (("hdf5", False), ("plain", True)):
        (folder := tmp_path / form).mkdir()
        other = Dragonfly(stand_in(folder / "emc", form), folder)
        other.prepare(tmp_path / "run.zarr", start, 2)
        assert other.writes_hdf5 is not plain
        assert (folder / "start.bin").exists() is plain
        assert "num_div = 2\nsize = 49\n" in (folder / "config.ini").read_text()
    after = np.random.default_rng(1).random((49, 49, 49))
    after.tofile(folder / "data" / "output" / "intens_001.bin")
    assert (other.volume(49) == after).all()


def test_dragonfly__is_skipped_without_its_program(tmp_path, monkeypatch):
    from benchmarks.dragonfly import find_emc

    monkeypatch.delenv("XFELDASK_EMC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotImplementedError, match="no emc on PATH; build it"):
        find_emc()
    monkeypatch.setenv("XFELDASK_EMC", "/nowhere/emc")
    with pytest.raises(NotImplementedError, match="names /nowhere/emc, which is no program"):
        find_emc()


def test_dragonfly__says_what_its_program_said(tmp_path):
    from benchmarks.dragonfly import Dragonfly

    program = tmp_path / "emc"
    program.write_text("#!/bin/sh\necho det_fname not found >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(RuntimeError, match="det_fname not found"):
        Dragonfly(program, tmp_path).iterate()


def test_log__without_an_iteration_is_refused():
    from benchmarks.dragonfly import logged_seconds

    with pytest.raises(RuntimeError, match="no iteration"):
        logged_seconds("Iter\ttime\trms_change\n")
