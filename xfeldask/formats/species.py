"""Species of an experiment read: structures, and what is made of them, as bodies."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Literal

import numpy as np

from xfeldask.config import Hinge, Particle
from xfeldask.config import Species as Asked
from xfeldask.errors import InputError
from xfeldask.formats.particles import read_particle
from xfeldask.physics.atoms import Atoms
from xfeldask.physics.contact import chain, grown, ring
from xfeldask.physics.elementary import cosine_sine_of
from xfeldask.physics.orientations import rotation_matrix
from xfeldask.physics.species import Body, Mixture, Species
from xfeldask.physics.spheroid import Spheroid
from xfeldask.physics.water import hydrated


def build_mixture(
    asked: Mapping[str, Asked], wanted: int, given: Mapping[str, Atoms]
) -> tuple[Mixture, dict[str, str]]:
    """Read all species of an experiment.

    Parameters
    ----------
    asked : Species of `xfeldask.config` by name
    wanted : int, index of the one that is wanted
    given : Atoms by name, in place of the sources of some

    Returns
    -------
    Mixture
        Bodies that several species have are there once.
    dict, SHA-256 of what was read of each species, by name; empty of those that name no source

    Raises
    ------
    MissingFileError, FormatError, UnknownNameError, InputError
    """
    found = _Bodies()
    species, digests = [], {}
    for name, kind in asked.items():
        try:
            made = _made(name, kind, given.get(name), found)
        except InputError as error:
            if type(error) is not InputError:
                raise
            raise InputError(f"species {name}: {error}") from error
        species.append(made)
        if kind.sphere is None:
            parts = [found.digests[body] for body in dict.fromkeys(made.body.ravel().tolist())]
            digests[name] = hashlib.sha256("".join(parts).encode()).hexdigest()
    return Mixture(tuple(found.bodies), tuple(species), wanted), digests


class _Bodies:
    """Bodies of a mixture, each once."""

    def __init__(self) -> None:
        self.bodies: list[Body] = []
        self.digests: list[str] = []

    def add(self, name: str, matter: Atoms | Spheroid) -> int:
        """Return the index of a body, that of one that is there already if it is the same."""
        body = Body(name, matter)
        if body.digest not in self.digests:
            self.bodies.append(body)
            self.digests.append(body.digest)
        return self.digests.index(body.digest)


def _made(name: str, kind: Asked, given: Atoms | None, found: _Bodies) -> Species:
    """Make a species and add what it is made of to the bodies."""
    if kind.sphere is not None:
        across = kind.sphere.nominal / 2
        spheroid = Spheroid(across, across * kind.sphere.aspect, kind.sphere.density)
        return Species.of(name, found.add(name, spheroid))
    if kind.conformers is not None:
        matter = [_atoms(kind, source, None) for source in kind.conformers]
        return Species.of(name, np.array([found.add(f"{name}.{i}", one) for i, one in enumerate(matter)]))
    if kind.hinge is not None:
        return _hinged(name, kind, kind.hinge, found)
    atoms = _atoms(kind, str(kind.source), given)
    body = found.add(name, atoms)
    return Species.of(name, body) if kind.copies == 1 else _together(name, kind, atoms, body)


def _atoms(kind: Asked, source: str, given: Atoms | None) -> Atoms:
    """Return the atoms of a source, of those chains and that half that are there, in water, centred."""
    if given is not None and kind.chains is not None:
        raise InputError("arrays have no chains; leave them out")
    particle = Particle(source=source, assembly=kind.assembly, waters=kind.waters)
    atoms = (read_particle(particle, kind.chains) if given is None else given).centered()
    if kind.half is not None:
        atoms = atoms.chosen(atoms.position[:, "xyz".index(kind.half)] > 0).centered()
    return hydrated(atoms, kind.hydration).centered() if kind.hydration else atoms


def _hinged(name: str, kind: Asked, hinge: Hinge, found: _Bodies) -> Species:
    """Split a hinged structure into a fixed and a turning body, with one variant for each angle."""
    particle = Particle(source=str(kind.source), assembly=kind.assembly, waters=kind.waters)
    parts = [read_particle(particle, hinge.chains, others=stays) for stays in (True, False)]
    middles = np.stack([part.middle for part in parts])
    pivot = middles.mean(axis=0) if hinge.pivot is None else np.array(hinge.pivot)
    mass = np.array([part.mass.sum() for part in parts])
    angle = np.linspace(*hinge.angle, hinge.steps)
    cosine, sine = cosine_sine_of(angle / 720)
    turned = np.zeros((hinge.steps, 2, 4))
    turned[:, 0, 0], turned[:, 1, 0] = 1.0, cosine
    turned[:, 1, 1 + "xyz".index(hinge.axis)] = sine
    offset = (rotation_matrix(turned) * (middles - pivot)[:, None]).sum(axis=-1) + pivot
    offset -= (mass[:, None] * middles).sum(axis=0) / mass.sum()
    body = [found.add(f"{name}.{i}", part.centered()) for i, part in enumerate(parts)]
    return Species(name, np.tile(np.array(body), (hinge.steps, 1)), turned, offset, angle)


def _together(name: str, kind: Asked, atoms: Atoms, body: int) -> Species:
    """Return copies of a body that touch."""
    points, copies, gap = atoms.position, kind.copies, kind.gap
    if kind.arrangement == "ring":
        turned, place = ring(points, copies, gap)
    elif kind.arrangement == "chain" and kind.along != "random":
        turned, place = chain(points, copies, kind.along, gap)
    else:
        towards: Literal["last", "middle"] = "last" if kind.arrangement == "chain" else "middle"
        turned, place = grown(points, copies, towards, gap, kind.arrangements)
    return Species(name, np.full(turned.shape[:2], body), turned, place, np.full(len(turned), np.nan))
