"""Kinds among shots of particles of a few atoms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.hasty import unhurried
from tests.orient.shots import PIXELS, shots
from xfeldask import open_run, simulate
from xfeldask.errors import InputError
from xfeldask.orient.sparse import SparseFrames, pixels_of
from xfeldask.sorting.kinds import growth
from xfeldask.sorting.kinds.comparing import log_likelihoods
from xfeldask.sorting.kinds.found import Kinds
from xfeldask.sorting.kinds.growth import grow_kinds

RADIUS = 8.0
MANY, FEW = 500, 50


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """Fewer bins, as there are fewer photons beyond; fewer beginnings and iterations."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(growth, "FIRST", growth.Level(3, 5.0, 10, 0.0, everywhere=True))
        patch.setattr(growth, "STARTS", (2, 1))
        patch.setattr(growth, "ITERATIONS", (7, 3))
        yield


@pytest.fixture(scope="module")
def mixed() -> tuple[SparseFrames, np.ndarray]:
    """Shots of a particle and, in places all over, of a small one; which is which."""
    wanted, other = shots(MANY, 300, 1).frames, shots(FEW, 300, 2, size=1.2e-9).frames
    order = np.random.default_rng(0).permutation(MANY + FEW)
    return SparseFrames.joined([wanted, other])[order], (order >= MANY).astype(int)


@pytest.fixture(scope="module")
def found(mixed: tuple[SparseFrames, np.ndarray]) -> Kinds:
    return grow_kinds(mixed[0], PIXELS, radius=RADIUS, most=2, seed=1)


def test_grow_kinds__finds_another_particle(mixed: tuple[SparseFrames, np.ndarray], found: Kinds) -> None:
    frames, truth = mixed
    assert len(found) == 2
    assert found.growths[-1].real
    kind = log_likelihoods(frames, PIXELS, found).argmax(axis=1)
    assert (kind[truth == 0] == 0).mean() > 0.97
    assert (kind[truth == 1] == 1).mean() > 0.97
    assert found.models.prior[1] == pytest.approx(FEW / (MANY + FEW), abs=0.02)


def test_grow_kinds__parts_two_particles_of_as_many_shots_each() -> None:
    frames = SparseFrames.joined([shots(300, 300, 1).frames, shots(300, 300, 2, size=1.2e-9).frames])
    truth = np.repeat([0, 1], 300)
    found = grow_kinds(frames, PIXELS, radius=RADIUS, most=2, seed=1)
    assert len(found) == 2
    first = log_likelihoods(frames, PIXELS, found).argmax(axis=1) == 0
    right = max((first == (truth == kind)).mean() for kind in (0, 1))
    assert right > 0.97


def labelled(truth: np.ndarray, shots: np.ndarray) -> np.ndarray:
    """Labels that call some shots unwanted."""
    labels = np.full(len(truth), -1)
    labels[shots] = 0
    return labels


def test_grow_kinds__accepts_by_labels_what_nothing_else_would_tell(
    mixed: tuple[SparseFrames, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = np.sort(np.concatenate([np.flatnonzero(mixed[1] == 0)[:170], np.flatnonzero(mixed[1] == 1)[:40]]))
    frames, truth = mixed[0][few], mixed[1][few]
    monkeypatch.setattr(growth, "GAIN", np.inf)
    monkeypatch.setattr(growth, "GAIN_OF_BOTH", np.inf)
    monkeypatch.setattr(growth, "STARTS", (1, 1))
    labels = labelled(truth, np.flatnonzero(truth == 1)[:20])
    told = grow_kinds(frames, PIXELS, labels=labels, radius=RADIUS, most=2, seed=1)
    assert len(told) == 2
    assert len(told.growths) == 1  # what resembles the labelled shots came first
    assert told.growths[0].chance < 1e-3
    kind = log_likelihoods(frames, PIXELS, told).argmax(axis=1)
    assert (kind[truth == 0] == 0).mean() > 0.95
    assert (kind[truth == 1] == 1).mean() > 0.95


@pytest.mark.campaign
def test_grow_kinds__labels_of_shots_like_all_others_make_no_kind(mixed: tuple[SparseFrames, np.ndarray]) -> None:
    frames, truth = mixed
    labels = labelled(truth, np.flatnonzero(truth == 0)[:20])
    told = grow_kinds(frames[truth == 0], PIXELS, labels=labels[truth == 0], radius=RADIUS, most=2, seed=1)
    assert len(told) == 1
    assert told.growths[0].chance > 1e-3
    assert not any(each.real for each in told.growths)


@pytest.mark.campaign
def test_grow_kinds__of_one_particle_finds_one(mixed: tuple[SparseFrames, np.ndarray]) -> None:
    frames, truth = mixed
    alone = grow_kinds(frames[truth == 0], PIXELS, radius=RADIUS, most=2, seed=1)
    assert len(alone) == 1
    assert [growth.real for growth in alone.growths] == [False] * len(alone.growths)
    assert alone.growths


@pytest.mark.campaign
def test_grow_kinds__of_bright_views_that_lie_between_rotations_finds_one(tmp_path: Path) -> None:
    made = simulate(tmp_path / "run.zarr", particle="chaperonin", n_shots=3000, seed=1, progress=False)
    opened = open_run(tmp_path / "run.zarr")
    pixels = pixels_of(opened.geometry, opened.wavelength)
    frames = SparseFrames.of(made.image.values, pixels.index)
    with unhurried(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(growth, "FIRST", growth.Level(3, 10.0, 12, 0.0, everywhere=True))
        assert len(grow_kinds(frames, pixels, most=2)) == 1


@pytest.mark.rounding
def test_grow_kinds__same_seed_same_bits_in_any_order_of_work(
    mixed: tuple[SparseFrames, np.ndarray],
) -> None:
    def backwards(task, shared, items):
        return [task(*shared, *item) for item in reversed(items)][::-1]

    few = mixed[0][np.arange(200)]
    one = grow_kinds(few, PIXELS, radius=RADIUS, most=1, seed=1)
    again = grow_kinds(few, PIXELS, radius=RADIUS, most=1, seed=1, by=backwards)
    np.testing.assert_array_equal(again.models.intensity, one.models.intensity)


def test_grow_kinds__refuses_too_few(mixed: tuple[SparseFrames, np.ndarray]) -> None:
    with pytest.raises(InputError, match="among at least 200 single hits, got 10"):
        grow_kinds(mixed[0][np.arange(10)], PIXELS)
    with pytest.raises(InputError, match="at least 1 kind"):
        grow_kinds(mixed[0], PIXELS, most=0)
