from __future__ import annotations

import json
import pickle
import tomllib

import dask.multiprocessing  # noqa: F401, makes errors pickle with their causes, as its workers do
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats

from tests.strategies import seeds
from xfeldask.config import BEAMS, NUISANCES, REALISTIC_HITS, Beam, Detector, Experiment, Hits, Nuisance, hits_values
from xfeldask.errors import FormatError, InputError, MissingFileError, UnknownNameError, XfeldaskError

NAN, INF = float("nan"), float("inf")
GOOD_BEAM = {"photon_energy": 5000.0, "photons_per_pulse": 1e11, "focus_radius": 1e-6}


def experiment(**values):
    return Experiment(**{"particle": "chaperonin", "n_shots": 100, **values})


def of_toml(tmp_path, text):
    path = tmp_path / "experiment.toml"
    path.write_text(text, "utf-8")
    return Experiment.from_toml(path)


def refused(kind=InputError, /, **values):
    with pytest.raises(kind) as info:
        experiment(**values)
    assert isinstance(info.value, XfeldaskError)
    assert isinstance(info.value, ValueError)
    copy = pickle.loads(pickle.dumps(info.value))
    assert type(copy) is type(info.value)
    assert str(copy) == str(info.value)
    assert "\n" not in str(copy)
    return str(copy)


FORMS = [
    ({}, ""),
    ({"seed": 7}, "seed = 7"),
    ({"beam": "amo86615"}, 'beam = "amo86615"'),
    ({"beam": GOOD_BEAM}, "[beam]\nphoton_energy = 5000\nphotons_per_pulse = 1e11\nfocus_radius = 1e-6"),
    ({"hits": 0.99}, "hits = 0.99"),
    ({"hits": "poisson:0.1"}, "[hits]\noccupancy = 0.1"),
    ({"hits": {0: 0.1, 1: 0.9}}, "[hits]\n0 = 0.1\n1 = 0.9"),
    ({"hits": {"weights": {1: 3, 2: 1}}}, "[hits.weights]\n1 = 3\n2 = 1"),
    (
        {"hits": {"single_fraction": 0.9, "separation": (1e-8, 3e-8)}},
        "[hits]\nsingle_fraction = 0.9\nseparation = [1e-8, 3e-8]",
    ),
    ({"nuisance": "realistic"}, 'nuisance = "realistic"'),
    ({"nuisance": {"preset": "jitter", "background": 0.1}}, '[nuisance]\npreset = "jitter"\nbackground = 0.1'),
    ({"orientations": {"kind": "uniform", "count": 50}}, '[orientations]\nkind = "uniform"\ncount = 50'),
    ({"detector": "square-64"}, 'detector = "square-64"'),
    (
        {"detector": {"source": "square-64", "pixel_size": 1e-4}},
        '[detector]\nsource = "square-64"\npixel_size = 1e-4',
    ),
    ({"intensity": True, "photon_dtype": "uint16"}, 'intensity = true\nphoton_dtype = "uint16"'),
]


@pytest.mark.parametrize(("values", "text"), FORMS)
def test_toml__says_the_same_as_keywords(tmp_path, values, text):
    by_keyword = experiment(**values)
    by_file = of_toml(tmp_path, f'particle = "chaperonin"\nn_shots = 100\n{text}')
    assert by_file == by_keyword
    assert by_file.digest == by_keyword.digest


@pytest.mark.parametrize(("values", "text"), FORMS)
def test_to_toml__is_read_back_the_same(tmp_path, values, text):
    e = experiment(**values)
    assert of_toml(tmp_path, e.to_toml()) == e
    assert of_toml(tmp_path, e.to_toml()).digest == e.digest
    assert tomllib.loads(e.to_toml())["n_shots"] == 100
    assert "# eV" in e.to_toml()


@given(
    seeds,
    st.integers(1, 10**9),
    st.floats(30, 1e6),
    st.sampled_from([0.3, "poisson:0.5", {0: 0.25, 1: 0.5, 4: 1e-3}]),
    st.sampled_from(["ideal", "jitter", "realistic", {"preset": "realistic", "size_spread": 0.1}]),
)
def test_digest__survives_toml_json_and_pickling(tmp_path_factory, seed, n_shots, energy, hits, nuisance):
    e = experiment(
        seed=seed, n_shots=n_shots, beam={**GOOD_BEAM, "photon_energy": energy}, hits=hits, nuisance=nuisance
    )
    for copy in (
        of_toml(tmp_path_factory.mktemp("t"), e.to_toml()),
        Experiment.model_validate_json(e.model_dump_json()),
        pickle.loads(pickle.dumps(e)),
    ):
        assert copy == e
        assert copy.digest == e.digest
    assert len(e.digest) == 64


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"n_shots": 101},
        {"particle": "3iyf"},
        {"particle": {"source": "chaperonin", "assembly": "2"}},
        {"particle": {"source": "chaperonin", "waters": True}},
        {"beam": GOOD_BEAM},
        {"detector": "square-64"},
        {"detector": {"mask": "m.npy"}},
        {"hits": 0.99},
        {"hits": {"single_fraction": 1.0, "placement": "focus"}},
        {"nuisance": "jitter"},
        {"orientations": {"kind": "uniform", "count": 3}},
        {"intensity": True},
        {"photon_dtype": "uint16"},
        {"engine": "skopi"},
    ],
)
def test_digest__changes_with_anything_that_changes_bytes(change):
    assert experiment(**change).digest != experiment().digest


