from __future__ import annotations

import json
import pickle
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.config.given import GOOD_BEAM, experiment
from tests.strategies import seeds
from xfeldask.config import BEAMS, NUISANCES, REALISTIC_HITS, Detector, Experiment, Hits, Nuisance
from xfeldask.errors import FormatError, InputError, MissingFileError, UnknownNameError


def of_toml(tmp_path, text):
    path = tmp_path / "experiment.toml"
    path.write_text(text, "utf-8")
    return Experiment.from_toml(path)


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
    ({"detector": {"response": "agipd"}}, '[detector]\nresponse = "agipd"'),
    (
        {"detector": {"response": {"preset": "pnccd", "noise": 690}}},
        '[detector.response]\npreset = "pnccd"\nnoise = 690',
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


def test_presets__give_way_to_what_is_given():
    e = experiment(nuisance={"preset": "realistic", "focus": "flat"}, hits=0.9)
    assert e.nuisance == NUISANCES["realistic"].model_copy(update={"focus": "flat"})
    assert e.hits == Hits(single_fraction=0.9)
    assert experiment(nuisance={"preset": "realistic", "background": 0.0}).hits == REALISTIC_HITS
    assert experiment(nuisance={"background": 0.5}).nuisance == Nuisance(background=0.5)
    assert experiment(nuisance=NUISANCES["jitter"]) == experiment(nuisance="jitter")


def test_none__means_the_default():
    assert experiment(beam=None, hits=None, seed=None) == experiment()


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
    (tmp_path / "run.h5").touch()
    e = of_toml(tmp_path, 'particle = "mine.pdb"\nn_shots = 1\nnuisance = "realistic"\nbackground = "run.h5:/dark"')
    assert e.background.source == f"{tmp_path}/run.h5:/dark"
