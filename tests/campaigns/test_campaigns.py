"""A little of every campaign each day, and much of it by `make campaign`; for hours by `python -m tests.campaigns`."""

from __future__ import annotations

import os
from collections import Counter
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given

from tests.campaigns import ends, flips, grammars, killing, kills, races
from tests.campaigns.__main__ import CAMPAIGNS, campaign, table
from tests.campaigns.attempt import Attempt, Outcome, faults
from tests.once import Once
from tests.rarely import rarely
from tests.strategies import examples
from xfeldask import Experiment

SEED = os.environ.get("XFELDASK_CAMPAIGN_SEED", "7")
KILLS_EVERY_DAY = {"embed again": [301]}
RACES_EVERY_DAY = {("overwrite", "embed")}
ENDS_EVERY_DAY = {"nuisance.pulse_spread"}
"""What is tried every day; all verbs, pairs and numbers are in a campaign."""
MANY = 40
"""Places at which each verb is killed in a campaign."""


def every_day(cases: Any, few: Any) -> list[Any]:
    """Mark those for a campaign that are not among a few."""
    return [case if case in few else rarely(case) for case in cases]


@pytest.fixture
def folder(once: Once) -> Path:
    return once("to be killed", killing.make)


@pytest.mark.parametrize("verb", every_day(kills.VERBS, KILLS_EVERY_DAY))
def test_verb__killed_at_a_file_operation_leaves_a_store_that_goes_on(folder: Path, tmp_path: Path, verb: str) -> None:
    places = KILLS_EVERY_DAY.get(verb)
    if places is None:
        operations = kills.counted(folder, tmp_path, verb)
        places = kills.places(operations, MANY, Random(f"{verb} {SEED}"))
    assert faults(kills.killed(folder, tmp_path, verb, places)) == []


@pytest.mark.parametrize("verbs", every_day(races.PAIRS, RACES_EVERY_DAY))
def test_verbs__at_once_leave_a_store_that_is_whole(folder: Path, tmp_path: Path, verbs: tuple[str, ...]) -> None:
    assert faults([races.raced(folder, tmp_path / "race", verbs)]) == []


@pytest.mark.parametrize("count", every_day([2, 500], [2]))
def test_flips__of_any_file_are_noticed(folder: Path, tmp_path: Path, count: int) -> None:
    assert faults(islice(flips.attempts(folder, tmp_path, Random(SEED)), count)) == []


@pytest.mark.parametrize("name", grammars.GRAMMARS)
def test_files__of_a_bad_grammar_are_read_or_refused_in_a_sentence(tmp_path: Path, name: str) -> None:
    @examples(1 / 3)
    @given(grammars.GRAMMARS[name].files)
    def tried(data: bytes) -> None:
        assert faults([grammars.outcome(name, data, tmp_path)]) == []

    tried()


def test_bounds__are_those_of_all_numbers() -> None:
    assert ends.numbers(Experiment) == set(ends.BOUNDS)


@pytest.mark.filterwarnings("ignore::xfeldask.errors.FewPhotonsWarning")
@pytest.mark.parametrize("name", every_day(ends.BOUNDS, ENDS_EVERY_DAY))
def test_number__at_the_ends_of_its_range_is_refused_or_drawn_as_expected(tmp_path: Path, name: str) -> None:
    assert faults(ends.drawn(name, end, tmp_path) for end in ends.BOUNDS[name]) == []


def test_campaign__counts_what_came_of_its_attempts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def once_each(*_: object) -> Any:
        yield Attempt("a flip", Outcome.TOLD)
        yield Attempt("another", Outcome.SILENT, "nobody noticed")
        monkeypatch.setattr("tests.campaigns.__main__.time.monotonic", lambda: float("inf"))
        yield Attempt("a third", Outcome.TOLD)

    monkeypatch.setattr(killing, "make", Path.mkdir)
    monkeypatch.setitem(CAMPAIGNS, "flips", once_each)
    counts = campaign(["flips"], 1000.0, 1, tmp_path)
    assert counts == {"flips": Counter({Outcome.TOLD: 2, Outcome.SILENT: 1})}
    assert table(counts).splitlines()[1].split() == ["flips", "3", "0", "2", "1", "0", "0"]
