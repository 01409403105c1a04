"""Names of kinds, as a person gives them, and which kinds a person wants."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from xfeldask.config.species import NAME, NO_SPECIES
from xfeldask.errors import WHOLE, InputError

ALL, ALL_BUT = "all", "all but "
"""How all kinds are asked for, and all but those that follow."""
NUMBERED = re.compile(r"kind_\d+")
"""What kinds without a name of their own are called among others that have one."""
LONGEST = 60
"""Characters of what was given that an error tells."""

Kind = int | str
"""A kind by its number, counted from 0, or by its name."""


@dataclass(frozen=True)
class Wanted:
    """Which kinds a person wants, before it is known which there are.

    Attributes
    ----------
    kinds : tuple of int or str, numbers and names
    but : bool, all kinds but these are wanted
    """

    kinds: tuple[Kind, ...]
    but: bool = False

    @classmethod
    def of(cls, given: Kind | Sequence[Kind]) -> Self:
        """Understand what was given: a kind, several of them, or words such as "0, capsid", "all" and "all but ice".

        Raises
        ------
        InputError
            It is neither.

        Examples
        --------
        >>> Wanted.of("0, capsid").kinds, Wanted.of([0, 2]).kinds
        ((0, 'capsid'), (0, 2))
        >>> Wanted.of("all but ice")
        Wanted(kinds=('ice',), but=True)
        """
        but = isinstance(given, str) and (given.strip() == ALL or given.strip().startswith(ALL_BUT))
        if isinstance(given, str):
            words = given.strip().removeprefix(ALL_BUT if but else "").split(",")
            kinds: list[Kind] = [] if given.strip() == ALL else [word.strip() for word in words]
        else:
            kinds = list(given) if isinstance(given, Iterable) else [given]
        for kind in kinds:
            if not _is_kind(kind):
                raise InputError(f"wanted must be the number or the name of a kind, or several of them, got {kind!r}")
        if not but and not kinds:
            raise InputError("no kind is wanted; name one at least, or 'all'")
        return cls(tuple(int(kind) if str(kind).isdecimal() else kind for kind in kinds), but)

    def among(self, count: int, names: Sequence[str] = ()) -> tuple[int, ...]:
        """Return the numbers of the wanted ones, ascending.

        Parameters
        ----------
        count : int, kinds that there are
        names : their names, where they have any

        Raises
        ------
        InputError
            One of them is not there, or none is left.

        Examples
        --------
        >>> Wanted.of([2, "capsid"]).among(3, ("capsid", "dimer", "ice")), Wanted.of("all but 1").among(3)
        ((0, 2), (0, 2))
        """
        meant = {number_of(kind, count, names) for kind in self.kinds}
        wanted = tuple(kind for kind in range(count) if (kind in meant) != self.but)
        if not wanted:
            raise InputError(f"of {count} kinds none is left that is wanted; leave one at least")
        return wanted


def number_of(kind: Kind, count: int, names: Sequence[str] = ()) -> int:
    """Return the number of a kind that is named, or numbered.

    Raises
    ------
    InputError
        There is none.

    Examples
    --------
    >>> number_of("dimer", 2, ("capsid", "dimer")), number_of("1", 2)
    (1, 1)
    """
    if kind in names:
        return list(names).index(str(kind))
    if isinstance(kind, str) and not kind.isdecimal():
        told = f"kinds are named {', '.join(names)}" if names else "kinds that are found have numbers only"
        raise InputError(f"there is no kind {kind:.{LONGEST}}: {told}")
    if not 0 <= int(kind) < count:
        raise InputError(f"there is no kind {kind}: {count} found, counted from 0")
    return int(kind)


def renamed(given: Mapping[Kind, str | None], count: int, names: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the names of kinds, some of which a person names.

    Parameters
    ----------
    given : name by kind; none, or an empty one, takes a name back
    count : int, kinds that there are
    names : that they have

    Returns
    -------
    tuple of str, of all kinds, ``kind_1`` of one without a name of its own; empty where none has one

    Raises
    ------
    InputError
        No such kind, what is no name, or a name of two kinds.

    Examples
    --------
    >>> renamed({0: "capsid"}, 2)
    ('capsid', 'kind_1')
    >>> renamed({"capsid": "shell", 1: "ice"}, 2, ("capsid", "kind_1")), renamed({0: None}, 2, ("capsid", "kind_1"))
    (('shell', 'ice'), ())
    """
    if not isinstance(given, Mapping) or not all(map(_is_kind, given)):
        raise InputError(
            f"names of kinds are given by the number or name of a kind, as in {{0: 'capsid'}}, got {given!r}"
        )
    plain = [f"kind_{kind}" for kind in range(count)]
    out = list(names) or list(plain)
    for kind, name in given.items():
        number = number_of(kind, count, names)
        out[number] = checked(name) if name and name != plain[number] else plain[number]
    if twice := next((name for name in out if out.count(name) > 1), None):
        raise InputError(f"two kinds would be named {twice}; give each a name of its own")
    return () if out == plain else tuple(out)


def carried(names: Sequence[str], before: ArrayLike, now: ArrayLike, count: int) -> tuple[str, ...]:
    """Return the names of kinds that were found anew: those of the kinds before that have the same shots.

    Parameters
    ----------
    names : of the kinds before, as of `renamed`
    before, now : int (shot,), kind of each shot then and now, negative where it had none
    count : int, kinds that there are now

    Returns
    -------
    tuple of str, as of `renamed`: a kind keeps its name where most of its shots are most of those of a kind now

    Examples
    --------
    >>> carried(("capsid", "ice"), [0, 0, 0, 1, 1, -1], [1, 1, 1, 0, 2, 2], 3)
    ('kind_0', 'capsid', 'kind_2')
    """
    of, to = np.asarray(before), np.asarray(now)
    there = (of >= 0) & (to >= 0)
    shared = np.zeros((len(names), count), np.int64)
    np.add.at(shared, (of[there], to[there]), 1)
    size = np.bincount(to[to >= 0], minlength=count)
    most = (2 * shared > shared.sum(axis=1, keepdims=True)) & (2 * shared > size)
    given: dict[Kind, str | None] = {int(new): names[old] for old, new in np.argwhere(most)}
    given = {new: name for new, name in given.items() if not NUMBERED.fullmatch(str(name))}
    return renamed(given, count)


def _is_kind(kind: object) -> bool:
    return isinstance(kind, str | WHOLE) and not isinstance(kind, bool)


def checked(name: str) -> str:
    """Return a name that a kind can have.

    Raises
    ------
    InputError
        It cannot.

    Examples
    --------
    >>> checked("capsid_2")
    'capsid_2'
    >>> checked("<b>capsid</b>")
    Traceback (most recent call last):
    ...
    xfeldask.errors.InputError: the name of a kind is a letter and up to 31 letters, digits and _, got '<b>capsid</b>'
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InputError(f"the name of a kind is a letter and up to 31 letters, digits and _, got {name!r:.{LONGEST}}")
    if name in (NO_SPECIES, ALL) or NUMBERED.fullmatch(name):
        raise InputError(f"no kind can be named {name!r}, which means something else; choose another name")
    return name
