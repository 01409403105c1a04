"""Features without what is expected of the background of each shot."""

from __future__ import annotations

import shutil
import sys

import numpy as np
import pytest

from tests.oracles import own_background
from xfeldask import embed, find_background, fit, open_dataset, open_run, project, simulate
from xfeldask.errors import InputError, RunError
from xfeldask.explorer.model.rebuild import LinearSpace
from xfeldask.sorting.envelope import EnvelopeRule
from xfeldask.store.results.background_rows import background_of_shots
from xfeldask.store.results.known_background import read_known_background
from xfeldask.store.results.model import make_features
from xfeldask.store.run import Run
from xfeldask.work.sources import StoreSource

N = 300
LESS = {"name": "counts", "less_background": 1}
HOW = {"n_components": 2, "sort": None, "progress": False}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Hits over gas that differs from shot to shot by half."""
    path = tmp_path_factory.mktemp("rows") / "run.zarr"
    simulate(
        path, particle="chaperonin", detector="square-32", n_shots=N, seed=5, hits={0: 0.2, 1: 0.8},
        nuisance={"background": 0.8}, background={"source": "gas", "spread": 0.5}, progress=False,
    )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def known(run):
    """Two backgrounds, of which blanks have one and hits the other, with the weights of the truth."""
    ds = open_dataset(run)
    photons = ds.background_shape.values * float(ds.background.mean()) / ds.background_shape.size
    return find_background(
        run, np.concatenate([photons, photons[:, ::-1]]), by="n_particles", weights=ds.background.values, progress=False
    )


def test_embedding__is_of_features_less_those_of_each_shots_background(run, known, tmp_path):
    found = embed(run, name="less", features=LESS, method="pca", **HOW).load()
    opened = open_run(run)
    rows = opened.read("image").reshape(N, -1) - own_background(opened.known_background, "image", np.arange(N)).reshape(
        N, -1
    )
    mean = rows.mean(axis=0)
    np.testing.assert_allclose(found["mean"].values.ravel(), mean, atol=1e-4)
    due = (rows - mean) @ found.components.values.reshape(2, -1).T
    np.testing.assert_allclose(found.latent.values, due, atol=1e-2)
    embedding = opened.embeddings["less"]
    assert embedding.parameters.background == known.attrs["digest"]
    rebuilt = LinearSpace.of(embedding).rebuild(7)
    np.testing.assert_allclose(rebuilt.image.ravel(), rows[7], atol=1e-4)
    again = project(run, "less", run, as_name="again", progress=False)
    np.testing.assert_array_equal(again.latent.values, found.latent.values)
    other = shutil.copytree(run, tmp_path / "other.zarr")
    new = find_background(other, np.ones((32, 32)), overwrite=True, progress=False).attrs["digest"]
    project(run, "less", other, as_name="there", progress=False)
    there = open_run(other).embeddings["there"]
    assert there.parameters.background == new
    assert there.is_current
    with pytest.raises(InputError, match="less was made with another background than the run has"):
        LinearSpace.of(open_run(other).embeddings["less"])
    find_background(other, 2 * np.ones((32, 32)), overwrite=True, progress=False)
    assert "made with another background; project again" in open_run(other).embeddings["there"].facts()["outdated"]


def test_bins__that_are_merged_hold_the_background_of_all(run, known):
    opened = open_run(run)
    rows = make_features(opened, {"name": "counts", "bin": 3 * opened.bin, "less_background": 1}).under.rows
    images = opened.known_background.cells.image
    padded = np.pad(images, ((0, 0), *((0, -n % 3) for n in images.shape[1:])))
    due = padded.reshape(len(images), padded.shape[1] // 3, 3, -1, 3).sum(axis=(2, 4))
    np.testing.assert_allclose(rows, due.reshape(len(images), -1), rtol=1e-5)


def test_coordinates__no_longer_tell_how_much_background_there_is(run, known):
    plain, less = (
        embed(run, name=name, features=features, **HOW).latent.values
        for name, features in (("plain", "counts"), ("counts_less", LESS))
    )
    weight = known.background_weight.values
    hit = open_dataset(run).n_particles.values > 0
    told = [max(abs(np.corrcoef(weight[hit], c[hit, k])[0, 1]) for k in range(2)) for c in (plain, less)]
    assert told[0] > 2 * told[1]


def test_features__that_cannot_be_are_refused(run, known, tmp_path):
    for features in ("unit_root", "autocorrelation"):
        with pytest.raises(InputError, match="less_background is an option of counts, fourier_crop, radial_profile"):
            embed(run, name="no", features={"name": features, "less_background": 1}, **HOW)
    with pytest.raises(InputError, match="needs the background of the shots; measure it with find_background"):
        fit(open_dataset(run), features=LESS, **HOW)


def test_shots__are_told_their_background_without_that_of_all_cells(run, known, monkeypatch):
    opened = open_run(run)
    under = make_features(opened, LESS).under
    found = read_known_background(opened)
    monkeypatch.setattr(Run, "known_background", property(lambda _: pytest.fail("all of it was read")))
    told = background_of_shots(opened, slice(7, 9), under)
    np.testing.assert_array_equal(told["background_weight"], found.weight[7:9])
    np.testing.assert_array_equal(told["background_cell"], found.cells.of[7:9])


@pytest.mark.parametrize(
    ("verb", "how", "told"),
    [
        ("project_all", {"features": LESS, "sort": None}, "was replaced meanwhile; embed again"),
        ("learned", {"sort": "pairs"}, "was replaced while they were embedded; embed again"),
        ("project_all", {"sort": "elliptic_envelope"}, "was replaced while they were embedded; embed again"),
        ("draft", {"features": LESS, "sort": None}, None),
    ],
)
def test_background__that_is_replaced_meanwhile_is_never_told_as_that_of_the_embedding(
    run, known, tmp_path, monkeypatch, verb, how, told
):
    path = shutil.copytree(run, tmp_path / "run.zarr")
    monkeypatch.setattr(EnvelopeRule, "uses_background", True, raising=False)
    place = StoreSource if verb == "learned" else sys.modules["xfeldask.verbs.embed"]
    own = getattr(place, verb)

    def late(*given):
        find_background(path, np.ones((32, 32)), overwrite=True, progress=False)
        return given[1] if verb == "learned" else own(*given)

    monkeypatch.setattr(place, verb, late)
    if told is not None:
        with pytest.raises((InputError, RunError), match=told):
            embed(path, name="late", n_components=2, progress=False, **how)
        assert "late" not in open_run(path).embeddings
        return
    embed(path, name="late", n_components=2, progress=False, **how)
    embedding = open_run(path).embeddings["late"]
    assert embedding.parameters.background == known.attrs["digest"]
    assert not embedding.is_current
