"""An experiment worked out as far as it can be before anything is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from xfeldask.config import Experiment
from xfeldask.engines.engine import ENGINES, Engine, make_engine
from xfeldask.errors import InputError, MemoryNeededError
from xfeldask.formats.inputs import Inputs
from xfeldask.physics.binning import bin_factor, binned_shape, image_axes, low_q_axes, low_q_shape
from xfeldask.physics.detectors import (
    Geometry,
    assembled_index,
    polarization,
    scattering_vector,
    solid_angle,
    wavelength,
)
from xfeldask.physics.forward import largest_s, mean_photons
from xfeldask.physics.plan import (
    PER_PARTICLE,
    ShotPlan,
    draw_counts,
    first_orientations,
    margins,
    plan_shots,
    strongest_pulse,
)
from xfeldask.physics.volume import Volume, build_volume, measured_error
from xfeldask.schema import named
from xfeldask.store.layout import TRUTH_PER_CHUNK, Layout, shard_length

MEMORY_PART = 0.5
"""Part of the machine's free memory that building a form factor may take."""
BYTES_A_SHOT = 16
"""Memory that the index of shots takes while it is written."""


@dataclass(frozen=True)
class Prepared:
    """What all shots share.

    Attributes
    ----------
    inputs : Inputs
    layout : Layout
    volume : Volume
    error : float, relative, of an interpolated amplitude
    single_photons : float, mean photons of a single hit at full fluence
    orientations : float64 (n, 4) or None, the set that first particles are turned by
    engine : Engine
    """

    inputs: Inputs
    layout: Layout
    volume: Volume
    error: float
    single_photons: float
    orientations: NDArray[np.float64] | None
    engine: Engine

    def plan(self, shots: NDArray[np.int64]) -> ShotPlan:
        """Truth of some shots, given by their absolute indices, with the room for particles that the store has."""
        experiment, pixel_size = self.inputs.experiment, self.inputs.geometry.pixel_size
        plan = plan_shots(experiment, pixel_size, shots, self.orientations, self.single_photons)
        room = self.layout.particles
        return replace(plan, **{name: getattr(plan, name)[:, :room] for name in PER_PARTICLE})

    @property
    def bytes_of_fixed(self) -> int:
        """Bytes of the variables that do not grow with the number of shots, uncompressed."""
        return sum(np.asarray(value).nbytes for value in fixed_variables(self).values())

    @property
    def bytes_of_model(self) -> int:
        """Bytes that the forward model takes in each worker: volume, its bounds, pixels."""
        return 3 * self.volume.values.nbytes + 24 * self.inputs.geometry.mask.size


def prepare(inputs: Inputs) -> Prepared:
    """Compute everything that shots share.

    Raises
    ------
    UnknownNameError
        There is no such engine.
    MemoryNeededError
        The form factor would not fit into the machine's free memory.
    InputError
        Shots of more photons than a total can hold, or an engine that cannot do what is asked.
    """
    experiment, geometry = inputs.experiment, inputs.geometry
    ENGINES[experiment.engine]  # what is slow comes after a name that is not known
    memory = int(psutil.virtual_memory().available * MEMORY_PART)
    if BYTES_A_SHOT * experiment.n_shots > memory:
        needed, advice = BYTES_A_SHOT * experiment.n_shots, "make several stores of fewer shots"
        raise MemoryNeededError(f"the index of {experiment.n_shots:,} shots", needed, memory, advice)
    lam = wavelength(experiment.beam.photon_energy)
    s_max = largest_s(geometry, lam, margins(experiment.nuisance, geometry.pixel_size))
    volume = build_volume(inputs.atoms, s_max, memory)
    particles = max(
        int(draw_counts(experiment.seed, experiment.hits, shots).max()) for shots in blocks_of(experiment.n_shots)
    )
    single_photons = mean_photons(volume, geometry, experiment.beam)
    refuse_uncountable(experiment, particles, single_photons)
    shard = shard_length(geometry.shape, np.dtype(experiment.photon_dtype).itemsize)
    layout = Layout(
        experiment.n_shots,
        geometry.shape,
        binned_shape(geometry, bin_factor(geometry)),
        low_q_shape(geometry),
        max(1, particles),
        experiment.photon_dtype,
        experiment.intensity,
        min(shard, 2 ** (experiment.n_shots - 1).bit_length()),
    )
    return Prepared(
        inputs,
        layout,
        volume,
        measured_error(volume, inputs.atoms),
        single_photons,
        first_orientations(experiment, inputs.orientations),
        make_engine(experiment, geometry, volume, inputs.atoms),
    )


