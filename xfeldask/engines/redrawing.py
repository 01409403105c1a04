"""Shots of a simulated run drawn again, from the seed and their indices alone, and held against what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.engines.engine import drawn, make_engine, one_by_one
from xfeldask.engines.recording import ShotRecorder, readout_of
from xfeldask.errors import CorruptStoreError, InputError, UnreachableError, first_line
from xfeldask.formats.frames import scattered
from xfeldask.physics.images import Photons
from xfeldask.physics.plan import ShotPlan, first_orientations, plan_shots
from xfeldask.physics.species import form_error
from xfeldask.store.checks import NO_SHOT, Problem
from xfeldask.store.packing.codecs import EXACT
from xfeldask.store.run import Run

DIFFERS = "is not what the experiment gives when it is drawn again"


def check_redrawn(run: Run, shots: Sequence[int]) -> list[Problem]:
    """Draw shots again and compare every byte of them with the store: truth, photons, images and totals.

    The store gives the experiment, the atoms, the detector and the form factor; its truth is drawn anew, and not read.
    Orientations and weights of the background that the experiment lists are not stored but as truth, and taken from
    there.

    Parameters
    ----------
    run : Run, simulated
    shots : absolute indices, in any order

    Raises
    ------
    InputError
        The run was not simulated.
    """
    try:
        return _drawn_otherwise(run, shots)
    except CorruptStoreError as error:
        return [Problem("volume", NO_SHOT, str(error))]


def _drawn_otherwise(run: Run, shots: Sequence[int]) -> list[Problem]:
    experiment, mixture = run.experiment, run.mixture
    if experiment is None or mixture is None:
        raise InputError(f"{run.path} was not simulated: nothing tells how its shots are to be drawn")
    index = np.asarray(shots, np.int64)
    plan = _planned(run, index)
    problems: list[Problem] = []
    for name, value in plan.arrays().items():
        for shot, row in zip(shots, value, strict=True):
            _compare(run, name, shot, row, problems)
    engine = make_engine(experiment, run.geometry, run.forms, mixture, run.background_shape)
    pixels = run.layout.pixels
    shot_recorder = ShotRecorder(run.geometry, run.layout.photon_dtype, readout_of(experiment, run.geometry))
    means = engine.expected(plan, index) if run.layout.intensity else [None] * len(index)
    blocks = one_by_one(drawn(engine, plan, index, pixels))
    for i, (photons, mean) in enumerate(zip(blocks, means, strict=True)):
        raw, totals = shot_recorder.record(index[[i]], plan.photon_energy[[i]], photons)
        values = {n: scattered(v, pixels) if isinstance(v, Photons) else v for n, v in raw.items() if n in run}
        if mean is not None:
            values["intensity"] = mean[None]
        for name, value in (values | totals).items():
            _compare(run, name, int(index[i]), value[0], problems)
    return problems


def check_volumes(run: Run) -> list[Problem]:
    """Hold the form factor of each body against the sum over its atoms at some places, as when it was made."""
    problems = []
    try:
        bodies = list(zip(run.mixture.bodies, run.forms, strict=True)) if run.mixture is not None else []
    except CorruptStoreError as error:
        return [Problem("volume", NO_SHOT, str(error))]
    for body, form in bodies:
        name = f"volume/{body.name}"
        stored = float(str(run.group[name].attrs.get("relative_error", 0.0)))
        found = form_error(form, body)
        if not np.isclose(found, stored, rtol=1e-2, atol=1e-12):
            what = f"is off its atoms by {found:.3g}, was by {stored:.3g} when made"
            problems.append(Problem(name, NO_SHOT, what))
    return problems


def check_pixels(run: Run) -> list[Problem]:
    """Hold what is stored of a detector's pixels against what follows from the seed."""
    readout = None if run.experiment is None else readout_of(run.experiment, run.geometry)
    due = {} if readout is None else readout.variables()
    gone = [Problem(name, NO_SHOT, "the array is missing") for name in due if name not in run]
    wrong = [name for name, value in due.items() if name in run and not np.array_equal(run.read(name), value)]
    return gone + [Problem(name, NO_SHOT, DIFFERS) for name in wrong]


def _planned(run: Run, index: NDArray[np.int64]) -> ShotPlan:
    """Truth of shots, with the room for particles that the store has."""
    experiment = run.experiment
    assert experiment is not None
    listed = None
    if experiment.orientations.kind == "list":
        listed = np.zeros((run.n_shots, 4))
        listed[index] = [run.read("orientation", int(shot))[0] for shot in index]
        listed[np.isnan(listed)] = 0.0
    elif experiment.orientations.kind == "uniform":
        listed = first_orientations(experiment, None)
    single = float(run.attributes["mean_single_photons"])
    plan = plan_shots(experiment, run.geometry.pixel_size, index, listed, single, run.mixture, np.zeros(1))
    if experiment.background is not None and experiment.background.weights is not None:
        plan = replace(plan, background=np.array([run.read("background", int(shot)) for shot in index]))
    return plan.with_room(run.layout.particles)


def _compare(run: Run, name: str, shot: int, drawn: Any, problems: list[Problem]) -> None:
    try:
        stored = np.asarray(run.array(name, EXACT)[shot])
    except UnreachableError:
        raise
    except Exception as error:  # a decoder may raise anything on damaged bytes
        problems.append(Problem(name, range(shot, shot + 1), f"it cannot be decoded ({first_line(error)})"))
        return
    if np.asarray(drawn).astype(stored.dtype).tobytes() != stored.tobytes():
        problems.append(Problem(name, range(shot, shot + 1), DIFFERS))
