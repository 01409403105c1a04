"""`xfeldask simulate` as a user meets it: what it prints, what it writes, how it ends."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests.cli.small import ATOM, SMALL
from xfeldask import simulate
from xfeldask.errors import InputError


def test_simulate__writes_what_the_python_function_writes(run, tmp_path: Path) -> None:
    code, out, _ = run("simulate", tmp_path / "a.zarr", *SMALL, "--single-fraction", "0.5", "--seed", "3")
    ds = simulate(
        tmp_path / "b.zarr", particle="chaperonin", detector="square-64", n_shots=12, single_fraction=0.5, seed=3
    )
    assert code == 0
    assert "12 in" in out
    xr.testing.assert_equal(xr.open_zarr(tmp_path / "a.zarr", consolidated=False).photons, ds.photons)


def test_simulate__reads_photons_as_a_detector_does(run, tmp_path: Path) -> None:
    flags = ["--response", "pnccd", "--adu", "--quiet"]
    assert run("simulate", tmp_path / "a.zarr", *SMALL, *flags)[0] == 0
    ds = xr.open_zarr(tmp_path / "a.zarr", consolidated=False)
    assert {"adu", "ideal_photons", "pixel_gain"} <= set(ds)
    np.testing.assert_allclose(ds.adu.max() / (1250 * 4.6), ds.photons.max(), atol=0.5)


def test_simulate__quiet_prints_nothing(run, tmp_path: Path) -> None:
    assert run("simulate", tmp_path / "a.zarr", *SMALL, "--quiet") == (0, "", "")


def test_simulate__dry_run_writes_nothing(run, tmp_path: Path) -> None:
    code, out, _ = run("simulate", tmp_path / "a.zarr", *SMALL, "--dry-run")
    assert code == 0
    assert all(word in out for word in ("shots", "tasks", "on disk", "memory a worker", "time"))
    assert list(tmp_path.iterdir()) == []
    code, out, err = run("simulate", tmp_path / "a.zarr", *SMALL, "--device", "gpu", "--dry-run")
    assert (code, out) == (2, "")
    assert "device" in err


@pytest.mark.parametrize(
    ("flags", "gpus"),
    [
        (["--scheduler", "processes", "--device", "cuda"], ["0", "1"]),
        (["--scheduler", "processes", "--device", "auto"], ["0", "1"]),
        (["--scheduler", "processes"], []),
        (["--scheduler", "threads", "--device", "auto"], []),
    ],
)
@pytest.mark.parametrize("command", ["simulate", "embed", "project"])
def test_command__has_a_process_for_each_gpu(run, tmp_path: Path, monkeypatch, command, flags, gpus) -> None:
    asked = []
    more = {"simulate": SMALL, "embed": [], "project": ["ipca", tmp_path / "b.zarr"]}[command]

    def scheduled(name, workers, quiet, gpus):
        asked.append(gpus)
        raise InputError("enough")

    monkeypatch.setattr("xfeldask.devices.visible_gpus", lambda: ["0", "1"])
    monkeypatch.setattr("xfeldask.work.schedulers.scheduled", scheduled)
    assert run(command, tmp_path / "a.zarr", *more, *flags) == (2, "", "xfeldask: enough\n")
    assert asked == [gpus]


def test_simulate__a_range_tells_how_far_the_store_is(run, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("xfeldask.store.layout.SHARD_BYTES", 4 * 32 * 32)
    store = tmp_path / "a.zarr"
    refused = run("simulate", store, *SMALL, "--shards", "2/3", "--dry-run")
    assert refused == (2, "", "xfeldask: a dry run tells what the whole store takes; leave out --shards\n")
    told = [run("simulate", store, *SMALL, "--shards", f"{number}/2")[1] for number in (2, 1)]
    then = [
        "6 of 12 shots are written; other jobs make the rest",
        f"12 of 12 shots are written; next: xfeldask embed {store}",
    ]
    assert told == [f"{store}: {what}\n" for what in then]
    assert run("simulate", store, *SMALL, "--shards", "1/2", "--quiet") == (0, "", "")


def test_simulate__local_scheduler_says_where_the_dashboard_is(tmp_path: Path) -> None:
    (tmp_path / "atom.pdb").write_text(ATOM)
    more = ["--particle", str(tmp_path / "atom.pdb"), "--scheduler", "local", "--workers", "1"]
    command = [sys.executable, "-m", "xfeldask", "simulate", str(tmp_path / "a.zarr"), *SMALL, *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "Dask dashboard: http://127.0.0.1:" in done.stderr
    assert "12 of 12 shots" in done.stderr


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--particle", "chaperonine"], ["unknown particle", "chaperonin"]),
        (["--particle", "missing.pdb"], ["missing.pdb"]),
        (["--single-fraction", "1.2"], ["single_fraction", "1.2"]),
        (["--n-shots", "0"], ["n_shots", "0"]),
        (["--n-shots", "many"], ["many"]),
        (["--beam", "nothing.beam"], ["nothing.beam"]),
        (["--detector", "pnccd"], ["unknown detector", "pnccd-amo86615"]),
        (["--nuisance", "realistc"], ["realistic"]),
        (["--response", "pncd"], ["unknown response", "pnccd"]),
        (["--adu"], ["--response pnccd"]),
        (["--hits", "two"], ["hits", "poisson:0.1"]),
        (["--orientations", "uniform:x"], ["uniform:COUNT"]),
        (["--scheduler", "treads"], ["unknown scheduler", "threads"]),
        (["--scheduler", "tcp://127.0.0.1:9"], ["no Dask scheduler answers"]),
        (["--experiment", "none.toml"], ["none.toml", "xfeldask config"]),
        (["--flag"], ["--flag"]),
    ],
)
def test_simulate__bad_input_is_one_sentence_and_code_2(
    run, tmp_path: Path, flags: list[str], words: list[str]
) -> None:
    code, out, err = run("simulate", tmp_path / "a.zarr", *SMALL, *flags)
    assert code == 2
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 1
    assert all(word in lines[0] for word in words)
    assert list(tmp_path.iterdir()) == []


def test_simulate__an_existing_store_is_left_alone(run, store: Path, tmp_path: Path) -> None:
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    code, _, err = run("simulate", store, *SMALL, "--seed", "9")
    assert code == 2
    assert "--resume" in err
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_simulate__a_faint_beam_is_told_in_one_line(run, tmp_path: Path) -> None:
    beam = tmp_path / "faint.beam"
    beam.write_text("beam/photon_energy = 4600\nbeam/fluence = 1e6\nbeam/radius = 5e-7\n")
    for more in (["--dry-run"], ["--quiet"]):
        code, _, err = run("simulate", tmp_path / "a.zarr", *SMALL, "--beam", beam, *more)
        assert code == 0
        (line,) = (line for line in err.splitlines() if "warning" in line)
        assert line.startswith("xfeldask: warning: a single hit will have 0.0")
        assert "1e+06 photons in a focus" in line
        assert "Warning" not in err
    assert not xr.open_zarr(tmp_path / "a.zarr", consolidated=False).photon_count.values.any()
    assert "warning" not in run("simulate", tmp_path / "b.zarr", *SMALL)[2]


@pytest.mark.skipif(os.name != "posix", reason="names with any byte are a POSIX matter")
def test_simulate__hostile_names_stay_names(run, tmp_path: Path) -> None:
    store = tmp_path / "a b; rm -rf $HOME [red] 'x'.zarr"
    assert run("simulate", store, *SMALL)[0] == 0
    assert np.asarray(xr.open_zarr(store, consolidated=False).shot_status).all()
    assert run("inspect", store)[0] == 0
