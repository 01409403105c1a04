from __future__ import annotations

import pytest
from pydantic import ValidationError

from tests.config.given import GOOD_BEAM, NAN, experiment, refused
from xfeldask.config import Experiment
from xfeldask.errors import InputError, UnknownNameError


def test_units__are_told():
    assert refused(beam={**GOOD_BEAM, "photon_energy": -3}).endswith("got -3 eV")
    assert refused(beam={**GOOD_BEAM, "focus_radius": 0}).endswith("got 0 m")
    assert refused(nuisance={"center_spread": -1}).endswith("got -1 pixels")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_shots", 0),
        ("n_shots", -5),
        ("n_shots", 1.5),
        ("n_shots", 10**9 + 1),
        ("n_shots", NAN),
        ("n_shots", "many"),
        ("seed", -1),
        ("seed", 2**63),
        ("seed", 0.5),
        ("engine", ""),
        ("photon_dtype", "int8"),
        ("intensity", "maybe"),
        ("particle", 5),
        ("particle", ""),
        ("detector", ""),
        ("hits", [0.5]),
        ("nuisance", 5),
        ("beam", 5),
        ("orientations", "sideways"),
    ],
)
def test_values__that_cannot_be_used_are_refused(name, value):
    assert repr(value) in refused(**{name: value})


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (
            {"species": {"a": {"sphere": {"diameter": -1}}}, "particle": None},
            "diameter: input should be greater than 0, got -1 m",
        ),
        ({"species": {"a": {"source": "x", "copies": 2, "along": "q"}}, "particle": None}, "along: input should be "),
        ({"hits": {"weights": {33: 1}}}, "weights.33: input should be less than or equal to 32, got 33"),
        ({"hits": {"weights": {1: -1}}}, "weights.1: input should be greater than or equal to 0, got -1"),
    ],
)
def test_places__are_told_by_the_names_that_were_given(values, told):
    assert refused(**values).startswith(told)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"beam": "amo86616"}, "unknown beam 'amo86616'; did you mean amo86615?"),
        ({"beam": "zzz"}, "unknown beam 'zzz'; known: amo86615"),
        ({"nuisance": "realistc"}, "did you mean realistic?"),
        ({"nuisance": "zzz"}, "known: ideal, jitter, realistic"),
        ({"nuisance": {"preset": "jiter"}}, "did you mean jitter?"),
        ({"nuisance": {"preset": 5}}, "unknown nuisance preset '5'"),
        ({"n_shot": 5}, "unknown key of Experiment 'n_shot'; did you mean n_shots"),
        ({"beam": {"photon_energi": 4600}}, "unknown key of Beam 'photon_energi'; did you mean photon_energy"),
        ({"nuisance": {"center_spred": 1}}, "unknown key of Nuisance 'center_spred'; did you mean center_spread"),
        ({"hits": {"ocupancy": 1}}, "unknown key of Hits 'ocupancy'; did you mean occupancy"),
        ({"detector": {"pixelsize": 1}}, "unknown key of Detector 'pixelsize'; did you mean pixel_size"),
        ({"orientations": {"cout": 1}}, "unknown key of Orientations 'cout'; did you mean count"),
        ({"particle": {"sorce": "x"}}, "unknown key of Particle 'sorce'; did you mean source"),
    ],
)
def test_names__that_are_unknown_are_told_with_the_nearest(values, told):
    assert told in refused(UnknownNameError, **values)


@pytest.mark.parametrize("missing", ["particle", "n_shots"])
def test_experiment__names_what_is_missing(missing):
    values = {"particle": "chaperonin", "n_shots": 1}
    del values[missing]
    with pytest.raises(InputError, match=missing):
        Experiment(**values)


@pytest.mark.parametrize("part", ["", "beam", "detector", "hits", "nuisance", "orientations", "particle"])
def test_experiment__cannot_be_changed(part):
    e = experiment()
    digest = e.digest
    target = getattr(e, part) if part else e
    for name in (*type(target).model_fields, "another"):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(target, name, 1)
    assert e.digest == digest


def test_experiment__does_not_share_what_it_was_made_of():
    weights = {1: 0.5, 2: 0.5}
    e = experiment(hits={"weights": weights})
    weights[2] = 9.0
    assert e.hits.weights == {1: 0.5, 2: 0.5}
