from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from xfeldask import expected_intensity, open_dataset, open_run, simulate
from xfeldask.engines import workshop as module
from xfeldask.engines.kept import MOST, Kept, key_of
from xfeldask.engines.workshop import Workshop, forget, keep, simulate_shard, workshop

ATOMS = (np.random.default_rng(1).normal(size=(30, 3)) * 5e-10, ["C", "N", "O"] * 10)


@pytest.fixture
def shops(monkeypatch) -> Kept[Workshop]:
    """None kept yet."""
    monkeypatch.setattr(module, "_workshops", Kept())
    return module._workshops


def run_of(name):
    """What a workshop knows a run by."""
    return SimpleNamespace(path=Path(name), identity=name)


def test_forget__leaves_the_workshops_of_other_stores(shops):
    one, other = run_of("a"), run_of("b")
    keep(one, "first")
    keep(other, "second")
    forget(one)
    forget(one)
    assert workshop(other) == "second"
    assert shops.get(key_of(one), lambda: "anew") == "anew"


def test_workshops__serve_threads_that_keep_and_forget_beside_each_other(shops):
    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(300):
            name = str(rng.integers(4))
            match rng.integers(3):
                case 0:
                    keep(run_of(name), name)
                case 1:
                    forget(run_of(name))
                case _:
                    assert shops.get(key_of(run_of(name)), lambda name=name: name) == name

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len(shops._kept) <= MOST


def test_simulate_shard__opens_the_arrays_of_a_store_once(tmp_path, monkeypatch, shops):
    monkeypatch.setattr("xfeldask.store.layout.SHARD_BYTES", 4 * 32 * 32)
    simulate(tmp_path / "run.zarr", particle=ATOMS, detector="square-32", n_shots=12, progress=False)
    ds = open_dataset(tmp_path / "run.zarr")
    before = ds.photons.values
    opened, shot_array = [], module.shot_array
    monkeypatch.setattr(module, "shot_array", lambda root, name: opened.append(name) or shot_array(root, name))
    for shard in (0, 1, 2):
        simulate_shard(open_run(tmp_path / "run.zarr", mode="r+"), shard)
    assert len(opened) == len(set(opened)) > 10
    np.testing.assert_array_equal(open_dataset(tmp_path / "run.zarr").photons, before)


def test_expected_intensity__is_that_of_the_engine(tmp_path, shops):
    ds = simulate(
        tmp_path / "run.zarr", particle=ATOMS, detector="square-32", n_shots=3, intensity=True, progress=False
    )
    np.testing.assert_array_equal(expected_intensity(tmp_path / "run.zarr", 2), ds.intensity[2])
