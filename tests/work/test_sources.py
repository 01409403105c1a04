from __future__ import annotations

import dask
import numpy as np
import pytest

from tests.tiny import embed_tiny, frames, tiny_run
from xfeldask.errors import InputError
from xfeldask.sorting.envelope import EnvelopeRule
from xfeldask.store.results.model import make_features, restored_model
from xfeldask.work import projection, sources
from xfeldask.work.sources import DatasetShots, StoreSource, dataset_source, project_all


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return embed_tiny(tiny_run(tmp_path_factory.mktemp("sources") / "run.zarr", frames(24)))


@pytest.fixture(params=["store", "dataset", "memory"])
def source(request, run):
    """The same shots from everywhere."""
    with dask.config.set(scheduler="synchronous"):
        if request.param == "store":
            yield StoreSource(run)
        else:
            ds = run.dataset()
            yield dataset_source(ds.load() if request.param == "memory" else ds.transpose("y", "x", "shot", ...))


def test_source__has_the_instrument_and_the_variables_of_the_run(run, source):
    np.testing.assert_array_equal(source.instrument.image_grid.s, run.image_grid.s)
    assert source.instrument.wavelength == pytest.approx(run.wavelength)
    assert "low_q" in source
    assert "glitter" not in source


def test_source__gives_rows_of_the_first_shots_in_batches(run, source):
    made = make_features(source.instrument, "counts")
    rows = source.rows(made, 20, 8)
    assert rows.chunks[0] == (8, 8, 4)
    np.testing.assert_array_equal(rows.compute(), run.read("image")[:20].reshape(20, -1))


def test_source__gives_shots_to_a_rule(run, source):
    labels = np.arange(24, dtype=np.int8) % 2
    shots = source.shots(20, labels)
    assert len(shots) == 20
    assert shots.low_q_grid.shape == run.low_q_grid.shape
    np.testing.assert_array_equal(shots.labels[:20], labels[:20])
    np.testing.assert_array_equal(shots.read("image", np.array([3, 7])), run.read("image")[[3, 7]])
    assert len(shots.read("photon_count")) == 20


def test_source__lets_a_rule_learn(source):
    class Mean:
        def fit(self, shots):
            self.mean = shots.read("photon_count").mean()
            return self

    found = source.learned(Mean(), source.shots(24))
    assert found.mean == pytest.approx(frames(24).sum() / 24)


def test_projection__is_the_same_from_everywhere(run, source, monkeypatch):
    for module in (projection, sources):
        monkeypatch.setattr(module, "BLOCK", 10)
    embedding = run.embedding()
    model = restored_model(embedding.parameters, embedding.parts(), run)
    told = []
    found = project_all(source, model, 24, lambda *words: told.append(words[1]))
    np.testing.assert_allclose(found["latent"], embedding.dataset().latent.values, rtol=1e-5, atol=1e-5)
    assert (told[0], told[-1], len(told)) == (0, 24, 4)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda ds: ds.drop_vars("image"), r"no image \(shot, y, x\); give it one, or the path of a store"),
        (lambda ds: ds.rename(shot="event"), "no image"),
        (lambda ds: ds.isel(shot=slice(0, 0)), "the Dataset holds no shots; give it one at least"),
        (lambda ds: ds.assign_attrs(bin=2), r"image of the Dataset has 8 x 8 bins, .* it would have 4 x 4"),
        (lambda ds: ds.isel(low_x=slice(5)), r"low_q of the Dataset has 8 x 5 bins, .* 8 x 8"),
    ],
)
def test_dataset__that_does_not_fit_together_is_refused(run, change, told):
    with pytest.raises(InputError, match=told):
        dataset_source(change(run.dataset()))


def test_learn__is_what_the_task_does(run):
    latent = ("shot", "component"), np.random.default_rng(1).normal(size=(24, 2))
    shots = DatasetShots(dataset_source(run.dataset().assign(latent=latent)), 20, None)
    assert sources.learn(EnvelopeRule(), shots).location_.shape == (2,)
