"""Each campaign finds the faults that this package once had, when they are put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path
from random import Random

import pytest

from tests.campaigns import ends, flips, grammars, killing, kills, races
from tests.campaigns.attempt import Attempt, Outcome
from tests.campaigns.faults import FAULTS, put_back
from tests.once import Once

Attack = Callable[[Path, Path], Iterator[Attempt]]
DICE = 11


def killed(verb: str) -> Attack:
    """Kill one verb where it moves folders."""

    def attack(folder: Path, work: Path) -> Iterator[Attempt]:
        operations = kills.counted(folder, work, verb)
        yield from kills.killed(folder, work, verb, kills.moves(operations))

    return attack


def raced(*verbs: str) -> Attack:
    """Race some verbs again and again."""
    return lambda folder, work: (races.raced(folder, work / "race", again) for again in cycle([verbs]))


def flipped(folder: Path, work: Path) -> Iterator[Attempt]:
    """Flip bits."""
    return flips.attempts(folder, work, Random(DICE))


def mixed(folder: Path, work: Path) -> Iterator[Attempt]:
    """Take shots of another store."""
    return flips.mixtures_of(folder, work / "mixed", Random(DICE))


def read(name: str) -> Attack:
    """Read bad files of one kind."""

    def attack(folder: Path, work: Path) -> Iterator[Attempt]:
        dice = Random(DICE)
        while True:
            yield from grammars.tried(name, work, dice.getrandbits(64))

    return attack


def number(name: str) -> Attack:
    """Draw shots of numbers that nobody has."""
    return lambda folder, work: (ends.drawn(name, value, work) for value in ends.OUTSIDE)


FOUND_BY: list[tuple[str, Attack, int, Outcome | None]] = [
    ("no writer", raced("overwrite", "replace"), 20, None),
    ("no writer", raced("embed", "embed"), 20, Outcome.DIED),
    ("no run", raced("overwrite", "embed"), 20, Outcome.SILENT),
    ("two renames", killed("overwrite"), 20, Outcome.LOST),
    ("no links", killed("overwrite link"), 10, None),
    ("no manifest", flipped, 100, Outcome.SILENT),
    ("no recomputing", mixed, 1, Outcome.SILENT),
    ("no strictness", read("PDB"), 200, Outcome.SILENT),
    ("no validation", read("stored experiment"), 40, Outcome.DIED),
    ("no safe header", read("run.npy"), 100, Outcome.DIED),
    ("no long names", read("name of a store"), 60, Outcome.DIED),
    ("markup", read("printed"), 60, None),
    ("no limits", number("beam.photon_energy"), 14, Outcome.DIED),
    ("no limits", number("detector.distance"), 14, Outcome.DIED),
]
"""Fault, attack, how many attempts at most, and what is found where it is one thing alone."""
EVERY_DAY = {"no validation", "no long names", "markup"}


def test_faults__are_all_put_back() -> None:
    assert {fault for fault, *_ in FOUND_BY} == set(FAULTS)


@pytest.mark.filterwarnings("ignore::xfeldask.errors.FewPhotonsWarning")
@pytest.mark.parametrize(
    ("fault", "attack", "most", "outcome"),
    [pytest.param(*case, marks=() if case[0] in EVERY_DAY else pytest.mark.campaign) for case in FOUND_BY],
)
def test_fault__that_is_put_back_is_found(
    once: Once, tmp_path: Path, fault: str, attack: Attack, most: int, outcome: Outcome | None
) -> None:
    folder = tmp_path if fault in EVERY_DAY else once("to be killed", killing.make)
    with put_back(fault):
        attempts = islice(attack(folder, tmp_path), most)
        found = next((attempt for attempt in attempts if attempt.is_bad), None)
    assert found is not None
    assert outcome in (None, found.outcome), found
