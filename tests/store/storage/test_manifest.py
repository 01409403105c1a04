"""Metadata and attributes are held against the digests that were written with them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

from xfeldask import embed, open_run, simulate
from xfeldask.errors import CorruptStoreError
from xfeldask.store.results.selections import publish_selection
from xfeldask.store.storage.manifest import KEY, broken
from xfeldask.verbs.verify import reopen, verify

ATOMS = (np.random.default_rng(1).normal(size=(30, 3)) * 5e-10, ["C", "N", "O"] * 10)
BRIGHT = {"photon_energy": 4600.0, "photons_per_pulse": 1e15, "focus_radius": 5e-7}
RUN = {"particle": ATOMS, "detector": "square-32", "beam": BRIGHT, "n_shots": 20, "progress": False}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("manifest") / "run.zarr"
    simulate(path, **RUN)
    embed(path, n_components=2, sort=None, progress=False)
    publish_selection(open_run(path), "mine", np.arange(20) < 7)
    return path


@pytest.fixture
def store(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "run.zarr"))


def changed(store, node, change):
    file = store / node / "zarr.json"
    metadata = json.loads(file.read_text())
    change(metadata)
    file.write_text(json.dumps(metadata))


def found(store):
    return [problem.variable for problem in verify(store, progress=False).problems]


def test_manifest__holds_for_a_store_however_it_is_copied(made, tmp_path):
    for number, copy in enumerate((shutil.copytree, lambda a, b: shutil.copytree(a, b, copy_function=shutil.copyfile))):
        path = tmp_path / f"{number}.zarr"
        copy(made, path)
        assert verify(path, progress=False).ok
        # formatted anew by another tool
        for file in path.rglob("zarr.json"):
            file.write_text(json.dumps(json.loads(file.read_text()), sort_keys=True, indent=1))
        assert found(path) == []


def test_verify__finds_one_digit_of_any_attribute(store):
    nodes = [file.parent.relative_to(store).as_posix() for file in sorted(store.rglob("zarr.json"))]
    assert {".", "volume/arrays", "photons", "latent/ipca", "latent/ipca/estimator", "selection/mine"} <= set(nodes)
    untold = {"latent", "selection"}  # they hold others and nothing else
    for node in set(nodes) - untold:
        file = store / node / "zarr.json"
        before = file.read_text()
        changed(store, node, lambda metadata: metadata["attributes"].update(step_of_nobody=1))
        groups = (store, store / "latent/ipca", store / "selection/mine")
        assert sum(len(broken(group)) for group in groups) == 1, node
        file.write_text(before)
    assert found(store) == []


def test_verify__finds_a_changed_step_of_the_volume_and_resume_refuses_it(store):
    changed(store, "volume/arrays", lambda m: m["attributes"].update(step=m["attributes"]["step"] * (1 + 1e-9)))
    report = verify(store, progress=False)
    assert [str(problem) for problem in report.problems] == [
        "volume/arrays: its metadata or attributes are not those that were written"
    ]
    assert reopen(store, report) == 0
    with pytest.raises(CorruptStoreError, match=r"volume/arrays: its metadata or attributes .*verify names"):
        simulate(store, **RUN, resume=True)


def test_verify__finds_a_manifest_that_was_changed_itself(store):
    for change in (
        lambda m: m["attributes"][KEY]["nodes"].pop("photons"),
        lambda m: m["attributes"][KEY].update(digest="0"),
        lambda m: m["attributes"].update({KEY: 3}),
    ):
        before = (store / "zarr.json").read_text()
        changed(store, "", change)
        assert found(store) == ["attributes of the root"]
        (store / "zarr.json").write_text(before)


def test_manifest__of_a_store_that_is_being_written_holds(store):
    root = zarr.open_group(store, mode="r+", use_consolidated=False)
    root["shot_status"][:] = 0
    root.attrs["complete"] = False
    assert broken(store) == []
    simulate(store, **RUN, resume=True)
    assert found(store) == []


def test_stores__of_older_versions_have_none_and_work(store):
    for file in store.rglob("zarr.json"):
        changed(store, file.parent, lambda m: [m.get("attributes", {}).pop(name, None) for name in (KEY, "run")])
    assert found(store) == []
    assert open_run(store).embedding("ipca").is_current
    assert "mine" in open_run(store).selections
    simulate(store, **RUN, resume=True)
    embed(store, n_components=2, sort=None, overwrite=True, progress=False)
    assert found(store) == []


def test_verify__names_arrays_and_groups_of_another_run(store, tmp_path):
    other = tmp_path / "other.zarr"
    simulate(other, **RUN | {"seed": 9})
    for name in ("orientation", "photons", "photon_count", "latent", "selection"):
        shutil.rmtree(other / name, ignore_errors=True)
        shutil.copytree(store / name, other / name)
    told = {(p.variable, p.what) for p in verify(other, progress=False).problems}
    assert {(name, "belongs to another run") for name in ("orientation", "photons", "photon_count", "latent/ipca",
                                                         "selection/mine")} <= told  # fmt: skip
    run = open_run(other)
    assert list(run.selections) == []
    with pytest.raises(CorruptStoreError, match="the embedding ipca was made from the shots of another run"):
        run.embedding("ipca")
    with pytest.raises(CorruptStoreError, match="was made from the shots of another run"):
        run.embeddings["ipca"].dataset()
