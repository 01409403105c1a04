"""Atomic structures: PDB and mmCIF files, and entries of the Protein Data Bank."""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import gemmi
import numpy as np

from xfeldask.errors import FormatError, InputError, MissingFileError, UnknownNameError
from xfeldask.formats.strict import cif_positions, pdb_positions, refuse_others
from xfeldask.formats.text import decode, read_bytes
from xfeldask.physics.atoms import Atoms, make_atoms
from xfeldask.physics.orientations import rotated

PDB_URL = "https://files.rcsb.org/download"
"""Where entries are fetched from; the environment variable XFELDASK_PDB_URL replaces it."""

ASYMMETRIC_UNIT = "asymmetric-unit"
_PDB, _CIF = (".pdb", ".ent"), (".cif", ".mmcif")
_KIND = "structure file"
_TIMEOUT = 10.0


def read_structure(
    path: str | os.PathLike[str],
    assembly: str = "1",
    waters: bool = False,
    chains: Sequence[str] | None = None,
    others: bool = False,
) -> Atoms:
    """Read the atoms of a structure's first model.

    Parameters
    ----------
    path : .pdb, .ent, .cif or .mmcif, as it is or gzipped (.gz)
    assembly : biological assembly to build by the operators in the file; ``"asymmetric-unit"`` takes
        the coordinates as they are, as does a file that lists no assembly
    waters : keep water molecules
    chains : names of the chains to keep, in the file and in all that is built of it; all when not given
    others : keep all chains but `chains`

    Returns
    -------
    Atoms
        Positions [m] in the frame of the file; hydrogens, ligands and all alternate locations kept,
        each with its occupancy.

    Raises
    ------
    MissingFileError
        No such file.
    FormatError
        A file that cannot be read; with its line where it is known.
    UnknownNameError
        An assembly that the file does not list, or a chain that it has not.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "one.pdb")
    >>> _ = path.write_text("ATOM      1  N   SER A   1       5.000  62.000  14.000  1.00  0.00           N")
    >>> read_structure(path).position.round(12).tolist()
    [[5e-10, 6.2e-09, 1.4e-09]]
    """
    structure = _parse(path)
    kept = list(_atoms(structure, waters))
    if chains is not None:
        names = list(dict.fromkeys(chain for chain, _, _ in kept))
        for name in chains:
            if name not in names:
                raise UnknownNameError(f"chain of {os.fspath(path)}", name, names)
        kept = [atom for atom in kept if (atom[0] in chains) != others]
    if not kept:
        raise FormatError(
            path,
            "holds no atoms that can be read; give ATOM or HETATM records (mmCIF: _atom_site)",
        )
    try:
        unit = make_atoms(
            np.array([atom.pos.tolist() for _, _, atom in kept]) * 1e-10,
            [atom.element.name for _, _, atom in kept],
            [atom.occ for _, _, atom in kept],
        )
        chosen = _assembly(path, structure, assembly)
        if chosen is None:
            return unit
        return _build(unit, chosen, [chain for chain, _, _ in kept], [sub for _, sub, _ in kept])
    except UnknownNameError:
        raise
    except InputError as error:
        raise FormatError(path, str(error)) from error


def is_pdb_id(text: str) -> bool:
    """Whether a text has the form of a PDB id, short or extended.

    Examples
    --------
    >>> [is_pdb_id(text) for text in ("3iyf", "pdb_00003iyf", "chaperonin", "abcd")]
    [True, True, False, False]
    """
    return re.fullmatch(r"[1-9][a-z0-9]{3}|pdb_[a-z0-9]{8}", text.lower()) is not None


def fetch_structure(pdb_id: str, cache: str | os.PathLike[str] | None = None) -> Path:
    """Fetch an entry of the Protein Data Bank, once.

    Parameters
    ----------
    pdb_id : such as ``"3iyf"`` or ``"pdb_00003iyf"``
    cache : folder that keeps the files; the user's cache folder when not given

    Returns
    -------
    pathlib.Path
        The gzipped mmCIF file.

    Raises
    ------
    InputError
        A text that is no PDB id.
    MissingFileError
        No such entry, or the PDB cannot be reached.

    Examples
    --------
    >>> fetch_structure("ribosome")
    Traceback (most recent call last):
    xfeldask.errors.InputError: 'ribosome' is no PDB id; ids look like '3iyf' or 'pdb_00003iyf'
    """
    import pooch
    import requests

    if not is_pdb_id(pdb_id):
        raise InputError(f"{pdb_id!r} is no PDB id; ids look like '3iyf' or 'pdb_00003iyf'")
    name = f"{pdb_id.lower().removeprefix('pdb_0000')}.cif.gz"
    base = os.environ.get("XFELDASK_PDB_URL", PDB_URL).rstrip("/")
    pooch.get_logger().setLevel("WARNING")
    try:
        found = pooch.retrieve(
            f"{base}/{name}",
            known_hash=None,
            fname=name,
            path=pooch.os_cache("xfeldask") if cache is None else cache,
            downloader=_download,
        )
    except requests.RequestException as error:
        gone = error.response is not None and error.response.status_code == 404
        why = "has no such entry" if gone else f"could not be reached at {base}"
        raise MissingFileError(
            f"PDB entry {pdb_id!r} could not be fetched: the PDB {why}; "
            'give the path of a local .cif or .pdb file, or particle="chaperonin"'
        ) from error
    except OSError as error:
        raise MissingFileError(
            f"PDB entry {pdb_id!r} could not be kept in the cache ({error}); give a cache folder that can be written"
        ) from error
    return Path(found)


