"""Names and paths of an experiment turned into atoms, pixels and numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.config import BEAMS, Experiment
from xfeldask.errors import InputError
from xfeldask.formats.backgrounds import background_digest, read_background, read_weights
from xfeldask.formats.beam import read_beam
from xfeldask.formats.geometries import read_detector
from xfeldask.formats.particles import particle_name, read_particle
from xfeldask.formats.species import build_mixture
from xfeldask.formats.text import load_array
from xfeldask.physics.atoms import Atoms
from xfeldask.physics.detectors import Geometry, make_geometry
from xfeldask.physics.plan import dead_pixels
from xfeldask.physics.species import Mixture


@dataclass(frozen=True)
class Inputs:
    """An experiment with everything that it names.

    Attributes
    ----------
    experiment : Experiment, with the digests of what was read
    mixture : Mixture, what is in the beam; atoms centred on their centre of mass
    geometry : Geometry, its mask without dead pixels
    orientations : float64 (n, 4) or None, the list that the experiment names
    background : float32 (panel, ss, fs) or None, where background photons fall, as of `read_background`
    background_weights : float64 (n,) or None, of shots, as the experiment lists them

    Examples
    --------
    >>> from xfeldask.physics.atoms import make_atoms
    >>> experiment = Experiment(particle="arrays", detector="square-32", n_shots=9)
    >>> one, other = (resolve(experiment, make_atoms([[0, 0, 0]], [element])) for element in ("C", "N"))
    >>> one.experiment.digest == other.experiment.digest
    False
    """

    experiment: Experiment
    mixture: Mixture
    geometry: Geometry
    orientations: NDArray[np.float64] | None
    background: NDArray[np.float32] | None = None
    background_weights: NDArray[np.float64] | None = None

    @property
    def atoms(self) -> Atoms | None:
        """Atoms of the wanted species; None where it has none."""
        return self.mixture.atoms


def resolve(
    experiment: Experiment,
    atoms: Atoms | Mapping[str, Atoms] | None = None,
    orientations: ArrayLike | None = None,
) -> Inputs:
    """Read what an experiment names.

    Parameters
    ----------
    experiment : Experiment
    atoms : Atoms, optional, in place of what ``experiment.particle`` names; by name in place of sources of species
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
    mixture, changes = mixture_of(experiment, atoms)
    geometry = read_detector(experiment.detector)
    dead = dead_pixels(experiment.seed, experiment.nuisance.dead_fraction, geometry.shape)
    geometry = make_geometry(geometry.pixel_position, geometry.pixel_size, geometry.mask & ~dead)
    changes["detector"] = experiment.detector.model_copy(update={"digest": geometry_digest(geometry)})
    listed = None
    if experiment.orientations.kind == "list":
        listed = _quaternions(experiment.orientations.source, orientations)
        digest = hashlib.sha256(listed.astype("<f8").tobytes()).hexdigest()
        changes["orientations"] = experiment.orientations.model_copy(update={"digest": digest})
    background, weights = None, None
    if experiment.background is not None:
        background = read_background(experiment.background, geometry)
        weights = read_weights(experiment.background)
        digest = background_digest(background, weights)
        changes["background"] = experiment.background.model_copy(update={"digest": digest})
    return Inputs(experiment.model_copy(update=changes), mixture, geometry, listed, background, weights)


def mixture_of(experiment: Experiment, atoms: Atoms | Mapping[str, Atoms] | None) -> tuple[Mixture, dict[str, Any]]:
    """Return what is in the beam, and the experiment's `particle` or `species` with the digests of what was read.

    Parameters
    ----------
    experiment : Experiment
    atoms : as of `resolve`

    Raises
    ------
    MissingFileError, FormatError, UnknownNameError, InputError
    """
    if experiment.species is None:
        particle = experiment.particle
        assert particle is not None
        centered = (atoms if isinstance(atoms, Atoms) else read_particle(particle)).centered()
        named = particle.model_copy(update={"digest": centered.digest})
        return Mixture.single(particle_name(particle.source), centered), {"particle": named}
    given = atoms if isinstance(atoms, Mapping) else {}
    mixture, digests = build_mixture(experiment.species, experiment.wanted_index, given)
    known = {
        name: species.model_copy(update={"digest": digests.get(name, "")})
        for name, species in experiment.species.items()
    }
    return mixture, {"species": known}


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
