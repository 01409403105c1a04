from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tiny import DETECTOR, ENERGY, tiny_run
from tests.tiny import frames as drawn
from xfeldask.config import Photonize
from xfeldask.engines import reading
from xfeldask.engines.reading import (
    as_photons,
    blocks,
    estimate_intake,
    layout_of_frames,
    open_intake,
    photon_energy_of,
)
from xfeldask.errors import CorruptStoreError
from xfeldask.formats.joined import JoinedFrames
from xfeldask.formats.stacks import StackFrames
from xfeldask.store.intake import Intake
from xfeldask.store.run import Run


def stack(n=6, dtype=np.uint8, **more):
    return StackFrames("run.npy", drawn(n)[:, 0].astype(dtype), DETECTOR, ENERGY, **more)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 9), st.integers(1, 20))
def test_blocks__follow_one_another_and_end_where_chunks_do(one, other, chunk, fit):
    shots, found = range(min(one, other), max(one, other)), stack(1)
    found.chunk = chunk
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "BLOCK_BYTES", 4 * 64 * fit)
        cut = list(blocks(found, shots))
    assert [shot for block in cut for shot in block] == list(shots)
    assert all(0 < len(block) <= fit for block in cut)
    if chunk <= fit:
        assert all(block.stop % chunk == 0 for block in cut[:-1])


def test_layout__is_that_of_the_detector_with_the_truth_that_is_known():
    truth = {"n_particles": np.ones(6), "orientation": np.zeros((6, 3, 4)), "photon_energy": np.ones(6)}
    found = layout_of_frames(JoinedFrames([stack(truth=truth)]), None)
    assert (found.n_shots, found.pixels, found.photon_dtype, found.particles) == (6, (1, 8, 8), "uint8", 3)
    # in the order of the schema
    assert found.truth == ("n_particles", "orientation", "photon_energy")
    bare = layout_of_frames(JoinedFrames([stack(dtype=np.int64)]), None)
    assert (bare.photon_dtype, bare.particles, bare.truth) == ("uint16", 0, ())
    assert layout_of_frames(JoinedFrames([stack(dtype=np.int64)]), "uint32").photon_dtype == "uint32"


def test_layout__of_few_shots_has_no_longer_shards():
    assert [layout_of_frames(JoinedFrames([stack(n)]), None).shard for n in (1, 2, 3, 6)] == [1, 2, 4, 8]


def intake_of(path, photonize=None):
    return Intake(sources=(str(path),), format="npy", fingerprint="f", n_shots=6, geometry="g", photon_energy=ENERGY,
                  photonize=photonize)  # fmt: skip


def test_open_intake__gives_the_frames_that_were_ingested(tmp_path):
    np.save(tmp_path / "a.npy", drawn(6) * 10.0)
    plain = open_intake(intake_of(tmp_path / "a.npy"), DETECTOR)
    np.testing.assert_array_equal(plain.read(range(6)), drawn(6) * 10)
    assert photon_energy_of(plain) == pytest.approx(ENERGY)
    counted = open_intake(intake_of(tmp_path / "a.npy", Photonize(gain=10)), DETECTOR)
    assert (plain.photonizes, counted.photonizes) == (False, True)
    np.testing.assert_array_equal(counted.read(range(6)), drawn(6))


def test_as_photons__counts_in_each_stack_of_a_file():
    joined = JoinedFrames([stack(2, float), stack(3, float)])
    found = as_photons([joined, stack(1, float)], Photonize(gain=1))
    assert [part.n_shots for part in found] == [2, 3, 1]


def test_estimate__is_of_all_shots_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frames = JoinedFrames([stack(6)])
    found = estimate_intake(frames, layout_of_frames(frames, None))
    assert (found.shots, found.tasks, found.bytes_uncompressed) == (6, 1, 6 * 64)
    assert found.bytes_on_disk > 0
    assert found.seconds > 0
    assert list(tmp_path.iterdir()) == []


def test_desk__of_a_store_that_was_not_ingested_is_none(tmp_path):
    run = tiny_run(tmp_path / "run.zarr", drawn(4))
    with pytest.raises(CorruptStoreError, match="does not tell what it was ingested from"):
        reading.ingest_shard(Run.open(run.path, "r+"), 0)
