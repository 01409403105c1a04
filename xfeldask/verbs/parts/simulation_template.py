"""A simulated store before its shots: detector, form factors, truth, and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

import zarr

from xfeldask.config.species import NO_SPECIES
from xfeldask.engines.preparation import Prepared, blocks_of, fixed_variables
from xfeldask.errors import InputError, UnreachableError
from xfeldask.formats.particles import particle_name
from xfeldask.physics.binning import bin_factor, low_q_bin
from xfeldask.physics.species import NO_PARTICLE
from xfeldask.physics.volume import Volume
from xfeldask.store.layout import FORMAT, Flags, create_template, shot_array
from xfeldask.store.run import Run
from xfeldask.store.storage.manifest import seal
from xfeldask.store.storage.places import place_of
from xfeldask.store.storage.publish import replaced_group
from xfeldask.store.storage.urls import StorePath
from xfeldask.store.volumes import write_mixture, write_volume
from xfeldask.verbs.arguments.drawing_device import CPU

VERSIONS = ("xfeldask", "numpy", "numba", "zarr", "xarray", "dask")
AT_ONCE = 16
"""Chunks of truth that are written together: an array takes about as long to be told of one chunk as of many."""


def publish_template(path: StorePath, prepared: Prepared, device: str = CPU) -> Run:
    """Write a store without shots beside `path`, then move it there in one step, in the place of one that is there.

    Raises
    ------
    InputError
        The disk is full or read-only.
    """
    try:
        place_of(path).sweep_beside()
        with replaced_group(path) as fresh:
            attributes = _attributes(prepared, device)
            root = create_template(fresh, prepared.layout, fixed_variables(prepared), attributes, _flags(prepared))
            _write_forms(root, prepared)
            _write_truth(root, prepared)
            seal(fresh)
    except UnreachableError:
        raise
    except (OSError, RuntimeError) as error:
        raise InputError(f"cannot write {path}: {error}; choose a disk with room that may be written") from error
    return Run.open(path, "r+")


def _write_forms(root: zarr.Group, prepared: Prepared) -> None:
    mixture = prepared.inputs.mixture
    if prepared.inputs.experiment.species is None:
        (form,), (error,) = prepared.forms, prepared.errors
        assert isinstance(form, Volume)
        write_volume(root, mixture.wanted_body.name, form, error)
    else:
        write_mixture(root, mixture, prepared.forms, prepared.errors)


def _flags(prepared: Prepared) -> dict[str, Flags]:
    names = [species.name for species in prepared.inputs.mixture.species]
    return {"species": (*enumerate(names), (NO_PARTICLE, NO_SPECIES))}


def _write_truth(root: zarr.Group, prepared: Prepared) -> None:
    arrays = {name: shot_array(root, name) for name in prepared.layout.truth}
    for shots in blocks_of(prepared.layout.n_shots, AT_ONCE):
        for name, value in prepared.plan(shots).arrays().items():
            arrays[name][int(shots[0]) : int(shots[-1]) + 1] = value


@cache
def _versions() -> Mapping[str, str]:
    return {name: version(name) for name in VERSIONS}


def _attributes(prepared: Prepared, device: str) -> dict[str, Any]:
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
