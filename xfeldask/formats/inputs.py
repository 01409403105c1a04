"""Names and paths of an experiment turned into atoms, pixels and numbers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.config import BEAMS, Experiment, Particle
from xfeldask.errors import InputError, UnknownNameError
from xfeldask.formats.beam import read_beam
from xfeldask.formats.geometries import read_detector
from xfeldask.formats.structures import fetch_structure, is_pdb_id, read_structure
from xfeldask.formats.text import load_array
from xfeldask.machine import exists
from xfeldask.physics.atoms import Atoms
from xfeldask.physics.chaperonin import chaperonin
from xfeldask.physics.detectors import Geometry, make_geometry
from xfeldask.physics.plan import dead_pixels

PARTICLES = {"chaperonin": chaperonin}
STRUCTURE_ENDINGS = (".pdb", ".ent", ".cif", ".mmcif")


@dataclass(frozen=True)
class Inputs:
    """An experiment with everything that it names.

    Attributes
    ----------
    experiment : Experiment, with the digests of what was read
    atoms : Atoms, centred on the centre of mass
    geometry : Geometry, its mask without dead pixels
    orientations : float64 (n, 4) or None, the list that the experiment names

    Examples
    --------
    >>> from xfeldask.physics.atoms import make_atoms
    >>> experiment = Experiment(particle="arrays", detector="square-32", n_shots=9)
    >>> one, other = (resolve(experiment, make_atoms([[0, 0, 0]], [element])) for element in ("C", "N"))
    >>> one.experiment.digest == other.experiment.digest
    False
    """

    experiment: Experiment
    atoms: Atoms
    geometry: Geometry
    orientations: NDArray[np.float64] | None


def resolve(experiment: Experiment, atoms: Atoms | None = None, orientations: ArrayLike | None = None) -> Inputs:
    """Read what an experiment names.

    Parameters
    ----------
    experiment : Experiment
    atoms : Atoms, optional, in place of what ``experiment.particle`` names
    orientations : (n, 4), optional, in place of the file that ``experiment.orientations`` names

    Raises
    ------
    MissingFileError, FormatError, UnknownNameError, InputError

    Examples
    --------
    >>> from xfeldask.physics.atoms import make_atoms
    >>> experiment = Experiment(particle="arrays", detector="square-32", n_shots=9)
    >>> inputs = resolve(experiment, make_atoms([[0, 0, 0], [2e-9, 0, 0]], ["C", "C"]))
    >>> inputs.geometry.shape, inputs.atoms.position[:, 0].tolist()
    ((1, 32, 32), [-1e-09, 1e-09])
    """
    centered = (read_particle(experiment.particle) if atoms is None else atoms).centered()
    geometry = read_detector(experiment.detector)
    dead = dead_pixels(experiment.seed, experiment.nuisance.dead_fraction, geometry.shape)
    geometry = make_geometry(geometry.pixel_position, geometry.pixel_size, geometry.mask & ~dead)
    changes: dict[str, Any] = {
        "particle": experiment.particle.model_copy(update={"digest": centered.digest}),
        "detector": experiment.detector.model_copy(update={"digest": geometry_digest(geometry)}),
    }
    listed = None
    if experiment.orientations.kind == "list":
        listed = _quaternions(experiment.orientations.source, orientations)
        digest = hashlib.sha256(listed.astype("<f8").tobytes()).hexdigest()
        changes["orientations"] = experiment.orientations.model_copy(update={"digest": digest})
    return Inputs(experiment.model_copy(update=changes), centered, geometry, listed)


def read_particle(particle: Particle) -> Atoms:
    """Atoms of a built-in particle, a structure file, or an entry of the PDB."""
    source = particle.source
    if source in PARTICLES:
        return PARTICLES[source]()
    if exists(source) or _looks_like_path(source):
        return read_structure(source, particle.assembly, particle.waters)
    if is_pdb_id(source):
        return read_structure(fetch_structure(source), particle.assembly, particle.waters)
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


def beam_values(beam: object) -> object:
    """Read a beam's values, where `beam` is the path of a ``.beam`` file; anything else as it is.

    Examples
    --------
    >>> beam_values("amo86615")
    'amo86615'
    """
    if isinstance(beam, Path) or (isinstance(beam, str) and beam not in BEAMS and Path(beam).suffix):
        return read_beam(beam)
    return beam


def _looks_like_path(source: str) -> bool:
    name = source.lower().removesuffix(".gz")
    return "/" in source or "\\" in source or name.endswith((*STRUCTURE_ENDINGS, ".data"))


def _quaternions(source: str | None, given: ArrayLike | None) -> NDArray[np.float64]:
    value = np.asarray(load_array(str(source), "orientations") if given is None else given)
    if value.ndim != 2 or value.shape[1] != 4 or len(value) == 0 or value.dtype.kind not in "fiu":
        raise InputError(f"orientations must be quaternions (n, 4), w x y z, got {value.dtype} {value.shape}")
    value = value.astype(np.float64)
    norm = np.linalg.norm(value, axis=1)
    bad = ~(np.abs(norm - 1) < 1e-3)
    if bad.any():
        first = int(bad.argmax())
        raise InputError(f"orientation {first} has length {norm[first]:.6g}; quaternions must have length 1")
    return np.asarray(value / norm[:, None])


def geometry_digest(geometry: Geometry) -> str:
    """SHA-256 of the pixels of a detector and of its mask, in hexadecimal.

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> len({geometry_digest(square(4, 1e-3, distance)) for distance in (0.1, 0.1, 0.2)})
    2
    """
    state = hashlib.sha256(np.round(geometry.pixel_position * 1e12).astype("<i8").tobytes())
    state.update(np.float64(geometry.pixel_size).tobytes())
    state.update(np.packbits(geometry.mask).tobytes())
    return state.hexdigest()
