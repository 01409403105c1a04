"""Shapes of dots, by which classes are told apart without colour: by who sees none, or prints in grey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from xfeldask.scores.classes import KINDS, OUTCOMES

DISC = "."
PICTURES: Mapping[str, str] = MappingProxyType({
    DISC: """
        .......
        ..###..
        .#####.
        .#####.
        .#####.
        ..###..
        .......""",
    "s": """
        #######
        #.....#
        #.###.#
        #.###.#
        #.###.#
        #.....#
        #######""",
    "+": """
        ...#...
        ...#...
        ..###..
        #######
        ..###..
        ...#...
        ...#...""",
    "D": """
        ...#...
        ..#.#..
        .#.#.#.
        #.###.#
        .#.#.#.
        ..#.#..
        ...#...""",
    "^": """
        .......
        ...#...
        ..###..
        ..###..
        .#####.
        .#####.
        #######""",
    "x": """
        #.....#
        .#...#.
        ..###..
        ..###..
        ..###..
        .#...#.
        #.....#""",
    "v": """
        #######
        .#####.
        .#####.
        ..###..
        ..###..
        ...#...
        .......""",
})  # fmt: skip
"""Pixels of each shape, by matplotlib's marker; the one in the middle is where the shot is.

All have a core, which tells the colour.
"""
SIGNS: Mapping[str, str] = MappingProxyType({DISC: "●", "s": "▣", "+": "+", "D": "◈", "^": "▲", "x": "✕", "v": "▼"})
"""Characters that look like them, for people who read which is which."""
HOLLOW = ("s", "D")
"""Shapes that are drawn as an outline with a core."""
KNOWN: Mapping[str, str] = MappingProxyType({found.name: found.marker for found in KINDS + OUTCOMES})
"""Of classes of shots, as in every figure of the package."""


def class_shapes(meanings: Sequence[str]) -> dict[str, str]:
    """Choose the shape of each class; discs for all where there are more classes than shapes.

    Examples
    --------
    >>> class_shapes(("single", "multiple", "odd"))
    {'single': '.', 'multiple': 's', 'odd': '+'}
    """
    if len(meanings) > len(PICTURES):
        return dict.fromkeys(meanings, DISC)
    fixed = {KNOWN[meaning] for meaning in meanings if meaning in KNOWN}
    others = cycle([shape for shape in PICTURES if shape not in fixed])
    return {meaning: KNOWN.get(meaning) or next(others) for meaning in meanings}


def offsets(shape: str) -> NDArray[np.int64]:
    """Return the pixels of a shape about its middle, (n, 2): rows down and columns, the farthest first.

    Examples
    --------
    >>> len(offsets("x")), offsets("x")[-1].tolist()
    (17, [0, 0])
    """
    rows = [line.strip() for line in PICTURES[shape].split("\n") if line.strip()]
    at = np.argwhere(np.array([list(row) for row in rows]) == "#") - len(rows) // 2
    return np.asarray(at[np.argsort(-(at**2).sum(axis=1), kind="stable")], np.int64)
