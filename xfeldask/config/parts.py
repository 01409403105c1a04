"""Beam, particle, detector, hits, nuisance and orientations, with what is built in."""

from __future__ import annotations

import math
from decimal import Context, Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from xfeldask.config.base import Model
from xfeldask.config.limits import LIMITS, pulse_energies, within
from xfeldask.config.response import Response
from xfeldask.errors import InputError

Positive = Annotated[float, Field(gt=0)]
# at 4 standard deviations, where normal variates are cut, an energy stays positive
Spread = Annotated[float, Field(ge=0, le=0.2)]
Distance = Annotated[Positive, within("separation")]
Fraction = Annotated[float, Field(ge=0, le=1)]


class Beam(Model):
    """X-ray pulses, linearly polarized along x.

    Attributes
    ----------
    photon_energy : float [eV]
    photons_per_pulse : float
    focus_radius : float, of a flat-top focus, or 1/e^2 radius of a Gaussian one [m]

    Examples
    --------
    >>> beam = Beam(photon_energy=4600, photons_per_pulse=1e12, focus_radius=5e-7)
    >>> f"{beam.fluence:.3g}"
    '1.27e+24'
    """

    photon_energy: Annotated[Positive, within("photon_energy")] = Field(description="eV")
    photons_per_pulse: Positive = Field(description="photons in a pulse")
    focus_radius: Annotated[Positive, within("focus_radius")] = Field(description="m")

    @field_validator("photons_per_pulse")
    @classmethod
    def _photons(cls, value: float, info: ValidationInfo) -> float:
        energy = info.data.get("photon_energy")
        return LIMITS["photons_per_pulse"].check("photons_per_pulse", value, pulse_energies(energy) if energy else {})

    @property
    def fluence(self) -> float:
        """Nominal peak [1/m^2], photons per pulse over pi radius^2; a Gaussian focus keeps it on the axis."""
        return self.photons_per_pulse / (math.pi * self.focus_radius * self.focus_radius)


BEAMS = {"amo86615": Beam(photon_energy=4600.0, photons_per_pulse=1e12, focus_radius=0.5e-6)}


class Particle(Model):
    """What is shot at.

    Attributes
    ----------
    source : str, a built-in name, a structure file, or a PDB id; "arrays" when atoms are given
    assembly : str, name of the biological assembly, or "asymmetric-unit"
    waters : bool, whether crystal waters are kept
    digest : str, SHA-256 of the atoms, filled in when they are read

    Examples
    --------
    >>> Particle(source="chaperonin").assembly
    '1'
    """

    source: str = Field(min_length=1, description="built-in name, path (.pdb .ent .cif, gzipped or not) or PDB id")
    assembly: str = Field("1", description="biological assembly, or asymmetric-unit")
    waters: bool = Field(False, description="keep crystal waters")
    digest: str = ""


class Detector(Model):
    """Where photons are counted.

    Attributes
    ----------
    source : str, a built-in name (`pnccd-amo86615`, `square-256`), `flat-ROWSxCOLUMNS`, a file of psana, CrystFEL or
        Dragonfly, or a store; "arrays" when given
    mask : str, optional, a .npy file, shape (panel, ss, fs), true where a pixel is good
    pixel_size, distance : float, optional, where the source does not tell them [m]
    response : Response, optional, how photons are read; every one is counted where it is not given
    digest : str, SHA-256 of pixels and mask, filled in when they are read

    Examples
    --------
    >>> Detector(source="square-128", distance=0.2).distance
    0.2
    """

    source: str = Field("pnccd-amo86615", min_length=1, description="built-in name, square-N, or a psana .data file")
    mask: str | None = Field(None, description=".npy file (panel, ss, fs), true where a pixel is good")
    pixel_size: Annotated[Positive, within("pixel_size")] | None = Field(None, description="m, of a square-N detector")
    distance: Annotated[Positive, within("distance")] | None = Field(None, description="m, of a square-N detector")
    response: Response | None = Field(None, description="name of a preset, or parts")
    digest: str = ""

    @field_validator("response", mode="before")
    @classmethod
    def _response(cls, value: object) -> object:
        return {"preset": value} if isinstance(value, str) else value

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # not written where it is not given, so that detectors have the digest that they always had
        return {name: value for name, value in write(self).items() if name != "response" or value is not None}


