from __future__ import annotations

import numpy as np
import pytest

from tests.tiny import embed_tiny, frames, tiny_run
from xfeldask.store.results.model import restored_model
from xfeldask.work import projection
from xfeldask.work.projection import in_batches, joined, project_block


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return embed_tiny(tiny_run(tmp_path_factory.mktemp("projection") / "run.zarr", frames(24)))


@pytest.fixture
def model(run):
    embedding = run.embedding()
    return restored_model(embedding.parameters, embedding.parts(), run)


@pytest.mark.parametrize("batch", [1, 5, 24, 100])
def test_in_batches__gives_the_same_however_shots_are_cut(run, model, monkeypatch, batch):
    read = []

    def images(name, part):
        read.append((name, part.stop - part.start))
        return run.read(name, part)

    monkeypatch.setattr(projection, "BATCH", batch)
    found = in_batches(model, images, 2, 23)
    np.testing.assert_allclose(found["latent"], run.embedding().dataset().latent.values[2:23], rtol=1e-5, atol=1e-5)
    assert {name for name, _ in read} == {"image"}
    assert max(size for _, size in read) == min(batch, 21)


def test_project_block__is_of_the_shots_that_are_there(run, model):
    due = run.embedding().dataset().latent.values
    blocks = [project_block(run, model, 17, 10, block)["latent"] for block in range(2)]
    assert [len(block) for block in blocks] == [10, 7]
    np.testing.assert_allclose(np.concatenate(blocks), due[:17], rtol=1e-5, atol=1e-5)


def test_joined__keeps_names_types_and_order():
    one = {"score": np.zeros(2), "verdict": np.ones(2, np.uint8)}
    found = joined([one, {"score": np.ones(1), "verdict": np.zeros(1, np.uint8)}])
    assert {name: value.tolist() for name, value in found.items()} == {"score": [0, 0, 1], "verdict": [1, 1, 0]}
    assert found["verdict"].dtype == np.uint8