def test_digest__counts_files_by_their_contents():
    def named(source, digest):
        return experiment(particle={"source": source, "digest": digest}).digest

    assert named("a.pdb", "00ff") == named("/elsewhere/b.pdb", "00ff")
    assert named("a.pdb", "00ff") != named("a.pdb", "00fe")
    assert named("a.pdb", "") != named("b.pdb", "")


def test_identity__is_flat_json():
    identity = experiment(hits={1: 0.5, 2: 0.5}).identity()
    assert identity["beam.photon_energy"] == 4600.0
    assert identity["hits.weights"] == {"1": 0.5, "2": 0.5}
    assert json.loads(json.dumps(identity)) == identity


def test_defaults__are_the_reference_experiment():
    e = experiment()
    assert e.beam == BEAMS["amo86615"]
    assert (e.beam.photon_energy, e.beam.photons_per_pulse, e.beam.focus_radius) == (4600.0, 1e12, 0.5e-6)
    assert e.beam.fluence == pytest.approx(1.2732395447351627e24)
    assert e.detector.source == "pnccd-amo86615"
    assert e.hits == Hits(single_fraction=1.0)
    assert e.hits.separation == (20e-9, 50e-9)
    assert e.nuisance == NUISANCES["ideal"] == Nuisance()
    assert (e.seed, e.engine, e.intensity, e.photon_dtype) == (0, "xfeldask", False, "uint8")


def test_presets__are_those_of_sorting_md():
    assert all(value in (0.0, "flat") for value in NUISANCES["ideal"].model_dump().values())
    jitter, realistic = NUISANCES["jitter"], NUISANCES["realistic"]
    assert (jitter.pulse_spread, jitter.center_spread) == (0.2, 1.0)
    assert (realistic.pulse_spread, realistic.focus, realistic.background) == (0.22, "gaussian", 0.15)
    assert 0.02 <= realistic.size_spread <= 0.05
    assert realistic.dead_fraction > 0
    assert experiment(nuisance="realistic").hits == REALISTIC_HITS
    assert REALISTIC_HITS.occupancy is not None


def test_presets__give_way_to_what_is_given():
    e = experiment(nuisance={"preset": "realistic", "focus": "flat"}, hits=0.9)
    assert e.nuisance == NUISANCES["realistic"].model_copy(update={"focus": "flat"})
    assert e.hits == Hits(single_fraction=0.9)
    assert experiment(nuisance={"preset": "realistic", "background": 0.0}).hits == REALISTIC_HITS
    assert experiment(nuisance={"background": 0.5}).nuisance == Nuisance(background=0.5)
    assert experiment(nuisance=NUISANCES["jitter"]) == experiment(nuisance="jitter")


def test_none__means_the_default():
    assert experiment(beam=None, hits=None, seed=None) == experiment()


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


def test_from_toml__refuses_a_missing_file(tmp_path):
    with pytest.raises(MissingFileError, match=r"no experiment file .*; write one with: xfeldask config") as info:
        Experiment.from_toml(tmp_path / "none.toml")
    assert isinstance(info.value, FileNotFoundError)
    assert str(pickle.loads(pickle.dumps(info.value))) == str(info.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"particle = \n", "not valid TOML.*line 1"),
        (b"n_shots = 1\nn_shots = 2\n", "not valid TOML.*line 2"),
        (b"n_shots = ", "not valid TOML.*end of document"),
        (b"\n\n[beam\n", "not valid TOML.*line 3"),
        (b"\xff\xfe\x00", "cannot be read as text"),
    ],
)
def test_from_toml__refuses_what_is_no_toml(tmp_path, content, told):
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=told) as info:
        Experiment.from_toml(path)
    assert "broken.toml" in str(info.value)
    assert str(pickle.loads(pickle.dumps(info.value))) == str(info.value)


def test_from_toml__refuses_a_folder(tmp_path):
    with pytest.raises(FormatError, match="cannot be read"):
        Experiment.from_toml(tmp_path)


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        ("", InputError, "particle"),
        ("n_shots = 3", InputError, "particle"),
        ('particle = "chaperonin"\nn_shots = 3\nsead = 1', UnknownNameError, "did you mean seed"),
        ('particle = "chaperonin"\nn_shots = 3\nhits = nan', InputError, "single_fraction"),
        ('particle = "chaperonin"\nn_shots = 3\n[beam]\nphoton_energy = -1', InputError, "beam|photon"),
        ('particle = "chaperonin"\nn_shots = 3\nparticle.source = "x"', FormatError, "not valid TOML"),
        ('particle = "chaperonin"\nn_shots = "3 or 4"', InputError, "n_shots"),
        ('particle = "chaperonin"\nn_shots = 3\nbeam = 1979-05-27', InputError, "beam"),
    ],
)
def test_from_toml__refuses_bad_values(tmp_path, text, kind, told):
    with pytest.raises(kind, match=told) as info:
        of_toml(tmp_path, text)
    assert str(pickle.loads(pickle.dumps(info.value))) == str(info.value)


def test_from_toml__finds_files_beside_it(tmp_path):
    for name in ("mine.pdb", "mask.npy", "turns.npy"):
        (tmp_path / name).touch()
    e = of_toml(
        tmp_path,
        'particle = "mine.pdb"\nn_shots = 1\n[detector]\nsource = "square-8"\nmask = "mask.npy"\n'
        '[orientations]\nkind = "list"\nsource = "turns.npy"',
    )
    assert e.particle.source == str(tmp_path / "mine.pdb")
    assert e.detector == Detector(source="square-8", mask=str(tmp_path / "mask.npy"))
    assert e.orientations.source == str(tmp_path / "turns.npy")
    assert of_toml(tmp_path, 'particle = "other.pdb"\nn_shots = 1').particle.source == "other.pdb"


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
