from __future__ import annotations

import re
from html import escape

import matplotlib.image
import numpy as np
import pytest
import xarray as xr

from xfeldask import embed, ingest, open_run, simulate
from xfeldask.report.decision_facts import verdict_told
from xfeldask.report.run_report import figures, near_threshold, powder, verdicts

QUIET = {"progress": False}
TITLES = ["powder", "radial profiles", "photons", "score in order"]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "r0042.zarr"
    two = [[0, 0, 0], [2e-9, 0, 0]], ["U", "U"]
    beam = {"photon_energy": 4600.0, "photons_per_pulse": 1e15, "focus_radius": 5e-7}
    simulate(path, particle=two, detector="square-32", n_shots=60, hits={0: 1, 1: 4, 2: 1}, beam=beam, **QUIET)
    embed(path, n_components=2, sort="elliptic_envelope", **QUIET)
    return path


def test_report__is_one_file_and_its_figures(store, run):
    code, out, _ = run("report", store)
    path = store.with_name("r0042_report.html")
    assert (code, out) == (0, f"written: {path}\n")
    page = path.read_text()
    assert re.findall(r"<h2>(.*?)</h2>", page)[:4] == TITLES
    assert page.count("data:image/png;base64,") == page.count("<img") >= 4
    # nothing is fetched
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    told = verdict_told(open_run(store), open_run(store).embedding().dataset())
    assert {"latent space", "verdict", "truth"} <= set(told)
    for name, value in told.items():
        assert f"<tr><td>{name}</td><td>{escape(value)}</td></tr>" in page
    for title in TITLES:
        assert matplotlib.image.imread(path.with_suffix("") / f"{title.replace(' ', '-')}.png").shape[1] > 300


def test_report__of_shots_that_nobody_sorted_and_of_adu(tmp_path):
    rng = np.random.default_rng(1)
    np.save(tmp_path / "run.npy", 8 * rng.poisson(0.4, (30, 16, 16)) + rng.normal(0, 1, (30, 16, 16)))
    ingest(tmp_path / "run.npy", tmp_path / "run.zarr", geometry="square-16", wavelength=2e-10, photonize=8, **QUIET)
    run = open_run(tmp_path / "run.zarr")
    titles = ["powder", "radial profiles", "photons", "histogram of ADU"]
    assert [title for title, _ in figures(run, None)] == titles
    assert verdicts(run, None).tolist() == [-1] * 30


def test_powder__is_the_sum_of_the_images_of_each_kind(store, monkeypatch):
    monkeypatch.setattr("xfeldask.report.run_report.BLOCK", 7)
    opened = open_run(store)
    kinds = verdicts(opened, opened.embedding().dataset())
    images = opened.read("image").astype(float)
    found = powder(opened, kinds)
    assert set(found) == set(np.unique(kinds))
    for kind, total in found.items():
        np.testing.assert_array_equal(total, images[kinds == kind].sum(axis=0))


def test_near_threshold__is_ordered_by_score():
    score = np.array([3.0, np.nan, 1.1, 0.9, -5.0])
    latent = xr.Dataset({"score": ("shot", score)}, attrs={"decision": '{"threshold": 1.0}'})
    assert near_threshold(latent).tolist() == [0, 2, 3, 4]
    assert near_threshold(latent.assign_attrs(decision="{}")).tolist() == []


def test_report__refuses_in_one_sentence(store, tmp_path, run):
    for arguments in (
        (tmp_path / "none.zarr",),
        (store, "--embedding", "pca"),
        (store, "--out", tmp_path / "no/a.html"),
    ):
        code, _, err = run("report", *arguments)
        assert (code, err.count("\n")) == (2, 1)


def test_report__replaces_no_folder_and_writes_nothing_into_a_store(store, tmp_path, run):
    notes = tmp_path / "results/notes.txt"
    notes.parent.mkdir()
    notes.write_text("precious")
    store.with_name("r0042").symlink_to(store)
    before = sorted(store.rglob("*"))
    for out in (notes.parent, notes, tmp_path / "new", store.with_name("r0042.html"), store / "report.html"):
        code, _, err = run("report", store, "--out", out)
        assert (code, err.count("\n")) == (2, 1)
        assert "--out" in err
    assert notes.read_text() == "precious"
    assert sorted(store.rglob("*")) == before
