"""Which kinds a person wants, and what they are called."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfeldask.errors import InputError
from xfeldask.sorting.kinds.names import Wanted, carried, checked, renamed

NAMES = ("capsid", "dimer", "ice")


@pytest.mark.parametrize(
    ("given", "due"),
    [
        (1, (1,)),
        (np.int64(2), (2,)),
        ("ice", (2,)),
        ("2", (2,)),
        (["ice", 0], (0, 2)),
        (np.array([2, 0]), (0, 2)),
        ((1, 1, "dimer"), (1,)),
        (" capsid ,1", (0, 1)),
        ("all", (0, 1, 2)),
        ("all but ice", (0, 1)),
        ("all but 0, ice", (1,)),
    ],
)
def test_wanted__is_understood_as_a_person_may_give_it(given: object, due: tuple[int, ...]) -> None:
    assert Wanted.of(given).among(3, NAMES) == due


@pytest.mark.parametrize(
    "given", [True, 0.5, [0, None], [[0]], [], "", ",", "all but", "allbut 0", -1, "-1", 3, "\u0663"]
)
def test_wanted__refuses_anything_else_in_a_sentence(given: object) -> None:
    with pytest.raises(InputError, match="kind"):
        Wanted.of(given).among(3, NAMES)


@given(st.text(max_size=40))
def test_checked__takes_words_of_letters_and_digits_alone(name: str) -> None:
    plain = name.isascii() and name[:1].isalpha() and name.replace("_", "").isalnum() and len(name) <= 32
    if plain and name not in ("none", "all") and not re.fullmatch(r"kind_\d+", name):
        assert checked(name) == name
    else:
        with pytest.raises(InputError):
            checked(name)


def test_renamed__refuses_two_kinds_of_one_name_and_lets_them_swap() -> None:
    with pytest.raises(InputError, match="two kinds would be named ice; give each a name of its own"):
        renamed({"capsid": "ice"}, 3, NAMES)
    assert renamed({0: "ice", 2: "capsid"}, 3, NAMES) == ("ice", "dimer", "capsid")
    with pytest.raises(InputError, match="there is no kind 3: 3 found"):
        renamed({3: "water"}, 3)
    for asked in (["water"], {0.5: "water"}, {True: "water"}, "0=water"):
        with pytest.raises(InputError, match=r"as in \{0: 'capsid'\}, got"):
            renamed(asked, 3)
    with pytest.raises(InputError, match=r"got 'x{59}\Z"):
        renamed({0: "x" * 10_000}, 3)


def test_carried__leaves_what_has_become_of_several_kinds_without_a_name() -> None:
    split = np.array([0] * 9 + [1] * 6), np.array([2] * 5 + [0] * 4 + [0] * 3 + [1] * 3)
    assert carried(("capsid", "ice"), *split, 3) == ("kind_0", "kind_1", "capsid")
    assert carried(("kind_0", "ice"), *split, 3) == ()
