from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from tests.formats import cxi_writer
from xfeldask import embed, ingest, open_run
from xfeldask.errors import InputError, UnknownNameError
from xfeldask.report.processing import process

FLAGS = ["--sort", "elliptic_envelope", "--n-components", 2, "--scheduler", "synchronous", "--quiet"]


@pytest.fixture
def hits(tmp_path):
    cxi_writer.write_euxfel(tmp_path / "r0042.cxi", cxi_writer.frames(40))
    return tmp_path / "r0042.cxi"


def test_process__goes_from_the_file_to_the_report_and_back_and_does_nothing_twice(hits, tmp_path, run, monkeypatch):
    store = tmp_path / "r0042.zarr"
    code, out, _ = run("process", hits, store, "--write-back", *FLAGS)
    assert code == 0
    summary = json.loads(out.splitlines()[-1])
    latent = open_run(store).embedding().dataset()
    assert (summary["shots"], summary["embedding"]) == (40, "ipca")
    assert summary["single"] == int(latent.is_single.sum())
    assert summary["single"] + summary["multiple"] + summary["blank"] == 40
    assert "<h2>powder</h2>" in (tmp_path / "r0042_report.html").read_text()
    assert summary["written_back"] == [f"{hits}:/entry_1/result_3"]
    with h5py.File(hits) as file:
        np.testing.assert_array_equal(file["entry_1/result_3/score"][:], latent.score.values)
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file() and path.name != "zarr.json"}
    for name in ("embed", "project"):
        monkeypatch.setattr(f"xfeldask.report.processing.{name}", lambda *a, **k: pytest.fail("done already"))
    monkeypatch.setattr("xfeldask.report.processing.report", lambda *a, **k: tmp_path / "r0042_report.html")
    code, out, _ = run("process", hits, store, "--write-back", *FLAGS)
    again = json.loads(out.splitlines()[-1])
    assert (code, again | {"seconds": 0}) == (0, summary | {"seconds": 0})
    after = {path: path.read_bytes() for path in store.rglob("*") if path.is_file() and path.name != "zarr.json"}
    assert after == before


def test_process__applies_a_model(hits, tmp_path, monkeypatch):
    monkeypatch.setattr("xfeldask.report.processing.report", lambda *a, **k: tmp_path / "r0042_report.html")
    cxi_writer.write_euxfel(tmp_path / "other.cxi", cxi_writer.frames(50, seed=5))
    ingest(tmp_path / "other.cxi", tmp_path / "model.zarr", progress=False)
    embed(tmp_path / "model.zarr", name="taught", n_components=2, sort="elliptic_envelope", progress=False)
    with pytest.raises(InputError, match="no probabilities"):
        process(hits, tmp_path / "r0042.zarr", model=tmp_path / "model.zarr", max_contamination=0.1, progress=False)
    with pytest.raises(UnknownNameError, match="unknown embedding 'none'"):
        process(hits, tmp_path / "r0042.zarr", model=tmp_path / "model.zarr", embedding="none", progress=False)
    assert not (tmp_path / "r0042.zarr").exists()
    summary = process(hits, tmp_path / "r0042.zarr", model=tmp_path / "model.zarr", progress=False)
    assert (summary["embedding"], summary["written_back"]) == ("taught", [])
    assert np.isfinite(open_run(tmp_path / "r0042.zarr").embeddings["taught"].dataset().score.values).all()


def test_process__makes_anew_what_was_made_otherwise(hits, tmp_path, monkeypatch):
    monkeypatch.setattr("xfeldask.report.processing.report", lambda *a, **k: tmp_path / "r0042_report.html")
    cxi_writer.write_euxfel(tmp_path / "other.cxi", cxi_writer.frames(50, seed=5))
    store, model = tmp_path / "r0042.zarr", tmp_path / "model.zarr"
    ingest(tmp_path / "other.cxi", model, progress=False)
    own = {"sort": "elliptic_envelope", "progress": False}

    def processed(**asked):
        process(hits, store, **own, **asked)
        return open_run(store).embedding("ipca").parameters

    assert processed(n_components=2).n_components == 2
    assert processed(n_components=4).n_components == 4
    embed(model, n_components=2, seed=1, **own)
    taught = processed(model=model)
    assert (taught.projected_from, taught.n_components, taught.seed) == ("model.zarr", 2, 1)
    embed(model, n_components=2, seed=2, overwrite=True, **own)
    again = processed(model=model)
    assert again.seed == 2
    monkeypatch.setattr("xfeldask.report.processing.project", lambda *a, **k: pytest.fail("done already"))
    assert processed(model=model) == again
    assert processed(n_components=2).projected_from is None


def test_process__decides_anew_where_another_contamination_is_asked_for(hits, tmp_path, monkeypatch):
    monkeypatch.setattr("xfeldask.report.processing.report", lambda *a, **k: tmp_path / "r0042_report.html")
    asked = []
    monkeypatch.setattr("xfeldask.report.processing.decide_anew", lambda *a, **k: asked.append((*a, k)))
    store = tmp_path / "r0042.zarr"
    process(hits, store, sort="elliptic_envelope", n_components=2, progress=False)
    monkeypatch.setattr("xfeldask.report.processing._is_as_asked", lambda *a: True)
    process(hits, store, max_contamination=0.05, progress=False)
    assert asked == [(store, "ipca", {"max_singles_lost": 0.01, "max_contamination": 0.05})]


def test_process__refuses_as_its_parts_do(hits, tmp_path, run):
    for arguments, told in (
        ((tmp_path / "none.cxi", tmp_path / "a.zarr"), "there is no"),
        ((hits, tmp_path / "a.zarr", "--pixel-size", 1e-4), "name one with --detector"),
        ((hits, tmp_path / "a.zarr", "--common-mode", "row"), "--common-mode needs --photonize"),
        ((hits, tmp_path / "a.zarr", "--max-contamination", 2), "max_contamination must be above 0 and below 1"),
        ((hits, tmp_path / "a.zarr", "--max-contamination", 0.1, "--sort", "elliptic_envelope"), "no probabilities"),
        ((hits, tmp_path / "a.zarr", "--model", tmp_path / "b.zarr"), "no store at"),
    ):
        code, out, err = run("process", *arguments, *FLAGS)
        assert (code, out, told in err) == (2, "", True)
