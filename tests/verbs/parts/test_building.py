from __future__ import annotations

from dataclasses import replace

import dask
import numpy as np
import pytest

from tests.tiny import embed_tiny, frames, tiny_run
from tests.verbs.arguments.test_options import USUAL
from xfeldask.errors import RunError
from xfeldask.latent.pca import PCA
from xfeldask.schema import LATENT, Variable
from xfeldask.sorting.decision import Decision
from xfeldask.sorting.envelope import EnvelopeRule
from xfeldask.sorting.protocol import Allowance, Rule
from xfeldask.store.results.embedding import Embedding
from xfeldask.store.results.model import Model, make_features
from xfeldask.verbs.parts.building import fit_model, judged, publish, sorted_dataset, variables
from xfeldask.work.sources import StoreSource


class Bright(Rule):
    """A rule that needs no coordinates."""

    needs = ("photon_count",)
    columns = (Variable("brightness", ("shot",), "float32", "photons counted", "count"),)

    def fit(self, shots):
        self.most = float(shots.read("photon_count").mean())
        return self

    def evidence(self, shots):
        return {"brightness": np.asarray(shots["photon_count"], float)}

    def decide(self, columns, allowance):
        score = self.most - columns["brightness"]
        return {"score": score, "is_single": score >= 0}, Decision(threshold=0.0)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("building") / "run.zarr", frames(24))


@pytest.fixture(autouse=True)
def here():
    with dask.config.set(scheduler="synchronous"):
        yield


def test_fit_model__fits_to_the_first_shots_and_leaves_the_envelope_for_later(run):
    model, fitted = fit_model(StoreSource(run), USUAL, 20)
    np.testing.assert_array_equal(fitted.fitted, np.arange(20))
    due = PCA(2, seed=3).fit(run.read("image")[:20].reshape(20, -1))
    np.testing.assert_allclose(np.abs(model.estimator.components_ @ due.components_.T), np.eye(2), atol=1e-5)
    assert not hasattr(model.rule, "location_")
    assert model.parameters.n_fitted == 20


def test_fit_model__lets_a_rule_without_coordinates_learn_meanwhile(run):
    told = []
    asked = replace(USUAL, sort=Bright(), progress=lambda *words: told.append(words[0]))
    model, _ = fit_model(StoreSource(run), asked, 24)
    assert model.rule.most == pytest.approx(run.read("photon_count").mean())
    assert set(told) == {"fitting", "learning to sort"}


def test_fit_model__tells_of_a_rule_that_fails(run):
    class Broken(Bright):
        def fit(self, shots):
            raise ZeroDivisionError("no light")

    with pytest.raises(RunError, match="no light"):
        fit_model(StoreSource(run), replace(USUAL, sort=Broken()), 24)


def model_of(run, rule):
    made = make_features(run, "counts")
    rows = made.rows(run.read("image"))
    _, fitted = fit_model(StoreSource(run), replace(USUAL, sort=None), 24)
    return Model(made, fitted.estimator, rule, USUAL.parameters(made, fitted)), {
        "latent": np.asarray(fitted.estimator.transform(rows), np.float32)
    }


def test_judged__lets_the_envelope_learn_once_or_not_again(run):
    model, columns = model_of(run, EnvelopeRule())
    shots = StoreSource(run).shots(24)
    learned, found = judged(model, shots, columns)
    assert found["envelope_distance"].shape == (24,)
    far = {"latent": columns["latent"] + 100}
    kept, away = judged(learned, shots, far, learn=False)
    assert kept.rule is learned.rule
    assert away["envelope_distance"].min() > found["envelope_distance"].max()
    for rule in (None, Bright()):
        same, untouched = judged(replace(model, rule=rule), shots, columns)
        assert same.rule is rule
        assert untouched is columns


def test_sorted_dataset__has_verdicts_units_and_what_it_was_made_with(run):
    model, columns = judged(*[*model_of(run, EnvelopeRule())][:1], StoreSource(run).shots(24), model_of(run, None)[1])
    found = sorted_dataset(columns, model, Allowance(contamination=0.25))
    assert int((~found.is_single).sum()) == 6
    np.testing.assert_array_equal(found.verdict, np.where(found.is_single, 1, 2))
    assert (found.latent.attrs["units"], found.components.dims) == ("count", ("component", "y", "x"))
    assert Decision.from_json(found.attrs["decision"]).contamination == 0.25
    assert found.attrs["title"] == "latent space of 24 shots by pca"
    bare = sorted_dataset({"latent": columns["latent"]}, replace(model, rule=None), Allowance())
    assert "is_single" not in bare
    assert bare.attrs["decision"] == "{}"


def test_variables__take_types_and_meanings_of_the_schema_and_of_the_rule():
    found = variables({"score": np.zeros(2, np.float32), "brightness": np.ones(2)}, Bright())
    assert (found["score"].dtype, found["score"].attrs) == (np.float64, LATENT["score"].attributes())
    assert (found["brightness"].dtype, found["brightness"].attrs["units"]) == (np.float32, "count")


def test_publish__writes_which_shots_were_fitted(tmp_path):
    run = tiny_run(tmp_path / "run.zarr", frames(24))
    model, fitted = fit_model(StoreSource(run), USUAL, 20)
    columns = model.columns({"image": run.read("image")})
    publish(run, "mine", USUAL, model, fitted, columns)
    found = Embedding(run, "mine").dataset()
    np.testing.assert_array_equal(found.fitted, np.arange(24) < 20)
    assert sorted(Embedding(run, "mine").parts()) == ["estimator", "rule"]
    due = embed_tiny(run).embedding("pca").dataset()
    assert set(due.data_vars) == set(found.data_vars)
