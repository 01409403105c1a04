"""`reconstruct`: the intensity of the particle, and the orientation of each shot."""

from __future__ import annotations

import hashlib
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xfeldask.errors import InputError, StoreExistsError, XfeldaskWarning
from xfeldask.orient.alignment import turned_onto
from xfeldask.orient.cycle import expand_maximise_compress, explained_at_once, judged
from xfeldask.orient.rotations import rotation_grid
from xfeldask.orient.schedule import Level, refinement_of, schedule
from xfeldask.orient.sparse import Pixels, SparseFrames, pixels_of
from xfeldask.orient.starts import begun
from xfeldask.orient.state import State
from xfeldask.physics.orientations import symmetry_group
from xfeldask.store.columns import Shots
from xfeldask.store.lock import held
from xfeldask.store.reconstructed import columns_of, dataset_of, state_of, variable
from xfeldask.store.reconstruction import LEAST_GAIN, Reconstructing, Reconstruction
from xfeldask.store.run import Run
from xfeldask.store.selecting import select
from xfeldask.verbs.options import Store, opened, refuse_unnameable
from xfeldask.work.compute import one_thread_a_task
from xfeldask.work.progress import Reporter, Tell, reporter
from xfeldask.work.reconstructing import ByDask, read_frames

USUAL_RADIUS = 34.0
"""Radius that is reconstructed unless a resolution is given [bins], as far as the detector reaches."""

HELD_OUT, MOST_HELD_OUT = 20, 250
"""One shot of so many is not reconstructed from, no more than so many: they tell whether there is anything in it."""

BETWEEN_CHECKPOINTS = 5.0
"""Time between two checkpoints [s]; what is lost with a process takes no longer to do again."""


