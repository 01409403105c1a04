from __future__ import annotations

from math import prod

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from xfeldask.errors import CorruptStoreError, RunError
from xfeldask.schema import DONE, VARIABLES, named
from xfeldask.store.layout import SHARD_BYTES, Layout, create_template, layout_of, shard_length, shot_array
from xfeldask.store.run import Run
from xfeldask.store.shards import Shard, pending_shards, sweep


def template(path, **changes):
    layout = Layout(**{
        "n_shots": 11, "pixels": (2, 3, 4), "image": (5, 6), "low_q": (6, 6), "particles": 2, "photon_dtype": "uint8",
        "intensity": False, "shard": 4, **changes,
    })  # fmt: skip
    return create_template(path, layout, {"shot": np.arange(layout.n_shots)}, {"title": "test"}), layout


def arrays(root, layout):
    return {v.name: shot_array(root, v.name) for v in layout.stored()}


def fill(root, path, layout, shard, photons=0):
    """Commit a shard whose shots hold `photons` in their first pixel."""
    sink = Shard(arrays(root, layout), path, layout, shard)
    for _ in sink.shots:
        sink.next_shot()["photons"][0, 0, 0] = photons
        sink.advance({"photon_count": photons, "lost_photons": 0})
    sink.commit()


@given(
    st.tuples(st.integers(1, 8), st.integers(1, 2**13), st.integers(1, 2**13)),
    st.sampled_from([1, 2]),
)
def test_shard_length__fits_and_is_a_power_of_two(pixels, itemsize):
    length = shard_length(pixels, itemsize)
    frame = prod(pixels) * itemsize
    assert 1 <= length <= 1024
    assert length & (length - 1) == 0
    assert length * frame <= SHARD_BYTES or length == 1
    assert 2 * length * frame > SHARD_BYTES or length == 1024


@given(st.integers(1, 10**6), st.integers(0, 10))
def test_layout__shards_share_the_shots_out(n_shots, power):
    layout = Layout(n_shots, (1, 2, 2), (2, 2), (2, 2), 1, "uint8", False, 2**power)
    ends = [layout.shots(0), layout.shots(layout.n_shards - 1)]
    assert ends[0].start == 0
    assert ends[1].stop == n_shots
    assert 1 <= len(ends[1]) <= layout.shard
    assert layout.shots(layout.n_shards // 2).start == layout.shard * (layout.n_shards // 2)


@pytest.mark.parametrize("changes", [{}, {"intensity": True}, {"photon_dtype": "uint16", "n_shots": 4}, {"shard": 32}])
def test_layout_of__reads_what_the_template_was_made_from(tmp_path, changes):
    root, layout = template(tmp_path / "a", **changes)
    assert layout_of(root) == layout
    assert layout_of(zarr.open_group(tmp_path / "a", mode="r")) == layout


@pytest.mark.parametrize("shard", [1, 4, 16, 64])
def test_create_template__one_task_owns_each_file_of_a_shard(tmp_path, shard):
    root, layout = template(tmp_path / "a", n_shots=50, shard=shard, intensity=True)
    for variable in layout.stored():
        array = shot_array(root, variable.name)
        if variable.role == "raw":
            assert array.shards[0] == shard
            assert shard % array.chunks[0] == 0
        if variable.role == "total":
            assert array.chunks[0] == min(shard, 50)


def test_create_template__labels_every_variable(tmp_path):
    root, layout = template(tmp_path / "a", intensity=True)
    for variable in layout.stored():
        array = shot_array(root, variable.name)
        assert array.attrs["long_name"]
        assert array.attrs["units"]
        assert array.metadata.dimension_names == variable.dims
        assert array.dtype == layout.dtype(variable)
    assert root.attrs["complete"] is False


def test_commit__writes_a_file_for_blank_shots_too(tmp_path):
    path = tmp_path / "a"
    _, layout = template(path)
    root = zarr.open_group(path, mode="r+")
    for shard in range(layout.n_shards):
        fill(root, path, layout, shard)
    for variable in (*named("total"), VARIABLES["photons"], VARIABLES["image"]):
        assert len([f for f in (path / variable.name / "c").rglob("*") if f.is_file()]) == layout.n_shards


def test_pending_shards__are_those_without_a_status(tmp_path):
    path = tmp_path / "a"
    root, layout = template(path)
    assert pending_shards(Run.open(path)) == [0, 1, 2]
    fill(root, path, layout, 1)
    assert pending_shards(Run.open(path)) == [0, 2]
    assert shot_array(root, "shot_status")[:].tolist() == [0] * 4 + [DONE] * 4 + [0] * 3
    (path / "shot_status/c/1").write_bytes(b"torn")
    assert pending_shards(Run.open(path)) == [0, 1, 2]


def test_commit__refuses_a_shard_that_is_not_full(tmp_path):
    path = tmp_path / "a"
    root, layout = template(path)
    sink = Shard(arrays(root, layout), path, layout, 0)
    sink.next_shot()
    sink.advance({"photon_count": 0, "lost_photons": 0})
    with pytest.raises(AssertionError, match="1 of 4 shots"):
        sink.commit()
    assert pending_shards(Run.open(path)) == [0, 1, 2]


def test_advance__refuses_photons_that_a_total_cannot_hold(tmp_path):
    root, layout = template(tmp_path / "a")
    sink = Shard(arrays(root, layout), tmp_path / "a", layout, 1)
    sink.next_shot()
    with pytest.raises(RunError, match=r"shot 4 has a lost_photons of 5e\+09 photons, more than 4294967295"):
        sink.advance({"photon_count": 2**32 - 1, "lost_photons": 5_000_000_000})


def test_encode__counts_the_bytes_that_commit_writes(tmp_path):
    path = tmp_path / "a"
    root, layout = template(path)
    sink = Shard(arrays(root, layout), path, layout, 2)
    for _ in sink.shots:
        sink.next_shot()["photons"][...] = 7
        sink.advance({"photon_count": 0, "lost_photons": 0})
    packed = sink.encode()
    assert sink.encode() == packed
    sink.commit()
    # each file ends in the index of its 4 or 1 chunks, and a checksum
    written = sum(file.stat().st_size for file in path.glob("*/c/2/**/0") if file.is_file())
    assert written == packed + 16 * (4 + 1 + 1) + 3 * 4
    assert sink.bytes_held == 24 + 4 * 2 * (5 * 6 + 6 * 6)


def test_sweep__removes_parts_and_nothing_else(tmp_path):
    path = tmp_path / "a"
    root, layout = template(path)
    fill(root, path, layout, 0)
    before = sorted(path.rglob("*"))
    (path / "photons/c/0/0/0/0.123.partial").write_bytes(b"half")
    (path / "zarr.4f2e.partial").write_bytes(b"half")
    sweep(Run.open(path))
    assert sorted(path.rglob("*")) == before


def test_shot_array__names_what_it_cannot_read(tmp_path):
    root, _ = template(tmp_path / "a")
    (tmp_path / "a/image/zarr.json").write_text("{")
    for name in ("image", "none"):
        with pytest.raises(CorruptStoreError, match=f"metadata of {name} cannot be read"):
            shot_array(root, name)
    root.create_group("group")
    with pytest.raises(CorruptStoreError, match="not an array"):
        shot_array(root, "group")
