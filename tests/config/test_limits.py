"""Quantities in another unit than asked are refused, and the sentence guesses which unit it was."""

from __future__ import annotations

import json
import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfeldask.config import Beam, Detector, Experiment, Hits, Nuisance, Sphere
from xfeldask.config.limits import ELECTRON_CHARGE, LIMITS
from xfeldask.errors import InputError

BEAM = {"photon_energy": 4600.0, "photons_per_pulse": 1e12, "focus_radius": 5e-7}


def made(name, value):
    """A part of an experiment with one quantity set."""
    if name in BEAM:
        return Beam(**{**BEAM, name: value})
    if name == "separation":
        return Hits(single_fraction=0.5, separation=value if isinstance(value, tuple) else (value, value * 1.0001))
    if name == "diameter":
        return Sphere(diameter=value)
    return Detector(source="square-64", **{name: value})


def refusal(name, value):
    with pytest.raises(InputError, match=name) as info:
        made(name, value)
    copy = pickle.loads(pickle.dumps(info.value))
    assert str(copy) == str(info.value)
    assert "\n" not in str(copy)
    return str(copy)


@pytest.mark.parametrize("name", LIMITS)
def test_limits__are_legal_themselves_and_nothing_beyond_is(name):
    limit = LIMITS[name]
    inside = (limit.low, limit.high / 1.001) if name == "separation" else (limit.low, limit.high)
    for value in inside:
        made(name, value)
    for value in (math.nextafter(limit.low, 0), math.nextafter(limit.high, math.inf)):
        assert f"is beyond any laboratory ({limit.low:g} to {limit.high:g} {limit.unit})" in refusal(name, value)


@given(st.sampled_from(list(LIMITS)), st.floats(allow_nan=False, allow_infinity=False))
def test_values__of_any_size_are_taken_or_refused_in_one_sentence(name, value):
    if LIMITS[name].low <= value <= LIMITS[name].high / 1.001:
        part = made(name, value)
        assert name not in BEAM or math.isfinite(part.fluence)
    elif not LIMITS[name].low <= value <= LIMITS[name].high:
        refusal(name, value)


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("photon_energy", 4.6, "4600 eV (4.6 keV)"),
        ("photon_energy", 24.0, "2.4e+04 eV (24 keV)"),
        ("photon_energy", 4600 * ELECTRON_CHARGE, "4600 eV (7.37001e-16 J)"),
        ("photons_per_pulse", 2.0, "2.714e+12 photons (2 mJ)"),
        ("photons_per_pulse", 2e-3, "2.714e+12 photons (0.002 J)"),
        ("photons_per_pulse", 1500.0, "2.035e+12 photons (1500 µJ)"),
        ("focus_radius", 0.5, "0.5e-6 m (0.5 µm)"),
        ("focus_radius", 500.0, "500e-9 m (500 nm)"),
        ("separation", (20, 50), "20e-9 m (20 nm)"),
        ("separation", (0.02, 0.05), "0.02e-6 m (0.02 µm)"),
        ("separation", (20e-9, 50), "50e-9 m (50 nm)"),
        ("pixel_size", 75.0, "75e-6 m (75 µm)"),
        ("pixel_size", 0.075, "0.075e-3 m (0.075 mm)"),
        ("distance", 150.0, "150e-3 m (150 mm)"),
    ],
)
def test_units__that_were_meant_are_guessed(name, value, meant):
    assert refusal(name, value).endswith(f"; did you mean {meant}?")


@pytest.mark.parametrize("value", [1e300, 1e-200])
def test_values__that_no_unit_explains_are_refused_without_a_guess(value):
    assert refusal("focus_radius", value).endswith("m); give one that is within")


@pytest.mark.parametrize(
    ("part", "name", "value", "meant"),
    [
        (Hits, "single_fraction", 99, "0.99 (99 %)"),
        (Nuisance, "pulse_spread", 22, "0.22 (22 %)"),
        (Nuisance, "size_spread", 3, "0.03 (3 %)"),
        (Nuisance, "dead_fraction", 5, "0.05 (5 %)"),
    ],
)
def test_fractions__in_percent_are_guessed(part, name, value, meant):
    with pytest.raises(InputError, match=name) as info:
        part(**{name: value})
    assert str(info.value).endswith(f", got {value}; did you mean {meant}?")


def test_from_stored__takes_what_was_accepted_once():
    e = Experiment(particle="chaperonin", n_shots=5)
    text = json.dumps(e.model_dump(mode="json") | {"beam": {**BEAM, "focus_radius": 0.5}})
    stored = Experiment.from_stored(text)
    assert stored.beam.focus_radius == 0.5
    assert Experiment.from_stored(e.model_dump_json()) == e
    with pytest.raises(InputError, match="focus_radius"):
        Experiment(**json.loads(text))
