"""What is in the beam: rigid bodies with a form factor, and species that are made of them.

A particle of a species is one body or several, each turned and moved within the particle's frame: a dimer is the same
body twice, a hinge two bodies that turn against each other. Amplitudes of bodies add as those of particles do, so that
every arrangement is as exact as the bodies' form factors, and none takes memory of its own.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from xfeldask.physics.atoms import Atoms
from xfeldask.physics.spheroid import Spheroid, spheroid_amplitude
from xfeldask.physics.volume import Volume, build_volume, interpolate, measured_error

Form = Volume | Spheroid
"""A form factor: on a grid, or in closed form."""

NO_PARTICLE = -1


@dataclass(frozen=True, eq=False)
class Body:
    """A rigid thing that scatters.

    Attributes
    ----------
    name : str, of its group ``/volume/<name>`` in a store
    matter : Atoms, centred, or Spheroid
    """

    name: str
    matter: Atoms | Spheroid

    @property
    def radius(self) -> float:
        """Largest distance from its centre [m]."""
        return self.matter.radius

    @property
    def digest(self) -> str:
        """SHA-256 of what it is, in hexadecimal."""
        if isinstance(self.matter, Atoms):
            return self.matter.digest
        values = np.array([self.matter.across, self.matter.along, self.matter.density], "<f8")
        return hashlib.sha256(values.tobytes()).hexdigest()


@dataclass(frozen=True, eq=False)
class Species:
    """Particles of one kind, in one variant or in several that are equally frequent.

    Attributes
    ----------
    name : str
    body : int64 (variant, member), which body each member is
    orientation : float64 (variant, member, 4), unit quaternion of each member in the particle's frame
    offset : float64 (variant, member, 3), place of each member in it [m]
    coordinate : float64 (variant,), what the variants differ by, such as an angle; NaN where nothing continuous
    """

    name: str
    body: NDArray[np.int64]
    orientation: NDArray[np.float64]
    offset: NDArray[np.float64]
    coordinate: NDArray[np.float64]

    @classmethod
    def of(cls, name: str, body: int | NDArray[np.int64]) -> Species:
        """Return a species of one body, or of variants that are one body each."""
        index = np.atleast_1d(np.asarray(body, np.int64))[:, None]
        turned = np.tile([1.0, 0.0, 0.0, 0.0], (len(index), 1, 1))
        coordinate = np.arange(float(len(index))) if len(index) > 1 else np.full(1, np.nan)
        return cls(name, index, turned, np.zeros((len(index), 1, 3)), coordinate)

    @property
    def variants(self) -> int:
        """Number of variants."""
        return len(self.body)

    @property
    def members(self) -> int:
        """Bodies of a particle."""
        return int(self.body.shape[1])


@dataclass(frozen=True, eq=False)
class Mixture:
    """All bodies and species in the beam.

    Attributes
    ----------
    bodies : tuple of Body
    species : tuple of Species, in the order of their indices
    wanted : int, index of the species that is wanted

    Examples
    --------
    >>> from xfeldask.physics.chaperonin import chaperonin
    >>> mixture = Mixture.single("chaperonin", chaperonin())
    >>> mixture.species[0].members, mixture.wanted_body.name
    (1, 'chaperonin')
    """

    bodies: tuple[Body, ...]
    species: tuple[Species, ...]
    wanted: int = 0

    @classmethod
    def single(cls, name: str, atoms: Atoms) -> Mixture:
        """Return a beam of one structure."""
        return cls((Body(name, atoms),), (Species.of(name, 0),))

    @property
    def wanted_body(self) -> Body:
        """The first body of the wanted species."""
        return self.bodies[int(self.species[self.wanted].body[0, 0])]

    @property
    def atoms(self) -> Atoms | None:
        """Atoms of the wanted species' first body; None where it has none."""
        matter = self.wanted_body.matter
        return matter if isinstance(matter, Atoms) else None

    @cached_property
    def variants(self) -> NDArray[np.int64]:
        """Number of variants of each species, int64 (species,)."""
        return np.array([species.variants for species in self.species])

    @cached_property
    def electron_growth(self) -> NDArray[np.bool_]:
        """Whether a body of relative size t has t^3 as many electrons, bool (body,): those of one density have."""
        return np.array([isinstance(body.matter, Spheroid) for body in self.bodies])

    def coordinates(self, species: NDArray[np.int16], variant: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return the coordinate of each particle, NaN where it has none."""
        out = np.full(species.shape, np.nan)
        for index, kind in enumerate(self.species):
            mine = species == index
            out[mine] = kind.coordinate[variant[mine]]
        return out


def build_form(body: Body, s_max: float, memory_limit: int | None = None) -> Form:
    """Compute a body's form factor to `s_max` [1/m]; errors as of `build_volume`."""
    if isinstance(body.matter, Spheroid):
        return body.matter
    return build_volume(body.matter, s_max, memory_limit)


def form_amplitude(form: Form, s: NDArray[np.float64]) -> NDArray[np.complex64]:
    """Amplitude of a form factor at scattering vectors (..., 3) [1/m], complex64 (...) [electrons]."""
    return spheroid_amplitude(form, s) if isinstance(form, Spheroid) else interpolate(form, s)


def form_error(form: Form, body: Body) -> float:
    """Relative error of a form factor, as `measured_error` tells it; 0 of one in closed form."""
    if isinstance(form, Volume) and isinstance(body.matter, Atoms):
        return measured_error(form, body.matter)
    return 0.0


def form_bytes(form: Form) -> int:
    """Bytes of a form factor on its grid."""
    return form.values.nbytes if isinstance(form, Volume) else 0
