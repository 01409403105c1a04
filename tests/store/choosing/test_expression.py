"""Selections against Python's own arithmetic, a shot at a time; and what must be refused."""

import contextlib
import math
import time
import tracemalloc
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from xfeldask.errors import InputError, UnknownNameError
from xfeldask.store.choosing import expression as language
from xfeldask.store.choosing.expression import select

N = 500
FLAGS = ((0, "blank"), (1, "single"), (2, "multiple"))


@dataclass(frozen=True)
class Plain:
    values: NDArray
    classes: tuple[tuple[int, str], ...] = ()


def columns() -> dict[str, Plain]:
    rng = np.random.default_rng(0)
    holes = rng.normal(size=N)
    holes[::7] = np.nan
    return {
        "c0": Plain(rng.normal(size=N).astype(np.float32)),
        "c1": Plain(rng.normal(size=N).astype(np.float32)),
        "photon_count": Plain(rng.integers(0, 3000, N).astype(np.uint32)),
        "probability_single": Plain(rng.random(N)),
        "verdict": Plain(rng.integers(0, 3, N).astype(np.uint8), FLAGS),
        "kind": Plain(rng.integers(0, 3, N).astype(np.uint8), FLAGS),
        "fitted": Plain(rng.random(N) < 0.5, ((0, "no"), (1, "yes"))),
        "separation": Plain(holes),
    }


COLUMNS = columns()


def column_of(name: str) -> Plain:
    if name not in COLUMNS:
        raise UnknownNameError("quantity", name, COLUMNS)
    return COLUMNS[name]


def chosen(expression: str) -> list[bool]:
    found = select(expression, column_of, N)
    assert found.dtype == bool
    assert found.shape == (N,)
    return found.tolist()


def by_python(expression: str) -> list[bool]:
    """The expression as Python itself takes it, a shot at a time, texts turned to the values of the classes."""
    for value, name in FLAGS:
        expression = expression.replace(f'"{name}"', str(value))
    functions = {
        "sqrt": math.sqrt,
        "log": math.log,
        "log10": math.log10,
        "isnan": math.isnan,
        "isfinite": math.isfinite,
    }
    rows = [{name: column.values[i].item() for name, column in COLUMNS.items()} for i in range(N)]
    return [bool(eval(expression, {**functions, **row})) for row in rows]


@pytest.mark.parametrize(
    "expression",
    [
        'photon_count > 1000 and probability_single >= 0.99 and verdict == "single"',
        'kind in ("blank", "multiple")',
        'kind not in ["blank", "multiple"]',
        "verdict in (0, 2)",
        "verdict in ()",
        "photon_count % 7 in (-1, 3, 5.0)",
        "not fitted",
        "fitted",
        "fitted == True or verdict == 2",
        "abs(c0) < 2 * sqrt(c1**2 + 1)",
        "0.2 < probability_single <= 0.9",
        '0 <= c0 < c1 < 2 or verdict != "blank"',
        "isnan(separation)",
        "isfinite(separation) and not isnan(separation)",
        "separation > 0",
        "min(c0, c1) > -0.5 and max(c0, c1, 0.3) < 1",
        "-c0 * +2 - -1 > c1 / 3",
        "log(photon_count + 1) > 3 and log10(photon_count + 1) < 3",
        "(c0 > 0) == (c1 > 0)",
        '"single" == verdict',
        "photon_count - 2000 > 0",
        "1 < 2",
        "2 ** 3 ** 0.5 > c0 + 2 ** -1",
        "not (c0 > 0 or c1 > 0) and not not fitted",
    ],
)
def test_select__is_what_python_makes_of_it(expression: str) -> None:
    assert chosen(expression) == by_python(expression)


numbers = st.recursive(
    st.sampled_from(["c0", "c1", "photon_count", "0.5", "3", "probability_single"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(st.sampled_from(["abs", "-"]), inner).map(lambda t: f"{t[0]}({t[1]})"),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda t: f"{t[0]}({t[1]}, {t[2]})"),
    ),
    max_leaves=6,
)
comparisons = st.tuples(numbers, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), numbers).map(" ".join)
conditions = st.recursive(
    st.one_of(comparisons, st.just("fitted"), st.just('verdict == "single"'), st.just("kind in (0, 2)")),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({t[0]}) {t[1]} ({t[2]})"),
        inner.map(lambda one: f"not ({one})"),
    ),
    max_leaves=5,
)


@given(conditions)
def test_select__any_expression_is_what_python_makes_of_it(expression: str) -> None:
    assert chosen(expression) == by_python(expression)


@given(st.text("c0145 ()[],'\"+-*/%<>=!.eandornti_~&|^:{}\\\n\t\0ä", max_size=40))
def test_select__anything_else_is_refused_in_one_sentence(expression: str) -> None:
    found = None
    with contextlib.suppress(InputError):
        found = select(expression, column_of, N)
    assert found is None or found.shape == (N,)


def test_select__does_not_depend_on_how_shots_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    expression = 'c0 > c1 or verdict in ("single",) and not fitted'
    whole = chosen(expression)
    monkeypatch.setattr(language, "BLOCK", 7)
    assert chosen(expression) == whole


