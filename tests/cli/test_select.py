"""`xfeldask select`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


def test_select__prints_shots_to_be_piped_and_how_many_beside(run, store: Path) -> None:
    assert run("select", store, "--where", "shot >= 10") == (0, "10\n11\n", "2 shots selected\n")
    assert run("select", store, "--where", "shot > 99") == (0, "\n", "0 shots selected\n")


@pytest.mark.parametrize("ending", ["npy", "csv"])
def test_select__writes_a_file_and_prints_none(run, store: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"shots.{ending}"
    assert run("select", store, "--where", "shot % 5 == 1", "--out", out) == (0, "", "3 shots selected\n")
    found = np.load(out) if ending == "npy" else np.loadtxt(out, int, skiprows=1)
    assert found.tolist() == [1, 6, 11]


def test_select__refuses_what_it_does_not_understand(run, store: Path, tmp_path: Path) -> None:
    for words in (
        ["--where", "glitter > 1"],
        ["--where", "shot >"],
        ["--where", "shot > 1", "--out", tmp_path / "a.txt"],
    ):
        code, out, err = run("select", store, "--where", *words)
        assert (code, out, len(err.splitlines())) == (2, "", 1)
