"""What of a model travels to workers."""

from __future__ import annotations

from dataclasses import fields
from typing import Any


class FieldsOnly:
    """A dataclass that is pickled by its fields: tables that it keeps are made anew where it arrives.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from functools import cached_property
    >>> @dataclass
    ... class Squares(FieldsOnly):
    ...     n: int
    ...     @cached_property
    ...     def table(self):
    ...         return [i * i for i in range(self.n)]
    >>> squares = Squares(4)
    >>> squares.table, squares.__getstate__()
    ([0, 1, 4, 9], {'n': 4})
    """

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
