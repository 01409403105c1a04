"""Names that look like markup, formulas or commands to a terminal are text wherever they are told."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from xfeldask.errors import printable
from xfeldask.report.poster.results import Row
from xfeldask.scores import Confusion
from xfeldask.store.checks import Problem

NAME = "a[/x][bold]:warning:\x1b[31m\nb\u202e.zarr"
TOLD = printable(NAME)
SMALL = ["--particle", "chaperonin", "--detector", "square-32", "--n-shots", "12", "--scheduler", "synchronous"]


def test_printable__leaves_what_people_read_and_writes_the_rest_out():
    assert printable("µ[/x] 中.zarr") == "µ[/x] 中.zarr"
    assert printable("a\x1b\n\r\x07\u202e\udc80") == r"a\x1b\n\r\x07\u202e\udc80"
    assert printable(Path("a")) == "a"


def test_commands__print_a_hostile_name_as_text(run, tmp_path):
    store = tmp_path / NAME
    store.parent.mkdir()
    code, out, err = run("simulate", store, *SMALL)
    assert (code, err.count("warning:")) == (0, 0), err
    assert TOLD.removesuffix(".zarr") in "".join(out.split("\n"))
    for command, stream in (("inspect", 1), ("verify", 2), ("simulate", 2), ("embed", 2)):
        more = ["--name", "[/x]\x1b"] if command == "embed" else SMALL[:6] if command == "simulate" else []
        answer = run(command, store, *more)
        told = answer[stream]
        assert answer[0] == (2 if stream == 2 and command != "verify" else 0)
        assert "\x1b" not in told
        assert "\u202e" not in told
        assert stream == 1 or len([line for line in told.splitlines() if line.startswith("xfeldask:")]) < 2
    code, _, err = run("inspect", tmp_path / "none" / NAME)
    assert code == 2
    assert err.count("\n") == 1
    assert TOLD in err


def test_config__tells_the_file_that_it_wrote(run, tmp_path):
    (tmp_path / NAME).parent.mkdir()
    code, out, _ = run("config", tmp_path / NAME)
    assert code == 0
    assert out.count("\n") == 1
    assert TOLD in out


def test_problem__is_one_line():
    assert str(Problem("latent/a\nb", range(0), "[/x]\x1b")) == r"latent/a\nb: [/x]\x1b"


@pytest.mark.parametrize("particle", ["=cmd|' /C calc'!A0", "+1", "-a.pdb", "@a", "'a", 'a\nb,c".pdb', "chaperonin"])
def test_row__is_text_to_a_spreadsheet_and_reads_the_same_again(particle):
    row = Row("ideal", 1000, 0.9, "ours", Confusion(899, 1, 99, 1), *[0.5] * 10, particle, "square-64", 7)
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, list(row.to_line()))
    writer.writeheader()
    writer.writerow(row.to_line())
    (line,) = csv.DictReader(io.StringIO(file.getvalue(), newline=""))
    assert not line["particle"].startswith(("=", "+", "-", "@"))
    assert Row.from_line(line) == row
