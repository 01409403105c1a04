"""`embed` on real stores."""

import json
import shutil
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Self

import dask
import numpy as np
import pytest
import xarray as xr
from sklearn import decomposition
from sklearn.ensemble import IsolationForest

from tests.hasty import unhurried
from tests.small_stores import TAUGHT
from xfeldask import embed, open_dataset, open_run, project, reconstruct, simulate, sort
from xfeldask.errors import InputError, StoreExistsError, UnknownNameError, XfeldaskWarning
from xfeldask.features.feature import FEATURES, register_feature
from xfeldask.latent.ipca import IncrementalPCA
from xfeldask.latent.methods import METHODS, register_method
from xfeldask.schema import Variable
from xfeldask.sorting.decision import Decision
from xfeldask.sorting.protocol import Allowance, Columns, Rule, Shots
from xfeldask.sorting.rules import RULES, register_rule
from xfeldask.store.results.model import restored_model
from xfeldask.store.results.parameters import Parameters
from xfeldask.verbs.parts import following, patience
from xfeldask.work.compute import one_thread_a_task

N = TAUGHT["n_shots"]
FEW = {"particle": (np.eye(3) * 1e-9, ["C"] * 3), "n_shots": 4}


@pytest.fixture(scope="module")
def store(sorted_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, to which tests add embeddings, of a store that has one named sorted."""
    return Path(shutil.copytree(sorted_run, tmp_path_factory.mktemp("embedding") / "run.zarr"))


@pytest.fixture(scope="module")
def sorted_(store: Path) -> xr.Dataset:
    return open_dataset(store, group="latent/sorted", chunks=None).load()


@pytest.mark.rounding
def test_embed__is_the_partial_fit_loop(store: Path) -> None:
    found = embed(store, name="loop", n_components=2, batch_size=64, stop=False, sort=None, progress=False)
    images = open_dataset(store).image.values.reshape(N, -1).astype(np.float32)
    pca = IncrementalPCA(2)
    # other numbers of BLAS threads round in other ways
    with one_thread_a_task():
        for start in range(0, N, 64):
            pca.partial_fit(images[start : start + 64])
    np.testing.assert_array_equal(found.components.values.reshape(2, -1), pca.components_)
    np.testing.assert_allclose(found.latent.values, pca.transform(images), atol=1e-4)
    assert found.fitted.all()


def test_embed__same_bits_on_any_scheduler(store: Path, processes: ProcessPoolExecutor) -> None:
    ways = ({"scheduler": "threads", "num_workers": 3}, {"scheduler": "processes", "pool": processes})
    with dask.config.set(scheduler="synchronous"):
        expected = embed(store, name="alone", progress=False).load()
        for way in ways:
            with dask.config.set(way):
                found = embed(store, name=str(way["scheduler"]), progress=False).load()
            assert found.drop_attrs(deep=False).equals(expected.drop_attrs(deep=False))


def test_embed__keeps_singles_flags_pairs_and_knows_blanks(tmp_path: Path) -> None:
    simulate(tmp_path / "run.zarr", **{**TAUGHT, "detector": "square-256", "n_shots": 700}, progress=False)
    with unhurried():
        found = embed(tmp_path / "run.zarr", progress=False).load()
    n = open_dataset(tmp_path / "run.zarr").n_particles.values
    assert (found.verdict.values[n == 0] == 0).all()
    assert (found.verdict.values[n > 0] > 0).all()
    assert found.is_single.values[n == 1].mean() > 0.97
    assert found.is_single.values[n == 2].mean() < 0.12
    probability = found.probability_single.values
    assert np.abs(probability - (n == 1)).mean() < 0.02
    np.testing.assert_array_equal(found.is_single, found.verdict == 1)
    assert np.isfinite(found.score).all()
    np.testing.assert_array_equal(np.isnan(found.separation), n == 0)


def test_embed__reads_no_truth(store: Path, sorted_: xr.Dataset, tmp_path: Path) -> None:
    bare = tmp_path / "bare.zarr"
    shutil.copytree(store, bare)
    for name in ("n_particles", "orientation", "position", "fluence", "size", "background", "volume"):
        shutil.rmtree(bare / name)
    found = embed(bare, name="without", progress=False).load()
    assert found.drop_attrs(deep=False).equals(sorted_.drop_attrs(deep=False))


@pytest.mark.parametrize("method", METHODS)
def test_project__of_a_store_onto_itself_is_its_embedding(store: Path, tmp_path: Path, method: str) -> None:
    other = tmp_path / "other.zarr"
    shutil.copytree(store, other)
    shutil.rmtree(other / "latent", ignore_errors=True)
    options = {"method": method, "sort": "pairs" if method == "ipca" else None, "n_components": 2}
    found = embed(store, name=method, **options, overwrite=True, progress=False).load()
    again = project(store, method, other, progress=False).load()
    judged = ("score", "probability_single", "is_single", "separation") if options["sort"] else ()
    for name in ("latent", *judged):
        np.testing.assert_array_equal(again[name], found[name])
    assert not again.fitted.any()


@pytest.fixture(scope="module")
def smaller(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("smaller") / "run.zarr"
    simulate(path, **{**FEW, "detector": "square-32"}, progress=False)
    return path


@pytest.mark.parametrize("method", ["ipca", "diffusion_map"])
def test_project__refuses_another_detector(store: Path, smaller: Path, method: str) -> None:
    embed(store, name="model", method=method, sort=None, overwrite=True, progress=False)
    told = "^the other store is of another detector or geometry: its shots have 1024 features, those of the model 4096"
    with pytest.raises(InputError, match=told):
        project(store, "model", smaller, progress=False)
    assert not (smaller / "latent").exists()


@pytest.mark.usefixtures("sorted_")
def test_project__refuses_another_geometry(store: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.zarr"
    farther = {"source": "square-64", "distance": 0.3}
    simulate(other, **{**FEW, "detector": farther}, progress=False)
    with pytest.raises(InputError, match=r"^the other store is of another detector or geometry: its low_q"):
        project(store, "sorted", other, progress=False)
    assert not (other / "latent").exists()


def test_restored_model__takes_no_rule_of_another_grid(store: Path, sorted_: xr.Dataset) -> None:
    parameters = Parameters.from_json(sorted_.attrs["parameters"])
    parts, run = open_run(store).embeddings["sorted"].parts(), open_run(store)
    rule = parts["rule"].load()
    other_shape, wider = rule.isel({rule.weight.dims[0]: slice(2, None)}), rule.assign(step=rule.step * 1.01)
    for other, told in ((other_shape, "that of the model 62 x 64 bins"), (wider, "64 x 64 bins")):
        with pytest.raises(InputError, match=f"of another detector or geometry: its low_q has .* {told}"):
            restored_model(parameters, parts | {"rule": other}, run)
    nearly = restored_model(parameters, parts | {"rule": rule.assign(step=rule.step * 1.0001)}, run)
    assert nearly.rule is not None


def test_project__refuses_a_foreign_estimator_and_an_unknown_name(store: Path, smaller: Path) -> None:
    embed(store, name="foreign", method=decomposition.PCA(2), sort=None, progress=False)
    with pytest.raises(InputError, match="embed the other store"):
        project(store, "foreign", smaller, progress=False)
    with pytest.raises(UnknownNameError, match="unknown embedding 'nobody'"):
        project(store, "nobody", smaller, progress=False)
    assert not (smaller / "latent").exists()


def test_embed__takes_estimators_of_scikit_learn(store: Path) -> None:
    rule, pca = IsolationForest(contamination=0.1, random_state=0), decomposition.PCA(4, svd_solver="full")
    coarse = {"name": "counts", "bin": 4}
    found = embed(store, name="own", method=pca, features=coarse, sort=rule, progress=False)
    images = open_dataset(store).image.values.reshape(N, 16, 4, 16, 4).sum(axis=(2, 4)).reshape(N, -1)
    expected = decomposition.PCA(4, svd_solver="full").fit_transform(images.astype(np.float32))
    np.testing.assert_allclose(found.latent, expected, atol=1e-2)  # of coordinates up to 30
    assert abs(int((~found.is_single.values).sum()) - N / 10) < 5
    assert "probability_single" not in found


@pytest.mark.parametrize(
    ("features", "size"),
    [("normalised", 64 * 64), ({"name": "fourier_crop", "n": 16}, 256), ("radial_profile", 32),
     ({"name": "counts", "bin": 2}, 32 * 32), ({"name": "autocorrelation_profile", "n_rings": 8}, 16)],
)  # fmt: skip
def test_embed__features_by_name(store: Path, features: object, size: int) -> None:
    found = embed(store, name="features", features=features, sort=None, overwrite=True, progress=False)
    assert found["mean"].size == size
    assert np.isfinite(found.latent).all()
    if isinstance(features, dict) and features["name"] == "counts":
        images = open_dataset(store).image.values.reshape(N, 32, 2, 32, 2).sum(axis=(2, 4)).reshape(N, -1)
        expected = (images - found["mean"].values.ravel()) @ found.components.values.reshape(3, -1).T
        np.testing.assert_allclose(found.latent, expected, atol=1e-2)  # of coordinates up to 30


def thirds(images: np.ndarray) -> np.ndarray:
    """A user's feature."""
    return images.reshape(len(images), -1)[:, ::3]


def test_embed__takes_a_function_as_features(store: Path, smaller: Path, processes: ProcessPoolExecutor) -> None:
    with dask.config.set(scheduler="processes", pool=processes):
        found = embed(
            store, name="thirds", features=lambda images: thirds(images), sort=None, stop=False, progress=False
        )
    assert json.loads(found.attrs["parameters"])["features"] == {"name": "<lambda>", "bin": 1, "own": True}
    images = open_dataset(store).image.values
    np.testing.assert_allclose(found["mean"], thirds(images).mean(axis=0), rtol=1e-4, atol=1e-4)
    coarse = embed(store, name="coarse", features={"name": thirds, "bin": 2}, sort=None, progress=False)
    assert coarse["mean"].size == -(-32 * 32 // 3)
    with pytest.raises(
        InputError, match=r"<lambda> was a user's own object, which is not stored; register_feature\(\)"
    ):
        project(store, "thirds", smaller, progress=False)


def test_embed__finds_what_was_registered_and_projects_it(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FEATURES, "_things", dict(FEATURES._things))
    monkeypatch.setattr(METHODS, "_things", dict(METHODS._things))
    register_feature("thirds", lambda grid: thirds)
    register_method("truncated", decomposition.TruncatedSVD)
    other = tmp_path / "other.zarr"
    shutil.copytree(store, other)
    shutil.rmtree(other / "latent", ignore_errors=True)
    found = embed(store, method="truncated", features="thirds", sort=None, overwrite=True, progress=False)
    again = project(store, "truncated", other, progress=False)
    np.testing.assert_allclose(again.latent, found.latent, rtol=1e-5, atol=1e-5)


def test_embed__stops_when_converged_and_says_so(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xfeldask.work.fitting.FIRST_LOOK", 60)
    monkeypatch.setattr("xfeldask.work.fitting.ANGLE", 1.5)
    monkeypatch.setattr("xfeldask.work.fitting.CHANGE", 0.9)
    found = embed(store, name="stopped", batch_size=20, sort=None, measures=("reconstruction",), progress=False)
    parameters = json.loads(found.attrs["parameters"])
    assert parameters["converged_at"] == parameters["n_fitted"] == found.n_fitted[-1] == found.fitted.sum() < N / 2
    assert len(found.reconstruction) == len(found.angle) == len(found.n_fitted) == 3
    assert not found.fitted.values[-N // 3 :].any()


def test_embed__labels_are_used_and_checked(store: Path, sorted_: xr.Dataset) -> None:
    n = open_dataset(store).n_particles.values
    labels = np.where(np.arange(N) < 100, n == 1, -1)
    found = embed(store, name="labelled", labels=labels, progress=False)
    assert json.loads(found.attrs["parameters"])["labels"] == 100
    assert not found.log_ratio.equals(sorted_.log_ratio)
    for wrong in (labels[:-1], labels + 5):
        with pytest.raises(InputError, match="labels"):
            embed(store, name="wrong", labels=wrong, progress=False)


def test_sort__asks_the_rule_that_the_embedding_was_sorted_by(store: Path) -> None:
    ours = {"sort": "elliptic_envelope", "progress": False, "overwrite": True}
    tenth = embed(store, name="envelope", **ours).load()
    part = sort(store, "envelope", contamination=0.02).load()
    xr.testing.assert_equal(part, embed(store, name="again", contamination=0.02, **ours))
    assert json.loads(part.attrs["decision"]) == {"contamination": 0.02}
    assert json.loads(part.attrs["parameters"])["contamination"] == 0.02
    # blanks are alike, and may all lie on the rim
    assert N * 0.9 <= tenth.is_single.sum() < part.is_single.sum()
    xr.testing.assert_equal(sort(open_dataset(store), "envelope").load(), tenth)
    with pytest.raises(
        InputError, match="elliptic_envelope, which goes by contamination; for max_singles_lost embed with sort='pairs'"
    ):
        sort(store, "envelope", max_singles_lost=0.05)


def test_sort__refuses_what_it_cannot_decide(store: Path) -> None:
    embed(store, name="nobody", sort=None, overwrite=True, progress=False)
    with pytest.raises(InputError, match=r"was not sorted; embed with sort='pairs' or 'elliptic_envelope'"):
        sort(store, "nobody")
    embed(store, name="foreign", sort=IsolationForest(random_state=0), overwrite=True, progress=False)
    with pytest.raises(
        InputError, match=r"sorted by IsolationForest\(random_state=0\), which is not stored; embed again"
    ):
        sort(store, "foreign")


def test_envelopes__of_older_versions_are_fitted_to_the_other_store(store: Path, tmp_path: Path) -> None:
    found = embed(store, name="older", sort="elliptic_envelope", overwrite=True, progress=False).load()
    old, other = tmp_path / "old.zarr", tmp_path / "other.zarr"
    shutil.copytree(store, old)
    shutil.copytree(store, other)
    shutil.rmtree(old / "latent" / "older" / "rule")
    shutil.rmtree(old / "latent" / "older" / "envelope_distance")
    again = project(old, "older", other, overwrite=True, progress=False).load()
    np.testing.assert_array_equal(again.score, found.score)
    with pytest.raises(InputError, match=r"\(envelope_distance\), as older versions did not store it"):
        sort(old, "older")


class Bright(Rule):
    """A user's rule."""

    needs = ("photon_count", "latent")
    columns = (Variable("brightness", ("shot",), "float64", "photons counted over their median"),)
    allowance = "contamination"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, shots: Shots) -> Self:
        self.middle = np.median(shots.read("photon_count"))
        return self

    def evidence(self, shots: Mapping[str, np.ndarray]) -> Columns:
        assert len(shots["latent"]) == len(shots["photon_count"])
        return {"brightness": shots["photon_count"] / self.middle}

    def decide(self, columns: Mapping[str, np.ndarray], allowance: Allowance) -> tuple[Columns, Decision]:
        score = np.quantile(columns["brightness"], 1 - allowance.contamination) - columns["brightness"]
        return {"score": score, "is_single": score >= 0}, Decision(threshold=0.0, mood="good")

    def arrays(self) -> Columns:
        return {"middle": np.asarray(self.middle)}

    @classmethod
    def restore(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        rule = cls()
        rule.middle = float(arrays["middle"])
        return rule


@pytest.mark.parametrize("needs", [("photon_count",), ("photon_count", "latent")])
def test_embed__by_a_rule_of_ones_own(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, needs: tuple[str, ...]
) -> None:
    monkeypatch.setattr(RULES, "_things", dict(RULES._things))
    monkeypatch.setattr(Bright, "needs", needs)
    if "latent" not in needs:
        monkeypatch.setattr(Bright, "evidence", lambda rule, shots: {"brightness": shots["photon_count"] / rule.middle})
    other = tmp_path / "other.zarr"
    shutil.copytree(store, other)
    own = embed(store, name="own_rule", sort=Bright(), overwrite=True, progress=False).load()
    photons = open_dataset(store).photon_count.values
    np.testing.assert_array_equal(own.brightness, photons / np.median(photons))
    assert own.brightness.attrs["long_name"] == "photons counted over their median"
    assert N / 10 - 10 < int((~own.is_single).sum()) <= N / 10, "fewer only where shots are equally bright"
    assert json.loads(own.attrs["decision"]) == {"threshold": 0.0, "mood": "good"}
    with pytest.raises(InputError, match=r"sorted by Bright\(\), which is not stored"):
        project(store, "own_rule", other, overwrite=True, progress=False)
    register_rule("bright", Bright)
    found = embed(store, name="named_rule", sort="bright", overwrite=True, progress=False).load()
    np.testing.assert_array_equal(found.score, own.score)
    again = project(store, "named_rule", other, overwrite=True, progress=False)
    np.testing.assert_array_equal(again.score, own.score)
    brightness = photons / np.median(photons)
    dim = brightness <= np.quantile(brightness, 0.8)
    np.testing.assert_array_equal(sort(store, "named_rule", contamination=0.2).is_single, dim)


def test_verbs__take_the_dataset_of_a_whole_store(store: Path, tmp_path: Path) -> None:
    ds = open_dataset(store)
    found = embed(ds, name="dataset", sort="elliptic_envelope", overwrite=True, progress=False).load()
    other = tmp_path / "other.zarr"
    shutil.copytree(store, other)
    again = project(ds, "dataset", open_dataset(other, chunks=None), overwrite=True, progress=False)
    np.testing.assert_array_equal(again.score, found.score)
    for part in (ds.isel(shot=slice(10)), open_dataset(store, group="latent/dataset")):
        with pytest.raises(InputError, match=r"a part of the store .*; give the store's path, or use fit"):
            embed(part, progress=False)
    with pytest.raises(InputError, match="not opened from a store; give the path of one"):
        embed(xr.Dataset(), progress=False)


def test_sort__decides_anew_without_looking_again(store: Path, sorted_: xr.Dataset) -> None:
    looser = sort(store, "sorted", max_singles_lost=0.2).load()
    np.testing.assert_array_equal(looser.log_ratio, sorted_.log_ratio)
    assert json.loads(looser.attrs["decision"])["max_singles_lost"] == 0.2
    assert set(open_run(store).embeddings["sorted"].parts()) == {"estimator", "rule"}
    assert sort(store, "sorted").load().equals(sorted_)
    with pytest.raises(InputError, match="max_singles_lost"):
        sort(store, "sorted", max_singles_lost=1.0)


def test_sort__keeps_the_contamination_that_is_asked_for_and_says_what_it_costs(
    store: Path, sorted_: xr.Dataset, tmp_path: Path
) -> None:
    asked = 1e-30  # no probability is so near to 1
    with pytest.warns(
        XfeldaskWarning,
        match="contamination of no more than .* costs .* of the single hits; with at most 1 % of them lost",
    ):
        found = sort(store, "sorted", max_contamination=asked).load()
    assert not found.is_single.any()
    embedding = open_run(store).embeddings["sorted"]
    assert (embedding.parameters.max_contamination, embedding.decision.max_contamination) == (asked, asked)
    assert {"not single, at most", "costs"} <= embedding.facts().keys()
    assert embedding.decision.expected_purity is None  # of no accepted shot
    shutil.copytree(store, tmp_path / "other.zarr")
    with pytest.warns(XfeldaskWarning, match="contamination of no more than"):
        again = project(store, "sorted", tmp_path / "other.zarr", overwrite=True, progress=False)
    np.testing.assert_array_equal(again.is_single, found.is_single)
    assert sort(store, "sorted").load().equals(sorted_)
    assert open_run(store).embeddings["sorted"].parameters.max_contamination is None


def test_embed__refuses_too_few_hits_in_one_sentence(tmp_path: Path) -> None:
    simulate(tmp_path / "few.zarr", **{**TAUGHT, "n_shots": 60}, progress=False)
    with pytest.raises(InputError, match="300 hits or more"):
        embed(tmp_path / "few.zarr", progress=False)
    assert embed(tmp_path / "few.zarr", sort="elliptic_envelope", progress=False).sizes["shot"] == 60


def test_embed__follows_a_store_that_is_being_written(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "ENOUGH_TO_FOLLOW", 380)
    growing = tmp_path / "growing.zarr"
    shutil.copytree(store, growing)
    shutil.rmtree(growing / "latent", ignore_errors=True)
    import zarr

    root = zarr.open_group(growing, mode="r+", use_consolidated=False)
    root.attrs["complete"] = False
    root["shot_status"][400:] = 0
    seen = []
    publish = following.publish

    def watched(*words: Any, **more: Any) -> None:
        publish(*words, **more)
        seen.append(len(words[-1]["latent"]))

    monkeypatch.setattr(following, "publish", watched)

    def write_the_rest() -> None:
        while not seen:
            time.sleep(0.05)
        root["shot_status"][:] = 1
        root.attrs["complete"] = True

    writer = threading.Thread(target=write_the_rest)
    writer.start()
    found = embed(growing, name="live", follow=True, progress=False)
    writer.join()
    # once more in between, if the last shots are seen before the store says that it is complete
    assert (seen[0], seen[-1]) == (400, N)
    assert found.sizes["shot"] == N
    assert json.loads(found.attrs["parameters"])["n_fitted"] <= 400
    at_once = project(growing, "live", growing, as_name="at_once", progress=False)
    for name in ("latent", "score", "verdict"):
        np.testing.assert_array_equal(found[name], at_once[name])
    n = open_dataset(store).n_particles.values
    assert found.is_single.values[n == 1].mean() > 0.97


def test_follow__waits_for_a_store_that_is_not_there_yet(store: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    late = tmp_path / "late.zarr"
    monkeypatch.setattr(patience.time, "sleep", lambda _: shutil.copytree(store, late))
    found = embed(late, name="late", sort=None, follow=True)
    assert found.sizes["shot"] == N
    assert f"{late} is not there yet" in capsys.readouterr().err
    shutil.rmtree(late)
    with pytest.raises(InputError, match="shots"):
        reconstruct(late, follow=True, rotations=10**9, progress=False)
    assert late.exists()


def test_embed__several_live_side_by_side_and_none_is_replaced_unasked(store: Path) -> None:
    one = embed(store, name="one", n_components=2, sort=None, progress=False).latent.values
    embed(store, name="two", n_components=4, sort=None, progress=False)
    with pytest.raises(StoreExistsError, match="one"):
        embed(store, name="one", n_components=5, progress=False)
    np.testing.assert_array_equal(open_dataset(store, group="latent/one").latent, one)
    assert embed(store, name="one", n_components=5, sort=None, overwrite=True, progress=False).sizes["component"] == 5


def test_embed__every_variable_says_what_it_is(sorted_: xr.Dataset) -> None:
    assert all({"units", "long_name"} <= set(v.attrs) for v in sorted_.data_vars.values())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_components": 0}, "components"),
        ({"n_components": N}, "more shots"),
        ({"batch_size": 0}, "batch_size"),
        ({"contamination": 0.7}, "contamination"),
        ({"max_singles_lost": 0.0}, "max_singles_lost"),
        ({"max_contamination": 1.5}, "max_contamination must be above 0 and below 1, got 1.5"),
        ({"sort": None, "max_contamination": 0.1}, "not sorted have no probabilities, which max_contamination goes by"),
        ({"sort": "elliptic_envelope", "max_contamination": 0.1}, "embed with sort='pairs'"),
        ({"sort": "pears"}, "pairs"),
        ({"features": "conts"}, "counts"),
        ({"features": {"n": 3}}, "name"),
        ({"features": np.sum}, "must give a row"),
        ({"features": 3}, "function of images"),
        ({"features": {"name": "fourier_crop", "n": 65}}, "65"),
        ({"method": decomposition.PCA}, "class"),
        ({"sort": "elliptic_envelope", "labels": np.zeros(N)}, "labels"),
        ({"name": "../escape"}, "name"),
        ({"sort": IsolationForest}, "the name of a rule, a Rule, or an outlier estimator"),
        ({"labels": np.full(N, 3)}, "labels hold 1"),
        ({"labels": np.zeros(3)}, "labels are for sort='pairs'"),
        ({"method": "pcaa"}, "method"),
    ],
)
def test_embed__refusals_leave_the_store_as_it_was(store: Path, options: dict, words: str) -> None:
    before = sorted(p.name for p in store.parent.rglob("*"))
    with pytest.raises(InputError, match=words):
        embed(store, **{"name": "bad", "progress": False, **options})
    assert sorted(p.name for p in store.parent.rglob("*")) == before


def test_embed__broken_off_leaves_nothing(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("xarray.Dataset.to_zarr", full)
    with pytest.raises(InputError, match="No space left"):
        embed(store, name="never", progress=False)
    assert not (store / "latent" / "never").exists()
    assert [p.name for p in store.parent.iterdir()] == ["run.zarr"]


def test_embed__keeps_where_shots_were_while_it_was_fitted(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xfeldask.work.fitting.FIRST_LOOK", 100)
    found = embed(store, name="past", sort=None, history=True, batch_size=64, overwrite=True, progress=False).load()
    past = found.latent_history.transpose("update", "shot", "component").values
    assert past.shape == (found.sizes["update"], *found.latent.shape)
    assert len(past) > 2
    np.testing.assert_allclose(past[-1], found.latent.values, atol=1e-3 * np.abs(found.latent.values).max())
    turned = [np.linalg.norm(look - past[-1]) for look in past]
    assert min(turned[:-1]) > turned[-1] == 0
    assert "latent_history" not in embed(store, name="past", sort=None, overwrite=True, progress=False)
