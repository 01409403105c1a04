"""Shots compared as products of matrices, against the loops over photons, which have slow twins of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests.orient.devices import Narrow, gpu, strict
from tests.orient.shots import PIXELS, RADIUS, shots
from xfeldask.devices import Device
from xfeldask.errors import MemoryNeededError, RunError
from xfeldask.orient.cycle import expand_maximise_compress, judged
from xfeldask.orient.dense import BRIGHT, DenseFrames
from xfeldask.orient.iteration import Problem, next_state
from xfeldask.orient.models import random_models
from xfeldask.orient.parallel import By, in_turn
from xfeldask.orient.schedule import Level
from xfeldask.orient.shares import Background
from xfeldask.orient.sparse import SparseFrames
from xfeldask.orient.state import State
from xfeldask.physics.orientations import symmetry_group

pytestmark = pytest.mark.rounding

DATA = shots(90, 300, 5)
RNG = np.random.default_rng(3)
OVER_RING = replace(DATA.frames, background=Background(RNG.random(len(PIXELS.s)), RNG.gamma(2, 0.1, 90)))
LEVELS = (Level(2, 6.0, 8, 0.1, everywhere=True), Level(3, RADIUS, 3, 1.0))


def iterated(
    by: By,
    exponent: float = 0.5,
    frames: SparseFrames = DATA.frames,
    barred: np.ndarray | None = None,
) -> State:
    """One iteration of two models of symmetry C2."""
    level, group = Level(2, 6.0, 1, exponent, everywhere=True), symmetry_group("C2")
    models = replace(random_models(frames, PIXELS, 6.0, 2, 7, group), prior=np.array([0.3, 0.7]))
    return next_state(Problem(frames, PIXELS, [level], group, size_prior=True, by=by, barred=barred), State(models))


def agree(found: State, expected: State, relative: float, nats: float) -> None:
    np.testing.assert_allclose(found.models.intensity, expected.models.intensity, rtol=relative)
    np.testing.assert_allclose(found.models.prior, expected.models.prior, rtol=relative)
    np.testing.assert_allclose(found.exposure, expected.exposure, atol=relative * expected.exposure.max())
    np.testing.assert_allclose(found.fluence, expected.fluence, rtol=relative)
    np.testing.assert_allclose(found.responsibility, expected.responsibility, atol=relative)
    for name in ("log_likelihood", "contrast", "information"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=nats)
    np.testing.assert_allclose(found.probability, expected.probability, atol=nats)
    # views from opposite sides are nearly as likely, and either may come first
    same = [len({*a[:4]} & {*b[:4]}) >= 3 for a, b in zip(found.rotation, expected.rotation, strict=True)]
    assert np.mean(same) > 0.95


@pytest.mark.parametrize("exponent", [0.5, 1.0])
@pytest.mark.parametrize(
    ("device", "relative", "nats"),
    [
        pytest.param(Device, 1e-4, 1e-3, id="single"),
        pytest.param(strict, 1e-4, 1e-3, id="strict"),
        pytest.param(lambda: Device(half=True), 5e-3, 2e-2, id="half"),
        pytest.param(gpu, 5e-3, 2e-2, id="gpu", marks=pytest.mark.cuda),
    ],
)
def test_iteration__is_that_of_the_loops(device: Callable[[], Device], relative, nats, exponent):
    agree(iterated(device(), exponent), iterated(in_turn, exponent), relative, nats)


@pytest.mark.parametrize("device", [Device, pytest.param(gpu, marks=pytest.mark.cuda)])
def test_background__is_mixed_in_as_by_the_loops(device: Callable[[], Device]):
    agree(iterated(device(), frames=OVER_RING), iterated(in_turn, frames=OVER_RING), 5e-3, 2e-2)


@pytest.mark.parametrize("frames", [DATA.frames, OVER_RING], ids=["alone", "over a ring"])
@pytest.mark.parametrize("device", [None, Device, strict, pytest.param(gpu, marks=pytest.mark.cuda)])
def test_barred__models_have_no_part_of_a_shot_and_leave_the_others_as_they_were(device, frames):
    barred = np.zeros((90, 2), bool)
    barred[:7, 0] = barred[7:9, 1] = True
    made = in_turn if device is None else device()
    free, found = iterated(made, frames=frames), iterated(made, frames=frames, barred=barred)
    np.testing.assert_array_equal(found.responsibility[barred], 0)
    np.testing.assert_allclose(found.responsibility.sum(axis=1), 1, rtol=1e-4)
    np.testing.assert_allclose(found.responsibility[9:], free.responsibility[9:], atol=1e-3)
    assert np.isfinite(found.information).all()
    assert np.isfinite(found.models.intensity).all()
    agree(found, iterated(in_turn, frames=frames, barred=barred), 5e-3, 2e-2)


def test_blank_shots__are_known_to_tell_nothing():
    blank = SparseFrames(np.zeros(4, np.int64), DATA.frames.pixel[:0], DATA.frames.count[:0])
    found = iterated(Device(), frames=SparseFrames.joined([DATA.frames, blank]))
    assert found.log_likelihood[90:] == pytest.approx(0, abs=1e-5)
    assert found.information[90:] == pytest.approx(0, abs=1e-4)


def test_memory__that_runs_out_halves_the_block_and_it_goes_on():
    device = Narrow(12)
    agree(iterated(device), iterated(Device()), 1e-4, 1e-4)
    assert device.released == 3
    assert set(device.shots) == {11, 2}
    assert sum(device.shots) == 90


@pytest.mark.cuda
def test_memory__that_runs_out_on_a_gpu_halves_the_block():
    device, frames = gpu(), SparseFrames.joined([DATA.frames] * 20)
    expected, pool = iterated(device, frames=frames), device.xp.get_default_memory_pool()
    device.release()
    pool.set_limit(size=pool.used_bytes() + 8_000_000)  # a third of what the shots take at once
    try:
        agree(iterated(device, frames=frames), expected, 1e-3, 1e-3)
    finally:
        pool.set_limit(size=0)


def test_memory__that_not_even_one_shot_fits_into_is_told():
    told = r"comparing a shot with 512 rotations ran out of memory on the CPU, 1\.1 GB free; take fewer .*--device cpu"
    with pytest.raises(RunError, match=told):
        iterated(Narrow(0))


@pytest.mark.parametrize("free", [800_000, 1_200_000])
def test_blocks__are_as_large_as_what_is_free(free):
    device = Narrow(90, free)
    agree(iterated(device), iterated(Device()), 1e-4, 1e-4)
    assert 1 < max(device.shots) < 90
    assert sum(device.shots) == 90
    assert not device.released


def test_slices__larger_than_what_is_free_are_refused():
    with pytest.raises(MemoryNeededError, match="slicing at 512 rotations needs"):
        iterated(Narrow(90, 100_000))


def test_counts__too_large_for_half_precision_are_kept_in_single():
    counts = np.zeros((2, 3), int)
    counts[0, 1] = BRIGHT
    for more, half in ((0, True), (1, False)):
        frames = SparseFrames.of(counts + more * (counts > 0), np.arange(3))
        dense = DenseFrames(Device(half=True), frames)
        assert dense.half is half
        assert dense.rows(slice(0, 2), 2).tolist() == [[0, BRIGHT + more], [0, 0]]


@pytest.fixture(scope="module")
def found() -> tuple[State, State]:
    start = random_models(DATA.frames, PIXELS, LEVELS[0].radius)
    return tuple(
        expand_maximise_compress(DATA.frames, PIXELS, start, LEVELS, by=by) for by in (in_turn, Device(half=True))
    )


def test_reconstruction__is_as_good_as_that_of_the_loops(found):
    loops, dense = found
    inner = slice(3, -3)
    same = [state.models.intensity[0, inner, inner, inner].reshape(-1) for state in found]
    assert np.corrcoef(same)[0, 1] > 0.97
    assert dense.log_likelihood.mean() == pytest.approx(loops.log_likelihood.mean(), abs=1)
    assert [look.exponent for look in dense.history][:8] == [look.exponent for look in loops.history][:8]


def test_judged__shots_are_those_of_the_loops(found):
    models = found[0].models
    levels = [replace(level, everywhere=True) for level in LEVELS]
    a, b = (judged(DATA.frames, PIXELS, models, levels, by=by) for by in (in_turn, Device()))
    np.testing.assert_allclose(a.log_likelihood, b.log_likelihood, atol=1e-3)
    assert b.models is models
