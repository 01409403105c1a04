"""Atoms of what an experiment names: built-in particles, structure files, entries of the PDB."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xfeldask.config import Particle
from xfeldask.errors import InputError, UnknownNameError
from xfeldask.formats.structures import fetch_structure, is_pdb_id, read_structure
from xfeldask.machine import exists
from xfeldask.physics.atoms import Atoms
from xfeldask.physics.chaperonin import chaperonin
from xfeldask.physics.virus import virus

PARTICLES = {"chaperonin": chaperonin, "virus": virus}
STRUCTURE_ENDINGS = (".pdb", ".ent", ".cif", ".mmcif")


def read_particle(particle: Particle, chains: Sequence[str] | None = None, others: bool = False) -> Atoms:
    """Atoms of a built-in particle, a structure file, or an entry of the PDB.

    Parameters
    ----------
    particle : Particle
    chains, others : which chains of a structure, as of `read_structure`

    Raises
    ------
    MissingFileError, FormatError, UnknownNameError, InputError
    """
    source = particle.source
    if chains is not None and source in (*PARTICLES, "arrays"):
        raise InputError(f"{source} has no chains; take half, or a structure file")
    if source in PARTICLES:
        return PARTICLES[source]()
    if exists(source) or _looks_like_path(source):
        return read_structure(source, particle.assembly, particle.waters, chains, others)
    if is_pdb_id(source):
        return read_structure(fetch_structure(source), particle.assembly, particle.waters, chains, others)
    if source == "arrays":
        raise InputError("this experiment's particle was given as arrays; give positions and elements again")
    raise UnknownNameError("particle", source, [*PARTICLES, "a path ending in .pdb or .cif", "a PDB id"])


def particle_name(source: str) -> str:
    """Make a short name for groups and titles: letters, digits, dot, dash and underscore of the source's stem.

    Examples
    --------
    >>> particle_name("data/1ei7.pdb"), particle_name("3iyf")
    ('1ei7', '3iyf')
    """
    stem = Path(source).name.split(".")[0]
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in stem)[:64] or "particle"


def _looks_like_path(source: str) -> bool:
    name = source.lower().removesuffix(".gz")
    return "/" in source or "\\" in source or name.endswith((*STRUCTURE_ENDINGS, ".data"))
