"""How quantities are shown to people."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfeldask.schema import LATENT, VARIABLES
from xfeldask.units import PLAIN, Shown, shown, told


@pytest.mark.parametrize(
    ("units", "values", "wanted"),
    [
        ("m", (), "nm"),
        ("m", [1e-8, 8e-8], "nm"),
        ("m", [np.nan, -5e-5], "µm"),
        ("m", [math.inf, 0.15], "mm"),
        ("m", [20.0], "m"),
        ("eV", [4600], "eV"),
        ("eV", [12000], "keV"),
        ("rad", [0.1], "°"),
        ("degree", [10], "°"),
        ("m-1", [1e9], "1/nm"),
        ("angstrom-1", [0.1], "1/nm"),
        ("um-2", [1.27e12], "10¹²/µm²"),
        ("1", [1e-9], ""),
        ("count", [5], "count"),
        ("parsec", [5], "parsec"),
    ],
)
def test_shown__has_a_unit_for_people(units, values, wanted):
    assert shown(units, values).name == wanted


@pytest.mark.parametrize(
    ("value", "units", "wanted"),
    [
        (8e-8, "m", "80 nm"),
        (math.radians(90), "rad", "90°"),
        (0.05, "angstrom-1", "0.5/nm"),
        (2e9, "m-1", "2/nm"),
        (24e3, "eV", "24 keV"),
        (0.0, "m", "0 nm"),
    ],
)
def test_told__writes_a_value_with_its_unit(value, units, wanted):
    assert told(value, units) == wanted


@given(st.floats(1e-9, 9.99))
def test_lengths__of_a_laboratory_show_no_exponent(length):
    number = told(length, "m").split()[0]
    assert "e" not in number
    assert 0.1 < float(number) <= 1000


@given(st.lists(st.floats(1e-12, 1e3), min_size=1), st.sampled_from(["m", "eV", "rad", "m-1", "um-2", "1"]))
def test_of__multiplies_by_the_factor_alone(values, units):
    unit = shown(units, values)
    np.testing.assert_array_equal(unit.of(values), np.array(values) * unit.factor)


def test_of__leaves_whole_numbers_whole():
    assert PLAIN.of([1, 2]).dtype.kind == "i"


def test_every_stored_unit__is_known_or_a_word():
    for variable in (*VARIABLES.values(), *LATENT.values()):
        found = shown(variable.units)
        assert isinstance(found, Shown)
        assert "-1" not in found.name
        assert "-2" not in found.name
