"""Sums of raw patterns against numpy's over all the frames at once."""

import shutil
import threading
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import dask
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from xfeldask import open_dataset, simulate
from xfeldask.errors import InputError, RunError
from xfeldask.explorer.model import statistics
from xfeldask.explorer.model.statistics import pattern_statistics
from xfeldask.store.run import Run

ATOMS = (np.random.default_rng(1).normal(size=(30, 3)) * 5e-10, ["C", "N", "O"] * 10)
BRIGHT = {"photon_energy": 4600.0, "photons_per_pulse": 1e16, "focus_radius": 5e-7}
N, SHARD = 72, 32


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("statistics") / "run.zarr"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xfeldask.store.layout.SHARD_BYTES", SHARD * 32 * 32)
        simulate(
            path,
            particle=ATOMS,
            detector="square-32",
            beam=BRIGHT,
            n_shots=N,
            nuisance={"dead_fraction": 0.1},
            progress=False,
        )
    return path


@pytest.fixture(scope="module")
def photons(store: Path) -> np.ndarray:
    return open_dataset(store).photons.values.astype(np.int64)


def all_of(store: Path) -> statistics.PatternStatistics:
    found = pattern_statistics(store, np.ones(N, bool))
    assert found is not None
    return found


@given(st.sets(st.integers(0, N - 1), min_size=1), st.integers(1, 20), st.integers(1, 5))
def test_pattern_statistics__are_numpys(store: Path, photons: np.ndarray, shots: set[int], size: int, n: int) -> None:
    with pytest.MonkeyPatch.context() as patch, dask.config.set(scheduler="threads", num_workers=n):
        patch.setattr(statistics, "FRAMES", size)
        patch.setattr(statistics, "AT_ONCE", n)
        found = pattern_statistics(store, list(shots))
    assert found is not None
    frames = photons[sorted(shots)]
    assert found.n == len(shots)
    np.testing.assert_array_equal(found.total, frames.sum(axis=0))
    np.testing.assert_allclose(found.mean, frames.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(found.deviation, frames.std(axis=0), rtol=1e-9, atol=1e-12)


def test_pattern_statistics__same_bits_however_the_work_is_shared_out(
    store: Path, monkeypatch: pytest.MonkeyPatch, processes: ProcessPoolExecutor
) -> None:
    wanted = all_of(store)
    ways = (("threads", {"num_workers": 3}, 5), ("synchronous", {}, 64), ("processes", {"pool": processes}, 31))
    for name, more, size in ways:
        monkeypatch.setattr(statistics, "FRAMES", size)
        with dask.config.set(scheduler=name, **more):
            found = all_of(store)
        for part in ("total", "mean", "deviation"):
            np.testing.assert_array_equal(getattr(found, part), getattr(wanted, part))


def test_pattern_statistics__are_assembled_as_the_detector_stands(store: Path) -> None:
    found, ds = all_of(store), open_dataset(store)
    good = ds.mask.values.astype(bool)
    assert not good.all()
    at = ds.assembled_row.values[good], ds.assembled_col.values[good]
    for name in ("total", "mean", "deviation"):
        image = found.assembled[name]
        np.testing.assert_array_equal(image[at], getattr(found, name)[good])
        assert np.isfinite(image).sum() == good.sum()


def test_pattern_statistics__take_masks_and_indices_and_a_shot_once(store: Path, photons: np.ndarray) -> None:
    mask = np.zeros(N, bool)
    mask[[3, 40, 71]] = True
    for selection in (mask, [3, 40, 71], np.array([71, 3, 40, 3], np.uint16), range(3, N, 34)):
        found = pattern_statistics(store, selection)
        assert found is not None
        wanted = [3, 37, 71] if isinstance(selection, range) else [3, 40, 71]
        np.testing.assert_array_equal(found.total, photons[wanted].sum(axis=0))
    first = pattern_statistics(store, mask[:41])
    assert first is not None
    assert first.n == 2


def test_pattern_statistics__of_equal_frames_do_not_deviate(store: Path) -> None:
    found = pattern_statistics(store, [5])
    assert found is not None
    assert not found.deviation.any()


def test_statistics__of_full_pixels_are_exact() -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(65400, 65536, (9, 50)).astype(np.uint16)
    total, squares = np.zeros(50, np.uint64), np.zeros(50, np.uint64)
    statistics._add(frames, total, squares)
    assert total.tolist() == [sum(column) for column in frames.T.tolist()]
    assert squares.tolist() == [sum(v * v for v in column) for column in frames.T.tolist()]


def test_pattern_statistics__read_every_selected_frame_once(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    array = Run.array

    class Watched:
        def __init__(self, inner: zarr.Array) -> None:
            self._inner, self.shape = inner, inner.shape

        def __getitem__(self, at: slice) -> np.ndarray:
            read.extend(range(at.start, at.stop))
            return self._inner[at]

    def watched(run: Run, name: str, *pipeline: str) -> object:
        found = array(run, name, *pipeline)
        return Watched(found) if name == "photons" else found

    monkeypatch.setattr(Run, "array", watched)
    shots = [*range(20, 50), 60, 62, 63]
    pattern_statistics(store, shots)
    assert sorted(read) == shots


def test_pattern_statistics__tell_of_every_frame(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "FRAMES", 7)
    told: list[int] = []
    pattern_statistics(store, np.arange(50), advance=told.append)
    assert sum(told) == 50
    assert len(told) >= 7


def test_pattern_statistics__stop_when_they_are_cancelled(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "FRAMES", 2)
    cancel, told = threading.Event(), []

    def advance(amount: int) -> None:
        told.append(amount)
        cancel.set()

    files, threads = sorted(store.rglob("*")), threading.active_count()
    with dask.config.set(scheduler="synchronous", num_workers=1):
        assert pattern_statistics(store, np.arange(N), advance=advance, cancel=cancel) is None
        assert sum(told) <= 4
        assert pattern_statistics(store, np.arange(N), cancel=cancel) is None
    assert sorted(store.rglob("*")) == files
    assert threading.active_count() <= threads
    assert all_of(store).n == N


def test_pattern_statistics__run_on_a_cluster(store: Path) -> None:
    from distributed import Client, LocalCluster

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with (
            LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster,
            Client(cluster),
        ):
            found = all_of(store)
    np.testing.assert_array_equal(found.total, all_of(store).total)


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ([], "no shots are selected"),
        (np.zeros(N, bool), "no shots are selected"),
        ([0, N], f"shots 0 to {N - 1}"),
        ([-1], f"shots 0 to {N - 1}"),
        (np.ones(N + 1, bool), f"has {N} shots, and the selection has {N + 1} booleans"),
        ([0.5], "booleans or indices"),
        ([[1]], "booleans or indices"),
    ],
)
def test_pattern_statistics__refuse_what_is_no_selection(store: Path, selection: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        pattern_statistics(store, selection)


def test_pattern_statistics__refuse_shots_that_are_not_written_and_frames_that_are_broken(
    store: Path, tmp_path: Path
) -> None:
    path = tmp_path / "spoilt.zarr"
    shutil.copytree(store, path)
    root = zarr.open_group(path, mode="r+", use_consolidated=False)
    root["shot_status"][64:] = 0
    with pytest.raises(InputError, match="8 of 72 selected shots are not written yet"):
        pattern_statistics(path, np.ones(N, bool))
    shard = next((path / "photons" / "c" / "0").rglob("0"))
    while shard.is_dir():
        shard = shard / "0"
    data = bytearray(shard.read_bytes())
    data[100] ^= 0x10
    shard.write_bytes(data)
    with pytest.raises(RunError, match="ask again"):
        pattern_statistics(path, np.arange(32))
