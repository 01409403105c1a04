"""The command line as a user meets it: what it prints, what it writes, how it ends."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
import xarray as xr

from tests.once import Once
from xfeldask import simulate
from xfeldask.cli import commands

LONG = "x" * 300
SMALL = ["--particle", "chaperonin", "--detector", "square-64", "--n-shots", "12", "--scheduler", "threads"]


@pytest.fixture
def store(once: Once, tmp_path: Path) -> Path:
    """A copy of what `SMALL` makes."""

    def make(path: Path) -> None:
        simulate(path, particle="chaperonin", detector="square-64", n_shots=12, progress=False)

    return Path(shutil.copytree(once("small.zarr", make), tmp_path / "a.zarr"))


def test_simulate__writes_what_the_python_function_writes(run, tmp_path: Path) -> None:
    code, out, _ = run("simulate", tmp_path / "a.zarr", *SMALL, "--single-fraction", "0.5", "--seed", "3")
    ds = simulate(
        tmp_path / "b.zarr", particle="chaperonin", detector="square-64", n_shots=12, single_fraction=0.5, seed=3
    )
    assert code == 0
    assert "12 in" in out
    xr.testing.assert_equal(xr.open_zarr(tmp_path / "a.zarr", consolidated=False).photons, ds.photons)


def test_simulate__quiet_prints_nothing(run, tmp_path: Path) -> None:
    assert run("simulate", tmp_path / "a.zarr", *SMALL, "--quiet") == (0, "", "")


def test_simulate__dry_run_writes_nothing(run, tmp_path: Path) -> None:
    code, out, _ = run("simulate", tmp_path / "a.zarr", *SMALL, "--dry-run")
    assert code == 0
    assert all(word in out for word in ("shots", "tasks", "on disk", "memory a worker", "time"))
    assert list(tmp_path.iterdir()) == []


def test_simulate__local_scheduler_says_where_the_dashboard_is(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "xfeldask", "simulate", str(tmp_path / "a.zarr"), *SMALL[:-2]]
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
    lines = [line for line in err.splitlines() if not line.startswith("Dask dashboard")]
    assert len(lines) == 1
    assert all(word in lines[0] for word in words)
    assert list(tmp_path.iterdir()) == []


def test_simulate__an_existing_store_is_left_alone(run, store: Path, tmp_path: Path) -> None:
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    code, _, err = run("simulate", store, *SMALL, "--seed", "9")
    assert code == 2
    assert "--resume" in err
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_main__no_traceback_for_what_nobody_expected(run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("xfeldask.verbs.simulate.simulate", broken)
    code, _, err = run("simulate", tmp_path / "a.zarr", *SMALL)
    assert code == 1
    assert "ZeroDivisionError: secret" in err
    assert "Traceback" not in err


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


def test_embed__prints_the_verdict_against_the_truth(run, tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    run("simulate", store, *SMALL, "--n-shots", "60", "--single-fraction", "0.9", "--quiet")
    envelope = ["--sort", "elliptic_envelope", "--features", "fourier_crop:n=16", "--scheduler", "threads"]
    code, out, _ = run("embed", store, *envelope)
    assert code == 0
    assert "54 single, 6 multiple, 0 blank" in out
    assert "singles accepted" in out
    code, _, err = run("embed", store, *envelope)
    assert code == 2
    assert "--overwrite" in err
    assert run("embed", store, "--features", "fourier_crop:n", "--name", "b")[0] == 2
    code, _, err = run("embed", store, "--name", "b", "--labels", tmp_path / "no.npy")
    assert (code, "no labels file" in err) == (2, True)


def test_sort__embeds_what_nobody_has_and_decides_anew(run, tmp_path: Path) -> None:
    store, other = tmp_path / "a.zarr", tmp_path / "b.zarr"
    for path, n in ((store, "600"), (other, "80")):
        run("simulate", path, *SMALL, "--n-shots", n, "--single-fraction", "0.9", "--quiet")
    code, out, _ = run("sort", store, "--scheduler", "threads")
    assert code == 0
    assert all(word in out for word in ("threshold", "log odds", "expected", "purity", "truth", "by pairs"))
    code, again, _ = run("sort", store)
    assert (code, again) == (0, out)
    code, _, err = run("sort", store, "--max-singles-lost", "2")
    assert (code, "max_singles_lost" in err) == (2, True)
    code, looser, _ = run("sort", store, "--max-singles-lost", "0.3")
    assert code == 0
    assert "at most 30 % of the singles rejected" in " ".join(looser.replace("│", " ").split())
    code, out, _ = run("project", store, "ipca", other, "--scheduler", "threads", "--as-name", "theirs")
    assert code == 0
    assert "80 shots" in out
    run("embed", store, "--name", "second", "--sort", "none", "--scheduler", "threads", "--quiet")
    code, _, err = run("sort", store)
    assert (code, "--name" in err) == (2, True)
    code, _, err = run("sort", store, "--name", "second", "--max-singles-lost", "0.1")
    assert (code, "sort='pairs'" in err) == (2, True)


def test_inspect__names_every_variable_with_its_unit(run, store: Path) -> None:
    code, out, _ = run("inspect", store)
    assert code == 0
    assert all(word in out for word in ("photons", "orientation", "um-2", "angstrom-1", "complete", "12 of 12 done"))


def test_verify__a_flipped_bit_is_code_1_and_names_the_shot(run, store: Path) -> None:
    assert run("verify", store, "--scheduler", "threads")[0] == 0
    shard = store / "photons" / "c" / "0" / "0" / "0" / "0"
    data = bytearray(shard.read_bytes())
    data[10] ^= 4
    shard.write_bytes(data)
    code, _, err = run("verify", store, "--scheduler", "threads")
    assert code == 1
    assert "photons" in err
    assert "0" in err


def test_verify__reopened_shards_are_drawn_again_byte_for_byte(run, store: Path) -> None:
    before = {p: p.read_bytes() for p in store.rglob("*") if p.is_file()}
    (store / "photons" / "c" / "0" / "0" / "0" / "0").unlink()
    code, _, err = run("verify", store, "--scheduler", "threads", "--reopen")
    assert code == 1
    assert "shards to draw again with simulate --resume: 1" in err
    assert run("embed", store, "--scheduler", "threads")[0] == 2
    assert run("simulate", store, *SMALL, "--quiet", "--resume")[0] == 0
    assert {p: p.read_bytes() for p in store.rglob("*") if p.is_file()} == before
    assert run("verify", store, "--scheduler", "threads")[0] == 0


@pytest.mark.parametrize("verb", ["inspect", "verify", "embed"])
def test_verbs__a_store_that_is_not_there_is_one_sentence(run, tmp_path: Path, verb: str) -> None:
    code, _, err = run(verb, tmp_path / "no.zarr", *([] if verb == "inspect" else ["--scheduler", "threads"]))
    assert code == 2
    assert "no store at" in err


def test_config__what_it_writes_runs_and_gives_the_same_digest(run, tmp_path: Path) -> None:
    file = tmp_path / "e.toml"
    flags = ["--particle", "chaperonin", "--detector", "square-64", "--n-shots", "12", "--nuisance", "realistic"]
    assert run("config", file, *flags)[0] == 0
    code, out, _ = run("config", file, "--check")
    assert code == 0
    assert "12 shots" in out
    for name, more in (("a.zarr", ["--experiment", file]), ("b.zarr", flags)):
        assert run("simulate", tmp_path / name, *more, "--scheduler", "threads", "--quiet")[0] == 0
    digests = {xr.open_zarr(tmp_path / f"{n}.zarr", consolidated=False).attrs["experiment_digest"] for n in "ab"}
    assert len(digests) == 1
    assert run("config", file, *flags)[0] == 2
    file.write_text("n_shots = 3\nparticle = ")
    assert run("config", file, "--check")[0] == 2


def test_import__stays_light() -> None:
    code = "import sys, xfeldask; print(sum(m in sys.modules for m in ('numpy', 'dask', 'zarr', 'xarray', 'numba')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"


def test_demo__ends_with_a_table_two_pictures_and_commands(run, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    code, out, _ = run("demo", folder, "--n-shots", "300", "--scheduler", "threads")
    assert code == 0
    assert "singles accepted" in out
    assert "go on with" in out
    for picture in ("patterns.png", "latent.png"):
        assert (folder / picture).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert run("demo", folder, "--n-shots", "300", "--scheduler", "threads")[0] == 2


@pytest.mark.skipif(os.name != "posix", reason="names with any byte are a POSIX matter")
def test_simulate__hostile_names_stay_names(run, tmp_path: Path) -> None:
    store = tmp_path / "a b; rm -rf $HOME [red] 'x'.zarr"
    assert run("simulate", store, *SMALL)[0] == 0
    assert np.asarray(xr.open_zarr(store, consolidated=False).shot_status).all()
    assert run("inspect", store)[0] == 0


OPTIONS = [
    (command, option)
    for command in commands.commands.values()
    for option in command.params
    if isinstance(option, click.Option)
]


@pytest.mark.parametrize(("command", "option"), OPTIONS, ids=[f"{c.name} {o.opts[0]}" for c, o in OPTIONS])
def test_help__of_every_option_is_a_phrase_of_its_own(command: click.Command, option: click.Option) -> None:
    phrase = re.sub(r" *\[default: .*\]$", "", option.help or "")
    assert phrase[:1].isupper(), phrase
    assert phrase.endswith("."), phrase
    assert len(phrase.split()) >= 3, phrase


@pytest.mark.parametrize("command", commands.commands.values(), ids=lambda command: command.name)
def test_help__of_every_command_names_its_arguments(command: click.Command) -> None:
    words = command.help or ""
    assert words[:1].isupper()
    arguments = [argument for argument in command.params if isinstance(argument, click.Argument)]
    assert all(argument.human_readable_name.strip(".[]") in words for argument in arguments)


@pytest.mark.parametrize(
    "words",
    [
        ["simulate", LONG, *SMALL],
        ["simulate", "b.zarr", *SMALL, "--particle", LONG],
        ["simulate", "b.zarr", *SMALL, "--particle", f"{LONG}.pdb"],
        ["simulate", "b.zarr", *SMALL, "--detector", LONG],
        ["simulate", "b.zarr", *SMALL, "--beam", f"{LONG}.beam"],
        ["simulate", "b.zarr", *SMALL, "--mask", LONG],
        ["simulate", "b.zarr", *SMALL, "--orientations", LONG],
        ["simulate", "b.zarr", *SMALL, "--experiment", LONG],
        ["config", LONG],
        ["config", LONG, "--check"],
        ["inspect", LONG],
        ["explore", LONG, "--no-show"],
        ["embed", LONG],
        ["embed", "STORE", "--name", LONG],
        ["embed", "STORE", "--name", "b", "--labels", LONG],
        ["select", "STORE", "--where", "photon_count > 0", "--out", f"{LONG}.npy"],
    ],
)
def test_names__that_are_too_long_are_one_sentence_and_code_2(
    run, store: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(store.parent)
    code, out, err = run(*(store if word == "STORE" else word for word in words))
    told = [line for line in err.splitlines() if not line.startswith("Dask dashboard")]
    assert (code, len(told), out) == (2, 1, "")
    assert "unexpected" not in err
