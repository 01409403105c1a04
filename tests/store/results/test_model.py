from __future__ import annotations

import pickle

import numpy as np
import pytest

from tests.tiny import DETECTOR, ENERGY, embed_tiny, frames, tiny_run
from xfeldask.errors import InputError
from xfeldask.latent.pca import PCA
from xfeldask.physics.binned_frames import bin_frames
from xfeldask.physics.binning import bin_index, binned_shape
from xfeldask.physics.detectors import square
from xfeldask.sorting.envelope import EnvelopeRule
from xfeldask.store.instrument import DatasetInstrument
from xfeldask.store.results.model import Model, feature_dims, make_features, restored_model, restored_rule
from xfeldask.store.results.parameters import Parameters

INSTRUMENT = DatasetInstrument(DETECTOR, ENERGY, 2)


def images(bin=2, n=6):
    return bin_frames(frames(n), bin_index(DETECTOR, bin), binned_shape(DETECTOR, bin))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return embed_tiny(tiny_run(tmp_path_factory.mktemp("model") / "run.zarr", frames(24)))


@pytest.mark.parametrize(("bin", "needs"), [(2, "image"), (4, "image"), (8, "image"), (1, "photons"), (3, "photons")])
def test_features__of_any_bins_are_those_of_the_photons(bin, needs):
    made = make_features(INSTRUMENT, {"name": "counts", "bin": bin})
    assert made.needs == needs
    raw = images() if needs == "image" else frames(6)
    due = images(bin).reshape(6, -1)
    assert made.rows(raw).dtype == np.float32
    np.testing.assert_array_equal(made.rows(raw), due)
    assert made.size == due.shape[1]


def test_features__tell_how_they_are_made_again():
    made = make_features(INSTRUMENT, "counts")
    assert made.options == {"name": "counts", "bin": 2}
    assert make_features(INSTRUMENT, made.options).options == made.options


def test_features__of_a_users_function_are_not_made_again():
    made = make_features(INSTRUMENT, lambda images: images.sum(axis=2))
    assert made.rows(images()).shape == (6, 4)
    assert made.options["own"] is True
    with pytest.raises(InputError, match="was a user's own object, which is not stored; register_feature"):
        make_features(INSTRUMENT, made.options)


@pytest.mark.parametrize(
    ("features", "told"),
    [
        ({"bin": 2}, "features need a name, such as 'counts'"),
        ("count", "did you mean counts"),
        ({"name": "counts", "n_ring": 3}, "n_ring"),
    ],
)
def test_features__refuse_in_one_sentence(features, told):
    with pytest.raises(InputError, match=told):
        make_features(INSTRUMENT, features)


def test_model__of_a_store_gives_the_coordinates_that_it_gave(run):
    embedding = run.embedding()
    model = restored_model(embedding.parameters, embedding.parts(), run)
    found = model.columns({"image": run.read("image")})
    np.testing.assert_allclose(found["latent"], embedding.dataset().latent.values, rtol=1e-5, atol=1e-5)
    assert (model.needs, set(found)) == (["image"], {"latent"})
    assert isinstance(model.rule, EnvelopeRule)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.columns({"image": run.read("image")})["latent"], found["latent"])
    assert repr(model) == (
        "<xfeldask.Model pca of counts, 2 components, fitted to 24 shots, sorts by elliptic_envelope>"
    )


def test_model__that_an_older_version_stored_with_a_bin_of_a_float_is_restored(run):
    embedding = run.embedding()
    told = embedding.parameters.model_copy(update={"features": {"name": "counts", "bin": float(run.bin)}})
    found = restored_model(told, embedding.parts(), run).columns({"image": run.read("image")})
    np.testing.assert_allclose(found["latent"], embedding.dataset().latent.values, rtol=1e-5, atol=1e-5)
    with pytest.raises(InputError, match=r"bin must be a whole number of pixels, got 1\.0"):
        make_features(run, told.features)


