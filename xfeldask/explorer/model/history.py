"""Selections that were before, to be gone back to."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from xfeldask.explorer.model.masks import Mask

MOST = 50
"""Selections that are kept on either side of the one that is now."""


@dataclass(frozen=True, eq=False)
class Selection:
    """What was selected, eight shots a byte.

    Attributes
    ----------
    packed : uint8, of the mask
    where : str, the expression that selected it; empty where a hand did
    outline : str, the lasso or box that did; empty where there is none

    Examples
    --------
    >>> Selection.of(np.array([True, False, True]), "shot != 1").mask(4).tolist()
    [True, False, True, False]
    """

    packed: NDArray[np.uint8]
    where: str
    outline: str

    @classmethod
    def of(cls, mask: Mask, where: str = "", outline: str = "") -> Selection:
        """Pack a mask (shot,)."""
        return cls(np.packbits(mask), where, outline)

    def mask(self, n_shots: int) -> Mask:
        """Return the mask of so many shots; those that were not there then are not selected."""
        found = np.unpackbits(self.packed, count=n_shots)
        return np.asarray(found, bool)

    def same(self, other: Selection) -> bool:
        """Whether both are of the same shots, and tell the same of them."""
        words = (self.where, self.outline) == (other.where, other.outline)
        return words and np.array_equal(self.packed, other.packed)


@dataclass
class History:
    """Selections before and after the one that is now.

    Examples
    --------
    >>> first, second = (Selection.of(np.array([i == 1, i == 2])) for i in (1, 2))
    >>> history = History()
    >>> history.leave(first)
    >>> history.undo(second) is first, history.redo(first) is second, history.redo(second)
    (True, True, None)
    """

    _before: list[Selection] = field(default_factory=list)
    _after: list[Selection] = field(default_factory=list)

    def leave(self, now: Selection) -> None:
        """Keep the selection that is now, as another one is made; what was undone is gone."""
        self._keep(self._before, now)
        self._after.clear()

    def undo(self, now: Selection) -> Selection | None:
        """Return the selection before, None where there is none."""
        return self._move(self._before, self._after, now)

    def redo(self, now: Selection) -> Selection | None:
        """Return the selection that was undone last, None where there is none."""
        return self._move(self._after, self._before, now)

    @property
    def steps(self) -> tuple[int, int]:
        """How many times one can undo, and redo."""
        return len(self._before), len(self._after)

    def _move(self, taken: list[Selection], put: list[Selection], now: Selection) -> Selection | None:
        if not taken:
            return None
        self._keep(put, now)
        return taken.pop()

    @staticmethod
    def _keep(where: list[Selection], what: Selection) -> None:
        where.append(what)
        del where[:-MOST]
