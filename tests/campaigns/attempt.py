"""What came of one attack, and the count of many."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class Outcome(StrEnum):
    """What an attack ends in."""

    WHOLE = "whole"
    """Nothing was wrong afterwards."""
    TOLD = "told"
    """It was refused or found, in a sentence."""
    SILENT = "silent"
    """Something was wrong, and called right."""
    LOST = "lost"
    """What was to be kept was not there."""
    DIED = "died"
    """It ended in anything but a sentence."""


BAD = (Outcome.SILENT, Outcome.LOST, Outcome.DIED)


class Attempt(NamedTuple):
    """One attack.

    Attributes
    ----------
    what : str, what was tried, by which it can be tried again
    outcome : Outcome
    said : str, what was said or found
    """

    what: str
    outcome: Outcome
    said: str = ""

    @property
    def is_bad(self) -> bool:
        """Whether it found a fault."""
        return self.outcome in BAD

    def __str__(self) -> str:
        return f"{self.what}: {self.outcome}{', ' if self.said else ''}{self.said}"


def faults(attempts: Iterable[Attempt]) -> list[str]:
    """Say which of some attempts found a fault."""
    return [str(attempt) for attempt in attempts if attempt.is_bad]
