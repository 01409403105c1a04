"""Everything random about a shot but its photons, from (seed, shot index) alone."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.config import Experiment, Hits, Nuisance
from xfeldask.physics.draws import Stream, stream_key, uniform
from xfeldask.physics.elementary import cosine_sine_of, cube_root_of, exp_of
from xfeldask.physics.forward import Margins
from xfeldask.physics.orientations import canonical, super_fibonacci, uniform_quaternion
from xfeldask.physics.species import NO_PARTICLE, Mixture
from xfeldask.physics.variates import LEAST_SPREAD, NORMAL_CUT, cut_normals, unit_gammas

PER_PARTICLE = ("orientation", "position", "fluence", "size", "species", "variant", "coordinate")
"""Fields of a plan with a value for each particle of a shot."""


@dataclass(frozen=True)
class ShotPlan:
    """Truth of `n` shots with room for `k` particles; NaN, or -1 of an index, where there is no particle.

    Attributes
    ----------
    n_particles : int16 (n,)
    orientation : float64 (n, k, 4), unit quaternion w, x, y, z
    position : float64 (n, k, 3) [m]
    fluence : float64 (n, k), at the particle [1/um^2]
    size : float64 (n, k), relative
    photon_energy : float64 (n,) [eV]
    beam_center : float64 (n, 2), where the beam meets the detector [m]
    background : float64 (n,), expected scattered photons on all pixels
    species : int16 (n, k), index of each particle's species; None where there is one alone
    variant : int32 (n, k), index of its variant; None likewise
    coordinate : float64 (n, k), that of its variant; None likewise

    Examples
    --------
    >>> from xfeldask.config import Experiment
    >>> plan = plan_shots(Experiment(particle="chaperonin", n_shots=3, hits={0: 1, 1: 1}), 75e-6, np.arange(3))
    >>> plan.n_particles.shape, plan.orientation.shape, plan.fluence.shape
    ((3,), (3, 1, 4), (3, 1))
    """

    n_particles: NDArray[np.int16]
    orientation: NDArray[np.float64]
    position: NDArray[np.float64]
    fluence: NDArray[np.float64]
    size: NDArray[np.float64]
    photon_energy: NDArray[np.float64]
    beam_center: NDArray[np.float64]
    background: NDArray[np.float64]
    species: NDArray[np.int16] | None = None
    variant: NDArray[np.int32] | None = None
    coordinate: NDArray[np.float64] | None = None

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """All fields that are known, by name."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in found.items() if value is not None}

    def with_room(self, particles: int) -> ShotPlan:
        """Return the plan with room for so many particles of a shot."""
        known: dict[str, Any] = self.arrays()
        return replace(self, **{name: known[name][:, :particles] for name in PER_PARTICLE if name in known})


