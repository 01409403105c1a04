from __future__ import annotations

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from tests.explorer.few_shots import few_shots, pictures, session
from xfeldask.errors import CorruptStoreError
from xfeldask.explorer.model.brightness import ALL, CLASSES, EDGES, brightness, class_means
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.store.results.labels import LABELS
from xfeldask.store.run import Run


def test_brightness__is_the_mean_of_the_photons_at_a_distance_from_the_beam():
    grid, image = few_shots().image_grid, few_shots().read("image", 3)
    s = np.linalg.norm(grid.s, axis=-1) / 1e9
    found = brightness(pictures(), [3])
    half = np.diff(found.q)[0] / 2
    seen = 0
    for q, photons in zip(found.q, found.photons, strict=True):
        ring = (np.abs(s - q) < half) & (grid.weight > 0)
        if image[ring].sum() > 0:
            seen += 1
            np.testing.assert_allclose(photons, image[ring].sum() / grid.weight[ring].sum(), rtol=1e-5)
    assert seen > 3


def test_brightness__counts_bins_by_the_photons_that_they_hold():
    shots, weight = [3, 4, 11], few_shots().image_grid.weight
    images = np.stack([few_shots().read("image", shot) for shot in shots])[:, weight > 0]
    found = brightness(pictures(), shots)
    # each number alone while they are few
    for number, bins in zip(found.number[:3], found.bins[:3], strict=True):
        np.testing.assert_allclose(bins, (images == number).sum() / len(shots))
    # and none is lost where several share a step
    steps = np.diff(EDGES)[: len(found.bins)]
    np.testing.assert_allclose((found.bins * steps).sum(), (images > 0).sum() / len(shots))


@pytest.mark.parametrize("embedding", [True, False])
def test_class_means__are_of_all_shots_and_of_each_class_that_has_any(embedding):
    run, shots = few_shots(), session().shots
    if not embedding:
        shots = SimpleNamespace(names=list, kept=lambda make, *names: make(*names))
    found = class_means(pictures(), shots)
    assert found.keys() == {ALL, "single", "multiple"} if embedding else {ALL}
    wanted = {ALL: np.arange(run.n_shots)}
    if embedding:
        verdict = shots.column("verdict").values
        wanted |= {name: np.flatnonzero(verdict == LABELS[name]) for name in CLASSES}
    for name, some in wanted.items():
        curves = brightness(pictures(), some.tolist())
        np.testing.assert_allclose(found[name].photons, curves.photons)
        np.testing.assert_allclose(found[name].bins, curves.bins)


def test_class_means__are_worked_out_once_for_all_who_look_at_the_shots(monkeypatch):
    looked, run = session(), pictures()
    first = class_means(run, looked.shots)
    monkeypatch.setattr(Pictures, "finest", None)
    assert class_means(run, looked.shots) is first


def test_class_means__leave_out_a_class_that_cannot_be_read(tmp_path):
    run = Run.open(shutil.copytree(few_shots().path, tmp_path / "run.zarr"))
    for name in ("image", "low_q"):
        for path in (run.path / name / "c").rglob("*"):
            if path.is_file():
                path.write_bytes(b"torn")
    with pytest.raises(CorruptStoreError, match="verify"):
        brightness(Pictures(run), [0])
    assert class_means(Pictures(run), Session(run.path).shots) == {}
