"""Structure files damaged anywhere give the atoms that are written in them, or one sentence."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.formats.test_structures import CIF, N
from xfeldask.errors import FormatError, UnknownNameError
from xfeldask.formats.structures import read_structure

OPERATORS = """REMARK 350 BIOMOLECULE: 1
REMARK 350 APPLY THE FOLLOWING TO CHAINS: A
REMARK 350   BIOMT1   1  1.000000  0.000000  0.000000        0.00000
REMARK 350   BIOMT2   1  0.000000  1.000000  0.000000        0.00000
REMARK 350   BIOMT3   1  0.000000  0.000000  1.000000        0.00000
"""
ATOMS = [
    N,
    N.replace("  5.011", "-12.250").replace(" N   SER", " CA  SER").replace("          N ", "          C "),
    N.replace("62.430", " 2.430").replace(" N   SER", " O   SER").replace("          N ", "          O "),
]
PDB = OPERATORS + "\n".join(ATOMS) + "\nEND\n"


def written(data: bytes) -> np.ndarray:
    """Coordinates in a PDB file's columns, byte by byte."""
    found = []
    for line in data.split(b"\n"):
        if line[:6].upper().rstrip() in (b"END", b"ENDMDL"):
            break
        if line[:4].upper() in (b"ATOM", b"HETA"):
            found.append([float(line[start : start + 8]) for start in (30, 38, 46)])
    return np.array(found)


def read(path, content, assembly="asymmetric-unit"):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_structure(path, assembly=assembly)


def outcome(path, content):
    """Coordinates [angstrom], or what is told of a file that is refused."""
    try:
        return read(path, content).position * 1e10, ""
    except (FormatError, UnknownNameError) as error:
        return None, str(error)


@given(st.lists(st.tuples(st.integers(0, len(PDB) - 1), st.integers(0, 255)), min_size=1, max_size=3))
def test_pdb__with_bytes_changed_is_read_as_it_is_written_or_refused(tmp_path_factory, changes):
    data = bytearray(PDB.encode())
    for at, byte in changes:
        data[at] = byte
    found, refused = outcome(tmp_path_factory.getbasetemp() / "damaged.pdb", bytes(data))
    assert "\n" not in refused
    if found is not None:
        told = written(bytes(data))
        assert len(found) == len(told)
        a, b = (rows[np.lexsort(rows.T)] for rows in (found, told))
        np.testing.assert_allclose(a, b, atol=2e-3)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("62.430", "6_.430", "line 6: the y coordinate is '6_.430'"),
        ("62.430", "62.4e1", "line 6: the y coordinate is '62.4e1'"),
        ("62.430", "62 430", "line 6: the y coordinate is '62 430'"),
        ("  62.430", "999999.9", "line 6: the y coordinate is '999999.9'"),
        ("ATOM      1  N ", "atom      1  N ", None),
        (ATOMS[0], ATOMS[0].replace("ATOM", "atom").replace("62.430", "6x.430"), "line 6: the y coordinate"),
        (ATOMS[1], ATOMS[1].replace("ATOM", "AT0M"), "line 7: the record 'AT0M  ' is none; is it an ATOM or HETATM"),
        (ATOMS[1], ATOMS[1].replace("ATOM  ", "HETBTM"), "line 7: the record 'HETBTM' is none"),
        (" CA  SER", " Cé  SER", "line 7: the record of an atom holds a character that is not ASCII"),
        ("BIOMT2   1  0.000000", "BIOMT2   1  0.000x00", "line 4: a row of an operator is '0.000x00 1.000000"),
    ],
)
def test_pdb__is_refused_with_the_line(tmp_path, old, new, told):
    assert old in PDB
    for encoding in ("utf-8", "latin-1"):
        data = PDB.replace(old, new, 1).encode(encoding)
        if told is None:
            assert len(read(tmp_path / "a.pdb", data)) == 3
            continue
        with pytest.raises(FormatError, match=re.escape(told)):
            read(tmp_path / "a.pdb", data)


def test_pdb__of_an_operator_that_is_no_rotation_is_refused(tmp_path):
    assert len(read(tmp_path / "a.pdb", PDB, assembly="1")) == 3
    for new in ("9.000000", "0.000000", "-1.00000"):
        with pytest.raises(FormatError, match="an operator of assembly '1' is no rotation"):
            read(tmp_path / "a.pdb", PDB.replace("BIOMT1   1  1.000000", f"BIOMT1   1  {new}"), assembly="1")


def test_pdb__of_a_line_that_no_newline_ends_is_one_line(tmp_path):
    with pytest.raises(FormatError, match="line 6"):
        read(tmp_path / "a.pdb", PDB.replace("  62.430", "\x0b 62.430"))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("6.5", "6_5", "line 16: atom 2 has the Cartn_y '6_5'"),
        ("6.5", "1e9", "line 16: atom 2 has the Cartn_y '1e9'"),
        ("6.5", "6.5(", "line 16: atom 2 has the Cartn_y '6.5('"),
        ("0.5\n", "0.5_\n", "atom 2 has the occupancy '0.5_'"),
        ("ATOM 2 C", "#TOM 2 C", "line 16: an atom is hidden behind '#'"),
    ],
)
def test_cif__is_refused_with_the_line(tmp_path, old, new, told):
    assert old in CIF
    with pytest.raises(FormatError, match=re.escape(told)):
        read(tmp_path / "a.cif", CIF.replace(old, new))


def test_cif__with_uncertainties_and_exponents_is_read(tmp_path):
    found = read(tmp_path / "a.cif", CIF.replace("6.5", "6.5(12)").replace("8.0", "0.8e1"))
    np.testing.assert_allclose(found.position[1] * 1e10, [5.0, 6.5, 8.0])
