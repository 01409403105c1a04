from __future__ import annotations

import csv
import math
from dataclasses import replace
from itertools import pairwise

import pytest

from tests.report.poster.test_results import ROW
from xfeldask.report.poster.table import COLUMNS, PRINTED, page, place, print_table, write_table
from xfeldask.scores import Confusion

REFERENCE = replace(ROW, rule="reference", confusion=Confusion(810, 10, 90, 90), calibration_error=math.nan)


def test_place__is_by_condition_size_mixture_and_rule():
    rows = [replace(ROW, condition=condition, shots=shots, mixture=mixture, rule=rule)
            for condition in ("ideal", "realistic") for shots in (1000, 10_000) for mixture in (0.8, 0.99)
            for rule in ("reference", "ours")]  # fmt: skip
    assert all(one < other for one, other in pairwise(map(place, rows)))


def test_page__has_a_line_for_each_row_and_explains_each_column():
    text = page([REFERENCE, ROW])
    lines = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert [cell.strip("| ") for cell in lines[0]] == list(COLUMNS)
    assert [len(line) for line in lines] == [len(COLUMNS)] * 4
    assert lines[2][2] == "810 of 900"
    # what is not a number is not told as one
    assert lines[2][list(COLUMNS).index("calibration error")] == "-"
    assert "1 runs of chaperonin on square-64, seed 7" in text
    assert "the particle's symmetry D8 is allowed for" in text
    assert "no symmetry of the particle is known" in page([replace(ROW, particle="mine.pdb")])
    assert "{" not in text


def test_page__links_to_figures_that_are_drawn_only():
    assert "(figures/ideal-1000-0.9-detection.png)" in page([ROW])
    singles = replace(ROW, mixture=1.0, confusion=Confusion(900, 0, 0, 100))
    assert "detection.png" not in page([singles])
    assert "(figures/ideal-1000-1.0-latent.png)" in page([singles])


def test_write__replaces_table_and_page_and_leaves_nothing_beside(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda _, path, **__: drawn.append(path))
    for rows in ([REFERENCE, ROW, *(replace(row, shots=2000) for row in (REFERENCE, ROW))], [REFERENCE, ROW]):
        write_table(tmp_path, rows)
        with (tmp_path / "reproduction.csv").open() as file:
            assert [line["rule"] for line in csv.DictReader(file)] == [row.rule for row in rows]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["reproduction.csv", "reproduction.md"]
    assert drawn == [tmp_path / "figures" / "confusion.png"] * 2


@pytest.mark.parametrize("shots", [1000, 10_000_000])
def test_print__has_room_for_every_number(tmp_path, capsys, shots):
    counts = Confusion(shots - 3, 1, 1, 1)
    print_table([replace(row, shots=shots, confusion=counts) for row in (REFERENCE, ROW)], tmp_path)
    told = capsys.readouterr().out
    assert f"{shots - 3:,} of {shots - 2:,}" in told
    assert all(COLUMNS[name](replace(ROW, confusion=counts, shots=shots)) in told for name in PRINTED)
    assert f"told in full: {tmp_path}/reproduction.md" in told
