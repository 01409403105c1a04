from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from xfeldask import simulate
from xfeldask.engines import estimate as module
from xfeldask.physics.images import Recorder
from xfeldask.store.shards import Shard
from xfeldask.verbs.simulate import estimate_run

ATOMS = (np.random.default_rng(1).normal(size=(30, 3)) * 5e-10, ["C", "N", "O"] * 10)
RUN = {
    "particle": ATOMS, "detector": "square-64", "hits": {0: 0.1, 1: 0.5, 2: 0.4}, "nuisance": "jitter",
    "beam": {"photon_energy": 4600.0, "photons_per_pulse": 1e16, "focus_radius": 5e-7},
}  # fmt: skip


def raw_bytes(path: Path) -> dict[str, int]:
    return {name: sum(f.stat().st_size for f in (path / name / "c").rglob("*") if f.is_file())
            for name in ("photons", "image", "low_q", "intensity") if (path / name).exists()}  # fmt: skip


@pytest.mark.parametrize("more", [{}, {"intensity": True, "photon_dtype": "uint16"}])
def test_estimate__encodes_what_the_tasks_write(tmp_path, monkeypatch, more):
    """All shots of this run are rehearsed, so that nothing is left to extrapolate."""
    packed, encode = [], Shard.encode
    monkeypatch.setattr(Shard, "encode", lambda self: packed.append(encode(self)) or packed[-1])
    n = module.SAMPLE
    found = estimate_run(tmp_path / "run.zarr", n_shots=n, **RUN, **more)
    assert list(tmp_path.iterdir()) == []
    ds = simulate(tmp_path / "run.zarr", n_shots=n, progress=False, **RUN, **more)
    written = raw_bytes(tmp_path / "run.zarr")
    # each file ends in the place of each of its chunks, and a checksum
    places = sum(16 * (n if name in ("photons", "intensity") else 1) + 4 for name in written)
    assert packed[1] == sum(written.values()) - places
    assert found.bytes_uncompressed == ds.photons.nbytes


def test_free_bytes__are_those_of_the_disk_that_a_link_leads_to(tmp_path, monkeypatch):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk/run.zarr").mkdir()
    (tmp_path / "link.zarr").symlink_to(tmp_path / "disk/run.zarr")
    asked = []
    monkeypatch.setattr(module, "disk_usage", lambda path: asked.append(path) or shutil.disk_usage(path))
    assert module.free_bytes(tmp_path / "link.zarr") > 0
    assert module.free_bytes(tmp_path / "new.zarr") > 0
    assert asked == [(tmp_path / "disk").resolve(), tmp_path.resolve()]


def test_estimate__grows_with_what_a_shot_takes(tmp_path):
    few, many = (estimate_run(tmp_path / "a", n_shots=n, **RUN) for n in (1000, 101_000))
    path = tmp_path / "run.zarr"
    simulate(path, n_shots=128, progress=False, **RUN)
    a_shot = sum(raw_bytes(path).values()) / 128
    assert (many.bytes_on_disk - few.bytes_on_disk) / 100_000 == pytest.approx(a_shot, rel=0.25)
    assert many.bytes_of_memory == pytest.approx(few.bytes_of_memory, rel=0.01)


def test_most_bytes__are_more_than_a_run_takes_and_draw_nothing(tmp_path, monkeypatch):
    path, found, drawn = tmp_path / "run.zarr", [], []

    def most(prepared):
        found.append(module.most_bytes(prepared))
        return found[-1]

    monkeypatch.setattr("xfeldask.verbs.simulate.most_bytes", most)
    monkeypatch.setattr(module, "_rehearse", lambda *asked: drawn.append(asked))
    simulate(path, n_shots=20, progress=False, **RUN)
    assert sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) < found[0]
    assert not drawn


def test_estimate__fills_both_images_of_every_shot(tmp_path, monkeypatch):
    seen, record = [], Recorder.record

    def watched(self, photons):
        found = record(self, photons)
        counted = [count.sum() for _, count in found.photons]
        seen.extend(zip(found.photon_count, counted, found.image.sum((1, 2)), found.low_q.sum((1, 2)), strict=True))
        return found

    monkeypatch.setattr(Recorder, "record", watched)
    estimate_run(tmp_path / "run.zarr", n_shots=50, **RUN)
    # the first shot warms up
    assert len(seen) == 1 + module.SAMPLE
    assert all(counted == frame == image == low_q for counted, frame, image, low_q in seen)
    assert sum(counted for counted, *_ in seen) > 0


def test_estimate__takes_no_more_shots_than_a_shard_or_a_run_has(tmp_path, monkeypatch):
    assert estimate_run(tmp_path / "a", n_shots=3, **RUN).shots == 3
    monkeypatch.setattr("xfeldask.store.layout.SHARD_BYTES", 2 * 64 * 64)
    assert estimate_run(tmp_path / "a", n_shots=100, **RUN).tasks == 50
