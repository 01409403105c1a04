"""`reconstruct`: the intensity of the particle, and the orientation of each shot."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import asdict
from importlib.metadata import version

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xfeldask.errors import NUMBER, WHOLE, InputError, StoreExistsError, XfeldaskWarning, refuse_unlike
from xfeldask.orient.schedule import Level
from xfeldask.orient.sparse import pixels_of
from xfeldask.orient.starts import refuse_no_start
from xfeldask.physics.orientations import symmetry_group
from xfeldask.store.results.embedding import Embedding
from xfeldask.store.results.reconstruction import Reconstructing, Reconstruction, Unfinished
from xfeldask.store.run import Run
from xfeldask.store.store_given import Store, opened
from xfeldask.verbs.arguments.given import refuse_seed, refuse_unnameable
from xfeldask.verbs.arguments.on_device import compared_by
from xfeldask.verbs.parts.patience import awaited
from xfeldask.verbs.parts.reconstruction_following import Follower
from xfeldask.verbs.parts.reconstruction_plan import chosen_shots, held_out, planned, refuse_blank, refuse_few
from xfeldask.verbs.parts.reconstruction_work import Reconstructor
from xfeldask.work.compute import one_thread_a_task
from xfeldask.work.progress import Tell, reporter
from xfeldask.work.reconstructing import read_frames


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
    device: str = "auto",
    follow: bool = False,
    overwrite: bool = False,
    progress: bool | Tell = True,
) -> xr.Dataset:
    """Reconstruct the intensity of the particle, and the orientation of each shot, by expand, maximise, compress.

    Where the background of the run is known (`find_background`) it is part of the model. Truth that a store may hold is
    not read, unless `where` asks for it. Iterations are kept as they are made: the same
    call goes on where one broke off.

    Parameters
    ----------
    store : path of a store, or a Dataset of all of it as `open_dataset` gives
    where : str, optional, an expression that chooses shots, as of `select`; by default those that were accepted as
        single hits, of whatever kinds are wanted, or all where none were sorted
    name : str, of the reconstruction
    symmetry : str, optional, point group of the particle, such as "D8" (main axis along z); none by default
    resolution : float, optional, that is reconstructed to [m]; by default 34 bins, or as far as the detector reaches
    rotations : int, optional, most rotations of the finest grid before symmetry; by the resolution by default
    n_iterations : int, optional, most iterations at each level of resolution
    starts : int, how often to begin from noise, with 2,000 of the shots, before the best is followed
    half_sets : bool, reconstruct from each half of the shots too, so that the two can be compared
    images : "image", or "low_q" for particles so large that their speckles are finer
    embedding : str, optional, whose verdicts or quantities are meant; by default the only one that was sorted, and
        with `where` the first
    seed : int, of the noise
    device : "auto", "cpu" or "cuda"; "auto" takes a GPU where CuPy finds one with enough memory
    follow : bool, take a store that is still being written, or not there yet, publish what its shots have come to every
        few seconds, and finish with all of them when it is complete; while an embedding is being made, wait for its
        verdicts
    overwrite : bool, replace a reconstruction of the same name, which stands until the new one is finished
    progress : as of `embed`

    Returns
    -------
    xarray.Dataset, ``/reconstruction/<name>``, with `intensity` (u, v, w), `s` (u,), `orientation` (shot, quaternion),
    `orientation_spread`, `log_likelihood` (shot,), the likeliest rotations of each shot, what each iteration found, and
    every parameter

    Raises
    ------
    InputError
        No shots, only blank ones, fewer than rotations; a parameter out of range; a device that is not there.
    StoreExistsError
        The reconstruction is there and `overwrite` is false.
    RunError
        Shots that are followed are not written any more, or another run has taken the place of theirs.

    Warns
    -----
    XfeldaskWarning
        Nothing was found, or all shots have one orientation; the accepted are of several kinds of particles, of which
        one intensity is made.

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> _ = xfeldask.simulate(path, particle="chaperonin", detector="square-64", n_shots=1500, progress=False)
    >>> reconstruct(path, resolution=12e-9, symmetry="D8", starts=1, progress=False).intensity.dims
    ('u', 'v', 'w')
    """
    refuse_unlike("a whole number", WHOLE, rotations=rotations, n_iterations=n_iterations, starts=starts, seed=seed)
    refuse_unlike("a number of metres", NUMBER, resolution=resolution)
    refuse_unlike("text", str, where=where, name=name, symmetry=symmetry, images=images, embedding=embedding)
    refuse_seed(seed)
    run = awaited(store, progress) if follow else opened(store).refuse_incomplete()
    refuse_unnameable(name, "reconstruction")
    pixels = pixels_of(run.geometry, run.wavelength, images)
    plan = planned(pixels, resolution, rotations, n_iterations)
    group = symmetry_group(symmetry or "C1")
    refuse_no_start(starts)
    asked = Reconstructing(
        where=where,
        images=images,
        symmetry=symmetry or "C1",
        resolution=1 / (plan[-1].radius * pixels.step),
        schedule=[asdict(level) for level in plan],
        starts=starts,
        half_sets=half_sets,
        seed=seed,
        embedding=embedding,
        version=version("xfeldask"),
        **({"follow": True} if follow else {}),
    )
    if follow:
        _refuse_few(asked, run.n_shots, plan, group, "of the store")
    shots, parameters = (None, asked) if follow else _meant(asked, *chosen_shots(run, where, embedding), plan, group)
    by = compared_by(device, pixels, plan, group, progress)
    target, before = Reconstruction(run, name), None
    with target.held(), one_thread_a_task():
        if shots is None:
            checkpoint = _checkpoint_of(target, asked, overwrite)
            following = Follower(target, checkpoint, asked, pixels, plan, group, by, progress)
            before, there = following.until_complete()
            shots, parameters = _meant(asked, there.shots, there.embedding, plan, group)
            run = run.reopened()
            target = Reconstruction(run, name)
        known = run.known_background
        if known is not None:
            parameters = parameters.model_copy(update={"background": known.digest})
        checkpoint = _checkpoint_of(target, parameters, overwrite)
        warn_of_kinds(run, parameters)
        frames = read_frames(run, shots, pixels, images, known, progress)
        refuse_blank(frames, pixels, plan)
        work = Reconstructor(run, target, checkpoint, parameters, frames, shots, pixels, plan, group, by)
        if before is not None:
            work.begin_from(before)
        with reporter("reconstructing", work.total, "iterations", progress) as telling:
            work.run_all(telling)
    return Reconstruction(run, name).dataset()


def _meant(
    asked: Reconstructing, shots: NDArray[np.int64], embedding: str | None, plan: tuple[Level, ...],
    group: NDArray[np.float64],
) -> tuple[NDArray[np.int64], Reconstructing]:  # fmt: skip
    """Return the shots that are meant, absolute indices, and what was asked for with them and whose verdicts.

    Raises
    ------
    InputError
        They are too few.
    """
    which = f"where {asked.where}" if asked.where else "that were accepted" if embedding else "of the store"
    _refuse_few(asked, len(shots), plan, group, which)
    of = {"shots_digest": hashlib.sha256(shots.tobytes()).hexdigest(), "n_used": len(shots), "embedding": embedding}
    return shots, asked.model_copy(update=of)


def warn_of_kinds(run: Run, parameters: Reconstructing) -> None:
    """Warn that accepted shots are of several kinds, and say how to take those of one."""
    if parameters.where is not None or parameters.embedding is None:
        return
    embedding = Embedding(run, parameters.embedding)
    if "kind" not in embedding.stored():
        return
    decision = embedding.decision
    if len(decision.wanted_kinds or ()) < 2:
        return
    first = (decision.wanted_kinds or (0,))[0]
    one = f'"{decision.kind_names[first]}"' if decision.kind_names else first
    warnings.warn(
        f"the accepted shots are of {decision.wanted_called}, and one intensity is made of them all; for one of them "
        f"pass where='is_single and kind == {one}' (--where)",
        XfeldaskWarning,
        stacklevel=3,
    )


def _refuse_few(
    asked: Reconstructing, shots: int, plan: tuple[Level, ...], group: NDArray[np.float64], which: str
) -> None:
    """Refuse fewer shots than a reconstruction begins with, and its half sets if they were asked for.

    Raises
    ------
    InputError
    """
    refuse_few(shots, plan, group, which)
    if asked.half_sets:
        refuse_few((shots - int(held_out(shots).sum())) // 2, plan, group, "of half a set")


def _checkpoint_of(target: Reconstruction, parameters: Reconstructing, overwrite: bool) -> Reconstruction:
    """Return the checkpoint that iterations are saved to, and resumed from where it exists.

    Raises
    ------
    StoreExistsError, InputError
    """
    begun = target.is_there and not target.is_finished and target.fits
    same = begun and target.parameters.is_asked_as(parameters)
    if same or not target.is_there:
        return target
    if overwrite:
        return target if begun else Unfinished(target.run, target.name)
    if not begun:
        raise StoreExistsError(
            f"{target.run.path} has a reconstruction {target.name}; pass overwrite=True (--overwrite) or another name"
        )
    raise InputError(
        f"{target.run.path} has a reconstruction {target.name} that was begun otherwise; repeat that call to go on "
        "with it, or pass overwrite=True (--overwrite)"
    )
