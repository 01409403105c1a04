"""Species: what is in the beam, each with a weight."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from xfeldask.config.base import Model
from xfeldask.config.limits import within
from xfeldask.errors import InputError

WATER_DENSITY = 3.343e29
"""Electrons in a cubic metre of water."""

Axis = Literal["x", "y", "z"]
Length = Annotated[float, Field(gt=0), within("diameter")]
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")
NO_SPECIES = "none"
"""Meaning of the flag where there is no particle, and the name of no species."""


class Sphere(Model):
    """A sphere or spheroid of one density, its form factor analytic.

    Attributes
    ----------
    diameter : float, or (float, float) between which it is uniform; across z [m]
    spread : float, of the logarithm of the diameter, normal
    aspect : float, diameter along z over that across
    density : float [electron/m^3]

    Examples
    --------
    >>> round(1e9 * Sphere(diameter=(10e-9, 20e-9)).nominal, 3)
    15.0
    """

    diameter: Length | tuple[Length, Length] = Field(description="m, or the least and the largest")
    spread: Annotated[float, Field(ge=0, le=1)] = Field(0.0, description="of the logarithm of the diameter, normal")
    aspect: Annotated[float, Field(ge=0.05, le=20)] = Field(1.0, description="diameter along z over that across")
    density: Annotated[float, Field(gt=0, le=1e32)] = Field(WATER_DENSITY, description="electrons in a cubic metre")

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if isinstance(self.diameter, tuple) and self.diameter[0] > self.diameter[1]:
            raise ValueError(f"the diameter must grow, got {self.diameter} m")
        return self

    @property
    def nominal(self) -> float:
        """Diameter of relative size 1 [m]."""
        return self.diameter if isinstance(self.diameter, float) else sum(self.diameter) / 2


class Hinge(Model):
    """Two groups of chains that turn against each other about an axis.

    Attributes
    ----------
    chains : names of the chains that turn; all others stay
    axis : "x", "y" or "z", in the coordinates of the structure
    angle : (float, float), between which the angle is uniform [degree]
    steps : int, angles, evenly spaced
    pivot : (float, float, float), a point on the axis in the coordinates of the structure [m]; by default half-way
        between the centres of mass of the two groups

    Examples
    --------
    >>> Hinge(chains=["B"], axis="x", angle=(-20, 20)).steps
    101
    """

    chains: tuple[Annotated[str, Field(min_length=1)], ...] = Field(min_length=1, description="chains that turn")
    axis: Axis = Field(description="x, y or z, in the coordinates of the structure")
    angle: tuple[Annotated[float, Field(ge=-360, le=360)], Annotated[float, Field(ge=-360, le=360)]] = Field(
        description="degree, least and largest"
    )
    steps: Annotated[int, Field(ge=2, le=10_000)] = Field(101, description="angles, evenly spaced")
    pivot: tuple[float, float, float] | None = Field(None, description="m, a point on the axis")

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.angle[0] >= self.angle[1]:
            raise ValueError(f"the angle must grow, got {self.angle} degrees")
        return self


class Species(Model):
    """One thing in the beam: a structure, or what is made of one, or a sphere.

    Exactly one of `source`, `conformers` and `sphere` is given.

    Attributes
    ----------
    source : str, a built-in name, a structure file, or a PDB id; "arrays" when atoms are given
    conformers : structures that are equally frequent, in place of `source`
    sphere : Sphere, in place of `source`
    weight : float, relative frequency among the particles
    assembly, waters : as of `xfeldask.config.Particle`
    chains : names of the chains that are there, where the particle is broken
    half : "x", "y" or "z", where only the half with positive coordinates from the centre of mass is there
    hinge : Hinge
    hydration : float, thickness of a shell of water around the atoms [m]; 0 for none
    copies : int, of which the particle is an aggregate
    arrangement : "chain", "ring" around z, or "cluster", in which each copy comes from a random direction
    along : "x", "y" or "z", along which copies of a chain follow one another, all turned alike; or "random", each copy
        turned at random and in a random direction from the one before
    gap : float, between the atoms of copies that touch [m]
    arrangements : int, how many random arrangements there are
    digest : str, SHA-256 of what was read, filled in when it is

    Examples
    --------
    >>> Species(source="chaperonin", copies=2, along="z").weight
    1.0
    """

    source: str | None = Field(None, min_length=1, description="built-in name, path (.pdb .ent .cif) or PDB id")
    conformers: tuple[Annotated[str, Field(min_length=1)], ...] | None = Field(
        None, min_length=2, max_length=64, description="structures in place of source, equally frequent"
    )
    sphere: Sphere | None = None
    weight: Annotated[float, Field(gt=0, le=1e12)] = Field(1.0, description="relative frequency among the particles")
    assembly: str = Field("1", description="biological assembly, or asymmetric-unit")
    waters: bool = Field(False, description="keep crystal waters")
    chains: tuple[Annotated[str, Field(min_length=1)], ...] | None = Field(
        None, min_length=1, description="chains that are there; the others are broken off"
    )
    half: Axis | None = Field(None, description="x, y or z: only the half with positive coordinates is there")
    hinge: Hinge | None = None
    hydration: Annotated[float, Field(ge=0, le=20e-9)] = Field(0.0, description="m, thickness of a shell of water")
    copies: Annotated[int, Field(ge=1, le=32)] = Field(1, description="of which it is an aggregate")
    arrangement: Literal["chain", "ring", "cluster"] = Field("chain", description="chain, ring or cluster")
    along: Axis | Literal["random"] = Field("random", description="of a chain: x, y, z or random")
    gap: Annotated[float, Field(ge=0, le=1e-7)] = Field(3e-10, description="m, between atoms of copies that touch")
    arrangements: Annotated[int, Field(ge=1, le=4096)] = Field(32, description="random arrangements of copies")
    digest: str = ""

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        given = [name for name in ("source", "conformers", "sphere") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of source, conformers and sphere, got {' and '.join(given) or 'none'}")
        of_structures = [name for name in ("chains", "half", "hinge", "hydration") if getattr(self, name)]
        of_structures += ["copies"] if self.copies > 1 else []
        if self.sphere is not None and of_structures:
            raise ValueError(f"a sphere has no {of_structures[0]}; give a source instead")
        if self.hinge is not None and (self.source is None or self.chains or self.half or self.hydration):
            raise ValueError("a hinge goes with a source; leave conformers, chains, half and hydration out")
        if self.copies > 1 and (self.hinge is not None or self.conformers is not None):
            raise ValueError("copies are of one source; leave conformers and hinge out")
        if self.arrangement == "ring" and self.copies < 3:
            raise ValueError(f"a ring has at least 3 copies, got {self.copies}")
        return self


def species_values(value: object) -> object:
    """Short forms of the species of an experiment: names and sources; others as they are.

    Raises
    ------
    InputError
        A name that is none.

    Examples
    --------
    >>> species_values({"wanted": "1ei7.pdb"})
    {'wanted': {'source': '1ei7.pdb'}}
    """
    if not isinstance(value, dict):
        return value
    for name in value:
        if not NAME.fullmatch(str(name)) or name == NO_SPECIES:
            raise InputError(f"{name!r} is no name of a species; take letters, digits and _, such as wanted")
    return {name: item if isinstance(item, dict | Model) else {"source": str(item)} for name, item in value.items()}


def species_flags(texts: tuple[str, ...]) -> dict[str, Any]:
    """Read ``NAME=SOURCE`` or ``NAME=SOURCE:WEIGHT``, each a species.

    Raises
    ------
    InputError
        Something else, or a name twice.

    Examples
    --------
    >>> species_flags(("wanted=1ei7.pdb:0.8", "other=2cex.pdb"))
    {'wanted': {'source': '1ei7.pdb', 'weight': 0.8}, 'other': {'source': '2cex.pdb'}}
    """
    out: dict[str, Any] = {}
    for text in texts:
        name, equals, source = text.partition("=")
        if not equals or not source:
            raise InputError(
                f"species {text!r} is not understood; write NAME=SOURCE:WEIGHT, such as wanted=1ei7.pdb:0.8"
            )
        if name in out:
            raise InputError(f"species {name!r} is given twice; give each one a name of its own")
        before, colon, last = source.rpartition(":")
        try:
            out[name] = {"source": before, "weight": float(last)} if colon else {"source": source}
        except ValueError:
            out[name] = {"source": source}
    return out
