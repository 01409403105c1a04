from __future__ import annotations

import h5py
import numpy as np
import pytest

from xfeldask import open_frames
from xfeldask.config import Detector
from xfeldask.errors import FormatError, InputError
from xfeldask.formats.geometries import read_detector
from xfeldask.physics.detectors import make_geometry, scattering_vector

SIZE = 2e-4


def detector(side=6, distance=500.0, radius=300.0):
    """Pixels [pixels], and what Dragonfly's utility writes of them."""
    x, y = np.meshgrid(np.arange(side) - 2.0, np.arange(side) - 3.5, indexing="ij")
    norm = np.sqrt(x**2 + y**2 + distance**2)
    q = np.stack([x / norm, y / norm, distance / norm - 1], -1).reshape(-1, 3) * radius
    mask = np.zeros(side * side, np.uint8)
    mask[:4] = [0, 1, 2, 1]
    return np.stack([x, y, np.full_like(x, distance)], -1), q, mask


def write(path, q, mask, distance=500.0, radius=300.0):
    if path.suffix == ".dat":
        lines = [f"{len(q)} {distance} {radius}"]
        lines += [" ".join(map(repr, [*map(float, row), 1.0])) + f" {good}" for row, good in zip(q, mask, strict=True)]
        path.write_text("\n".join(lines))
        return
    with h5py.File(path, "w") as file:
        for name, values in zip(("qx", "qy", "qz"), q.T, strict=True):
            file[name] = values
        file["corr"], file["mask"] = np.ones(len(q)), mask
        file["detd"], file["ewald_rad"] = distance, radius


@pytest.mark.parametrize("name", ["det.h5", "det.dat"])
@pytest.mark.parametrize("sign", [1, -1])
def test_detector__puts_pixels_where_they_were(tmp_path, name, sign):
    position, q, mask = detector()
    write(tmp_path / name, q * [1, 1, sign], mask)
    found = read_detector(Detector(source=str(tmp_path / name), pixel_size=SIZE))
    np.testing.assert_allclose(found.pixel_position[0], position * SIZE, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(found.mask.ravel(), mask != 2)
    assert found.pixel_size == SIZE


def test_detector__of_agipd_scatters_as_its_file_says(shared):
    path = shared / "data/real/xfel7927_det_lowq.h5"
    found = read_detector(Detector(source=str(path), pixel_size=SIZE))
    with h5py.File(path) as file:
        q = np.column_stack([file[name][:] for name in ("qx", "qy", "qz")]) / file["ewald_rad"][()]
        mask = file["mask"][:]
    s = scattering_vector(found.pixel_position, 1.0).reshape(-1, 3)
    np.testing.assert_allclose(s[:, :2], q[:, :2], atol=1e-7)
    np.testing.assert_allclose(np.abs(s[:, 2]), np.abs(q[:, 2]), atol=1e-7)
    np.testing.assert_array_equal(found.mask.ravel(), mask != 2)
    # neighbours on a module are a pixel apart
    steps = np.linalg.norm(np.diff(found.pixel_position.reshape(-1, 3), axis=0), axis=1)
    assert np.median(steps) == pytest.approx(SIZE, rel=1e-3)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda q, m: (q * 30, m, 500.0, 300.0), "off the Ewald sphere"),
        (lambda q, m: (q, m, -1.0, 300.0), "distance of -1"),
        (lambda q, m: (q * np.nan, m, 500.0, 300.0), "distance of 500"),
        (lambda q, m: (q, m[:-1], 500.0, 300.0), "36 pixels and a mask of 35"),
        (lambda q, m: (q, m * 0 + 2, 500.0, 300.0), "all 36 pixels are masked"),
    ],
)
def test_detector__that_is_damaged_is_told(tmp_path, change, told):
    _, q, mask = detector()
    q, mask, distance, radius = change(q, mask)
    write(tmp_path / "det.h5", q, mask, distance, radius)
    with pytest.raises(FormatError, match=told):
        read_detector(Detector(source=str(tmp_path / "det.h5"), pixel_size=SIZE))


def test_detector__needs_a_pixel_size(tmp_path):
    _, q, mask = detector()
    write(tmp_path / "det.h5", q, mask)
    with pytest.raises(InputError, match="counts in pixels; give pixel_size"):
        read_detector(Detector(source=str(tmp_path / "det.h5")))


def test_flat__has_rows_along_y_and_the_beam_where_it_is_told():
    found = read_detector(Detector(source="flat-4x6@1,2.5", pixel_size=1e-3, distance=0.1))
    assert found.shape == (1, 4, 6)
    np.testing.assert_allclose(found.pixel_position[0, 1, 2], [0.0, 0.5e-3, 0.1], atol=1e-15)
    middle = read_detector(Detector(source="flat-4x6", pixel_size=1e-3, distance=0.1))
    np.testing.assert_allclose(middle.pixel_position[..., :2].mean(axis=(0, 1, 2)), 0, atol=1e-15)
    assert make_geometry(found.pixel_position, 1e-3).mask.all()
    with pytest.raises(InputError, match="give pixel_size and distance"):
        read_detector(Detector(source="flat-4x6"))


def test_mask__is_taken_in_every_form(tmp_path):
    good = np.random.default_rng(1).random((4, 6)) < 0.8
    np.save(tmp_path / "good.npy", good[None])
    np.savez(tmp_path / "masks.npz", bad=~good)
    (tmp_path / "mask.byt").write_bytes(np.where(good, np.arange(24).reshape(4, 6) % 2, 2).astype(np.uint8).tobytes())
    with h5py.File(tmp_path / "mask.h5", "w") as file:
        file["entry/good"] = good.astype(np.uint8)
    for name in ("good.npy", "bad:masks.npz:/bad", "mask.byt", "mask.h5:/entry/good"):
        mask = f"bad:{tmp_path}/{name[4:]}" if name.startswith("bad:") else f"{tmp_path}/{name}"
        found = read_detector(Detector(source="flat-4x6", pixel_size=1e-3, distance=0.1, mask=mask))
        np.testing.assert_array_equal(found.mask[0], good)
    np.save(tmp_path / "run.npy", np.zeros((1, 4, 6), np.uint8))
    parts = {"source": "flat-4x6", "pixel_size": 1e-3, "distance": 0.1, "mask": str(tmp_path / "good.npy")}
    assert open_frames(tmp_path / "run.npy", geometry=parts, photon_energy=4600).geometry.mask.sum() == good.sum()
