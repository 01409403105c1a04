"""The truth of shots as the samplers take it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.physics.detectors import HC, R_E, Geometry
from xfeldask.physics.draws import Stream, stream_key
from xfeldask.physics.members import Members, taken_apart, whole
from xfeldask.physics.orientations import rotation_matrix
from xfeldask.physics.plan import ShotPlan
from xfeldask.physics.shot_blocks import Shots
from xfeldask.physics.species import Mixture


def shots_of_plan(
    plan: ShotPlan, seed: int, shots: NDArray[np.int64], geometry: Geometry, mixture: Mixture | None = None
) -> Shots:
    """Rows of a plan, which are the absolute `shots`, as the samplers take them.

    Parameters
    ----------
    plan : ShotPlan
    seed : int
    shots : int (n,), absolute indices
    geometry : Geometry
    mixture : Mixture, where the plan has species

    Raises
    ------
    InputError
        Truth that is none: a number that is not finite, a fluence below 0, a species that there is not.

    Examples
    --------
    >>> from xfeldask.config import Experiment
    >>> from xfeldask.physics.detectors import square
    >>> from xfeldask.physics.plan import plan_shots
    >>> plan = plan_shots(Experiment(particle="chaperonin", n_shots=3, hits={2: 1}), 1e-3, np.arange(3))
    >>> shots = shots_of_plan(plan, 0, np.arange(3), square(4, 1e-3, 0.1))
    >>> shots.start.tolist(), shots.position.shape
    ([0, 2, 4, 6], (6, 3))
    """
    present = np.arange(plan.fluence.shape[1]) < plan.n_particles[:, None]
    _refuse_impossible(plan, present, shots, mixture)
    members = _members(plan, present, mixture)
    fluence = plan.fluence[present][members.particle]
    # members of a shot are neighbours
    ends = np.searchsorted(members.particle, np.cumsum(present.sum(axis=1)))
    return Shots(
        np.concatenate([[0], ends]).astype(np.int64),
        rotation_matrix(members.orientation),
        np.ascontiguousarray(members.position),
        np.sqrt(fluence * 1e12) * geometry.pixel_size * R_E * members.growth,
        np.ascontiguousarray(members.size),
        members.body,
        plan.photon_energy / HC,
        np.array(plan.beam_center),
        plan.background / geometry.mask.size,
        stream_key(seed, Stream.PHOTONS, shots),
    )


def _members(plan: ShotPlan, present: NDArray[np.bool_], mixture: Mixture | None) -> Members:
    at = plan.orientation[present], plan.position[present], plan.size[present]
    if plan.species is None or plan.variant is None or mixture is None:
        return whole(*at)
    return taken_apart(mixture, plan.species[present], plan.variant[present], *at)


def _refuse_impossible(
    plan: ShotPlan, present: NDArray[np.bool_], shots: NDArray[np.int64], mixture: Mixture | None
) -> None:
    good = np.isfinite(plan.photon_energy) & (plan.photon_energy > 0) & np.isfinite(plan.beam_center).all(axis=1)
    good &= np.isfinite(plan.background) & (plan.background >= 0)
    good &= (plan.n_particles >= 0) & (plan.n_particles <= present.shape[1])
    particles = np.isfinite(plan.orientation).all(axis=2) & np.isfinite(plan.position).all(axis=2)
    particles &= np.isfinite(plan.fluence) & (plan.fluence >= 0) & np.isfinite(plan.size) & (plan.size > 0)
    if plan.species is not None and plan.variant is not None and mixture is not None:
        known = (plan.species >= 0) & (plan.species < len(mixture.species))
        most = mixture.variants[np.where(known, plan.species, 0)]
        particles &= known & (plan.variant >= 0) & (plan.variant < most)
    good &= (particles | ~present).all(axis=1)
    if not good.all():
        raise InputError(f"the truth of shot {shots[good.argmin()]} holds numbers that cannot be; verify the store")