def refuse_uncountable(experiment: Experiment, particles: int, single_photons: float) -> None:
    """Refuse shots whose photons a total cannot hold, at the strongest pulse that can be drawn.

    Parameters
    ----------
    experiment : Experiment
    particles : int, most particles of a shot
    single_photons : float, mean photons of a single hit at full fluence

    Examples
    --------
    >>> from xfeldask.config import Beam
    >>> bright = Beam(photon_energy=4600, photons_per_pulse=1e20, focus_radius=1e-9)
    >>> experiment = Experiment(particle="chaperonin", n_shots=1, beam=bright)
    >>> try:
    ...     refuse_uncountable(experiment, particles=1, single_photons=1e16)
    ... except InputError as error:
    ...     print(str(error).split(",")[0])
    photons_per_pulse 1e+20 in a focus of radius 1e-09 m scatter up to 1e+16 photons a shot
    """
    nuisance, beam = experiment.nuisance, experiment.beam
    expected = (particles + nuisance.background) * single_photons * strongest_pulse(nuisance.pulse_spread)
    most = min(np.iinfo(v.dtype).max for v in named("total") if v.units == "count")
    if expected > most:
        raise InputError(
            f"photons_per_pulse {beam.photons_per_pulse:g} in a focus of radius {beam.focus_radius:g} m scatter up to "
            f"{expected:.2g} photons a shot, and a total holds {most}; lower photons_per_pulse or widen focus_radius"
        )


def fixed_variables(prepared: Prepared) -> dict[str, NDArray[Any]]:
    """Variables of role "fixed" in the root of a store, by name."""
    atoms = prepared.inputs.atoms
    lam = wavelength(prepared.inputs.experiment.beam.photon_energy)
    return {
        **detector_variables(prepared.inputs.geometry, prepared.layout.n_shots, lam),
        "atom_position": atoms.position,
        "atom_element": atoms.element,
        "atom_occupancy": atoms.occupancy,
    }


def detector_variables(geometry: Geometry, n_shots: int, wavelength: float) -> dict[str, NDArray[Any]]:
    """Variables of role "fixed" that follow from a detector, a number of shots and a wavelength [m], by name.

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> found = detector_variables(square(4, 1e-3, 0.1), n_shots=3, wavelength=1e-10)
    >>> found["shot"].tolist(), found["mask"].shape, found["assembled_row"][0, :, 0].tolist()
    ([0, 1, 2], (1, 4, 4), [0, 1, 2, 3])
    """
    row, column = assembled_index(geometry)
    axes = (*image_axes(geometry, wavelength, bin_factor(geometry)), *low_q_axes(geometry, wavelength))
    return {
        "shot": np.arange(n_shots),
        **{name: axis * 1e-10 for name, axis in zip(("y", "x", "low_y", "low_x"), axes, strict=True)},
        "xyz": np.array(["x", "y", "z"]),
        "xy": np.array(["x", "y"]),
        "quaternion": np.array(["w", "x", "y", "z"]),
        "pixel_position": geometry.pixel_position,
        "q": scattering_vector(geometry.pixel_position, wavelength) * 1e-10,
        "solid_angle": solid_angle(geometry),
        "polarization": polarization(geometry),
        "assembled_row": row,
        "assembled_col": column,
        "mask": geometry.mask,
    }


def blocks_of(n_shots: int) -> Iterator[NDArray[np.int64]]:
    """Shot indices in the chunks that truth is stored in.

    Examples
    --------
    >>> [len(block) for block in blocks_of(5000)]
    [2048, 2048, 904]
    """
    for start in range(0, n_shots, TRUTH_PER_CHUNK):
        yield np.arange(start, min(n_shots, start + TRUTH_PER_CHUNK))
