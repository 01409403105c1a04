"""Coordinates of structure files read strictly beside gemmi, which reads what it can of a damaged number.

Every number is a plain one, every atom of the file is among those that gemmi gives, where the file says it is.
"""

from __future__ import annotations

import os
import re

import gemmi
import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import FormatError

Path = str | os.PathLike[str]

TOLERANCE = 0.002
"""By which positions may differ from what is written [angstrom]."""
LARGEST = 1e5
"""Of a coordinate [angstrom]."""
_DECIMAL = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
_COLUMN = re.compile(rf" *({_DECIMAL}) *")
_VALUE = re.compile(rf"({_DECIMAL}(?:[eE][-+]?[0-9]+)?)(?:\([0-9]+\))?")
_ATOM = ("ATOM", "HETA")
"""How gemmi knows the record of an atom, in any case of letters."""


def pdb_positions(path: Path, text: str) -> NDArray[np.float64]:
    """Coordinates of the first model's atoms, (n, 3) [angstrom], in the order of the file.

    Raises
    ------
    FormatError
        A record that is damaged, with its line.

    Examples
    --------
    >>> from pathlib import Path
    >>> atom = "ATOM      1  C   ALA A   1      11.000  12.500  -3.000  1.00  0.00           C  "
    >>> pdb_positions(Path("a.pdb"), atom).tolist()
    [[11.0, 12.5, -3.0]]
    """
    found: list[list[float]] = []
    # the lines that gemmi sees: no other character ends one
    for number, line in enumerate(text.split("\n"), 1):
        record = line[:6].upper().rstrip()
        if record in ("ENDMDL", "END") or (record == "MODEL" and found):
            break
        if record[:4] in _ATOM:
            found.append(_pdb_atom(path, number, line))
        elif _nearly(record, "ATOM") or _nearly(record, "HETATM"):
            raise FormatError(path, f"the record {line[:6]!r} is none; is it an ATOM or HETATM?", number)
        elif record == "REMARK" and line[6:19].split() in (["350", f"BIOMT{i}"] for i in (1, 2, 3)):
            _pdb_operator(path, number, line)
    return np.array(found).reshape(-1, 3)


def cif_positions(path: Path, text: str, block: gemmi.cif.Block) -> NDArray[np.float64]:
    """Coordinates of the first model's atoms, (n, 3) [angstrom], in the order of the file.

    Raises
    ------
    FormatError
        A row that is damaged, with its line where it is known.
    """
    names = ("Cartn_x", "Cartn_y", "Cartn_z")
    table = block.find("_atom_site.", ["id", *names, "?occupancy", "?pdbx_PDB_model_num"])
    found: list[list[float]] = []
    model = None
    for row in table:
        values = [row[1], row[2], row[3]]
        here = row[5] if row.has(5) else None
        model = here if not found else model
        if here != model:
            continue
        for name, value in zip(names, values, strict=True):
            plain = _VALUE.fullmatch(value)
            if plain is None or abs(float(plain[1])) > LARGEST:
                reason = f"atom {row[0]} has the {name} {value!r}; give a number [angstrom]"
                raise FormatError(path, reason, _line_of(text, [row[0], *values]))
        if row.has(4) and not gemmi.cif.is_null(row[4]):
            plain = _VALUE.fullmatch(row[4])
            if plain is None or not 0 <= float(plain[1]) <= 1:
                reason = f"atom {row[0]} has the occupancy {row[4]!r}; give a fraction from 0 to 1"
                raise FormatError(path, reason, _line_of(text, [row[0], *values, row[4]]))
        found.append([float(_VALUE.fullmatch(value)[1]) for value in values])  # type: ignore[index]
    _refuse_hidden_rows(path, text, block)
    return np.array(found).reshape(-1, 3)


def refuse_others(path: Path, structure: gemmi.Structure, written: NDArray[np.float64]) -> None:
    """Refuse atoms of the first model that are not those that are written.

    Raises
    ------
    FormatError
        There are more or fewer, or some lie elsewhere.
    """
    given = [atom.pos.tolist() for model in list(structure)[:1] for c in model for residue in c for atom in residue]
    if len(given) != len(written):
        raise FormatError(path, f"has records of {len(written)} atoms, of which {len(given)} can be read; correct it")
    one, other = (rows[np.lexsort(rows.T)] for rows in (np.array(given).reshape(-1, 3), written))
    away = np.abs(one - other).max(axis=1, initial=0.0)
    if (away > TOLERANCE).any():
        told = other[away.argmax()].tolist()
        raise FormatError(path, f"an atom written at {told} angstrom is read elsewhere; correct the file")


def _pdb_atom(path: Path, number: int, line: str) -> list[float]:
    if not line.isascii():
        raise FormatError(path, "the record of an atom holds a character that is not ASCII; correct it", number)
    found = []
    for axis, start in zip("xyz", (30, 38, 46), strict=True):
        column = line[start : start + 8]
        plain = _COLUMN.fullmatch(column)
        if plain is None or abs(float(plain[1])) > LARGEST:
            raise FormatError(path, f"the {axis} coordinate is {column.strip()!r}; give a number [angstrom]", number)
        found.append(float(plain[1]))
    column = line[54:60].rstrip("\r")
    plain = _COLUMN.fullmatch(column)
    if column.strip() and (plain is None or not 0 <= float(plain[1]) <= 1):
        raise FormatError(path, f"the occupancy is {column.strip()!r}; give a fraction from 0 to 1", number)
    return found


def _pdb_operator(path: Path, number: int, line: str) -> None:
    """Refuse a row of an operator of an assembly that holds anything but plain numbers."""
    words = line[23:].split()
    if len(words) != 4 or not all(_COLUMN.fullmatch(word) for word in words):
        raise FormatError(path, f"a row of an operator is {' '.join(words)!r}; give four numbers", number)


def _refuse_hidden_rows(path: Path, text: str, block: gemmi.cif.Block) -> None:
    """Refuse rows of atoms behind a number sign: one damaged character hides an atom so."""
    width = block.find_loop("_atom_site.id").get_loop()
    columns = len(width.tags) if width is not None else 0
    for number, line in enumerate(text.splitlines(), 1):
        if columns > 4 and line.startswith("#") and columns - 1 <= len(line.split()) <= columns:
            raise FormatError(path, "an atom is hidden behind '#'; remove the line or the sign", number)


def _nearly(record: str, name: str) -> bool:
    """Whether a record's name is another but for one letter."""
    return len(record) == len(name) and sum(a != b for a, b in zip(record, name, strict=True)) == 1


def _line_of(text: str, words: list[str]) -> int | None:
    """First line that starts like an atom and holds all words."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(("ATOM", "HETATM")) and set(words) <= set(line.split()):
            return number
    return None
