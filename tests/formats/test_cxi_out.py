from __future__ import annotations

import h5py
import numpy as np
import pytest

from tests.formats.conftest import TRUTH
from xfeldask.config.limits import ELECTRON_CHARGE
from xfeldask.errors import FormatError, InputError, MissingFileError
from xfeldask.formats.cxi_out import panels_of, write_back_result, write_cxi, write_result
from xfeldask.physics.detectors import make_geometry, square
from xfeldask.store.choosing.chosen import Chosen

RESULT = {
    "name": "ipca", "labels": ["blank", "single", "multiple"], "verdict": np.array([1, 2, 1], np.uint8),
    "score": np.array([3.0, -1.0, 2.0]), "is_hit": np.array([True, False, True]),
}  # fmt: skip


@pytest.fixture
def file():
    with h5py.File("run.cxi", "w", driver="core", backing_store=False) as found:
        yield found


def test_cxi__has_frames_detector_and_columns(tmp_path, written):
    told = []
    write_cxi(tmp_path / "out.cxi", Chosen(written, np.array([0, 2, 5])), RESULT, told.append)
    assert sum(told) == 3
    with h5py.File(tmp_path / "out.cxi") as file:
        entry, detector = file["entry_1"], file["entry_1/instrument_1/detector_1"]
        np.testing.assert_array_equal(entry["data_1/data"][:], written.read("photons")[[0, 2, 5]])
        np.testing.assert_allclose(
            entry["instrument_1/source_1/energy"][:], TRUTH["photon_energy"][[0, 2, 5]] * ELECTRON_CHARGE
        )
        assert detector["trainId"][:].tolist() == [500, 502, 505]
        assert detector["sample"].asstr()[:].tolist() == ["a", "", "ü"]
        assert entry["experiment_identifier"].asstr()[:].tolist() == ["run_shot0", "run_shot2", "run_shot5"]
        assert entry["sample_1/name"].asstr()[()] == "virus"
        np.testing.assert_array_equal(detector["mask"][:] == 0, written.geometry.mask)
        np.testing.assert_array_equal(np.moveaxis(detector["xyz_map"][:], 0, -1), written.geometry.pixel_position)
        assert entry["result_1/data"][:].tolist() == [1, 2, 1]


def test_cxi__without_verdicts_has_no_result(tmp_path, written):
    write_cxi(tmp_path / "out.cxi", Chosen(written, np.array([3])), None, lambda _: None)
    with h5py.File(tmp_path / "out.cxi") as file:
        assert "result_1" not in file["entry_1"]


def test_panels__are_told_by_corner_and_steps_where_they_are_grids():
    geometry = square(4, 1e-3, 0.1)
    corner, steps = panels_of(geometry)
    i, j = np.meshgrid(np.arange(4) + 0.5, np.arange(4) + 0.5, indexing="ij")
    again = corner[0] + i[..., None] * steps[0, 0] + j[..., None] * steps[0, 1]
    np.testing.assert_allclose(again, geometry.pixel_position[0], atol=1e-15)
    bent = geometry.pixel_position + 0
    bent[0, 2, 2, 0] += 1e-4
    assert panels_of(make_geometry(bent, 1e-3)) is None
    assert panels_of(make_geometry(geometry.pixel_position[:, :1], 1e-3)) is None


def test_result__takes_the_next_number_and_only_its_own_place(file):
    file["result_1/data"] = [7]  # of another program
    file["result_x/data"] = [7]
    assert write_result(file, RESULT) == "result_2"
    assert write_result(file, RESULT | {"name": "pca"}) == "result_3"
    changed = RESULT | {"verdict": np.array([0, 0, 0], np.uint8)}
    assert write_result(file, changed) == "result_2"
    assert file["result_2/data"][:].tolist() == [0, 0, 0]
    assert file["result_1/data"][:].tolist() == [7]
    assert set(file["result_2"]) == {"data", "class_labels", "score"}


def test_result__half_written_by_a_run_that_was_killed_is_begun_again(file):
    file[".result_1.writing/data"] = [9, 9]
    assert write_result(file, RESULT) == "result_1"
    assert set(file) == {"result_1"}


def test_write_back__keeps_what_was_there_the_first_time(tmp_path):
    path = str(tmp_path / "run.cxi")
    with h5py.File(path, "w") as file:
        file["entry_1/detector_1/data"] = np.zeros((3, 2, 2), np.uint8)
        file["entry_1/detector_1/score/is_hit"] = [1, 1, 1]
    for _ in range(2):
        assert write_back_result(path, "entry_1/detector_1/data", 3, RESULT) == f"{path}:/entry_1/result_1"
    with h5py.File(path) as file:
        score = file["entry_1/detector_1/score"]
        assert (score["is_hit"][:].tolist(), score["is_hit_original"][:].tolist()) == ([1, 0, 1], [1, 1, 1])
        assert set(score) == {"is_hit", "is_hit_original"}


@pytest.mark.parametrize("stack", ["entry_1/data", "entry_2/data"])
def test_write_back__refuses_other_frames(tmp_path, stack):
    with h5py.File(tmp_path / "run.cxi", "w") as file:
        file["entry_1/data"] = np.zeros((2, 2, 2), np.uint8)
    with pytest.raises(FormatError, match=f"does not hold the 3 frames of {stack} that were ingested"):
        write_back_result(str(tmp_path / "run.cxi"), stack, 3, RESULT)
    with h5py.File(tmp_path / "run.cxi") as file:
        assert set(file["entry_1"]) == {"data"}


def test_write_back__goes_on_where_one_was_killed(tmp_path):
    path = str(tmp_path / "run.cxi")
    with h5py.File(path, "w") as file:
        file["entry_1/detector_1/data"] = np.zeros((3, 2, 2), np.uint8)
        file["entry_1/detector_1/score/is_hit.writing"] = [9]
    write_back_result(path, "entry_1/detector_1/data", 3, RESULT)
    with h5py.File(path) as file:
        assert {name: values[:].tolist() for name, values in file["entry_1/detector_1/score"].items()} == {
            "is_hit": [1, 0, 1]
        }


def test_write_back__refuses_a_file_that_cannot_be_written(tmp_path, monkeypatch):
    with pytest.raises(MissingFileError, match=r"no file .*none\.cxi"):
        write_back_result(str(tmp_path / "none.cxi"), "entry_1/data", 3, RESULT)
    with pytest.raises(InputError, match=r"cannot be written \(.*\); check its permissions"):
        write_back_result(str(tmp_path), "entry_1/data", 3, RESULT)
    with h5py.File(tmp_path / "run.cxi", "w") as file:
        file["entry_1/detector_1/data"] = np.zeros((3, 2, 2), np.uint8)

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr("xfeldask.formats.cxi_out.write_result", full)
    with pytest.raises(InputError, match=r"run\.cxi cannot be written \(No space left on device\); make room"):
        write_back_result(str(tmp_path / "run.cxi"), "entry_1/detector_1/data", 3, RESULT)
