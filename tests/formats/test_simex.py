from __future__ import annotations

import h5py
import numpy as np
import pytest

from xfeldask import open_frames
from xfeldask.engines.frame_formats import recognised
from xfeldask.errors import FormatError
from xfeldask.formats.frames import columns_of
from xfeldask.formats.simex import SimexFrames
from xfeldask.formats.stacks import flat_panel


@pytest.mark.parametrize("name", ["singfel.h5", "singfel-multi.h5"])
def test_singfel__real_files_have_what_h5py_reads(shared, name):
    path = shared / "data/real" / name
    assert recognised(str(path)) == "simex"
    found = open_frames(path)
    with h5py.File(path) as file:
        names = sorted(file["data"])
        data = np.stack([file[f"data/{pattern}/data"][:] for pattern in names])
        angle = np.stack([file[f"data/{pattern}/angle"][:] for pattern in names])
        mask = file["params/geom/mask"][:]
    np.testing.assert_array_equal(found.read(range(found.n_shots))[:, 0], data)
    np.testing.assert_array_equal(found.truth(range(found.n_shots))["orientation"][:, 0], angle)
    np.testing.assert_array_equal(columns_of(found)["pattern"].values, [int(pattern) for pattern in names])
    np.testing.assert_array_equal(found.geometry.mask[0], mask == 1)
    assert found.wavelength == pytest.approx(1.23984198e-6 / 4960, rel=1e-6)
    assert (found.geometry.pixel_size, found.geometry.pixel_position[0, 0, 0, 2]) == (1.2e-3, 0.13)


def written(path, names=("0000007", "0000002"), shape=(3, 4)):
    """Write patterns that hold their own numbers."""
    with h5py.File(path, "w") as file:
        for name in names:
            file[f"data/{name}/data"] = np.full(shape, int(name))
            file[f"data/{name}/angle"] = np.array([1.0, 0, 0, 0]) * int(name)
        for name, value in {"pixelWidth": 1e-3, "pixelHeight": 1e-3, "detectorDist": 0.1}.items():
            file[f"params/geom/{name}"] = value
        file["params/beam/photonEnergy"] = 4600.0
    return path


def test_simex__patterns_come_in_the_order_of_their_numbers(tmp_path):
    short = written(tmp_path / "short.h5", names=("1", "10", "2"))
    with h5py.File(short, "r+") as file:
        file["data/\N{SUPERSCRIPT TWO}/data"] = np.zeros((3, 4))
    assert open_frames(short).columns()["pattern"].values.tolist() == [1, 2, 10]
    found = open_frames(written(tmp_path / "diffr.h5"))
    assert found.read(range(2))[:, 0, 0, 0].tolist() == [2, 7]
    assert found.read(range(1, 1)).shape == (0, 1, 3, 4)
    assert found.truth(range(1, 2))["orientation"].tolist() == [[[7, 0, 0, 0]]]
    assert found.columns()["pattern"].values.tolist() == [2, 7]


def test_simex__without_all_angles_tells_no_orientation(tmp_path):
    with h5py.File(written(tmp_path / "diffr.h5"), "a") as file:
        del file["data/0000002/angle"]
    assert set(open_frames(tmp_path / "diffr.h5").truth(range(2))) == {"n_particles"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda file: file.pop("params/geom/detectorDist"), r"pixels of 0\.001 x 0\.001 m at None m"),
        (lambda file: file["params/geom/pixelHeight"].write_direct(np.array(2e-3)), r"0\.001 x 0\.002 m"),
        (lambda file: [file.pop(f"data/{name}") for name in list(file["data"])], "holds no pattern in its group data"),
        (lambda file: [file.pop("data/0000002"), file.create_dataset("data/0000002/data", data=np.zeros(9))],
         r"a pattern of \(9,\) pixels; patterns have rows and columns"),
    ],
)  # fmt: skip
def test_simex__what_it_lacks_is_told(tmp_path, change, told):
    with h5py.File(written(tmp_path / "diffr.h5"), "a") as file:
        change(file)
    with pytest.raises(FormatError, match=told):
        SimexFrames(str(tmp_path / "diffr.h5"), None, None)


def test_simex__takes_a_geometry_of_ones_own(tmp_path):
    with h5py.File(written(tmp_path / "diffr.h5"), "a") as file:
        file.pop("params/geom/detectorDist")
    found = SimexFrames(str(tmp_path / "diffr.h5"), flat_panel((3, 4), 1e-3, 0.2), 5000.0)
    assert found.geometry.pixel_position[0, 0, 0, 2] == 0.2
    assert found.wavelength == pytest.approx(1.23984198e-6 / 5000, rel=1e-6)
