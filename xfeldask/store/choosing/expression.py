"""Selections in words, such as ``photon_count > 1000 and verdict == "single"``.

An expression is parsed, never evaluated: each part of it that is known becomes a function of numpy arrays, and any
other part is refused. All arithmetic is in float64, a block of shots at a time, so that no expression that fits in
`LONGEST` characters takes much time or memory.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError, UnknownNameError

LONGEST = 2000
"""Characters of an expression."""
DEEPEST = 40
"""Parts inside one another."""
MOST = 100
"""Operations of an expression."""
BLOCK = 2**16
"""Shots at a time."""
_TOLD = 60

Values = Callable[[slice], Any]
Classes = Sequence[tuple[int, str]]

_ARITHMETIC: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide, ast.Mod: np.mod,
    ast.Pow: np.power, ast.USub: np.negative, ast.UAdd: np.positive,
}  # fmt: skip
_COMPARISONS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal, ast.Eq: np.equal,
    ast.NotEq: lambda a, b: (a < b) | (a > b),
}  # fmt: skip
_NUMBERS: dict[str, tuple[int, Callable[..., Any]]] = {
    "abs": (1, np.abs), "sqrt": (1, np.sqrt), "log": (1, np.log), "log10": (1, np.log10),
    "min": (2, lambda *numbers: reduce(np.minimum, numbers)), "max": (2, lambda *numbers: reduce(np.maximum, numbers)),
}  # fmt: skip
_QUESTIONS: dict[str, tuple[int, Callable[..., Any]]] = {"isnan": (1, np.isnan), "isfinite": (1, np.isfinite)}
_FUNCTIONS = _NUMBERS | _QUESTIONS


class Quantity(Protocol):
    """What a name stands for; a `Column` of `xfeldask.store.choosing.columns` is one."""

    @property
    def values(self) -> NDArray[Any]:
        """Numbers or booleans (shot,)."""

    @property
    def classes(self) -> tuple[tuple[int, str], ...]:
        """Values and their meanings, or nothing."""


@dataclass(frozen=True)
class _Part:
    """Part of an expression: its text, what it is, and its values for some shots."""

    text: str
    kind: str
    values: Values
    classes: Classes = ()

    def must_be(self, kind: str) -> Values:
        """Values of a part that is of a kind."""
        if self.kind != kind:
            hint = "compare it, as in name > 0" if kind == CONDITION else "only a number can stand there"
            raise InputError(f"{self.text} is {_A[self.kind]}, not {_A[kind]}; {hint}")
        return self.values


NUMBER, CONDITION, TEXT = "number", "condition", "text"
_A = {NUMBER: "a number", CONDITION: "a condition", TEXT: "a text"}


def select(expression: str, column_of: Callable[[str], Quantity], n: int) -> NDArray[np.bool_]:
    """Shots that fulfil a condition.

    Conditions are made of ``and``, ``or``, ``not``, comparisons (chained ones too), ``in`` and ``not in`` with a list
    of constants, ``isnan`` and ``isfinite``; numbers of ``+ - * / % **``, ``abs``, ``sqrt``, ``log``, ``log10``,
    ``min`` and ``max``; texts stand for the classes of a quantity. A shot whose value is NaN fulfils no comparison,
    ``!=`` and ``not in`` among them. Columns of booleans are conditions themselves.

    Parameters
    ----------
    expression : str, at most `LONGEST` characters
    column_of : callable, quantity of a name, which raises UnknownNameError for any other
    n : int, number of shots

    Returns
    -------
    bool (n,)

    Raises
    ------
    InputError
        The expression cannot be read, is no condition, is too long, too deep or of too many parts, or holds
        something else.
    UnknownNameError
        A function or a class that is not known; a quantity, by `column_of`.

    Examples
    --------
    >>> from xfeldask.store.choosing.columns import Column
    >>> columns = {
    ...     "c0": Column("c0", "", "1", np.array([1.0, np.nan, -3.0])),
    ...     "verdict": Column("verdict", "", "1", np.array([1, 1, 0]), ((0, "blank"), (1, "single"))),
    ... }
    >>> select('verdict == "single" and abs(c0) < 2', columns.__getitem__, 3).tolist()
    [True, False, False]
    >>> select('verdict == "singel"', columns.__getitem__, 3)
    Traceback (most recent call last):
    xfeldask.errors.UnknownNameError: unknown class of verdict 'singel'; did you mean single?
    """
    part = _Reader(expression, column_of, n).read()
    out = np.empty(n, bool)
    with np.errstate(all="ignore"):
        for start in range(0, n, BLOCK):
            shots = slice(start, min(n, start + BLOCK))
            out[shots] = part(shots)
    return out


class _Reader:
    """Turns one expression into a function of a slice of shots."""

    def __init__(self, expression: str, column_of: Callable[[str], Quantity], n: int) -> None:
        self._source, self._column_of, self._n = expression.strip(), column_of, n
        self._left = MOST

    def read(self) -> Values:
        """Evaluate the condition that the expression is."""
        return self._part(_parsed(self._source).body, DEEPEST).must_be(CONDITION)

    def _part(self, node: ast.expr, deep: int) -> _Part:
        if not isinstance(node, ast.Constant | ast.Name):
            self._left -= len(node.ops) if isinstance(node, ast.Compare) else 1
        if deep < 0 or self._left < 0:
            how = f"more than {DEEPEST} deep" if deep < 0 else f"of more than {MOST} operations"
            raise InputError(f"the expression is {how}; select in several steps")
        match node:
            case ast.Constant(value=bool(value)):
                return _Part(str(value), CONDITION, lambda _: value)
            case ast.Constant(value=int() | float() as value):
                return self._number(node, _as_float(value))
            case ast.Constant(value=str(text)):
                return _Part(self._text(node), TEXT, lambda _: text)
            case ast.Name(id=name):
                return self._column(name)
            case ast.BoolOp(op=op, values=nodes):
                values = [self._part(each, deep - 1).must_be(CONDITION) for each in nodes]
                join = operator.and_ if isinstance(op, ast.And) else operator.or_
                return _Part(self._text(node), CONDITION, lambda at: reduce(join, (value(at) for value in values)))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self._apply(node, CONDITION, np.logical_not, [operand], CONDITION, deep)
            case ast.UnaryOp(op=op, operand=operand) if type(op) in _ARITHMETIC:
                return self._apply(node, NUMBER, _ARITHMETIC[type(op)], [operand], NUMBER, deep)
            case ast.BinOp(op=op, left=left, right=right) if type(op) in _ARITHMETIC:
                return self._apply(node, NUMBER, _ARITHMETIC[type(op)], [left, right], NUMBER, deep)
            case ast.Compare():
                return self._comparison(node, deep)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(node, name, arguments, deep)
        raise InputError(f"{self._text(node)} cannot be part of a selection; {_hint(node)}")

    def _apply(
        self, node: ast.expr, kind: str, function: Callable[..., Any], nodes: list[ast.expr], takes: str, deep: int
    ) -> _Part:
        values = [self._part(each, deep - 1).must_be(takes) for each in nodes]
        return _Part(self._text(node), kind, lambda at: function(*(value(at) for value in values)))

    def _call(self, node: ast.expr, name: str, arguments: list[ast.expr], deep: int) -> _Part:
        if name not in _FUNCTIONS:
            raise UnknownNameError("function", name, _FUNCTIONS)
        least, function = _FUNCTIONS[name]
        if len(arguments) < least or least == 1 < len(arguments):
            takes = "1 number" if least == 1 else f"{least} numbers or more"
            raise InputError(f"{name} takes {takes}, {self._text(node)} gives {len(arguments)}")
        return self._apply(node, CONDITION if name in _QUESTIONS else NUMBER, function, arguments, NUMBER, deep)

    def _comparison(self, node: ast.Compare, deep: int) -> _Part:
        left, links = self._part(node.left, deep - 1), []
        for op, other in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, ast.In | ast.NotIn):
                links.append(self._membership(left, other, isinstance(op, ast.NotIn)))
                break
            right = self._part(other, deep - 1)
            if type(op) not in _COMPARISONS:
                raise InputError(f"{self._text(node)} cannot be part of a selection; use == or !=")
            links.append(_compared(left, right, op))
            left = right
        if len(links) < len(node.ops):
            raise InputError(f"in {self._text(node)} something follows a list; join two conditions by and")
        return _Part(self._text(node), CONDITION, lambda at: reduce(operator.and_, (link(at) for link in links)))

    def _membership(self, part: _Part, node: ast.expr, outside: bool) -> Values:
        if not isinstance(node, ast.Tuple | ast.List):
            raise InputError(f'{self._text(node)} is no list of constants; write in (1, 2), or in ("name",)')
        wanted = np.array([self._constant(part, each) for each in node.elts], np.float64)
        values = _as_number(part)

        def member(at: slice) -> Any:
            found = values(at)
            return np.isin(found, wanted, invert=outside) & ~np.isnan(found)

        return member

    def _constant(self, part: _Part, node: ast.expr) -> float:
        match node:
            case ast.Constant(value=str(text)):
                return _value_of(part, text)
            case ast.Constant(value=int() | float() as value):
                return _as_float(value)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
                return -_as_float(value)
        raise InputError(f"{self._text(node)} is no constant; a list holds only numbers or texts")

    def _column(self, name: str) -> _Part:
        column = self._column_of(name)
        values = column.values
        if values.shape != (self._n,):
            raise InputError(f"{name} has values of shape {values.shape}; {self._n} shots need ({self._n},)")
        if values.dtype == bool:
            return _Part(name, CONDITION, lambda at: values[at], column.classes)
        return _Part(name, NUMBER, lambda at: np.asarray(values[at], np.float64), column.classes)

    def _number(self, node: ast.expr, value: float) -> _Part:
        constant = np.float64(value)
        return _Part(self._text(node), NUMBER, lambda _: constant)

    def _text(self, node: ast.AST) -> str:
        return _short(ast.get_source_segment(self._source, node) or ast.unparse(node))


def _parsed(source: str) -> ast.Expression:
    if len(source) > LONGEST:
        raise InputError(f"the expression has {len(source)} characters, {LONGEST} are allowed; select in several steps")
    if not source:
        raise InputError("the expression is empty; write a condition, such as photon_count > 1000")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source, mode="eval")
    except SyntaxError as error:
        hint = "= is no comparison, write ==" if _lone_equals(source) else str(error.msg)
        raise InputError(f"{_short(source)!r} cannot be read at character {error.offset or 1}: {hint}") from None
    except (ValueError, MemoryError, RecursionError):
        raise InputError(
            f"{_short(source)} cannot be read: it is too deep, or holds a character of no meaning"
        ) from None


def _compared(left: _Part, right: _Part, op: ast.cmpop) -> Values:
    if TEXT in (left.kind, right.kind) and not isinstance(op, ast.Eq | ast.NotEq):
        text, other = (left, right) if left.kind == TEXT else (right, left)
        raise InputError(f"{text.text} has no order to compare {other.text} by; use == or !=")
    compare = _COMPARISONS[type(op)]
    one, two = _as_number(left, right), _as_number(right, left)
    return lambda at: compare(one(at), two(at))


def _as_number(part: _Part, beside: _Part | None = None) -> Values:
    """Values of a part as float64; a text is the class of what it stands beside."""
    if part.kind == TEXT:
        if beside is None:
            raise InputError(f'{part.text} is a text; compare a quantity with it, as in verdict == "single"')
        value = np.float64(_value_of(beside, part.values(slice(0))))
        return lambda _: value
    return lambda at: np.asarray(part.values(at), np.float64)


def _value_of(part: _Part, meaning: str) -> float:
    """Value of a class of a quantity."""
    if not part.classes:
        raise InputError(f"{part.text} has no classes; compare it with a number instead of {_short(meaning)!r}")
    for value, known in part.classes:
        if known == meaning:
            return value
    raise UnknownNameError(f"class of {part.text}", _short(meaning), [known for _, known in part.classes])


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        raise InputError(f"{_short(str(value))} is too large a number; write it as 1e300") from None


def _hint(node: ast.expr) -> str:
    if isinstance(node, ast.BinOp | ast.UnaryOp):
        return "use + - * / % ** for numbers; and, or, not for conditions"
    if isinstance(node, ast.Call):
        return f"functions are {', '.join(_FUNCTIONS)}"
    return "use names, numbers, comparisons, and, or, not"


def _lone_equals(source: str) -> bool:
    plain = source
    for pair in ("==", "<=", ">=", "!="):
        plain = plain.replace(pair, "")
    return "=" in plain


def _short(text: str) -> str:
    return text if len(text) <= _TOLD else f"{text[: _TOLD - 3]}..."
