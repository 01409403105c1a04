"""`judge`: what contamination costs a reconstruction, and what sorting gives back."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xfeldask.errors import NUMBER, WHOLE, InputError, XfeldaskWarning, refuse_unlike
from xfeldask.orient.cycle import expand_maximise_compress, merged
from xfeldask.orient.models import Models
from xfeldask.orient.parallel import By
from xfeldask.orient.rotations import rotation_grid
from xfeldask.orient.schedule import Level
from xfeldask.orient.sparse import Pixels, SparseFrames, pixels_of
from xfeldask.orient.starts import begun
from xfeldask.orient.state import State
from xfeldask.physics.intensities import species_intensity
from xfeldask.physics.orientations import symmetry_group
from xfeldask.schema import BLANK, OTHER
from xfeldask.scores.quality import Quality, chance_correlation, quality
from xfeldask.store.choosing.columns import Shots
from xfeldask.store.choosing.truth import true_kinds, true_singles
from xfeldask.store.results.embedding import Embedding
from xfeldask.store.results.reconstruction import Reconstruction, outdated, refuse_unfinished
from xfeldask.store.run import Run
from xfeldask.store.store_given import Store, opened
from xfeldask.verbs.arguments.given import refuse_seed
from xfeldask.verbs.arguments.on_device import compared_by
from xfeldask.verbs.parts.reconstruction_plan import planned, refuse_few
from xfeldask.work.compute import one_thread_a_task
from xfeldask.work.progress import Tell, reporter
from xfeldask.work.reconstructing import read_frames

SETS = ("all hits", "accepted", "true singles")


def judge(
    store: Store,
    *,
    symmetry: str | None = None,
    resolution: float | None = None,
    rotations: int | None = None,
    most_shots: int = 5000,
    repeats: int = 3,
    starts: int = 8,
    embedding: str | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: bool | Tell = True,
) -> xr.Dataset:
    """Reconstruct from all hits, from those accepted, and from those that are single in truth; compare with the truth.

    Nothing is written.

    Parameters
    ----------
    store : path of a simulated store that was sorted, or a Dataset of all of it
    symmetry, resolution, rotations, starts, device : as of `reconstruct`
    most_shots : int, drawn anew from each set for each repeat
    repeats : int, of each reconstruction, from other shots and other noise
    embedding : str, optional, whose verdicts are judged; the only one that was sorted by default
    seed : int
    progress : as of `embed`

    Returns
    -------
    xarray.Dataset
        `correlation` (set, repeat, shell) with the exact intensity, about the mean of each shell; `mean_correlation`
        (set, repeat) of all shells; `orientation_error` (set, repeat) of the true singles in the set [deg];
        `n_shots`, `purity`, `other_species` (set,), fractions of true singles and of single hits of another species

    Raises
    ------
    InputError
        The store was not simulated, not sorted, or several embeddings were and none is named; too few shots in a set;
        a device that is not there.
    """
    refuse_unlike("a whole number", WHOLE, rotations=rotations, most_shots=most_shots, repeats=repeats, starts=starts,
                  seed=seed)  # fmt: skip
    refuse_unlike("a number of metres", NUMBER, resolution=resolution)
    refuse_unlike("text", str, symmetry=symmetry, embedding=embedding)
    refuse_seed(seed)
    if repeats < 1 or most_shots < 1:
        raise InputError(f"a judgement needs at least 1 repeat and 1 shot, got {repeats} and most_shots={most_shots}")
    run = opened(store).refuse_incomplete()
    if "n_particles" not in run or run.atoms is None:
        raise InputError(f"{run.path} holds no truth to judge by; it was not simulated")
    sets, single = _sets(run, embedding)
    pixels = pixels_of(run.geometry, run.wavelength)
    plan, group = planned(pixels, resolution, rotations, None), symmetry_group(symmetry or "C1")
    for name, shots in sets.items():
        refuse_few(min(len(shots), most_shots), plan, group, f"of the set {name}")
    by, known = compared_by(device, pixels, plan, group, progress), run.known_background
    found: dict[str, list[Quality]] = {name: [] for name in sets}
    with (
        one_thread_a_task(),
        reporter("judging", len(sets) * repeats, "reconstructions", progress) as telling,
    ):
        for repeat in range(repeats):
            rng = np.random.default_rng((seed, repeat))
            for name, shots in sets.items():
                some = np.sort(rng.choice(shots, min(len(shots), most_shots), replace=False))
                frames = read_frames(run, some, pixels, "image", known, False)
                state = reconstructed(frames, pixels, plan, group, starts, (seed + 1) * 1000 + repeat, by)
                found[name].append(
                    compared_with_truth(run, state.models, quaternions(state, group), some, single, group)
                )
                telling.advance(1)
    other = true_kinds(run) == OTHER
    return _dataset(found, {name: (len(s), single[s].mean(), other[s].mean()) for name, s in sets.items()})


def reconstruction_quality(store: Store, name: str | None = None) -> Quality:
    """Compare a reconstruction in a simulated store with the truth.

    Parameters
    ----------
    store : path, or a Dataset of all of it
    name : str, optional, of the reconstruction; the only one by default

    Raises
    ------
    InputError
        The store was not simulated, it has several reconstructions and no name was given, or the one that is meant is
        not finished, or was made of no true single hit.
    MissingFileError
        It has none.

    Warns
    -----
    XfeldaskWarning
        It was made with another background than the run has.
    """
    run = opened(store)
    if "n_particles" not in run or run.atoms is None:
        raise InputError(f"{run.path} holds no truth to compare with; it was not simulated")
    chosen = Reconstruction.chosen(run, name)
    found, parameters = chosen.dataset(), chosen.parameters
    refuse_unfinished(chosen)
    shots = np.flatnonzero(found["used"].values)
    s = found["s"].values
    models = Models(found["intensity"].values[None], np.ones(1), float(s[-1] - s[-2]))
    single = true_singles(run)
    pixels = pixels_of(run.geometry, run.wavelength, parameters.images)
    own = shots[single[shots]]
    if not own.size:
        raise InputError(f"{chosen.name} of {run.path} was made of no true single hit: there is nothing to compare")
    # the shots are merged over what the reconstruction knew of their background
    known = None if parameters.background is None else run.known_background
    if parameters.background is not None and (old := outdated(run, parameters)) is not None:
        warnings.warn(
            f"{chosen.name} was {old}; it is compared over the one that there is", XfeldaskWarning, stacklevel=2
        )
    frames = read_frames(run, own, pixels, parameters.images, known, False)
    radius = float(parameters.schedule[-1]["radius"])
    # where the axes of a particle from a file lie is not known
    true = run.read("orientation")[own, 0]
    oracle = merged(frames, pixels, true, radius, symmetry_group(run.symmetry or "C1")).intensity[0]
    imposed = symmetry_group(parameters.symmetry)
    compared = compared_with_truth(run, models, found["orientation"].values[shots], shots, single, imposed, oracle)
    chance = chance_correlation(models.intensity[0], models.step, imposed)
    return replace(compared, shells=replace(compared.shells, chance=chance))


def exact_intensity(run: Run, size: int, step: float) -> NDArray[np.float64]:
    """Return the intensity of the wanted particle of a simulated run on a grid, float64 (size, size, size).

    Parameters
    ----------
    run : Run
    size : int, points a side
    step : [1/m]
    """
    axis = (np.arange(size) - size // 2) * step
    s = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    forms, mixture = run.forms, run.mixture
    assert mixture is not None  # forms are of its bodies
    return species_intensity(mixture, forms, mixture.wanted, s)


def quaternions(state: State, group: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the likeliest orientation of each shot of a State of one intensity, float64 (shot, 4)."""
    return np.asarray(rotation_grid(state.refinement, group).quaternion[state.rotation[:, 0]])


