from __future__ import annotations

from math import prod

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from xfeldask.errors import CorruptStoreError
from xfeldask.store.layout import SHARD_BYTES, Layout, create_template, layout_of, shard_length, shot_array


def template(path, **changes):
    layout = Layout(**{
        "n_shots": 11, "pixels": (2, 3, 4), "image": (5, 6), "low_q": (6, 6), "particles": 2, "photon_dtype": "uint8",
        "intensity": False, "shard": 4, **changes,
    })  # fmt: skip
    return create_template(path, layout, {"shot": np.arange(layout.n_shots)}, {"title": "test"}), layout


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


def test_shot_array__names_what_it_cannot_read(tmp_path):
    root, _ = template(tmp_path / "a")
    (tmp_path / "a/image/zarr.json").write_text("{")
    for name in ("image", "none"):
        with pytest.raises(CorruptStoreError, match=f"metadata of {name} cannot be read"):
            shot_array(root, name)
    root.create_group("group")
    with pytest.raises(CorruptStoreError, match="not an array"):
        shot_array(root, "group")
