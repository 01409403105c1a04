"""Addresses of pages: what they carry, and what they carried before."""

from xfeldask.explorer.view.address import read_address


def test_read_address__takes_a_checkpoint_by_its_name_of_before_too() -> None:
    assert read_address({"checkpoint": 2}) == read_address({"look": 2}) == {"checkpoint": 2}


def test_read_address__passes_over_what_is_no_checkpoint() -> None:
    assert read_address({"checkpoint": "last", "look": True, "x": "c1"}) == {"x": "c1"}


def test_read_address__takes_a_switch_as_yes_or_no_alone() -> None:
    assert read_address({"rings": True, "shot": 0}) == {"rings": True, "shot": 0}
    assert read_address({"rings": 1, "shot": True}) == {}
