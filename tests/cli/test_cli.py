"""What all commands have in common: help, names, and how they end when something is wrong."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tests.cli.small import SMALL
from xfeldask.cli import commands

LONG = "x" * 300


def test_main__no_traceback_for_what_nobody_expected(run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("xfeldask.verbs.simulate.simulate_run", broken)
    code, _, err = run("simulate", tmp_path / "a.zarr", *SMALL)
    assert code == 1
    assert "ZeroDivisionError: secret" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("verb", ["inspect", "verify", "embed"])
def test_verbs__a_store_that_is_not_there_is_one_sentence(run, tmp_path: Path, verb: str) -> None:
    code, _, err = run(verb, tmp_path / "no.zarr", *([] if verb == "inspect" else ["--scheduler", "threads"]))
    assert code == 2
    assert "no store at" in err


def test_import__stays_light() -> None:
    code = "import sys, xfeldask; print(sum(m in sys.modules for m in ('numpy', 'dask', 'zarr', 'xarray', 'numba')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"


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
    told = err.splitlines()
    assert (code, len(told), out) == (2, 1, "")
    assert "unexpected" not in err
