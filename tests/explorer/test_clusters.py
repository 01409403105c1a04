"""Clusters of a latent space, and the tab that finds, names and keeps them."""

from __future__ import annotations

import shutil
import threading

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from tests.explorer.few_shots import N, embedded, few_shots, pictures, session, texts
from xfeldask.errors import InputError
from xfeldask.explorer.model.clusters import FEWEST, NO_CLUSTER, SAMPLE, Clusters, find_clusters
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs.clusters_tab import Finding
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.view.mosaic import WHOLE
from xfeldask.store.run import Run

SIZES = (3000, 2000, 1000)


def clouds(scale=1.0):
    """Shots of three clouds apart from each other, in any order, and the cloud of each."""
    rng = np.random.default_rng(1)
    cloud = rng.permutation(np.repeat(np.arange(3), SIZES))
    middles = np.array([[0, 0, 0], [12, 0, 0], [0, 12, 5]])
    return scale * (middles[cloud] + rng.normal(size=(len(cloud), 3)) * [1, 2, 0.5]), cloud


@pytest.mark.parametrize("number", [None, 3])
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_find_clusters__finds_clouds_in_any_unit_largest_first(number, scale):
    latent, cloud = clouds(scale)
    assert len(latent) > SAMPLE, "some are given to clusters by what was found among others"
    told = []
    found = find_clusters(latent, "pairs", number, advance=told.append)
    there = found.values != NO_CLUSTER
    assert there.mean() > 0.97
    assert adjusted_rand_score(cloud[there], found.values[there]) > 0.999
    assert list(found.names.values()) == ["cluster_1", "cluster_2", "cluster_3"]
    assert (cloud[there] == found.values[there]).mean() > 0.999
    assert list(found.sizes.values()) == np.bincount(found.values[there]).tolist()
    assert sum(told) == len(latent)


def test_find_clusters__leaves_out_what_has_no_coordinates_and_what_is_too_few():
    latent, _ = clouds()
    latent[::2, 1] = np.nan
    latent[1] = 1000
    found = find_clusters(latent, "pairs")
    assert (found.values[::2] == NO_CLUSTER).all()
    assert found.sizes[0] > 1000
    with pytest.raises(InputError, match=f"{FEWEST} shots or more, and there are 3"):
        find_clusters(latent[:6], "pairs")


def test_find_clusters__of_rare_kinds_need_a_smaller_least():
    rng = np.random.default_rng(0)
    latent = np.r_[rng.normal(size=(1990, 2)), rng.normal(size=(1990, 2)) + 20, rng.normal(size=(20, 2)) - 30]
    assert [len(find_clusters(latent, "pairs", least=least).names) for least in (0.01, 0.002)] == [2, 3]


def test_clusters__of_one_name_are_one():
    found = Clusters("pairs", np.array([0, 1, 2, -1], np.int8), {0: "a", 1: "b", 2: "c"})
    joined = found.named(2, "a")
    assert joined.values.tolist() == [0, 1, 0, -1]
    assert joined.column.classes == ((-1, "none"), (0, "a"), (1, "b"))
    for name in ("none", "a b", "<b>"):
        with pytest.raises(InputError, match="cluster"):
            found.named(0, name)


@pytest.fixture
def found():
    looked = session()
    finding = Finding(looked, pictures(), Watch(looked))
    finding.number.value = 3
    finding.start()
    finding.thread.join(60)
    assert finding.told.object == "3 clusters, 0 shots in none"
    return looked, finding


def test_tab__shows_clusters_as_a_colour_and_selects_by_their_names(found):
    looked, finding = found
    values = finding.found.values
    assert looked.colour == "cluster"
    assert looked.counts("cluster") == {"none": 0} | {f"cluster_{k + 1}": n for k, n in finding.found.sizes.items()}
    for row in finding.rows:
        shots = [int(label.replace(",", "")) for label in row.tiles.source.data["label"]]
        assert 0 < len(shots) == sum(values[shots] == row.cluster)
    finding.rows[1].name.value = "dimer"
    looked.choose_where('cluster == "dimer"')
    np.testing.assert_array_equal(looked.selected, values == 1)
    finding.rows[0].select.clicks += 1
    np.testing.assert_array_equal(looked.selected, values == 0)
    finding.rows[1].tiles._on_tap(0)
    assert values[looked.shot] == 1


