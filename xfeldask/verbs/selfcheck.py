"""`selfcheck`: whether a device computes what it should here, and how fast."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fftn, fftshift

from xfeldask.config import Experiment
from xfeldask.devices import Device, device_of, why_no_gpu
from xfeldask.engines.cuda_thinning import INSTALL, CudaThinning, gpu_for
from xfeldask.engines.preparation import prepare
from xfeldask.engines.thinning import Thinning
from xfeldask.errors import RunError
from xfeldask.formats.inputs import resolve
from xfeldask.orient.densities import laid_on
from xfeldask.orient.iteration import Problem, next_state
from xfeldask.orient.models import random_models
from xfeldask.orient.parallel import in_turn
from xfeldask.orient.phasing import phased
from xfeldask.orient.rotations import rotation_grid
from xfeldask.orient.schedule import Level
from xfeldask.orient.sparse import Pixels, SparseFrames, pixels_of
from xfeldask.orient.state import State
from xfeldask.physics.detectors import square
from xfeldask.physics.orientations import symmetry_group
from xfeldask.physics.planned_shots import shots_of_plan
from xfeldask.physics.shot_blocks import split
from xfeldask.sorting.pairs.evidence import fit_evidence
from xfeldask.sorting.pairs.patterns import fit_patterns
from xfeldask.sorting.pairs.window import Window
from xfeldask.store.run import open_run
from xfeldask.verbs.judge import compared_with_truth, quaternions, reconstructed
from xfeldask.verbs.parts.reconstruction_plan import planned
from xfeldask.verbs.simulate import simulate
from xfeldask.work.compute import one_thread_a_task
from xfeldask.work.reconstructing import read_frames

SIMULATED: dict[str, Any] = {"particle": "chaperonin", "detector": "square-64", "single_fraction": 1.0, "seed": 1}
SYMMETRY, RESOLUTION = "D8", 5e-9
"""Of the particle, and what it is reconstructed to [m]."""

RELATIVE, NATS = 5e-3, 2e-2
"""Difference between an iteration on the device and by the loops over photons, of intensities and of log likelihoods
[nat]: that of half precision, with room."""

LEAST_CORRELATION = 0.75
"""With the exact intensity, mean of all shells."""

VOXELS, BALLS, LEAST_ALIKE = 45, 12, 0.9
"""Side of a density that is phased, soft balls that it consists of, and correlation of what is found with it."""

SIDE, MEASURED, OFF = 96, 1_000, 5e-2
"""Side of patterns whose evidence is measured, how many, and how far their measures may differ."""

SIZES = {"cpu": (1_000, 3, 14.0), "cuda": (20_000, 8, 28.0)}
"""Shots, refinement of the rotations and radius [bins] that speed is measured at."""

DRAWN: dict[str, Any] = {
    "particle": "chaperonin",
    "hits": {0: 1, 1: 8, 2: 2},
    "nuisance": "realistic",
    "n_shots": 2_000,
}
"""Shots whose photons are drawn on a GPU and on the CPU."""


class Finding(NamedTuple):
    """What a check found.

    Attributes
    ----------
    what : str, that was checked
    told : str, numbers
    fits : bool, whether they are as they should be

    Examples
    --------
    >>> Finding("products", "off by 1e-07", True).fits
    True
    """

    what: str
    told: str
    fits: bool


def selfcheck(device: str = "auto", *, n_shots: int = 1_000) -> list[Finding]:
    """Check a device: what it computes against the CPU, reconstruction and phases against the truth; and its speed.

    Parameters
    ----------
    device : "auto", "cpu" or "cuda"; on the CPU, too, shots are compared by products of matrices
    n_shots : int, that are simulated and reconstructed from

    Returns
    -------
    list of Finding, the device first

    Raises
    ------
    InputError
        There is no such device.
    """
    on = device_of(device) or Device()
    instead = f"; no GPU is used: {why_no_gpu()}" if device == "auto" and on.name == "cpu" else ""
    found = [Finding("device", f"{on.label}, {on.free() / 1e9:.1f} GB free{instead}", True), _products(on)]
    if on.name == "cuda":
        found.append(_photons(on))
    with tempfile.TemporaryDirectory() as folder, one_thread_a_task():
        path = Path(folder) / "run.zarr"
        simulate(path, **SIMULATED, n_shots=n_shots, progress=False)
        run = open_run(path)
        pixels, group = pixels_of(run.geometry, run.wavelength), symmetry_group(SYMMETRY)
        frames = read_frames(run, np.arange(n_shots), pixels, "image", None, False)
        plan = planned(pixels, RESOLUTION, None, None)
        found.append(_iteration(on, frames, pixels, replace(plan[0], exponent=1.0), group))
        start = time.perf_counter()
        state = reconstructed(frames, pixels, plan, group, 2, 0, on)
        seconds = time.perf_counter() - start
        true = np.ones(n_shots, bool)
        quality = compared_with_truth(run, state.models, quaternions(state, group), np.arange(n_shots), true, group)
    correlation = float(quality.shells.correlation.mean())
    spacing = float(np.rad2deg(rotation_grid(plan[-1].refinement).spacing))
    told = (
        f"of {n_shots:,} simulated shots, in {seconds:.1f} s: orientations {quality.orientation_error:.1f} degrees "
        f"off, of rotations {spacing:.1f} apart; correlation with the true intensity {correlation:.2f}"
    )
    fits = quality.orientation_error < 1.3 * spacing and correlation > LEAST_CORRELATION
    return [*found, Finding("reconstruction", told, fits), _phasing(on), _evidence(on), _speed(on)]


def _photons(on: Device) -> Finding:
    """Draw shots on a GPU and on the CPU."""
    if gpu_for("auto", "xfeldask") is None:
        return Finding("photons", f"not drawn on it: numba-cuda is not installed; {INSTALL}", False)
    ready, shots = prepare(resolve(Experiment(**DRAWN))), np.arange(DRAWN["n_shots"])
    engine = ready.engine
    assert isinstance(engine, Thinning)
    planned = list(split(shots_of_plan(ready.plan(shots), 0, shots, ready.inputs.geometry)))
    gpu = CudaThinning(engine.model, on)
    try:
        gpu.draw_here(planned)
        start = time.perf_counter()
        drawn = gpu.draw_here(planned)
    except RunError as error:
        return Finding("photons", str(error), False)
    seconds = time.perf_counter() - start
    pairs = [(one, shot) for one, shot in zip(drawn, planned, strict=True) if one is not None]
    alike = [np.array_equal(one[0], engine.model.draw(shot)[0]) for one, shot in pairs]
    photons = sum(int(count.sum()) for (_, count), _ in pairs)
    left = f", {len(shots) - len(pairs):,} left to the CPU" if len(pairs) < len(shots) else ""
    rate = len(pairs) / seconds
    told = (
        f"{sum(alike):,} of {len(pairs):,} shots as on the CPU{left}, {photons:,} photons; {rate:,.0f} shots a second"
    )
    return Finding("photons", told, all(alike) and photons > 0)


def _products(on: Device) -> Finding:
    """Multiply matrices whose products reach thousands, where half precision counts by fours."""
    rng, xp = np.random.default_rng(0), on.xp
    counts, logs = rng.poisson(3, (300, 1000)).astype(np.float32), rng.normal(2, 1, (1000, 200)).astype(np.float32)
    kind = xp.float16 if on.half else xp.float32
    a, b = (xp.astype(on.array(values), kind) for values in (counts, logs))
    exact = np.asarray(on.host(a), np.float64) @ np.asarray(on.host(b), np.float64)
    # the second is given as it is and as the transpose of what lies in memory, as the iterations do
    pairs = [(a, b), (a, xp.astype(on.array(np.ascontiguousarray(logs.T)), kind).T)]
    worst = max(float(np.abs(on.host(on.product(*pair)) / exact - 1).max()) for pair in pairs)
    precision = "half" if on.half else "single"
    return Finding("products", f"of matrices in {precision} precision: {worst:.1e} off at most", worst < 1e-4)


def _iteration(
    on: Device, frames: SparseFrames, pixels: Pixels, level: Level, group: NDArray[np.float64]
) -> Finding:  # fmt: skip
    """Do the same iteration on the device and by the loops over photons."""
    start = State(random_models(frames, pixels, level.radius, 2, 0, group))
    loops, found = (next_state(Problem(frames, pixels, [level], group, by=by), start) for by in (in_turn, on))
    relative = float(np.abs(found.models.intensity / loops.models.intensity - 1).max())
    nats = float(np.abs(found.log_likelihood - loops.log_likelihood).max())
    told = (
        f"by products of matrices, against the CPU's loops over photons: intensities {relative:.1e} off at most, log "
        f"likelihoods {nats:.1e} nat"
    )
    return Finding("iteration", told, relative < RELATIVE and nats < NATS)


def _phasing(on: Device) -> Finding:
    """Phase the intensity of a known density."""
    rng, axis = np.random.default_rng(0), np.arange(VOXELS) - VOXELS // 2
    balls = [np.exp(-((axis[:, None] - place) ** 2) / 6) for place in rng.uniform(-6, 6, (3, BALLS))]
    true = np.einsum("ib,jb,kb->ijk", *balls)
    start = time.perf_counter()
    found = phased(np.abs(fftshift(fftn(true))) ** 2, 2e7, starts=2, iterations=100, device=on)
    seconds = time.perf_counter() - start
    alike = float(np.corrcoef(laid_on(found.values, true).ravel(), true.ravel())[0, 1])
    told = f"of a known density of {VOXELS}^3 voxels, in {seconds:.1f} s: correlation with it {alike:.2f}"
    return Finding("phases", told, alike > LEAST_ALIKE)


def _evidence(on: Device) -> Finding:
    """Measure drawn patterns on the device and on the CPU as the rule "pairs" does."""
    flat, middle = np.ones((SIDE, SIDE), np.float32), SIDE / 2 - 0.5
    away = np.hypot(*(np.indices((SIDE, SIDE)) - middle))
    rng = np.random.default_rng(0)
    level = 20 * np.exp(-((away / 12) ** 2)) ** rng.uniform(0.8, 1.2, (MEASURED, 1, 1))
    crops = rng.poisson(level).astype(np.float32)
    patterns = fit_patterns(crops, Window.plain(flat, flat, 0.0, SIDE // 2), 40)
    learned = fit_evidence(crops, patterns, 4e6, (middle, middle))
    expected, _, _ = learned.measure(crops)
    learned.measure(crops, on)
    start = time.perf_counter()
    found, _, _ = learned.measure(crops, on)
    seconds = time.perf_counter() - start
    worst = float(np.abs(found - expected).max())
    against = "" if on.name == "cpu" else f"measures {worst:.1e} from those of the CPU at most, "
    told = f"that the rule pairs sorts by: {against}{MEASURED / seconds:,.0f} shots a second"
    return Finding("evidence", told, worst < OFF)


def _speed(on: Device) -> Finding:
    """Time an iteration of all pairs of shots and rotations."""
    shots, refinement, radius = SIZES[on.name]
    pixels = pixels_of(square(64, 1.2e-3, 0.15), 2.7e-10)
    m, rotations = pixels.within(radius), len(rotation_grid(refinement).quaternion)
    frames = SparseFrames.of(np.random.default_rng(0).poisson(0.2, (shots, m)), np.arange(m))
    problem = Problem(frames, pixels, [Level(refinement, radius, 9, everywhere=True, gain=-np.inf)], by=on)
    state = next_state(problem, State(random_models(frames, pixels, radius)))
    start = time.perf_counter()
    next_state(problem, state)
    seconds = time.perf_counter() - start
    rate = 4 * shots * rotations * m / seconds / 1e12
    each = f"an iteration of {shots:,} shots, {rotations:,} rotations and {m:,} bins"
    told = f"{seconds:.2f} s for {each}: {rate:.2g} TFLOP/s"
    return Finding("speed", told, True)