def _download(url: str, output_file: str, pooch_: object) -> None:
    """Fetch to pooch's temporary file, which it keeps only when this returns."""
    import pooch
    import requests

    pooch.HTTPDownloader(timeout=_TIMEOUT)(url, output_file, pooch_)
    try:
        gzip.decompress(Path(output_file).read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise requests.exceptions.ContentDecodingError(f"{url} is no gzip file") from error


def _parse(path: str | os.PathLike[str]) -> gemmi.Structure:
    name = Path(path).name.lower().removesuffix(".gz")
    content = read_bytes(path, _KIND)
    if not name.endswith(_PDB + _CIF):
        raise FormatError(path, f"has an unknown ending; {', '.join(_PDB + _CIF)} are known, gzipped or not")
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise FormatError(path, f"is a damaged gzip file ({error}); fetch it again") from error
    text = decode(content, path, _KIND)
    return _parse_pdb(path, text) if name.endswith(_PDB) else _parse_cif(path, text)


def _parse_pdb(path: str | os.PathLike[str], text: str) -> gemmi.Structure:
    written = pdb_positions(path, text)
    try:
        structure = gemmi.read_pdb_string(text)
    except (RuntimeError, ValueError) as error:
        found = re.search(r"in line (\d+):\s*([^\n]*)", str(error))
        line_number, reason = (int(found[1]), found[2]) if found else (None, str(error).splitlines()[0])
        raise FormatError(path, f"cannot be read as PDB ({reason}); correct it", line_number) from error
    refuse_others(path, structure, written)
    return structure


def _parse_cif(path: str | os.PathLike[str], text: str) -> gemmi.Structure:
    try:
        block = next(iter(gemmi.cif.read_string(text)), None)
        if block is None:
            raise FormatError(path, "holds no data block; give an mmCIF file")
        written = cif_positions(path, text, block)
        structure = gemmi.make_structure_from_block(block)
    except (RuntimeError, ValueError) as error:
        if isinstance(error, FormatError):
            raise
        found = re.match(r"\w+:(\d+):\d+(?:\(\d+\))?: ?(.*)", str(error).splitlines()[0])
        line_number, reason = (int(found[1]), found[2]) if found else (None, str(error).splitlines()[0])
        raise FormatError(path, f"cannot be read as mmCIF ({reason}); correct it", line_number) from error
    refuse_others(path, structure, written)
    return structure


def _atoms(structure: gemmi.Structure, waters: bool) -> Iterator[tuple[str, str, gemmi.Atom]]:
    """Chain, subchain and atom of everything kept in the first model."""
    for model in list(structure)[:1]:
        for chain in model:
            for residue in chain:
                if waters or not residue.is_water():
                    for atom in residue:
                        yield chain.name, residue.subchain, atom


def _assembly(path: str | os.PathLike[str], structure: gemmi.Structure, name: str) -> gemmi.Assembly | None:
    listed = {item.name: item for item in structure.assemblies}
    if name == ASYMMETRIC_UNIT or not listed:
        return None
    if name not in listed:
        raise UnknownNameError(f"assembly of {os.fspath(path)}", name, [*listed, ASYMMETRIC_UNIT])
    return listed[name]


def _build(unit: Atoms, assembly: gemmi.Assembly, chain: list[str], subchain: list[str]) -> Atoms:
    """Make copies of the asymmetric unit under the assembly's operators [angstrom]."""
    chains, subchains = np.array(chain), np.array(subchain)
    position, source = [], []
    for generator in assembly.generators:
        everything = "(all)" in generator.chains
        chosen = np.isin(chains, generator.chains) | np.isin(subchains, generator.subchains) | everything
        for operator in generator.operators:
            turn = np.array(operator.transform.mat.tolist())
            if not np.allclose(turn @ turn.T, np.eye(3), atol=2e-3) or np.linalg.det(turn) < 0:
                raise InputError(f"an operator of assembly {assembly.name!r} is no rotation; correct it")
            shift = np.array(operator.transform.vec.tolist()) * 1e-10
            position.append(rotated(turn, unit.position[chosen]) + shift)
            source.append(np.flatnonzero(chosen))
    index = np.concatenate(source) if source else np.zeros(0, dtype=np.intp)
    if not len(index):
        raise InputError(f"assembly {assembly.name!r} has no atoms; ask for assembly={ASYMMETRIC_UNIT!r}")
    return make_atoms(np.concatenate(position), unit.element[index], unit.occupancy[index])
