from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfeldask.errors import InputError
from xfeldask.report.poster.results import OLD_NAMES, Case, Row, read_table
from xfeldask.report.poster.table import write_table
from xfeldask.scores import Confusion

MADE_OF = {"particle": "chaperonin", "detector": "square-64", "seed": 7}
ROW = Row("ideal", 1000, 0.9, "ours", Confusion(899, 1, 99, 1), *[0.5] * 10, **MADE_OF)
numbers = st.floats(allow_infinity=False) | st.just(math.nan)


def same(one: Row, other: Row) -> bool:
    """Whether two rows are equal, NaN and NaN too."""
    pairs = [(getattr(one, f.name), getattr(other, f.name)) for f in fields(Row)]
    return all(a == b or (a != a and b != b) for a, b in pairs)


@given(st.lists(numbers, min_size=10, max_size=10), st.integers(0, 2**63))
def test_row__is_read_back_to_the_last_digit(values, seed):
    row = Row("ideal", 1000, 0.9, "ours", Confusion(1, 2, 3, 4), *values, **MADE_OF | {"seed": seed})
    line = row.to_line()
    assert same(Row.from_line(line), row)
    assert [name for name, text in line.items() if text == ""] == [f.name for f in fields(Row)[5:15]
                                                                   if math.isnan(getattr(row, f.name))]  # fmt: skip


def test_row__of_an_older_table_has_the_names_of_today():
    line = ROW.to_line()
    old = {name: theirs for theirs, name in OLD_NAMES.items()}
    older = {old.get(name, name): text for name, text in line.items()}
    older |= {"singles": "900", "others": "100"}
    for name in ("singles_rejected", "multiples_rejected"):
        del older[name]
    assert Row.from_line(older) == ROW


@pytest.mark.parametrize(("mixture", "told"), [(0.99, "99:1"), (0.8, "80:20"), (0.995, "99.5:0.5"), (1.0, "100:0")])
def test_run__is_told_as_people_tell_mixtures(mixture, told):
    case = Case("jitter", 100_000, mixture)
    assert case.title == f"jitter, 100,000 shots, {told}"
    assert case.name == f"jitter-100000-{mixture}"
    assert ROW.case == Case("ideal", 1000, 0.9)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: None)
    write_table(tmp_path, [replace(ROW, rule=rule) for rule in ("reference", "ours")])
    return tmp_path


def test_read_table__has_each_run_and_rule(folder):
    found = read_table(folder, MADE_OF)
    assert list(found) == [(ROW.case, "reference"), (ROW.case, "ours")]
    assert found[ROW.case, "ours"] == ROW
    assert read_table(folder / "none", MADE_OF) == {}


@pytest.mark.parametrize("other", [{"seed": 8}, {"detector": "square-32"}, {"particle": "3iyf"}])
def test_read_table__of_another_series_is_refused(folder, other):
    ((name, value),) = other.items()
    told = f"holds a series of {name} {MADE_OF[name]}, asked {value}; use another folder"
    with pytest.raises(InputError, match=told):
        read_table(folder, MADE_OF | other)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content.replace(b"mixture", b"mix"),
        lambda content: content.replace(b"899", b"many"),
        lambda content: content + b"\xff",
    ],
)
def test_read_table__that_is_none_is_told(folder, spoil):
    file = folder / "reproduction.csv"
    file.write_bytes(spoil(file.read_bytes()))
    with pytest.raises(InputError, match=r"reproduction\.csv is no table of this command .*; move it away"):
        read_table(folder, MADE_OF)