def plan_shots(
    experiment: Experiment,
    pixel_size: float,
    shots: NDArray[np.int64],
    orientations: NDArray[np.float64] | None = None,
    single_photons: float = 0.0,
    mixture: Mixture | None = None,
    background_weights: NDArray[np.float64] | None = None,
) -> ShotPlan:
    """Draw the truth of some shots; each depends on the seed and its own index only.

    Parameters
    ----------
    experiment : Experiment
    pixel_size : float [m]
    shots : int (n,), absolute shot indices
    orientations : (m, 4), optional, first particles' quaternions; shot i takes row i modulo m
    single_photons : float, mean photons of a single hit at full fluence, the measure of the background
    mixture : Mixture, where the experiment has species
    background_weights : (m,), where the experiment lists them; shot i takes weight i modulo m

    Returns
    -------
    ShotPlan, with room for as many particles as the experiment's hits allow

    Examples
    --------
    >>> experiment = Experiment(particle="chaperonin", n_shots=9, hits={0: 1, 1: 1, 2: 1}, seed=7)
    >>> every, last = (plan_shots(experiment, 75e-6, shots) for shots in (np.arange(9), np.array([8])))
    >>> every.n_particles.tolist(), last.n_particles.tolist()
    ([0, 2, 1, 0, 0, 1, 1, 2, 2], [2])
    >>> bool((every.position[8] == last.position[0])[: last.n_particles[0]].all())
    True
    """
    seed, hits, nuisance, beam = experiment.seed, experiment.hits, experiment.nuisance, experiment.beam
    count = draw_counts(seed, hits, shots)
    room = max(1, len(hits.probabilities()) - 1)
    absent = np.arange(room) >= count[:, None]

    quaternion = uniform_quaternion(_draw(seed, Stream.ORIENTATION, shots, room, 3))
    if orientations is not None:
        quaternion[:, 0] = canonical(orientations[shots % len(orientations)])
    place, focus_factor = _places(seed, hits, nuisance, beam.focus_radius, shots, room)
    pulse = unit_gammas(stream_key(seed, Stream.PULSE, shots), nuisance.pulse_spread)
    fluence = beam.fluence * 1e-12 * pulse[:, None] * focus_factor
    size = 1 + nuisance.size_spread * cut_normals(uniform(seed, Stream.SIZE, shots, room))
    energy = 1 + nuisance.energy_spread * cut_normals(uniform(seed, Stream.ENERGY, shots, 1)[:, 0])
    center = nuisance.center_spread * pixel_size * cut_normals(uniform(seed, Stream.CENTER, shots, 2))

    species, variant, coordinate = None, None, None
    if experiment.species is not None and mixture is not None:
        species, variant = _drawn_species(experiment, mixture, shots, room)
        coordinate = mixture.coordinates(species, variant)
        size *= _relative_diameters(experiment, species, shots)
        species[absent], variant[absent], coordinate[absent] = NO_PARTICLE, NO_PARTICLE, np.nan
    for value in (quaternion, place, fluence, size):
        value[absent] = np.nan
    weight = _background_weight(experiment, shots, pulse, background_weights)
    background = nuisance.background * single_photons * weight
    photon_energy = beam.photon_energy * energy
    return ShotPlan(
        count, quaternion, place, fluence, size, photon_energy, center, background, species, variant, coordinate
    )