def _sets(run: Run, embedding: str | None) -> tuple[Mapping[str, NDArray[np.int64]], NDArray[np.bool_]]:
    """Shots of each set, and which shots are single in truth."""
    judging = Embedding.with_verdicts(run, embedding)
    if judging is None or not judging.is_sorted:
        raise Embedding.none_sorted(run)
    columns = Shots.of(run, judging.name)
    single = true_singles(run)
    hit = run.read("photon_count") > 0
    if "verdict" in columns.names():
        hit &= columns.column("verdict").values != BLANK
    masks = hit, columns.column("is_single").values.astype(bool), single
    return {name: np.flatnonzero(mask) for name, mask in zip(SETS, masks, strict=True)}, single


def reconstructed(
    frames: SparseFrames, pixels: Pixels, plan: tuple[Level, ...], group: NDArray[np.float64], starts: int, seed: int,
    by: By,
) -> State:  # fmt: skip
    """Reconstruct one intensity from noise; see `begun` and `expand_maximise_compress`."""
    start = begun(frames, pixels, plan[0], starts=starts, seed=seed, group=group, inner=True, by=by)
    return expand_maximise_compress(frames, pixels, start, plan, group=group, by=by)


def compared_with_truth(
    run: Run, models: Models, orientation: NDArray[np.float64], shots: NDArray[np.int64], single: NDArray[np.bool_],
    imposed: NDArray[np.float64], oracle: NDArray[np.float64] | None = None,
) -> Quality:  # fmt: skip
    """Compare an intensity, and the orientations of `shots` of a simulated run, with the truth.

    Parameters
    ----------
    run : Run
    models : Models, of one intensity
    orientation : float64 (n, 4), of the shots
    shots : int64 (n,), absolute indices
    single : bool (shot,), which of all shots are true singles
    imposed : float64 (order, 4), symmetry that was given
    oracle : float64 (n, n, n), optional, as of `quality`
    """
    exact = exact_intensity(run, models.intensity.shape[-1], models.step)
    known = single[shots]
    truth = run.read("orientation")[shots[known], 0]
    group = symmetry_group(run.symmetry) if run.symmetry else None
    return quality(models.intensity[0], exact, models.step, orientation[known], truth, group, oracle, imposed)


def _dataset(found: Mapping[str, list[Quality]], facts: Mapping[str, tuple[int, float, float]]) -> xr.Dataset:
    n_shots, purity, other = (np.array(values) for values in zip(*facts.values(), strict=True))
    correlation = np.array([[each.shells.correlation for each in many] for many in found.values()])
    error = np.array([[each.orientation_error for each in many] for many in found.values()])
    s = next(iter(found.values()))[0].shells.s
    return xr.Dataset(
        {
            "correlation": (("set", "repeat", "shell"), correlation),
            "mean_correlation": (("set", "repeat"), correlation.mean(axis=2)),
            "orientation_error": (("set", "repeat"), error, {"units": "degree"}),
            "n_shots": (("set",), n_shots),
            "purity": (("set",), purity),
            "other_species": (("set",), other),
        },
        coords={"set": list(found), "s": (("shell",), s, {"units": "m-1"})},
    )
