from __future__ import annotations

import numpy as np
import pytest
import zarr

from tests.store.test_layout import template
from xfeldask.errors import RunError
from xfeldask.schema import DONE, VARIABLES, named
from xfeldask.store.layout import shot_array
from xfeldask.store.run import Run
from xfeldask.store.shards import Shard, pending_shards, sweep


def arrays(root, layout):
    return {v.name: shot_array(root, v.name) for v in layout.stored()}


def fill(root, path, layout, shard, photons=0):
    """Commit a shard whose shots hold `photons` in their first pixel."""
    sink = Shard(arrays(root, layout), path, layout, shard)
    extend(sink, layout, len(sink.shots), photons)
    sink.commit()


def extend(sink, layout, n, photons=0, lost=0):
    """Append shots that hold `photons` in their first pixel."""
    raw = {v.name: np.zeros((n, *layout.inner(v)), layout.dtype(v)) for v in layout.stored() if v.role == "raw"}
    raw["photons"][:, 0, 0, 0] = min(photons, 255)
    sink.extend(raw, {"photon_count": np.full(n, photons), "lost_photons": np.full(n, lost)})


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
    extend(sink, layout, 1)
    with pytest.raises(AssertionError, match="1 of 4 shots"):
        sink.commit()
    assert pending_shards(Run.open(path)) == [0, 1, 2]


def test_extend__refuses_photons_that_a_total_cannot_hold(tmp_path):
    root, layout = template(tmp_path / "a")
    sink = Shard(arrays(root, layout), tmp_path / "a", layout, 1)
    extend(sink, layout, 1, 2**32 - 1)
    with pytest.raises(RunError, match=r"shot 5 has a lost_photons of 5e\+09 photons, more than 4294967295"):
        extend(sink, layout, 2, 2**32 - 1, 5_000_000_000)


def test_encode__counts_the_bytes_that_commit_writes(tmp_path):
    path = tmp_path / "a"
    root, layout = template(path)
    sink = Shard(arrays(root, layout), path, layout, 2)
    extend(sink, layout, len(sink.shots), 7)
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
