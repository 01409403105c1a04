from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from tests.rarely import rarely
from tests.strategies import examples
from xfeldask.physics.images import photons_of_frames
from xfeldask.store.layout import ALL_CHUNKS
from xfeldask.store.packing.codecs import EXACT, FAST, compressors, pipeline
from xfeldask.store.packing.sharding import ShardFile, chunk_parts

PIPELINES = (EXACT, FAST)


def create(path, values, shard, rows):
    return zarr.create_array(
        path,
        shape=values.shape,
        dtype=values.dtype,
        chunks=(rows, *values.shape[1:]),
        shards=None if shard is None else (shard, *values.shape[1:]),
        compressors=compressors(),
        fill_value=np.nan if values.dtype.kind == "f" else 0,
        config=ALL_CHUNKS,
    )


def write(path, values, shard, rows, together=1, listed=False):
    """Write `values` some rows at a time, as workers do, or the photons that they are."""
    array = create(path, values, shard, rows)
    for start in range(0, len(values), shard):
        file, stop = ShardFile(array, path, start // shard), min(start + shard, len(values))
        for i in range(start, stop, together):
            some = values[i : min(i + together, stop)]
            file.extend(photons_of_frames(some[:, None]) if listed else some)
        file.write()


def files(path):
    return {str(f.relative_to(path)): f.read_bytes() for f in path.rglob("*") if f.is_file()}


@st.composite
def frames(draw):
    """Values (shot, ...), shots a shard, shots a chunk; the last shard may be short."""
    rows = draw(st.sampled_from([1, 2, 3, 16]))
    shard = rows * draw(st.integers(1, 5))
    shape = (draw(st.integers(1, 3 * shard)), *draw(st.lists(st.integers(1, 5), min_size=1, max_size=3)))
    dtype = draw(st.sampled_from(["uint8", "uint16", "float32"]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    values = rng.poisson(draw(st.sampled_from([0, 0.1, 100])), shape).astype(dtype)
    values[rng.random(len(values)) < 0.3] = 0
    return values, shard, rows


@examples(0.5)
@given(frames(), st.integers(1, 40))
def test_shard_file__is_what_zarr_writes(case, together):
    values, shard, rows = case
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = Path(folder, "ours"), Path(folder, "theirs")
        write(ours, values, shard, rows, together)
        create(theirs, values, shard, rows)[...] = values
        assert files(ours) == files(theirs)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
@pytest.mark.parametrize("shape", [(64, 80), (3, 5)])
def test_shard_file__is_the_same_of_listed_photons(tmp_path, dtype, shape):
    rng = np.random.default_rng(3)
    # few, none, many, and few again
    values = np.stack([rng.random(shape) < part for part in (0.01, 0, 0.5, 0.01, 0.01)])
    values = (values * rng.choice([1, 2, 255, 256, 70_000], values.shape)).astype(dtype)
    write(tmp_path / "listed", values, 4, 1, together=3, listed=True)
    write(tmp_path / "found", values, 4, 1)
    assert files(tmp_path / "listed") == files(tmp_path / "found")


@examples(0.5)
@given(frames(), st.sampled_from(PIPELINES))
def test_shard_file__reads_back(case, path):
    values, shard, rows = case
    with tempfile.TemporaryDirectory() as folder, pipeline(path):
        write(Path(folder, "a"), values, shard, rows)
        array = zarr.open_array(Path(folder, "a"), mode="r")
        np.testing.assert_array_equal(array[...], values)
        for i in {0, len(values) // 2, len(values) - 1}:
            np.testing.assert_array_equal(array[i], values[i])


@pytest.mark.parametrize(
    ("path", "whole"),
    [
        (path, whole) if whole == bool(i) else rarely(path, whole)
        for i, path in enumerate(PIPELINES)
        for whole in (False, True)
    ],
)
def test_shard_file__flipped_bit_is_never_read_as_a_number(tmp_path, path, whole):
    values = np.random.default_rng(0).poisson(0.2, (6, 4, 8)).astype(np.uint8)
    write(tmp_path / "a", values, 8, 2)
    file = tmp_path / "a" / "c/0/0/0"
    good = file.read_bytes()
    with pipeline(path):
        array = zarr.open_array(tmp_path / "a", mode="r")
        for at in range(len(good)):
            bad = bytearray(good)
            bad[at] ^= 1 << at % 8
            file.write_bytes(bad)
            for i in [slice(None)] if whole else (0, 3):
                try:
                    read = array[i]
                except (ValueError, RuntimeError, OSError):
                    continue
                np.testing.assert_array_equal(read, values[i])


def test_shard_file__failing_leaves_no_part(tmp_path, monkeypatch):
    values = np.ones((2, 3), np.uint8)

    def full(*_):
        raise OSError(28, "No space left on device")

    array = create(tmp_path / "a", values, 2, 1)
    monkeypatch.setattr(Path, "replace", full)
    file = ShardFile(array, tmp_path / "a", 0)
    file.extend(values)
    with pytest.raises(OSError, match="No space left"):
        file.write()
    assert list(files(tmp_path / "a")) == ["zarr.json"]


@pytest.mark.parametrize("lying", [np.asfortranarray, np.float64, lambda v: np.repeat(v, 2, axis=0)[::2]])
def test_shard_file__is_the_same_of_rows_that_lie_otherwise(tmp_path, lying):
    values = np.random.default_rng(0).poisson(0.1, (8, 64, 80)).astype(np.uint16)
    write(tmp_path / "one by one", values, 8, 4)
    array = create(tmp_path / "at once", values, 8, 4)
    file = ShardFile(array, tmp_path / "at once", 0)
    file.extend(lying(values))
    file.write()
    assert files(tmp_path / "at once") == files(tmp_path / "one by one")


def test_shard_file__rewrites_the_same_bytes(tmp_path):
    values = np.arange(24, dtype=np.uint16).reshape(6, 4)
    write(tmp_path / "a", values, 4, 2)
    before = files(tmp_path / "a")
    array = zarr.open_array(tmp_path / "a", mode="r+")
    file = ShardFile(array, tmp_path / "a", 1)
    file.extend(values[4:])
    file.write()
    assert files(tmp_path / "a") == before


@pytest.mark.parametrize("values", [
    np.arange(9, dtype=np.uint32),
    np.zeros(5000, np.uint32),
    np.random.default_rng(0).normal(size=(7, 3)),
    np.ones((4, 2), np.uint8),
])  # fmt: skip
def test_chunk_parts__are_what_zarr_writes(tmp_path, values):
    rows = len(values) // 2
    ours, theirs = (create(tmp_path / name, values, None, rows) for name in ("ours", "theirs"))
    theirs[...] = values
    for index, start in enumerate(range(0, len(values), rows)):
        key, parts = chunk_parts(ours, index, values[start : start + rows])
        path = tmp_path / "ours" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(parts))
    assert files(tmp_path / "ours") == files(tmp_path / "theirs")
