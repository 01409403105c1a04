"""What keywords ask for: an experiment, and the arrays among them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.config import Detector, Experiment
from xfeldask.config.parts import Orientations
from xfeldask.errors import InputError
from xfeldask.formats.inputs import beam_values
from xfeldask.physics.atoms import Atoms, make_atoms


def as_experiment(
    experiment: Experiment | None, particle: Any, n_shots: int | None, orientations: Any, parts: Mapping[str, Any]
) -> tuple[Experiment, Atoms | Mapping[str, Atoms] | None, NDArray[np.float64] | None]:
    """Turn the keywords of `simulate` into an experiment, and the arrays among them; those of species by name.

    Examples
    --------
    >>> parts, turns = {"single_fraction": 0.9}, [[1, 0, 0, 0]]
    >>> experiment, atoms, orientations = as_experiment(None, "chaperonin", 100, turns, parts)
    >>> experiment.hits.single_fraction, atoms, orientations.tolist()
    (0.9, None, [[1, 0, 0, 0]])
    """
    values = {} if experiment is None else {k: getattr(experiment, k) for k in Experiment.model_fields}
    values |= {k: v for k, v in parts.items() if v is not None and k not in ("single_fraction", "response")}
    if parts.get("response") is not None:
        values["detector"] = _reading(values.get("detector"), parts["response"])
    single = parts.get("single_fraction")
    if single is not None:
        if parts.get("hits") is not None:
            raise InputError("give either single_fraction or hits, not both")
        values["hits"] = {"single_fraction": single}
    if "beam" in values:
        values["beam"] = beam_values(values["beam"])
    atoms: Atoms | Mapping[str, Atoms] | None = _given_atoms(particle)
    if particle is not None:
        if parts.get("species") is not None:
            raise InputError("give a particle or species, not both")
        values |= {"particle": {"source": "arrays"} if atoms is not None else particle, "species": None, "wanted": None}
    if parts.get("species") is not None:
        values["particle"] = None
        values["species"], atoms = _species_values(parts["species"])
    if n_shots is not None:
        values["n_shots"] = n_shots
    listed = None
    if orientations is not None and not isinstance(orientations, str | Path | Mapping | Orientations):
        listed, orientations = _quaternions(orientations), {"kind": "list", "source": "arrays"}
    if orientations is not None:
        values["orientations"] = orientations
    made = Experiment(**values)
    if parts.get("background") is not None and made.nuisance.background == 0:
        raise InputError(
            "a background of that shape has no photons, as nuisance.background is 0; say how many, such as "
            "nuisance={'background': 0.3} for 0.3 of those of a single hit, or --nuisance realistic"
        )
    return made, atoms, listed


def _quaternions(given: Any) -> NDArray[np.float64]:
    """Return an array of what is like one; that it holds quaternions is looked at where those of a file are."""
    try:
        return np.asarray(given)
    except ValueError:
        raise InputError("orientations must be quaternions (n, 4), w x y z, got rows of several lengths") from None


def _reading(detector: Any, response: Any) -> dict[str, Any]:
    """Parts of a detector, with how it reads photons."""
    if isinstance(detector, Detector):
        parts: dict[str, Any] = detector.model_dump()
    elif isinstance(detector, Mapping):
        parts = dict(detector)
    else:
        parts = {} if detector is None else {"source": str(detector)}
    return {**parts, "response": response}


def _given_atoms(value: Any) -> Atoms | None:
    """Return the atoms of arrays; None of what is none."""
    if isinstance(value, Atoms):
        return value
    if isinstance(value, tuple):
        if len(value) != 2:
            raise InputError("particle arrays are a pair: positions (n, 3) [m] and elements (n,)")
        return make_atoms(*value)
    return None


def _species_values(species: Any) -> tuple[Any, dict[str, Atoms]]:
    """Take the atoms that were given as arrays out of species, by name."""
    if not isinstance(species, Mapping):
        raise InputError(f"species are a source, or parts, by name, got {species!r}")
    values, given = dict(species), {}
    for name, item in species.items():
        parts = item if isinstance(item, Mapping) else {"source": item}
        atoms = _given_atoms(parts.get("source"))
        if atoms is not None:
            given[name] = atoms
            values[name] = {**parts, "source": "arrays"}
        elif isinstance(parts.get("source"), Path):
            values[name] = {**parts, "source": str(parts["source"])}
    return values, given
