"""An experiment worked out as far as it can be before anything is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from xfeldask.config import Experiment
from xfeldask.engines.engine import ENGINES, Engine, make_engine
from xfeldask.engines.recording import readout_of
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
    ShotPlan,
    draw_counts,
    first_orientations,
    margins,
    plan_shots,
    strongest_pulse,
)
from xfeldask.physics.readout import Readout
from xfeldask.physics.species import Form, Mixture, build_form, form_bytes, form_error
from xfeldask.physics.variates import NORMAL_CUT
from xfeldask.schema import named
from xfeldask.store.layout import READ, TRUTH, TRUTH_PER_CHUNK, Layout, shard_length
from xfeldask.store.volumes import atom_variables

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
    forms : tuple of Form, one for each body of the mixture
    errors : tuple of float, relative, of an amplitude of each
    single_photons : float, mean photons of a single hit of the wanted species at full fluence
    orientations : float64 (n, 4) or None, the set that first particles are turned by
    engine : Engine
    detector : variables that follow from the detector, by name, as of `detector_variables`
    readout : Readout or None, as of `readout_of`
    """

    inputs: Inputs
    layout: Layout
    forms: tuple[Form, ...]
    errors: tuple[float, ...]
    single_photons: float
    orientations: NDArray[np.float64] | None
    engine: Engine
    detector: Mapping[str, NDArray[Any]]
    readout: Readout | None = None

    def plan(self, shots: NDArray[np.int64]) -> ShotPlan:
        """Truth of some shots, given by their absolute indices, with the room for particles that the store has."""
        experiment, pixel_size = self.inputs.experiment, self.inputs.geometry.pixel_size
        inputs = self.inputs
        plan = plan_shots(
            experiment,
            pixel_size,
            shots,
            self.orientations,
            self.single_photons,
            inputs.mixture,
            inputs.background_weights,
        )
        return plan.with_room(self.layout.particles)

    @property
    def volume(self) -> Form:
        """Form factor of the wanted species' first body."""
        mixture = self.inputs.mixture
        return self.forms[mixture.bodies.index(mixture.wanted_body)]

    @property
    def bytes_of_fixed(self) -> int:
        """Bytes of the variables that do not grow with the number of shots, uncompressed."""
        return sum(np.asarray(value).nbytes for value in fixed_variables(self).values())

    @property
    def bytes_of_model(self) -> int:
        """Bytes that the forward model takes in each worker: volumes, their bounds, pixels."""
        return 3 * sum(map(form_bytes, self.forms)) + 24 * self.inputs.geometry.mask.size


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
    readout = readout_of(experiment, geometry)
    lam = wavelength(experiment.beam.photon_energy)
    s_max = largest_s(geometry, lam, margins(experiment.nuisance, geometry.pixel_size))
    mixture = inputs.mixture
    with ThreadPoolExecutor(1) as beside:  # arrays of every pixel and sums over atoms leave Python to the rest
        detector = beside.submit(detector_variables, geometry, experiment.n_shots, lam)
        forms = tuple(build_form(body, s_max, memory) for body in mixture.bodies)
        errors = beside.map(form_error, forms, mixture.bodies)
        particles = max(
            int(draw_counts(experiment.seed, experiment.hits, shots).max()) for shots in blocks_of(experiment.n_shots)
        )
        each = [mean_photons(form, geometry, experiment.beam, s_max) for form in forms]
        single = sum(each[body] for body in mixture.species[mixture.wanted].body[0].tolist())
        refuse_uncountable(experiment, particles, brightest(experiment, mixture, each), single, heaviest(inputs))
        engine = make_engine(experiment, geometry, forms, mixture, inputs.background)
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
        tuple(v.name for role in TRUTH for v in named(role) if role == "truth" or experiment.species is not None),
        () if readout is None else READ if readout.adu else READ[:1],
    )
    return Prepared(
        inputs,
        layout,
        forms,
        tuple(errors),
        single,
        first_orientations(experiment, inputs.orientations),
        engine,
        detector.result(),
        readout,
    )