def reconstruct(
    store: Store,
    *,
    where: str | None = None,
    name: str = "emc",
    symmetry: str | None = None,
    resolution: float | None = None,
    rotations: int | None = None,
    n_iterations: int | None = None,
    starts: int = 8,
    half_sets: bool = False,
    images: str = "image",
    embedding: str | None = None,
    seed: int = 0,
    overwrite: bool = False,
    progress: bool | Tell = True,
) -> xr.Dataset:
    """Reconstruct the intensity of the particle, and the orientation of each shot, by expand, maximise, compress.

    Truth that a store may hold is not read, unless `where` asks for it. Iterations are kept as they are made: the same
    call goes on where one broke off.

    Parameters
    ----------
    store : path of a store, or a Dataset of all of it as `open_dataset` gives
    where : str, optional, an expression that chooses shots, as of `select`; by default those that were accepted as
        single hits, or all where none were sorted
    name : str, of the reconstruction
    symmetry : str, optional, point group of the particle, such as "D8" (main axis along z); none by default
    resolution : float, optional, that is reconstructed to [m]; by default 34 bins, or as far as the detector reaches
    rotations : int, optional, most rotations of the finest grid before symmetry; by the resolution by default
    n_iterations : int, optional, most iterations at each level of resolution
    starts : int, how often to begin from noise, with 2,000 of the shots, before the best is followed
    half_sets : bool, reconstruct from each half of the shots too, so that the two can be compared
    images : "image", or "low_q" for particles so large that their speckles are finer
    embedding : str, optional, whose verdicts and quantities are meant; the first by default
    seed : int, of the noise
    overwrite : bool, replace a reconstruction of the same name
    progress : as of `embed`

    Returns
    -------
    xarray.Dataset, ``/reconstruction/<name>``: `intensity` (u, v, w), `s` (u,), `orientation` (shot, quaternion),
    `orientation_spread`, `log_likelihood` (shot,), the likeliest rotations of each shot, what each iteration found, and
    every parameter

    Raises
    ------
    InputError
        No shots, only blank ones, fewer than rotations; a parameter out of range.
    StoreExistsError
        The reconstruction is there and `overwrite` is false.

    Warns
    -----
    XfeldaskWarning
        Nothing was found, or all shots have one orientation.

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> _ = xfeldask.simulate(path, particle="chaperonin", detector="square-64", n_shots=100, progress=False)
    >>> reconstruct(path, resolution=12e-9, symmetry="D8", starts=1, progress=False).intensity.dims
    ('u', 'v', 'w')
    """
    run = opened(store).refuse_incomplete()
    refuse_unnameable(name, "reconstruction")
    shots, meant = chosen_shots(run, where, embedding)
    pixels = pixels_of(run.geometry, run.wavelength, images)
    plan = planned(pixels, resolution, rotations, n_iterations)
    group = symmetry_group(symmetry or "C1")
    which = f"where {where}" if where else "that were accepted" if meant else "of the store"
    refuse_few(len(shots), plan, group, which)
    if half_sets:
        refuse_few((len(shots) - int(held_out(len(shots)).sum())) // 2, plan, group, "of half a set")
    parameters = Reconstructing(
        where=where,
        shots_digest=hashlib.sha256(shots.tobytes()).hexdigest(),
        n_used=len(shots),
        images=images,
        symmetry=symmetry or "C1",
        resolution=1 / (plan[-1].radius * pixels.step),
        schedule=[asdict(level) for level in plan],
        starts=starts,
        half_sets=half_sets,
        seed=seed,
        embedding=meant,
        version=version("xfeldask"),
    )
    place = Reconstruction(run, name)
    with held(run.path, place.place), one_thread_a_task():
        begun_before = _before(place, parameters, overwrite)
        frames = read_frames(run, shots, pixels, images, progress)
        _refuse_blank(frames, pixels, plan)
        work = _Work(run, place, parameters, frames, shots, pixels, plan, group)
        with reporter("reconstructing", work.total, "iterations", progress) as telling:
            work.run_all(begun_before, telling)
    return Reconstruction(run, name).dataset()


def chosen_shots(run: Run, where: str | None, embedding: str | None) -> tuple[NDArray[np.int64], str | None]:
    """Return the shots that are meant, absolute indices, and the embedding that told of them."""
    columns = Shots.of(run, embedding)
    meant = columns.embedding
    if where is not None:
        return select(run.path, where, embedding), meant
    if "is_single" in columns.names():
        return np.flatnonzero(columns.column("is_single").values).astype(np.int64), meant
    return np.flatnonzero(run.done()).astype(np.int64), None


def planned(
    pixels: Pixels, resolution: float | None, rotations: int | None, n_iterations: int | None
) -> tuple[Level, ...]:
    """Return the levels of a reconstruction.

    Raises
    ------
    InputError
        A resolution beyond the detector, no rotation, no iteration.
    """
    reach = pixels.reach
    if resolution is None:
        radius = min(USUAL_RADIUS, reach / np.sqrt(2))
    elif not resolution > 0:
        raise InputError(f"the resolution must be positive, got {resolution} m")
    else:
        radius = 1 / (resolution * pixels.step)
        if not 2 <= radius <= reach:
            raise InputError(
                f"the resolution of {resolution * 1e9:.3g} nm is not between {1e9 / (2 * pixels.step):.3g} and "
                f"{1e9 / (reach * pixels.step):.3g} nm, which the detector sees; give one that is, in m"
            )
    finest = None if rotations is None else refinement_of(rotations)
    plan = schedule(float(radius), finest)
    if n_iterations is None:
        return plan
    return tuple(replace(level, iterations=min(level.iterations, n_iterations)) for level in plan)


def refuse_few(shots: int, plan: Sequence[Level], group: NDArray[np.float64], which: str) -> None:
    """Refuse to reconstruct from fewer shots than there are rotations at the first level.

    Raises
    ------
    InputError
    """
    needed = rotation_grid(plan[0].refinement, group).n_rotations
    if shots < needed:
        raise InputError(
            f"{shots:,} shots {which} are too few for the {needed:,} rotations that a reconstruction begins with; give "
            "more shots, the particle's symmetry, or fewer rotations"
        )


def _refuse_blank(frames: SparseFrames, pixels: Pixels, plan: Sequence[Level]) -> None:
    photons = frames.photons(pixels.within(plan[-1].radius))
    if photons.mean() < 2:
        raise InputError(
            f"the shots are blank: {photons.mean():.2g} photons each within the resolution; choose others with where, "
            "such as 'photon_count > 100'"
        )


def _before(place: Reconstruction, parameters: Reconstructing, overwrite: bool) -> xr.Dataset | None:
    """Return what an earlier call came to, if it is to be gone on with."""
    if not place.is_there or overwrite:
        return None
    if place.is_finished or not place.fits:
        raise StoreExistsError(
            f"{place.run.path} has a reconstruction {place.name}; pass overwrite=True (--overwrite) or another name"
        )
    if place.parameters.model_dump() != parameters.model_dump():
        raise InputError(
            f"{place.run.path} has a reconstruction {place.name} that was begun otherwise; repeat that call to go on "
            "with it, or pass overwrite=True (--overwrite)"
        )
    return place.dataset().load()


@dataclass(frozen=True, eq=False)
class _Work:
    """A reconstruction that is being made."""

    run: Run
    place: Reconstruction
    parameters: Reconstructing
    frames: SparseFrames
    shots: NDArray[np.int64]
    pixels: Pixels
    plan: tuple[Level, ...]
    group: NDArray[np.float64]

    @property
    def total(self) -> int:
        """Iterations at most."""
        all_levels = sum(level.iterations for level in self.plan)
        return all_levels + self.parameters.half_sets * 2 * all_levels

    def run_all(self, before: xr.Dataset | None, telling: Reporter) -> None:
        """Reconstruct from all shots but those held out, look at these, and reconstruct from halves."""
        out = held_out(len(self.frames))
        fit = np.flatnonzero(~out)
        state = None if before is None else state_of(before)[0]
        state = self._reconstructed(self.frames[fit], self.parameters.seed, telling, state, self.shots[fit])
        found = dataset_of(state, self.shots[fit], self.run.n_shots, self.group)
        if out.any():
            gain, at_once = self._look_at(found, state, fit, np.flatnonzero(out))
            found = found.assign_attrs(held_out_gain=gain)
        if self.parameters.half_sets:
            found = found.assign(self._halves(state, fit, telling))
        self._publish(found, finished=True)
        if out.any():
            warn_of_nothing(gain, at_once)

    def _reconstructed(
        self, frames: SparseFrames, seed: int, telling: Reporter, state: State | None,
        shots: NDArray[np.int64] | None,
    ) -> State:  # fmt: skip
        """Reconstruct from some shots; checkpoints are written where `shots` says whose they are."""
        each, steps = ByDask(), np.cumsum([0, *(level.iterations for level in self.plan)])
        done, told = 0, time.monotonic()

        def tell(now: State) -> None:
            nonlocal done, told
            reached = int(steps[min(now.level, len(self.plan))]) + now.iteration
            telling.advance(reached - done)
            done = reached
            if shots is not None and time.monotonic() - told > BETWEEN_CHECKPOINTS and now.level < len(self.plan):
                self._publish(dataset_of(now, shots, self.run.n_shots, self.group), finished=False)
                told = time.monotonic()

        if state is None:
            state = begun(frames, self.pixels, self.plan[0], starts=self.parameters.starts, seed=seed,
                          group=self.group, inner=True, each=each)  # fmt: skip
        tell(state)
        return expand_maximise_compress(frames, self.pixels, state, self.plan, group=self.group, each=each, tell=tell)

    def _look_at(
        self, found: xr.Dataset, state: State, fit: NDArray[np.int64], out: NDArray[np.int64]
    ) -> tuple[float, float]:
        """Fill in what the intensity says of shots that were held out.

        Returns
        -------
        float, float
            What the intensity explains of them beyond their mean profile, and what their mean image does [nat a shot].
        """
        frames, each = self.frames[out], ByDask()
        looked = judged(frames, self.pixels, state.models, self.plan, group=self.group, each=each)
        for name, values in columns_of(looked, self.group).items():
            found[name].values[self.shots[out]] = values
        at_once = explained_at_once(self.frames[fit], frames, self.pixels, self.plan[-1].radius)
        return float(looked.contrast.mean()), float(at_once.mean())

    def _halves(self, state: State, fit: NDArray[np.int64], telling: Reporter) -> dict[str, xr.Variable]:
        """Reconstruct from each half of the shots by itself, and turn what comes out onto what all shots gave."""
        half, turned = np.full(self.run.n_shots, -1, np.int8), []
        for number in range(2):
            own = fit[number::2]
            half[self.shots[own]] = number
            found = self._reconstructed(self.frames[own], self.parameters.seed + 1 + number, telling, None, None)
            turned.append(turned_onto(found.models.intensity[0], state.models.intensity[0]))
        return {"half": variable("half", half), "half_intensity": variable("half_intensity", np.stack(turned))}

    def _publish(self, found: xr.Dataset, finished: bool) -> None:
        attributes: dict[str, Any] = {"parameters": self.parameters.to_json(), "finished": finished}
        self.place.publish(found.assign_attrs(attributes))


def held_out(shots: int) -> NDArray[np.bool_]:
    """Return which of so many shots are held out, bool (shot,), evenly chosen; none of very few."""
    out = np.zeros(shots, bool)
    count = min(shots // HELD_OUT, MOST_HELD_OUT)
    if count > 1:
        out[np.linspace(0, shots - 1, count).round().astype(np.int64)] = True
    return out


def warn_of_nothing(gain: float, at_once: float) -> None:
    """Warn where the intensity shows nothing that can be relied on.

    Parameters
    ----------
    gain : what the intensity explains of a shot that was held out, over their mean profile [nat]
    at_once : what the mean image explains of it [nat]
    """
    told = None
    if gain < LEAST_GAIN:
        told = (
            "nothing was found: the intensity explains shots that it was not made of no better than their mean profile "
            f"({gain:.2g} nat a shot); reconstruct from more or brighter shots, to a lower resolution, or give the "
            "symmetry"
        )
    elif at_once > max(1.0, gain / 2):
        told = (
            "the shots have one orientation: their mean image explains each of them nearly as well as the intensity "
            f"({at_once:.2g} of {gain:.2g} nat a shot), which is known in one slice only; it needs shots of particles "
            "that lie in many ways"
        )
    if told is not None:
        warnings.warn(told, XfeldaskWarning, stacklevel=4)