def test_model__refuses_shots_of_another_detector(run):
    embedding = run.embedding()
    model = restored_model(embedding.parameters, embedding.parts(), run)
    model.refuse_other(run)
    with pytest.raises(InputError, match="have images of 16 x 16 bins, the model knows 8 x 8"):
        model.refuse_other(DatasetInstrument(square(16, 1e-3, 0.1), ENERGY, 1))
    with pytest.raises(InputError, match="its shots have 256 features, those of the model 64"):
        restored_model(embedding.parameters, embedding.parts(), DatasetInstrument(square(16, 1e-3, 0.1), ENERGY, 1))


@pytest.mark.parametrize("features", ["counts", "radial_profile", "fourier_crop"])
@pytest.mark.parametrize("sort", [None, "elliptic_envelope"])
def test_model__refuses_shots_of_another_distance_or_wavelength(run, features, sort):
    made = make_features(INSTRUMENT, features)
    estimator = PCA(2).fit(made.rows(images(n=24)))
    told = Parameters(method="pca", features=made.options, sort=sort, image_step=made.step)
    model, parts = Model(made, estimator, None, told), Model(made, estimator, None, told).parts()
    nearly, older = DatasetInstrument(DETECTOR, ENERGY * 1.0005, 2), told.model_copy(update={"image_step": None})
    for fine in (INSTRUMENT, nearly):
        model.refuse_other(fine)
        restored_model(told, parts, fine)
    for other in (DatasetInstrument(DETECTOR, ENERGY / 2, 2), DatasetInstrument(square(8, 1e-3, 0.2), ENERGY, 2)):
        with pytest.raises(InputError, match="are of another distance, wavelength or pixel size: bins of their images"):
            model.refuse_other(other)
        with pytest.raises(InputError, match="are of another distance, wavelength or pixel size: bins of their images"):
            restored_model(told, parts, other)
        restored_model(older, parts, other)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"sort": "Mine()"}, r"sorted by Mine\(\), which is not stored"),
        ({"method": "Mine"}, "the model is a Mine, which is not stored whole"),
        ({"method_parameters": "PCA(n_components=2)"}, "not stored whole"),
    ],
)
def test_model__of_a_users_objects_is_not_restored(run, changes, told):
    embedding = run.embedding()
    with pytest.raises(InputError, match=told):
        restored_model(embedding.parameters.model_copy(update=changes), embedding.parts(), run)


def test_rule__of_which_nothing_is_stored_has_learned_nothing(run):
    found = restored_rule(run.embedding().parameters, {})
    with pytest.raises(InputError, match="has learned nothing yet"):
        found.evidence({"latent": np.zeros((1, 2))})


def test_model__gives_past_coordinates_with_the_signs_of_the_last():
    rows = make_features(INSTRUMENT, "counts").rows(images())
    last = PCA(1).fit(rows)
    before = (np.zeros(rows.shape[1]), -last.components_)
    told = Parameters(method="pca", features={"name": "counts", "bin": 2})
    model = Model(make_features(INSTRUMENT, "counts"), last, None, told, (before, (last.mean_, last.components_)))
    history = model.columns({"image": images()})["latent_history"]
    assert history.shape == (6, 2, 1)
    np.testing.assert_allclose(history[:, 0], rows @ last.components_.T, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(history[:, 1], last.transform(rows), rtol=1e-4, atol=1e-4)


def test_model__that_gives_no_number_is_refused():
    class Broken:
        def transform(self, rows):
            return np.full((len(rows), 1), np.nan)

    told = Parameters(method="Broken", features={"name": "counts", "bin": 2})
    with pytest.raises(InputError, match="Broken gives coordinates that are not finite"):
        Model(make_features(INSTRUMENT, "counts"), Broken(), None, told).columns({"image": images()})


def test_pictures__have_the_shape_of_the_feature_and_its_unit(run):
    stored = run.embedding().dataset()
    assert stored.components.dims == ("component", "y", "x")
    assert stored.components.shape == (2, 8, 8)
    assert (stored["mean"].attrs["units"], stored.explained_variance.attrs["units"]) == ("count", "count2")
    np.testing.assert_allclose(stored["mean"], run.read("image").mean(axis=0), rtol=1e-5)
    assert [feature_dims(n) for n in (1, 2, 3)] == [("feature",), ("y", "x"), ("feature_0", "feature_1", "feature_2")]