def heaviest(inputs: Inputs) -> float:
    """Largest weight that the background of a shot can have."""
    experiment, listed = inputs.experiment, inputs.background_weights
    if listed is not None:
        return float(listed.max())
    asked = None if experiment.background is None else experiment.background.spread
    return strongest_pulse(experiment.nuisance.pulse_spread if asked is None else asked)


def brightest(experiment: Experiment, mixture: Mixture, photons: Sequence[float]) -> float:
    """Most mean photons of a particle of any species, all its bodies in phase, at the largest size that can be drawn.

    Parameters
    ----------
    experiment : Experiment
    mixture : Mixture
    photons : mean photons of each body at full fluence
    """
    found = []
    for asked, species in zip(experiment.named_species().values(), mixture.species, strict=True):
        amplitude = float(np.sqrt(np.asarray(photons)[species.body]).sum(axis=1).max())
        size = 1.0
        if asked.sphere is not None:
            widest = max(np.atleast_1d(asked.sphere.diameter)) / asked.sphere.nominal
            size = widest * np.exp(NORMAL_CUT * asked.sphere.spread)
        found.append(amplitude**2 * size**6)
    return float(max(found))


def refuse_uncountable(
    experiment: Experiment, particles: int, brightest: float, single_photons: float, heaviest: float
) -> None:
    """Refuse shots whose photons a total cannot hold, at the strongest pulse that can be drawn.

    Parameters
    ----------
    experiment : Experiment
    particles : int, most particles of a shot
    brightest : float, most mean photons of one of them at full fluence
    single_photons : float, mean photons of a single hit at full fluence
    heaviest : float, largest weight of the background

    Examples
    --------
    >>> from xfeldask.config import Beam
    >>> bright = Beam(photon_energy=4600, photons_per_pulse=1e20, focus_radius=1e-9)
    >>> experiment = Experiment(particle="chaperonin", n_shots=1, beam=bright)
    >>> try:
    ...     refuse_uncountable(experiment, particles=1, brightest=1e16, single_photons=1e16, heaviest=1.0)
    ... except InputError as error:
    ...     print(str(error).split(",")[0])
    photons_per_pulse 1e+20 in a focus of radius 1e-09 m scatter up to 1e+16 photons a shot
    """
    nuisance, beam = experiment.nuisance, experiment.beam
    expected = particles * brightest * strongest_pulse(nuisance.pulse_spread)
    expected += nuisance.background * single_photons * heaviest
    most = min(np.iinfo(v.dtype).max for v in named("total") if v.units == "count")
    if expected > most:
        raise InputError(
            f"photons_per_pulse {beam.photons_per_pulse:g} in a focus of radius {beam.focus_radius:g} m scatter up to "
            f"{expected:.2g} photons a shot, and a total holds {most}; lower photons_per_pulse or widen focus_radius"
        )


def fixed_variables(prepared: Prepared) -> dict[str, NDArray[Any]]:
    """Variables of role "fixed" in the root of a store, by name."""
    atoms = prepared.inputs.mixture.atoms
    return {
        **prepared.detector,
        **({} if atoms is None else atom_variables(atoms)),
        **({} if prepared.inputs.background is None else {"background_shape": prepared.inputs.background}),
        **({} if prepared.readout is None else prepared.readout.variables()),
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


def blocks_of(n_shots: int, chunks: int = 1) -> Iterator[NDArray[np.int64]]:
    """Shot indices in the chunks that truth is stored in, one or several at a time.

    Examples
    --------
    >>> [len(block) for block in blocks_of(5000)], [len(block) for block in blocks_of(5000, 2)]
    ([2048, 2048, 904], [4096, 904])
    """
    size = chunks * TRUTH_PER_CHUNK
    for start in range(0, n_shots, size):
        yield np.arange(start, min(n_shots, start + size))
