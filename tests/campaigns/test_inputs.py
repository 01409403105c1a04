"""A grammar of bad files and addresses: each is read, or refused in one sentence."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.formats.test_structures import CIF, N
from tests.strategies import examples
from xfeldask.config import Experiment
from xfeldask.errors import XfeldaskError
from xfeldask.explorer.view.address import SHARED, read_address
from xfeldask.formats.beam import read_beam
from xfeldask.formats.psana import read_psana_geometry
from xfeldask.formats.structures import read_structure
from xfeldask.physics.atoms import Atoms
from xfeldask.physics.detectors import Geometry
from xfeldask.store.opening import stored_experiment

NUMBER = st.one_of(
    st.integers(-(10**30), 10**30).map(str),
    st.floats().map(str),
    st.sampled_from(["", "-", "1e", "0x1", "1_0", "٣", "nan", "-inf", "1e999", "5e-324", "1,5", "++1", "1.2.3"]),
)
WORD = st.one_of(NUMBER, st.text(max_size=6), st.sampled_from(["MTRX:2:2:75:75", "MTRX:0:1:1:1", "IP:V1", "PNCCD:V1"]))
BEAM = "beam/photon_energy = 4600\nbeam/fluence = 1e12\nbeam/radius = 5e-7\n"
GEOMETRY = "IP:V1 0 CSPAD:V1 0  0 0 100000  0 0 0  0 0 0\nCSPAD:V1 0 MTRX:2:4:75:75 1  9 9 0  90 0 0  0 0 0\n"
TOML = """particle = "chaperonin"
n_shots = 5
[beam]
photon_energy = 4600.0
photons_per_pulse = 1e12
focus_radius = 5e-7"""
JUNK = st.binary(max_size=4)


@st.composite
def damaged(draw, text):
    """A file in which words, lines and bytes are replaced, left out and put twice."""
    lines = [line.split(" ") for line in text.split("\n")]
    for _ in range(draw(st.integers(1, 4))):
        line = draw(st.sampled_from(lines))
        at = draw(st.integers(0, len(line) - 1))
        match draw(st.sampled_from(["word", "drop", "twice", "line", "again"])):
            case "word":
                line[at] = draw(WORD)
            case "drop":
                line[at] = ""
            case "twice":
                line.insert(at, line[at])
            case "line":
                line.clear()
                line.append("")
            case "again":
                lines.append(list(line))
    data = bytearray("\n".join(map(" ".join, lines)).encode("utf-8", "surrogatepass"))
    if draw(st.booleans()) and data:
        at = draw(st.integers(0, len(data) - 1))
        data[at : at + 1] = draw(JUNK)
    return bytes(data)


def outcome(read, path, data):
    """What a file is read as, or the sentence by which it is refused."""
    path.write_bytes(data)
    try:
        return read(path)
    except XfeldaskError as error:
        told = str(error)
        assert "\n" not in told.strip()
        assert 10 < len(told) < 4000
        return told


@given(damaged(BEAM))
def test_beams__are_numbers_or_one_sentence(tmp_path_factory, data):
    found = outcome(read_beam, tmp_path_factory.getbasetemp() / "bad.beam", data)
    assert isinstance(found, str) or all(0 < value < np.inf for value in found.values())


@given(damaged(GEOMETRY))
def test_geometries__are_finite_or_one_sentence(tmp_path_factory, data):
    found = outcome(read_psana_geometry, tmp_path_factory.getbasetemp() / "bad.data", data)
    assert isinstance(found, str) or (isinstance(found, Geometry) and np.isfinite(found.pixel_position).all())


@given(damaged("\n".join([N] * 4)))
def test_structures__in_pdb_are_atoms_or_one_sentence(tmp_path_factory, data):
    found = outcome(read_structure, tmp_path_factory.getbasetemp() / "bad.pdb", data)
    assert isinstance(found, str) or (isinstance(found, Atoms) and np.isfinite(found.position).all())


@given(damaged(CIF))
def test_structures__in_cif_are_atoms_or_one_sentence(tmp_path_factory, data):
    found = outcome(read_structure, tmp_path_factory.getbasetemp() / "bad.cif", data)
    assert isinstance(found, str) or (isinstance(found, Atoms) and np.isfinite(found.position).all())


@given(damaged(TOML))
def test_experiments__in_toml_are_whole_or_one_sentence(tmp_path_factory, data):
    found = outcome(Experiment.from_toml, tmp_path_factory.getbasetemp() / "bad.toml", data)
    assert isinstance(found, str | Experiment)


class Root:
    """Stands for the root of a store with an experiment."""

    store_path = "run.zarr"

    def __init__(self, text):
        self.attrs = {"experiment": text}


@given(damaged(Experiment(particle="chaperonin", n_shots=5).model_dump_json().replace(",", " , ").replace(":", " : ")))
def test_experiments__as_stored_are_whole_or_one_sentence(tmp_path_factory, data):
    def read(_):
        return stored_experiment(Root(data.decode("utf-8", "replace")))

    assert isinstance(outcome(read, tmp_path_factory.getbasetemp() / "bad.json", data), str | Experiment)


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@examples(0.5)
@given(
    st.dictionaries(st.one_of(st.sampled_from([*SHARED, "look", "store", "embedding"]), st.text(max_size=5)), VALUES)
)
def test_addresses__give_parameters_of_their_types_only(query):
    found = read_address(query)
    assert set(found) <= set(SHARED)
    for name, value in found.items():
        assert isinstance(value, SHARED[name])
        assert not isinstance(value, bool)
    json.dumps(found)
