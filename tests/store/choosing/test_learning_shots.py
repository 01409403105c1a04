"""Shots of a run as rules read them."""

import numpy as np
import pytest

from xfeldask import open_run, simulate
from xfeldask.store.choosing.learning_shots import EmbeddedShots, StoredShots
from xfeldask.store.run import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("shots") / "run.zarr"
    simulate(path, particle="chaperonin", detector="square-64", n_shots=50, progress=False)
    return open_run(path)


@pytest.mark.parametrize("name", ["low_q", "photon_count"])
def test_stored_shots__are_read_in_the_order_asked_for(run: Run, name: str) -> None:
    shots, whole = StoredShots(run, 40), run.read(name)
    for index in ([0, 1, 2, 17, 39], [33, 34, 3, 4], [], [15, 16]):
        np.testing.assert_array_equal(shots.read(name, np.array(index, np.int64)), whole[index])
    np.testing.assert_array_equal(shots.read(name), whole[:40])
    assert len(shots) == 40


def test_stored_shots__read_each_chunk_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Watched:
        chunks = (16, 1, 1)

        def __getitem__(self, part: slice) -> np.ndarray:
            asked.append((part.start, part.stop))
            return np.zeros((len(range(50)[part]), 2, 2))

    monkeypatch.setattr(Run, "array", lambda *_: Watched())
    assert StoredShots(run, 50).read("low_q", np.array([0, 5, 15, 32, 49])).shape == (5, 2, 2)
    assert asked[1:] == [(0, 16), (32, 48), (48, 64)]


def test_embedded_shots__have_what_was_computed_and_what_is_stored(run: Run) -> None:
    columns = {"latent": np.arange(30.0).reshape(10, 3)}
    shots = EmbeddedShots(StoredShots(run, 10, np.ones(10, np.int8)), columns)
    assert (len(shots), shots.labels.sum(), shots.low_q_grid) == (10, 10, run.low_q_grid)
    np.testing.assert_array_equal(shots.read("latent", np.array([1, 7])), columns["latent"][[1, 7]])
    np.testing.assert_array_equal(shots.read("photon_count"), run.read("photon_count")[:10])
