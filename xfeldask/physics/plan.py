"""Everything random about a shot but its photons, from (seed, shot index) alone."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

from xfeldask.config import Experiment, Hits, Nuisance
from xfeldask.errors import InputError
from xfeldask.physics.detectors import HC, R_E, Geometry
from xfeldask.physics.draws import Stream, gamma, normal_quantile, stream_key, uniform
from xfeldask.physics.elementary import cosine_sine_of, cube_root_of, exp_of
from xfeldask.physics.forward import Margins
from xfeldask.physics.jit import kernel
from xfeldask.physics.orientations import canonical, rotation_matrix, super_fibonacci, uniform_quaternion
from xfeldask.physics.sampling import Shot

CUT = 4.0
"""Normal variates are cut at this many standard deviations, so that reciprocal space stays bounded."""

LEAST_SPREAD = 1e-100
"""Of pulses; the square of one below has no inverse."""

PER_PARTICLE = ("orientation", "position", "fluence", "size")
"""Fields of a plan with a value for each particle of a shot."""


@dataclass(frozen=True)
class ShotPlan:
    """Truth of `n` shots with room for `k` particles; NaN where there is no particle.

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

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """All fields by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def plan_shots(
    experiment: Experiment,
    pixel_size: float,
    shots: NDArray[np.int64],
    orientations: NDArray[np.float64] | None = None,
    single_photons: float = 0.0,
) -> ShotPlan:
    """Draw the truth of some shots; each depends on the seed and its own index only.

    Parameters
    ----------
    experiment : Experiment
    pixel_size : float [m]
    shots : int (n,), absolute shot indices
    orientations : (m, 4), optional, first particles' quaternions; shot i takes row i modulo m
    single_photons : float, mean photons of a single hit at full fluence, the measure of the background

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
    pulse = _gamma(stream_key(seed, Stream.PULSE, shots), nuisance.pulse_spread)
    fluence = beam.fluence * 1e-12 * pulse[:, None] * focus_factor
    size = 1 + nuisance.size_spread * _normal(uniform(seed, Stream.SIZE, shots, room))
    energy = 1 + nuisance.energy_spread * _normal(uniform(seed, Stream.ENERGY, shots, 1)[:, 0])
    center = nuisance.center_spread * pixel_size * _normal(uniform(seed, Stream.CENTER, shots, 2))

    for value in (quaternion, place, fluence, size):
        value[absent] = np.nan
    background = nuisance.background * single_photons * pulse
    return ShotPlan(count, quaternion, place, fluence, size, beam.photon_energy * energy, center, background)


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


def shots_of_plan(plan: ShotPlan, seed: int, shots: NDArray[np.int64], geometry: Geometry) -> list[Shot]:
    """Rows of a plan, which are the absolute `shots`, as the samplers take them.

    Raises
    ------
    InputError
        Truth that is none: a number that is not finite, a fluence below 0.

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> plan = plan_shots(Experiment(particle="chaperonin", n_shots=3, hits={2: 1}), 1e-3, np.arange(3))
    >>> shots = shots_of_plan(plan, 0, np.arange(3), square(4, 1e-3, 0.1))
    >>> [shot.position.shape for shot in shots]
    [(2, 3), (2, 3), (2, 3)]
    """
    present = np.arange(plan.fluence.shape[1]) < plan.n_particles[:, None]
    _refuse_no_truth(plan, present, shots)
    rotation = np.zeros((*plan.fluence.shape, 3, 3))
    rotation[present] = rotation_matrix(plan.orientation[present])
    strength = np.sqrt(plan.fluence * 1e12) * geometry.pixel_size * R_E
    wavenumber = plan.photon_energy / HC
    background = plan.background / geometry.mask.size
    key = stream_key(seed, Stream.PHOTONS, shots)
    out = []
    for i, k in enumerate(plan.n_particles.tolist()):
        out.append(
            Shot(
                rotation[i, :k],
                plan.position[i, :k],
                strength[i, :k],
                plan.size[i, :k],
                float(wavenumber[i]),
                plan.beam_center[i],
                float(background[i]),
                key[i],
            )
        )
    return out


def _refuse_no_truth(plan: ShotPlan, present: NDArray[np.bool_], shots: NDArray[np.int64]) -> None:
    good = np.isfinite(plan.photon_energy) & (plan.photon_energy > 0) & np.isfinite(plan.beam_center).all(axis=1)
    good &= np.isfinite(plan.background) & (plan.background >= 0)
    good &= (plan.n_particles >= 0) & (plan.n_particles <= present.shape[1])
    particles = np.isfinite(plan.orientation).all(axis=2) & np.isfinite(plan.position).all(axis=2)
    particles &= np.isfinite(plan.fluence) & (plan.fluence >= 0) & np.isfinite(plan.size) & (plan.size > 0)
    good &= (particles | ~present).all(axis=1)
    if not good.all():
        raise InputError(f"the truth of shot {shots[good.argmin()]} holds numbers that cannot be; verify the store")


def margins(nuisance: Nuisance, pixel_size: float) -> Margins:
    """How far the shots of a plan may leave the nominal geometry.

    Examples
    --------
    >>> from xfeldask.config import Nuisance
    >>> margins(Nuisance(), 75e-6).scale
    1.0
    """
    return Margins(
        center=np.sqrt(2) * CUT * nuisance.center_spread * pixel_size,
        scale=(1 + CUT * nuisance.energy_spread) * (1 + CUT * nuisance.size_spread),
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


def _normal(u: NDArray[np.float64]) -> NDArray[np.float64]:
    # the half step keeps u = 0 away from minus infinity
    out = np.ravel(u) + 2.0**-54
    _normal_quantiles(out)
    return np.clip(out.reshape(u.shape), -CUT, CUT)


@kernel
def _normal_quantiles(p: NDArray[np.float64]) -> None:
    for i in range(p.size):
        p[i] = normal_quantile(p[i])


def _gamma(key: NDArray[np.uint64], spread: float) -> NDArray[np.float64]:
    """Gamma variates of mean 1 and relative `spread`."""
    out = np.ones(key.shape)
    if spread > LEAST_SPREAD:
        _gammas(key, 1 / (spread * spread), out)
    return out


@kernel
def _gammas(key: NDArray[np.uint64], shape: float, out: NDArray[np.float64]) -> None:
    for i in range(key.size):
        out[i] = gamma(key[i], shape) / shape
