"""Parameters of embeddings that older and newer versions wrote."""

import json

import pytest

from xfeldask.store.results.parameters import Parameters

WRITTEN = {
    "method": "ipca",
    "method_parameters": {"n_carried": 20, "n_components": 3},
    "features": {"name": "counts", "bin": 2},
    "n_components": 3,
    "batch_size": 512,
    "order": "ascending",
    "sort": "pairs",
    "contamination": 0.1,
    "max_singles_lost": 0.01,
    "labels": 0,
    "seed": 0,
    "n_fitted": 512,
    "converged_at": None,
    "version": "0.1.0",
}


def test_parameters__are_written_as_they_were_before_they_had_a_type() -> None:
    text = json.dumps(WRITTEN)
    assert Parameters.from_json(text).to_json() == Parameters(**WRITTEN).to_json() == text
    projected = Parameters.from_json(text).model_copy(update={"projected_from": "a.zarr"})
    assert projected.to_json() == json.dumps(WRITTEN | {"projected_from": "a.zarr"})


def test_parameters__of_a_users_estimator_are_how_it_shows_itself() -> None:
    found = Parameters.from_json(json.dumps(WRITTEN | {"method": "PCA", "method_parameters": "PCA(n_components=4)"}))
    assert found.method_parameters == "PCA(n_components=4)"


@pytest.mark.parametrize(("stored", "bin"), [(2.0, 2), (2.7, 2), (2, 2)])
def test_parameters__of_an_older_version_may_have_bins_that_are_no_whole_numbers(stored: float, bin: int) -> None:
    text = json.dumps(WRITTEN | {"features": {"name": "counts", "bin": stored}})
    found = Parameters.from_json(text)
    assert repr(found.feature_choice) == repr({"name": "counts", "bin": bin})
    assert found.to_json() == text  # which digests of models are made of
