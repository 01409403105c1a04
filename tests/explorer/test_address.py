"""Addresses of pages: what they carry, and what they carried before."""

from xfeldask.explorer.view.address import read_address


def test_read_address__takes_a_checkpoint_by_its_name_of_before_too() -> None:
    assert read_address({"checkpoint": 2}) == read_address({"look": 2}) == {"checkpoint": 2}


def test_read_address__passes_over_what_is_no_checkpoint() -> None:
    assert read_address({"checkpoint": "last", "look": True, "x": "c1"}) == {"x": "c1"}


def test_read_address__takes_a_switch_as_yes_or_no_alone() -> None:
    assert read_address({"rings": True, "shot": 0}) == {"rings": True, "shot": 0}
    assert read_address({"rings": 1, "shot": True}) == {}


def test_read_address__passes_over_numbers_of_a_view_that_no_float_can_hold() -> None:
    assert read_address({"view": [0, 1, 2, 10**400]}) == {}
    assert read_address({"view": [0, 1, 2, float("nan")]}) == {}
    assert read_address({"view": [0, 1, 2, 3]}) == {"view": [0.0, 1.0, 2.0, 3.0]}
