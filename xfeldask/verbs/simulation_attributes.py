"""What a simulated store says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

from xfeldask.engines.preparation import Prepared
from xfeldask.formats.particles import particle_name
from xfeldask.physics.binning import bin_factor, low_q_bin
from xfeldask.store.layout import FORMAT

VERSIONS = ("xfeldask", "numpy", "numba", "zarr", "xarray", "dask")


@cache
def _versions() -> Mapping[str, str]:
    return {name: version(name) for name in VERSIONS}


def attributes_of(prepared: Prepared, device: str) -> dict[str, Any]:
    """Return the root attributes of a store; `device` is what its photons are drawn on."""
    experiment, mixture = prepared.inputs.experiment, prepared.inputs.mixture
    several: dict[str, Any] = {}
    if experiment.species is not None:
        several = {"species": list(experiment.species), "bodies": [body.name for body in mixture.bodies]}
    shown = particle_name(experiment.source) if experiment.particle else ", ".join(several["species"])
    return {
        "title": f"{experiment.n_shots} simulated diffraction shots of {shown}",
        "Conventions": "CF-1.11",
        "format": FORMAT,
        "experiment": experiment.model_dump_json(),
        "experiment_digest": experiment.digest,
        "particle": particle_name(experiment.source),
        **several,
        "seed": experiment.seed,
        "photon_energy": experiment.beam.photon_energy,
        "pixel_size": prepared.inputs.geometry.pixel_size,
        "bin": bin_factor(prepared.inputs.geometry),
        "low_q_bin": low_q_bin(prepared.inputs.geometry),
        "mean_single_photons": prepared.single_photons,
        "device": device,
        "versions": dict(_versions()),
    }