def test_tab__goes_on_with_clusters_as_more_shots_are_embedded(tmp_path):
    run = Run.open(shutil.copytree(few_shots().path, tmp_path / "run.zarr"))
    embedded(run, 20)
    looked = Session(run.path)
    finding = Finding(looked, pictures(), Watch(looked))
    finding.number.value = 2
    finding.start()
    finding.thread.join(60)
    before = finding.found.values
    embedded(run, N)
    looked.look_again()
    assert (looked.colour, looked.counts("cluster")["none"]) == ("cluster", N - 20)
    finding.rows[0].select.clicks += 1
    assert np.flatnonzero(looked.selected).tolist() == np.flatnonzero(before == 0).tolist()


def test_tab__has_tiles_that_are_as_wide_as_there_is_room(found):
    _, finding = found
    for row in finding.rows:
        assert not any(WHOLE in part.stylesheets for part in row.view), "they would not shrink beside the name"


def test_tab__joins_clusters_of_one_name_and_says_what_can_be_no_name(found):
    looked, finding = found
    before, rows = finding.found.sizes, finding.rows
    rows[0].name.value = "my ice"
    assert "letters, digits and underscores" in finding.told.object
    assert rows[0].name.value == "cluster_1"
    rows[2].name.value = "cluster_1"
    assert len(finding.rows) == 2
    assert looked.counts("cluster")["cluster_1"] == before[0] + before[2]


@pytest.mark.parametrize("allowed", [True, False])
def test_tab__saves_each_cluster_as_a_selection(tmp_path, allowed):
    run = Run.open(shutil.copytree(few_shots().path, tmp_path / "run.zarr"))
    looked = Session(run.path, may_write=allowed)
    finding = Finding(looked, pictures(), Watch(looked))
    assert not finding.save.visible
    finding.number.value = 2
    finding.start()
    finding.thread.join(60)
    finding.rows[0].name.value = "ice"
    finding.save.clicks += 1
    wanted = {name: finding.found.values == k for k, name in finding.found.names.items()}
    assert looked.selections == {name: mask.sum() for name, mask in wanted.items()}
    stored = run.reopened().selections
    assert set(stored) == (set(wanted) if allowed else set())
    for name, mask in stored.items():
        np.testing.assert_array_equal(mask, wanted[name])
    assert ("in the store" if allowed else "--allow-write") in finding.told.object


def test_tab__says_where_nothing_is_dense(monkeypatch):
    looked = session()
    finding = Finding(looked, pictures(), Watch(looked))
    nothing = Clusters("pca", np.full(N, NO_CLUSTER, np.int8), {})
    monkeypatch.setattr("xfeldask.explorer.tabs.clusters_tab.find_clusters", lambda *_: nothing)
    before = looked.colour
    finding.start()
    finding.thread.join(60)
    assert "choose how many" in finding.told.object
    assert (looked.colour, finding.rows) == (before, [])
    assert "close together" in texts(finding.view)


def test_tab__looks_for_clusters_once_at_a_time(monkeypatch):
    looked, go_on, calls = session(), threading.Event(), []

    def slow(*_):
        calls.append(go_on.wait(60))
        return Clusters("pca", np.full(N, NO_CLUSTER, np.int8), {})

    monkeypatch.setattr("xfeldask.explorer.tabs.clusters_tab.find_clusters", slow)
    finding = Finding(looked, pictures(), Watch(looked))
    finding.make.clicks += 1
    first = finding.thread
    finding.make.clicks += 1
    go_on.set()
    first.join(60)
    assert (finding.thread, calls) == (first, [True])
