"""An experiment: everything that decides the bytes of a store, in and out of TOML, with a digest."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import tomlkit
from pydantic import (
    BaseModel,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from xfeldask.config.background import Background
from xfeldask.config.base import Model, by_name
from xfeldask.config.limits import trusted
from xfeldask.config.parts import (
    BEAMS,
    NUISANCES,
    REALISTIC_HITS,
    Beam,
    Detector,
    Hits,
    Nuisance,
    Orientations,
    Particle,
    hits_values,
)
from xfeldask.config.species import Hinge, Species, Sphere, species_values
from xfeldask.errors import FormatError, InputError, MissingFileError, UnknownNameError

LATER = ("particle", "species", "wanted", "background")
"""Left out of what is written where they are not given, so that experiments have the digest that they always had."""

NAMES = ("source", "mask", "pixel_size", "distance", "assembly", "waters", "conformers", "weights")
"""What a digest of contents stands for."""


class Experiment(Model):
    """Everything that decides the bytes of a simulated store.

    What is shot at is one `particle`, or several `species`, of which the first is the `wanted` one unless another is
    named.

    Examples
    --------
    >>> e = Experiment(particle="chaperonin", n_shots=100, hits={"single_fraction": 0.99})
    >>> e.beam.photon_energy, e.nuisance.pulse_spread
    (4600.0, 0.0)
    >>> e.digest == Experiment(n_shots=100, particle="chaperonin", hits={"weights": {1: 99, 2: 1}}).digest
    False
    """

    particle: Particle | None = None
    species: dict[str, Species] | None = Field(None, min_length=1, max_length=256)
    wanted: str | None = Field(None, description="species that is wanted; the first one unless told")
    n_shots: Annotated[int, Field(gt=0, le=10**9)] = Field(description="number of shots")
    beam: Beam = Field(BEAMS["amo86615"], validate_default=True)
    detector: Detector = Detector()
    hits: Hits = Hits(single_fraction=1.0)
    nuisance: Nuisance = Nuisance()
    background: Background | None = None
    orientations: Orientations = Orientations()
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(0, description="of all random numbers")
    engine: str = Field("xfeldask", min_length=1, description="what draws the photons: xfeldask, skopi, or your own")
    intensity: bool = Field(False, description="store expected photons too")
    photon_dtype: Literal["uint8", "uint16"] = Field("uint8", description="of a pixel; full pixels stay full")

    @field_validator("particle", "detector", "background", mode="before")
    @classmethod
    def _source(cls, value: object) -> object:
        return {"source": str(value)} if isinstance(value, str | Path) else value

    @field_validator("species", mode="before")
    @classmethod
    def _species(cls, value: object) -> object:
        return species_values(value)

    @field_validator("beam", mode="before")
    @classmethod
    def _beam(cls, value: object) -> object:
        return by_name("beam", value, BEAMS)

    @field_validator("hits", mode="before")
    @classmethod
    def _hits(cls, value: object) -> object:
        return hits_values(value)

    @field_validator("orientations", mode="before")
    @classmethod
    def _orientations(cls, value: object) -> object:
        return {"kind": value} if isinstance(value, str) else value

    @model_validator(mode="before")
    @classmethod
    def _presets(cls, data: Any) -> Any:
        """Name a nuisance preset, alone or beside parts that differ from it; its hits are the default."""
        if not isinstance(data, dict):
            return data
        nuisance = data.get("nuisance", "ideal")
        parts = {"preset": nuisance} if isinstance(nuisance, str) else nuisance
        if isinstance(parts, dict):
            preset = parts.get("preset", "ideal")
            base = by_name("nuisance preset", str(preset), NUISANCES)
            own = {k: v for k, v in parts.items() if k != "preset"}
            data = {**data, "nuisance": {**base.model_dump(), **own}}
            if preset == "realistic" and data.get("hits") is None:
                data["hits"] = REALISTIC_HITS
        given = {k: v for k, v in data.items() if v is not None}
        if not given.keys() & {"particle", "species"} and given.keys() <= cls.model_fields.keys():
            raise InputError("particle is missing; give it a value, or give species")
        return given

    @model_validator(mode="after")
    def _one_or_several(self) -> Self:
        if self.particle is not None and self.species is not None:
            raise ValueError("give a particle or species, not both")
        if self.wanted is not None and self.wanted not in (self.species or {}):
            raise UnknownNameError("species", self.wanted, self.species or {})
        return self

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in write(self).items() if value is not None or name not in LATER}

    def named_species(self) -> dict[str, Species]:
        """Return the species by name, in order; of a `particle` alone, it under the name of none."""
        if self.species is not None:
            return self.species
        assert self.particle is not None
        return {"": Species(**self.particle.model_dump())}

    @property
    def wanted_index(self) -> int:
        """Index of the species that is wanted."""
        return 0 if self.wanted is None else list(self.named_species()).index(self.wanted)

    @property
    def source(self) -> str:
        """What a person calls the particle, which is its source, or the name of the wanted species."""
        if self.particle is not None:
            return self.particle.source
        return list(self.named_species())[self.wanted_index]

    def to_toml(self) -> str:
        """Write the experiment as TOML, each value with its unit or meaning; `from_toml` reads it back."""
        return tomlkit.dumps(_table(self))

    @property
    def digest(self) -> str:
        """SHA-256 of all values, in hexadecimal; names of files count only through their contents."""
        text = json.dumps(self.identity(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def identity(self) -> dict[str, Any]:
        """All values, flat (``beam.photon_energy``), without the names of sources whose digest is known."""
        flat: dict[str, Any] = {}
        for key, value in self.model_dump(mode="json").items():
            if key == "species":
                flat[key] = list(value)  # in an order that counts
                flat |= {f"{key}.{name}.{k}": v for name, of_it in value.items() for k, v in of_it.items()}
            elif isinstance(value, dict):
                flat |= {f"{key}.{k}": v for k, v in value.items()}
                inner = flat.pop(f"{key}.response", None) or {}
                flat |= {f"{key}.response.{k}": v for k, v in inner.items()}
            else:
                flat[key] = value
        of_species = [f"species.{name}" for name in self.species or {}]
        for part in ("particle", "detector", "orientations", "background", *of_species):
            if flat.get(f"{part}.digest"):
                for name in NAMES:
                    flat.pop(f"{part}.{name}", None)
        return flat

    @classmethod
    def from_stored(cls, text: str) -> Self:
        """Read the JSON of an experiment that a store was made from; values that are refused today are taken.

        Raises
        ------
        ValueError
            It is no JSON, or not of an experiment.
        """
        with trusted():
            return cls(**json.loads(text))

    @classmethod
    def from_toml(cls, path: str | Path) -> Self:
        """Read an experiment file; paths in it are relative to it.

        Raises
        ------
        MissingFileError, FormatError, InputError
            There is no such file, it is no TOML, or a value in it cannot be used.
        """
        path = Path(path)
        try:
            data = tomllib.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            raise MissingFileError(f"no experiment file {path}; write one with: xfeldask config {path}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise FormatError(path, f"cannot be read as text ({error})") from None
        except tomllib.TOMLDecodeError as error:
            raise FormatError(path, f"not valid TOML: {error}") from None
        return cls(**_beside(data, path.parent))


def _table(model: BaseModel) -> tomlkit.TOMLDocument:
    """List a model's set values in order, plain ones before tables; of a species those that are no defaults."""
    out = tomlkit.document()
    values = model.model_dump(
        mode="json", exclude_none=True, exclude_defaults=isinstance(model, Species | Sphere | Hinge)
    )
    for name in sorted(values, key=lambda name: isinstance(getattr(model, name), BaseModel | dict)):
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            out.add(name, _table(value))
        elif name == "species":
            several = tomlkit.table(is_super_table=True)
            for key, item in value.items():
                several.add(key, _table(item))
            out.add(name, several)
        elif name != "digest":
            item = tomlkit.item(values[name])
            out.add(name, item.comment(type(model).model_fields[name].description or ""))
    return out


def _beside(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Make paths that exist beside the experiment file absolute."""
    places = {"particle": ("source",), "detector": ("source", "mask"), "orientations": ("source",),
              "background": ("source", "weights")}  # fmt: skip

    def found(value: object) -> object:
        if isinstance(value, list):
            return [found(item) for item in value]
        # an array in a file is named file.h5:/array
        there = isinstance(value, str) and (folder / value.partition(":/")[0]).is_file()
        return str(folder / value) if isinstance(value, str) and there else value

    out = dict(data)
    for part, names in places.items():
        value = out.get(part)
        if isinstance(value, dict):
            out[part] = {k: found(v) if k in names else v for k, v in value.items()}
        elif value is not None:
            out[part] = found(value)
    if isinstance(out.get("species"), dict):
        out["species"] = {
            name: {k: found(v) if k in ("source", "conformers") else v for k, v in item.items()}
            if isinstance(item, dict)
            else found(item)
            for name, item in out["species"].items()
        }
    return out