class Hits(Model):
    """How many particles a shot holds, and where the second and later ones are.

    Exactly one of `single_fraction`, `weights` and `occupancy` is given; counts are drawn shot by shot.

    Attributes
    ----------
    single_fraction : float, fraction of shots with one particle; the rest hold two
    weights : dict, relative frequency by number of particles, 0 for blanks
    occupancy : float, mean of a Poisson distribution, blanks included
    placement : "shell", uniform in the ball of radius `separation[1]` around the first particle but no
        nearer than `separation[0]`, the first on the axis; or "focus", each anywhere in the focus
    separation : (float, float) [m]

    Examples
    --------
    >>> Hits(single_fraction=0.9).probabilities()
    [0.0, 0.9, 0.09999999999999998]
    """

    single_fraction: Fraction | None = Field(None, description="fraction of shots with one particle, the rest hold two")
    weights: dict[Annotated[int, Field(ge=0, le=32)], Annotated[float, Field(ge=0, le=1e12)]] | None = Field(
        None, description="relative frequency by number of particles, 0 for blanks"
    )
    occupancy: Annotated[float, Field(gt=0, le=10)] | None = Field(None, description="mean of a Poisson distribution")
    placement: Literal["shell", "focus"] = Field("shell", description="where second and later particles are")
    separation: tuple[Distance, Distance] = Field((20e-9, 50e-9), description="m, shortest and longest in a shell")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = [k for k in ("single_fraction", "weights", "occupancy") if getattr(self, k) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of single_fraction, weights and occupancy, got {given or 'none'}")
        if self.weights is not None and not sum(self.weights.values()) > 0:
            raise ValueError("weights must have a positive sum")
        if self.separation[0] >= self.separation[1]:
            raise ValueError(f"separation must grow, got {self.separation} m")
        return self

    def probabilities(self) -> list[float]:
        """Probability of 0, 1, 2, ... particles; a Poisson distribution ends where less than 1e-15 is left."""
        if self.single_fraction is not None:
            return [0.0, self.single_fraction, 1 - self.single_fraction]
        if self.weights is not None:
            total = sum(self.weights.values())
            return [self.weights.get(n, 0.0) / total for n in range(max(self.weights) + 1)]
        assert self.occupancy is not None
        # rounded once from 30 digits, where the C library's exponential depends on the processor
        terms = [float(Context(prec=30).exp(Decimal(-self.occupancy)))]
        while len(terms) <= self.occupancy or terms[-1] > 1e-15:
            terms.append(terms[-1] * self.occupancy / len(terms))
        return terms


class Nuisance(Model):
    """What differs from shot to shot besides orientation; every part can be set on its own.

    Attributes
    ----------
    pulse_spread : float, relative spread of a Gamma variate of mean 1 on the fluence of a shot
    focus : "flat", or "gaussian": each particle at a place of its own, fluence factor exp(-2 u), u uniform
    energy_spread : float, relative, normal
    center_spread : float, normal, of the beam's centre along x and y [pixels]
    size_spread : float, relative, normal, of each particle; F(s) becomes F(size x s)
    background : float, uniformly scattered photons, relative to a single hit's mean at full fluence
    dead_fraction : float, fraction of the pixels that record nothing

    Examples
    --------
    >>> Nuisance(pulse_spread=0.5).pulse_spread
    0.5
    """

    pulse_spread: Annotated[float, Field(ge=0, le=3)] = Field(0.0, description="relative, Gamma, on the fluence")
    focus: Literal["flat", "gaussian"] = Field("flat", description="profile of the focus")
    energy_spread: Spread = Field(0.0, description="relative, normal")
    center_spread: Annotated[float, Field(ge=0, le=100)] = Field(0.0, description="pixels, normal, along x and y")
    size_spread: Annotated[float, Field(ge=0, le=0.2)] = Field(0.0, description="relative, normal, of each particle")
    background: Annotated[float, Field(ge=0, le=1e6)] = Field(0.0, description="relative to the mean of a single hit")
    dead_fraction: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="fraction of the pixels")


NUISANCES = {
    "ideal": Nuisance(),
    "jitter": Nuisance(pulse_spread=0.2, center_spread=1.0),
    "realistic": Nuisance(pulse_spread=0.22, focus="gaussian", size_spread=0.03, background=0.15, dead_fraction=0.001),
}
REALISTIC_HITS = Hits(occupancy=0.1)


class Orientations(Model):
    """How the first particle of a shot is turned; later ones are always uniformly random.

    Attributes
    ----------
    kind : "random", "uniform" (shot i takes element i modulo `count` of a super-Fibonacci set), or "list"
    count : int, size of the uniform set
    source : str, a .npy file of quaternions (n, 4) in the order w, x, y, z; shot i takes row i modulo n
    digest : str, SHA-256 of the list, filled in when it is read

    Examples
    --------
    >>> Orientations(kind="uniform", count=11).count
    11
    """

    kind: Literal["random", "uniform", "list"] = Field("random", description="random, uniform or list")
    count: Annotated[int, Field(gt=0, le=10**7)] | None = Field(None, description="size of the uniform set")
    source: str | None = Field(None, description=".npy file of quaternions (n, 4), w x y z")
    digest: str = ""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind == "uniform" and self.count is None:
            raise ValueError("a uniform set needs its count")
        if self.kind == "list" and self.source is None:
            raise ValueError("a list of orientations needs its source")
        return self


def hits_values(value: object) -> object:
    """Short forms of `Hits`: 0.99, {1: 0.9, 2: 0.1}, "poisson:0.1", "0:0.05,1:0.9,2:0.05"; others as they are.

    Examples
    --------
    >>> hits_values(0.99), hits_values("poisson:0.1")
    ({'single_fraction': 0.99}, {'occupancy': 0.1})
    """
    if isinstance(value, int | float):
        return {"single_fraction": value}
    if isinstance(value, dict) and value and all(str(key).isdigit() for key in value):
        return {"weights": value}
    if not isinstance(value, str):
        return value
    try:
        if value.startswith("poisson:"):
            return {"occupancy": float(value.removeprefix("poisson:"))}
        if ":" not in value:
            return {"single_fraction": float(value)}
        pairs = [part.split(":") for part in value.split(",")]
        weights = {int(number): float(weight) for number, weight in pairs}
    except ValueError:
        raise InputError(f"hits {value!r} is not understood; write 0.99, 0:0.05,1:0.9,2:0.05 or poisson:0.1") from None
    if len(weights) < len(pairs):
        raise InputError(f"hits {value!r} gives a number of particles twice; give each one weight")
    return {"weights": weights}
