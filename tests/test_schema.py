"""What the schema says of variables, as readers of a store rely on it."""

from __future__ import annotations

import numpy as np
import pytest

from xfeldask.schema import COORDINATES, LATENT, PIXELS, VARIABLES, Variable, named
from xfeldask.units import shown

EVERY = [*VARIABLES.values(), *LATENT.values()]
every_variable = pytest.mark.parametrize("variable", EVERY, ids=lambda v: v.name)


@every_variable
def test_variable__has_a_type_a_meaning_and_a_unit_for_people(variable: Variable) -> None:
    assert variable.dtype == "string" or np.dtype(variable.dtype).name == variable.dtype
    assert variable.name.isidentifier()
    told = variable.attributes()
    assert told["long_name"] == told["long_name"].strip() != ""
    assert not told["long_name"].endswith(".")
    assert ("units" in told) == (variable.dtype != "string")
    assert shown(variable.units) is not None


@every_variable
def test_variable__of_flags_has_values_of_its_type_and_words_without_spaces(variable: Variable) -> None:
    told = variable.attributes()
    assert ("flag_values" in told) == ("flag_meanings" in told) == bool(variable.flags)
    if variable.flags:
        meanings = told["flag_meanings"].split(" ")
        assert len(meanings) == len(set(meanings)) == len(told["flag_values"]) == len(set(told["flag_values"]))
        assert np.array(told["flag_values"]).astype(variable.dtype).tolist() == told["flag_values"]


def test_names__are_each_of_one_variable() -> None:
    assert not VARIABLES.keys() & LATENT.keys() - {"separation"}
    assert all(name == variable.name for name, variable in [*VARIABLES.items(), *LATENT.items()])


def test_roles__along_shots_are_those_that_grow_with_the_run() -> None:
    for role in ("raw", "total", "truth"):
        assert named(role)
        assert all(variable.dims[0] == "shot" for variable in named(role))
    assert [v.name for v in named("fixed") if "shot" in v.dims] == ["shot"]
    assert {v.name for v in named("total")} == {"photon_count", "lost_photons", "shot_status"}
    assert sum(len(named(role)) for role in ("raw", "total", "truth", "species", "fixed")) == len(VARIABLES)


def test_coordinates__are_fixed_and_known() -> None:
    assert {VARIABLES[name].role for name in COORDINATES} == {"fixed"}
    assert {VARIABLES[name].dims[:3] for name in ("mask", "q", "solid_angle")} == {PIXELS}


def test_attributes__of_a_variable_are_no_more_than_it_has() -> None:
    assert Variable("a", ("shot",), "string", "a word").attributes() == {"long_name": "a word"}
    assert Variable("a", ("shot",), "uint8", "a state", flags=((0, "off"), (1, "on"))).attributes() == {
        "long_name": "a state", "units": "1", "flag_values": [0, 1], "flag_meanings": "off on"
    }  # fmt: skip