def test_select__nan_fulfils_no_comparison() -> None:
    nan = np.isnan(COLUMNS["separation"].values)
    for comparison in ("== 1", "!= 1", "< 1", ">= 1", "in (1, 2)", "not in (1, 2)"):
        assert not (np.array(chosen(f"separation {comparison}")) & nan).any()
    assert not any(chosen("sqrt(-1 - c0**2) > 0 or log(-1) != 2 or c0 / 0 * 0 == 0 or c0 % 0 < 1"))
    assert (np.array(chosen("separation not in (1, 2)")) == ~nan).all()


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "empty"),
        ("photon_count", "photon_count is a number, not a condition"),
        ("photon_count and fitted", "photon_count is a number, not a condition"),
        ("not c0", "c0 is a number"),
        ("fitted + 1 > 0", "fitted is a condition, not a number"),
        ("abs(fitted) > 0", "fitted is a condition"),
        ('"single"', "is a text"),
        ('verdict + "single" > 1', "is a text"),
        ('"a" == "b"', "has no classes"),
        ('c0 == "single"', "c0 has no classes"),
        ('verdict == "singel"', "unknown class of verdict 'singel'; did you mean single"),
        ('verdict in ("singel",)', "did you mean single"),
        ('verdict < "single"', "no order"),
        ('verdict in "single"', "list of constants"),
        ("c0 in (c1, 2)", "c1 is no constant"),
        ("c0 in (1, 2) == True", "follows a list"),
        ('"a" in (1, 2)', "is a text"),
        ("photon_cuont > 1", "did you mean photon_count"),
        ("sqr(c0) > 1", "unknown function 'sqr'; did you mean sqrt"),
        ("sqrt(c0, c1) > 1", "sqrt takes 1 number"),
        ("max(c0) > 1", "max takes 2 numbers or more"),
        ("sqrt(x=c0) > 1", "cannot be part"),
        ("min(*c0, c1) > 1", "*c0 cannot be part"),
        ("c0 = 1", "write =="),
        ("c0 > ", "cannot be read at character"),
        ("c0 is 1", "use == or !="),
        ("c0 // 2 > 1", "use + - "),
        ("(c0 > 1) & (c1 > 1)", "and, or, not"),
        ("~fitted", "and, or, not"),
        ("c0.real > 1", "c0.real cannot be part"),
        ("c0[0] > 1", "cannot be part"),
        ("().__class__", "cannot be part"),
        ("__import__('os').system('true')", "cannot be part"),
        ("(lambda: fitted)()", "cannot be part"),
        ("[c0 for c0 in c1]", "cannot be part"),
        ("f'{c0}' == 1", "cannot be part"),
        ("(c0 := 1) > 0", "cannot be part"),
        ("1j > 0", "cannot be part"),
        ("None", "cannot be part"),
        ("b'x' == c0", "cannot be part"),
        ("... == c0", "cannot be part"),
        ("c0 > 1 if fitted else c1 > 1", "cannot be part"),
        ("c0 > 1" + "0" * 400, "too large"),
        ("c0 > 1; import os", "cannot be read"),
        ("\0", "cannot be read"),
        ("\ud800 > 1", "cannot be read"),
    ],
)  # fmt: skip
def test_select__mistakes_are_named(expression: str, words: str) -> None:
    with pytest.raises(InputError) as told:
        select(expression, column_of, N)
    assert words in str(told.value)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("c0 > 1 or " * 300 + "fitted", "2000 are allowed"),
        ("(" * 900 + "c0" + ")" * 900 + " > 1", "cannot be read"),
        ("-" * 1900 + "1 > 0", "cannot be read|deep"),
        ("not " * 450 + "fitted", "cannot be read|deep"),
        ("+".join(["c0"] * 300) + " > 1", "deep"),
        ("abs(" * 60 + "c0" + ")" * 60 + " > 1", "deep"),
        (" or ".join(["c0>1"] * 200), "operations"),
        ("<".join(["c0"] * 300), "operations"),
    ],
)
def test_select__refuses_what_is_too_much(expression: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        select(expression, column_of, N)


def test_select__neither_hangs_nor_fills_memory() -> None:
    n = 300_000
    column = Plain(np.full(n, 1.5))
    bombs = ["9**9**9**9**9**9**9 > c0", "c0 ** 999999999 ** 9 > 1", "9" * 300 + "**" + "9" * 300 + " > 1"]
    powers = "c0 ** c0 ** c0 ** c0"
    long = " or ".join([f"{powers} < 0"] * 24)
    for expression in (*bombs, long):
        tracemalloc.start()
        start = time.thread_time()
        assert select(expression, lambda _: column, n).shape == (n,)
        assert time.thread_time() - start < 20, "seconds of work, however busy the machine is"
        assert tracemalloc.get_traced_memory()[1] < 20e6
        tracemalloc.stop()


def test_select__refuses_columns_of_another_length() -> None:
    with pytest.raises(InputError, match="500 shots need"):
        select("c0 > 1", lambda _: Plain(np.zeros(3)), N)