def _background_weight(
    experiment: Experiment,
    shots: NDArray[np.int64],
    pulse: NDArray[np.float64],
    listed: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """Weight of the background of each shot, (n,): listed, drawn, or that of the pulse."""
    asked = experiment.background
    if asked is not None and asked.weights is not None and listed is not None:
        return np.asarray(listed[shots % len(listed)])
    if asked is not None and asked.spread is not None:
        return unit_gammas(stream_key(experiment.seed, Stream.BACKGROUND, shots), asked.spread)
    return pulse


def _drawn_species(
    experiment: Experiment, mixture: Mixture, shots: NDArray[np.int64], room: int
) -> tuple[NDArray[np.int16], NDArray[np.int32]]:
    """Species and variant of each particle, (n, room)."""
    weights = [species.weight for species in experiment.named_species().values()]
    edges = np.cumsum(weights) / sum(weights)
    u = uniform(experiment.seed, Stream.SPECIES, shots, room)
    species = np.searchsorted(edges[:-1], u, side="right").astype(np.int16)
    u = uniform(experiment.seed, Stream.VARIANT, shots, room)
    return species, (u * mixture.variants[species]).astype(np.int32)


def _relative_diameters(
    experiment: Experiment, species: NDArray[np.int16], shots: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Diameter of each sphere over the nominal one of its species, (n, room); 1 of all else."""
    out = np.ones(species.shape)
    u = uniform(experiment.seed, Stream.DIAMETER, shots, species.shape[1])
    for index, kind in enumerate(experiment.named_species().values()):
        sphere = kind.sphere
        if sphere is None:
            continue
        mine = species == index
        if isinstance(sphere.diameter, tuple):
            low, high = sphere.diameter
            out[mine] = (low + u[mine] * (high - low)) / sphere.nominal
        if sphere.spread:
            v = uniform(experiment.seed, Stream.SPREAD, shots, species.shape[1])
            out[mine] *= exp_of(sphere.spread * cut_normals(v[mine]))
    return out


def first_orientations(experiment: Experiment, given: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
    """Return the set that first particles take their orientations from, or None where they are random.

    Examples
    --------
    >>> even = Experiment(particle="chaperonin", n_shots=9, orientations={"kind": "uniform", "count": 5})
    >>> first_orientations(even, None).shape
    (5, 4)
    >>> first_orientations(Experiment(particle="chaperonin", n_shots=9), None) is None
    True
    """
    if experiment.orientations.kind == "uniform":
        assert experiment.orientations.count is not None
        return super_fibonacci(experiment.orientations.count)
    return given


def draw_counts(seed: int, hits: Hits, shots: NDArray[np.int64]) -> NDArray[np.int16]:
    """Draw the number of particles of each shot, int16 (n,).

    Examples
    --------
    >>> from xfeldask.config import Hits
    >>> draw_counts(7, Hits(single_fraction=0.5), np.arange(8)).tolist()
    [1, 2, 2, 1, 1, 1, 2, 2]
    """
    edges = np.cumsum(hits.probabilities())
    u = uniform(seed, Stream.PARTICLES, shots, 1)[:, 0]
    return np.searchsorted(edges[:-1], u, side="right").astype(np.int16)


def margins(nuisance: Nuisance, pixel_size: float) -> Margins:
    """How far the shots of a plan may leave the nominal geometry.

    Examples
    --------
    >>> from xfeldask.config import Nuisance
    >>> margins(Nuisance(), 75e-6).scale
    1.0
    """
    return Margins(
        center=np.sqrt(2) * NORMAL_CUT * nuisance.center_spread * pixel_size,
        scale=(1 + NORMAL_CUT * nuisance.energy_spread) * (1 + NORMAL_CUT * nuisance.size_spread),
    )


def strongest_pulse(spread: float) -> float:
    """Factor on the fluence that one pulse of 2**53 exceeds, for a relative `spread` of the pulses.

    Examples
    --------
    >>> strongest_pulse(0.0), round(strongest_pulse(0.2), 2)
    (1.0, 3.61)
    """
    if spread <= LEAST_SPREAD:
        return 1.0
    from scipy.special import gammaincinv

    shape = 1 / (spread * spread)
    return float(gammaincinv(shape, 1 - 2.0**-53) / shape)


def dead_pixels(seed: int, fraction: float, shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Pixels that record nothing in the whole run, bool (panel, ss, fs).

    Examples
    --------
    >>> dead_pixels(7, 0.5, (1, 2, 4)).sum()
    np.int64(6)
    """
    return uniform(seed, Stream.DEAD_PIXELS, 0, int(np.prod(shape))).reshape(shape) < fraction


def _places(
    seed: int, hits: Hits, nuisance: Nuisance, radius: float, shots: NDArray[np.int64], room: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions (n, room, 3) [m] and fluence factors (n, room) of all particles."""
    u = _draw(seed, Stream.POSITION, shots, room, 3)
    squared_radius = uniform(seed, Stream.FLUENCE, shots, room)
    factor = exp_of(-2 * squared_radius) if nuisance.focus == "gaussian" else np.ones_like(squared_radius)
    cosine, sine = cosine_sine_of(u[..., 0])
    if hits.placement == "focus":
        lateral, z = radius * np.sqrt(squared_radius), radius * (2 * u[..., 1] - 1)
    else:
        near, far = hits.separation
        smallest, largest = near * near * near, far * far * far
        distance = cube_root_of(smallest + u[..., 2] * (largest - smallest))
        z = distance * (2 * u[..., 1] - 1)
        lateral = np.sqrt(np.maximum(distance * distance - z * z, 0))
    place = np.stack([lateral * cosine, lateral * sine, z], axis=-1)
    if hits.placement == "shell":
        place[:, 0] = 0.0
    return place, factor


def _draw(seed: int, stream: Stream, shots: NDArray[np.int64], room: int, each: int) -> NDArray[np.float64]:
    return uniform(seed, stream, shots, room * each).reshape(len(shots), room, each)
