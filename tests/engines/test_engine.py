from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from xfeldask import simulate
from xfeldask.engines.engine import ENGINES, drawn, register_engine
from xfeldask.errors import InputError
from xfeldask.physics.detectors import square
from xfeldask.physics.images import Photons, Recorder

SHAPE = (1, 32, 32)
ATOMS = (np.random.default_rng(1).normal(size=(5, 3)) * 5e-10, ["C"] * 5)


class Flat:
    """Two photons in the first pixel of even shots, in blocks of `block` shots, as frames or as events."""

    block, listed = 1, False

    def __init__(self, geometry):
        self.shape = geometry.shape

    def draw(self, plan, shots):
        assert len(plan.n_particles) == len(shots)
        for start in range(0, len(shots), self.block):
            even = shots[start : start + self.block] % 2 == 0
            if self.listed:
                n = int(even.sum())
                yield Photons(np.zeros(n, np.uint32), np.full(n, 2), np.concatenate([[0], np.cumsum(even)]))
            else:
                frames = np.zeros((len(even), *self.shape), int)
                frames[:, 0, 0, 0] = 2 * even
                yield frames

    def expected(self, plan, shots):
        return (np.full(self.shape, shot, np.float32) for shot in shots)


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """Engines that a test registers are gone after it."""
    monkeypatch.setattr(ENGINES, "_things", dict(ENGINES._things))


def run(path: Path, **more):
    detector = "square-32"
    return simulate(
        path, particle=ATOMS, detector=detector, n_shots=7, engine="flat", progress=False, intensity=True, **more
    )


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("block", [1, 3, 100])
def test_register__has_an_engine_of_ones_own_fill_the_store(tmp_path, monkeypatch, listed, block):
    monkeypatch.setattr("xfeldask.store.layout.SHARD_BYTES", 4 * 32 * 32)
    register_engine("flat", type("Mine", (Flat,), {"block": block, "listed": listed}))
    ds = run(tmp_path / "run.zarr")
    assert ds.photon_count.values.tolist() == [2, 0, 2, 0, 2, 0, 2]
    assert ds.photons[:, 0, 0, 0].values.tolist() == [2, 0, 2, 0, 2, 0, 2]
    assert ds.image.sum(["y", "x"]).values.tolist() == [2, 0, 2, 0, 2, 0, 2]
    assert ds.low_q.sum(["low_y", "low_x"]).values.tolist() == [2, 0, 2, 0, 2, 0, 2]
    assert ds.intensity[:, 0, 5, 5].values.tolist() == list(range(7))


def test_register__refuses_the_name_of_a_built_in_engine():
    with pytest.raises(InputError, match="there is a engine 'skopi' in xfeldask itself"):
        register_engine("skopi", Flat)


def listed(pixel, count, start=None):
    """Photons of three shots, all of them in the last one unless told otherwise, listed by anybody."""
    start = [0, 0, 0, len(pixel)] if start is None else start
    return Photons(np.array(pixel), np.array(count), np.array(start))


@pytest.mark.parametrize("dtype", ["u1", "i2", ">u4", "i8"])
def test_drawn__takes_whole_numbers_of_any_type(dtype):
    class Any:
        def draw(self, plan, shots):
            yield listed([], [], start=[0])
            yield Photons(np.array([7, 7, 3], dtype), np.array([100, 100, 9], dtype), [0, 3, 3])

    (photons,) = drawn(Any(), None, np.arange(2), SHAPE)
    found = Recorder(square(32, 1e-3, 0.1), "uint16").record(photons)
    assert (found.photons.pixel.tolist(), found.photons.count.tolist()) == ([3, 7], [9, 200])
    assert found.photon_count.tolist() == [209, 0]


@pytest.mark.parametrize(
    ("blocks", "told"),
    [
        ([np.zeros((2, *SHAPE), int)], "drew 2 of the 3 shots"),
        ([np.zeros((2, *SHAPE), int)] * 2, "drew more than the 3 shots"),
        ([np.zeros(SHAPE, int)], r"frames of shape \(1, 32, 32\); they must be \(shot, 1, 32, 32\)"),
        ([np.zeros((3, *SHAPE))], "whole numbers"),
        ([[]], "they must be"),
        ([listed([-1], [1])], "put 1 photons into pixel -1"),
        ([listed([1024], [1])], "put 1 photons into pixel 1024"),
        ([listed([3], [-1])], "put -1 photons into pixel 3"),
        ([listed([3, 4], [1])], "as many pixels as counts"),
        ([listed([3], [1], start=[0, 2])], "in ascending order"),
        ([listed([3, 4], [1, 1], start=[0, 2, 1, 2])], "in ascending order"),
        ([listed([3], [1], start=[])], "in ascending order"),
        ([listed([3.5], [1])], "whole numbers"),
    ],
)
def test_drawn__refuses_what_does_not_fit(blocks, told):
    class Wrong:
        def draw(self, plan, shots):
            yield from blocks

    with pytest.raises(InputError, match=told):
        list(drawn(Wrong(), None, np.arange(3), SHAPE))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda shape: np.zeros((1, *shape), float), "whole numbers"),
        (lambda shape: np.full((1, *shape), -1), "put -1 photons into pixel 0"),
    ],
)
def test_simulate__stops_in_one_sentence_at_a_wrong_engine(tmp_path, wrong, told):
    class Wrong(Flat):
        def draw(self, plan, shots):
            yield wrong(self.shape)

    register_engine("flat", Wrong)
    with pytest.raises(InputError, match=told) as error:
        run(tmp_path / "run.zarr")
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == [], "the rehearsal met it before anything was written"
