from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tests.config.given import GOOD_BEAM, INF, NAN, experiment, refused
from xfeldask.config import NUISANCES, REALISTIC_HITS, Beam, Hits, hits_values
from xfeldask.errors import InputError


def test_presets__are_those_of_sorting_md():
    assert all(value in (0.0, "flat") for value in NUISANCES["ideal"].model_dump().values())
    jitter, realistic = NUISANCES["jitter"], NUISANCES["realistic"]
    assert (jitter.pulse_spread, jitter.center_spread) == (0.2, 1.0)
    assert (realistic.pulse_spread, realistic.focus, realistic.background) == (0.22, "gaussian", 0.15)
    assert 0.02 <= realistic.size_spread <= 0.05
    assert realistic.dead_fraction > 0
    assert experiment(nuisance="realistic").hits == REALISTIC_HITS
    assert REALISTIC_HITS.occupancy is not None


@pytest.mark.parametrize(
    ("short", "long"),
    [
        (0.99, {"single_fraction": 0.99}),
        (1, {"single_fraction": 1}),
        ("0.99", {"single_fraction": 0.99}),
        ("poisson:0.1", {"occupancy": 0.1}),
        ({1: 0.9, 2: 0.1}, {"weights": {1: 0.9, 2: 0.1}}),
        ({"1": 0.9, "2": 0.1}, {"weights": {"1": 0.9, "2": 0.1}}),
        ("0:0.05,1:0.9,2:0.05", {"weights": {0: 0.05, 1: 0.9, 2: 0.05}}),
        ("2:1", {"weights": {2: 1.0}}),
        ({"occupancy": 0.1}, {"occupancy": 0.1}),
        (Hits(occupancy=0.1), Hits(occupancy=0.1)),
    ],
)
def test_hits__have_short_forms(short, long):
    assert hits_values(short) == long
    assert experiment(hits=short) == experiment(hits=long)


@pytest.mark.parametrize(
    "text", ["poisson:", "poisson:x", "many", "1:", "1:0.5,2", "a:0.5", "1:0.5;2:0.5", "1.5:1", ""]
)
def test_hits__refuse_a_form_they_do_not_know(text):
    assert "write 0.99, 0:0.05,1:0.9,2:0.05 or poisson:0.1" in refused(hits=text)


def test_hits__refuse_a_number_given_twice():
    assert "twice" in refused(hits="1:0.5,2:0.1,1:0.4")


@pytest.mark.parametrize(
    ("hits", "probabilities"),
    [
        (0.99, [0, 0.99, 0.01]),
        ({1: 3, 2: 1}, [0, 0.75, 0.25]),
        ({0: 1, 3: 1}, [0.5, 0, 0, 0.5]),
        ("poisson:0.5", stats.poisson(0.5).pmf(np.arange(10))),
    ],
)
def test_probabilities__are_those_asked_for(hits, probabilities):
    found = experiment(hits=hits).hits.probabilities()
    np.testing.assert_allclose(found[: len(probabilities)], probabilities, rtol=1e-12, atol=1e-16)


@given(st.floats(1e-6, 10))
def test_probabilities__of_any_occupancy_add_up(occupancy):
    found = Hits(occupancy=occupancy).probabilities()
    assert sum(found) == pytest.approx(1, abs=1e-13)
    assert len(found) < 70


@pytest.mark.parametrize("value", [-0.01, 1.01, NAN, INF, "much"])
def test_fractions__outside_0_to_1_are_refused(value):
    assert "single_fraction" in refused(hits={"single_fraction": value})
    assert "dead_fraction" in refused(nuisance={"dead_fraction": value})


@pytest.mark.parametrize("value", [0, -1, -1e-9, NAN, INF, -INF, "a", None, [1]])
@pytest.mark.parametrize("name", list(GOOD_BEAM))
def test_beam__refuses_what_is_not_positive(name, value):
    message = refused(beam={**GOOD_BEAM, name: value})
    assert name in message
    with pytest.raises(InputError, match=name):
        Beam(**{**GOOD_BEAM, name: value})


def test_beam__refuses_more_photons_than_a_count_can_hold():
    assert "photons_per_pulse" in refused(beam={**GOOD_BEAM, "photons_per_pulse": 1e300})
    assert "focus_radius" in refused(beam={**GOOD_BEAM, "focus_radius": 1e-200})
    assert np.isfinite(Beam(photon_energy=30, photons_per_pulse=1e20, focus_radius=1e-9).fluence)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"hits": {}}, "give one of single_fraction, weights and occupancy, got none"),
        ({"hits": {"single_fraction": 0.5, "occupancy": 0.1}}, "give one of"),
        ({"hits": {"single_fraction": 0.5, "weights": {1: 1}}}, "give one of"),
        ({"hits": {1: 0, 2: 0}}, "positive sum"),
        ({"hits": {1: -1, 2: 2}}, "greater than or equal to 0"),
        ({"hits": {1: NAN}}, "finite"),
        ({"hits": {33: 1}}, "less than or equal to 32"),
        ({"hits": "poisson:0"}, "greater than 0"),
        ({"hits": "poisson:-1"}, "greater than 0"),
        ({"hits": "poisson:nan"}, "finite"),
        ({"hits": "poisson:11"}, "less than or equal to 10"),
        ({"hits": {"single_fraction": 0.5, "separation": (5e-8, 2e-8)}}, "separation must grow"),
        ({"hits": {"single_fraction": 0.5, "separation": (2e-8, 2e-8)}}, "separation must grow"),
        ({"hits": {"single_fraction": 0.5, "separation": (0, 2e-8)}}, "greater than 0"),
        ({"hits": {"single_fraction": 0.5, "separation": (NAN, 2e-8)}}, "finite"),
        ({"hits": {"single_fraction": 0.5, "placement": "anywhere"}}, "'shell' or 'focus'"),
        ({"nuisance": {"pulse_spread": -0.1}}, "pulse_spread"),
        ({"nuisance": {"energy_spread": 0.25}}, "energy_spread"),
        ({"nuisance": {"size_spread": 0.25}}, "size_spread"),
        ({"nuisance": {"background": -1}}, "background"),
        ({"nuisance": {"background": NAN}}, "background"),
        ({"nuisance": {"dead_fraction": 1}}, "dead_fraction"),
        ({"nuisance": {"focus": "round"}}, "'flat' or 'gaussian'"),
        ({"orientations": "uniform"}, "a uniform set needs its count"),
        ({"orientations": {"kind": "uniform", "count": 0}}, "count"),
        ({"orientations": "list"}, "needs its source"),
        ({"detector": {"source": "square-64", "pixel_size": 0}}, "pixel_size"),
        ({"detector": {"source": "square-64", "distance": -0.1}}, "distance"),
    ],
)
def test_parts__that_contradict_themselves_are_refused(values, told):
    assert told in refused(**values)
