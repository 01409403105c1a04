from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import zarr

from xfeldask import embed, open_run, simulate
from xfeldask.errors import CorruptStoreError

BRIGHT = {"photon_energy": 4600.0, "photons_per_pulse": 1e16, "focus_radius": 5e-7}
RUN = {
    "particle": ([[0, 0, 0], [2e-9, 0, 0]], ["C", "C"]), "detector": "square-32", "beam": BRIGHT, "n_shots": 30,
    "progress": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("embedding") / "run.zarr"
    simulate(path, **RUN)
    embed(path, n_components=2, sort="elliptic_envelope", progress=False)
    return path


@pytest.fixture
def store(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "run.zarr"))


def test_embedding__has_what_it_was_made_with(made):
    found = open_run(made).embeddings["ipca"]
    assert found.dataset().latent.shape == (30, 2)
    assert found.parameters.method == "ipca"
    assert found.decision.contamination == 0.1
    assert set(found.parts()["estimator"]) >= {"mean_", "components_"}
    assert found.is_current


def test_is_current__is_false_of_other_shots(store):
    simulate(store.with_name("other.zarr"), **RUN, seed=1)
    shutil.copytree(store / "latent", store.with_name("other.zarr") / "latent")
    assert not open_run(store.with_name("other.zarr")).embeddings["ipca"].is_current
    root = zarr.open_group(store, mode="r+")
    root["shot_status"][20:] = 0
    assert not open_run(store).embedding().is_current


def test_is_current__of_an_older_store_goes_by_the_number_of_shots(store):
    attributes = zarr.open_group(store / "latent/ipca", mode="r+").attrs
    del attributes["run"]
    assert open_run(store).embedding().is_current


@pytest.mark.parametrize("text", ["{", "[1]", None])
def test_parameters__that_cannot_be_read_are_a_sentence(store, text):
    file = store / "latent/ipca/zarr.json"
    group = json.loads(file.read_text())
    if text is None:
        del group["attributes"]["parameters"]
    else:
        group["attributes"]["parameters"] = text
    file.write_text(json.dumps(group))
    with pytest.raises(CorruptStoreError, match="the parameters of ipca cannot be read"):
        _ = open_run(store).embedding().parameters


def test_repr__says_what_it_is(made):
    found = open_run(made).embedding()
    for told in (repr(found), found._repr_html_()):
        assert "ipca of counts, 2 components" in told
        assert "elliptic_envelope" in told
