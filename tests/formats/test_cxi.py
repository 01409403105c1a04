from __future__ import annotations

import h5py
import numpy as np
import pytest

from tests.formats.cxi_writer import (
    EV,
    frames,
    panels,
    write_euxfel,
    write_virtual,
)
from xfeldask import open_frames
from xfeldask.engines.frame_formats import recognised
from xfeldask.errors import FormatError
from xfeldask.formats.frames import columns_of
from xfeldask.physics.detectors import make_geometry

N = 6
_, _, CENTRE = panels()
GEOMETRY = make_geometry(CENTRE, 2e-4)


@pytest.mark.parametrize("mapped", [True, False])
def test_euxfel__has_photons_pixels_and_all_that_is_told(tmp_path, mapped):
    data = frames()
    told = write_euxfel(tmp_path / "r0042_hits.cxi", data, mapped=mapped)
    assert recognised(str(tmp_path / "r0042_hits.cxi")) == "cxi"
    found = open_frames(tmp_path / "r0042_hits.cxi")
    np.testing.assert_array_equal(found.read(range(N)), data)
    np.testing.assert_array_equal(found.read(range(2, 4)), data[2:4])
    np.testing.assert_allclose(found.geometry.pixel_position, CENTRE, atol=1e-12)
    assert found.geometry.pixel_size == pytest.approx(2e-4)
    np.testing.assert_allclose(found.truth(range(1, 3))["photon_energy"], told["energy"][1:3] / EV)
    assert found.wavelength == pytest.approx(1.23984198e-6 / np.median(told["energy"] / EV), rel=1e-6)
    columns = columns_of(found)
    for name in ("train", "cell", "pulse_energy", "hit_score", "is_hit"):
        np.testing.assert_array_equal(columns[name].values, told[name])
    np.testing.assert_array_equal(columns["run"].values, [42] * N)
    identifiers = {name for name, column in columns.items() if column.identifier}
    assert identifiers == {"run", "train", "cell", "experiment_identifier"}
    assert columns["pulse_energy"].units == "J"
    assert columns["file_class"].flags == ((-1, "none"), (0, "single"), (1, "water_shell"))
    np.testing.assert_array_equal(columns["is_good"].values, told["is_hit"])
    assert {"background_weighting", "result_2_0", "result_2_2", "is_crap"} <= set(columns)


def test_euxfel__in_tiles_has_the_same_pixels(tmp_path):
    data = frames(shape=(8, 4, 6))
    write_euxfel(tmp_path / "tiles.cxi", data)
    np.testing.assert_array_equal(open_frames(tmp_path / "tiles.cxi").read(range(N)), data)


def test_virtual__is_read_through_and_its_files_are_missed(tmp_path):
    data = frames()
    modules = write_virtual(tmp_path / "run.cxi", data)
    found = open_frames(tmp_path / "run.cxi", geometry=GEOMETRY, photon_energy=6000)
    np.testing.assert_array_equal(found.read(range(N)), data)
    assert set(columns_of(found)) == {"train", "pulse"}
    modules[2].unlink()
    with pytest.raises(FormatError, match=r"refers to frames in module02\.h5, which is not there"):
        open_frames(tmp_path / "run.cxi", geometry=GEOMETRY, photon_energy=6000)


def test_several_stacks__of_one_shape_follow_one_another(tmp_path):
    parts = [frames(seed=seed, n=seed + 2) for seed in range(3)]
    with h5py.File(tmp_path / "156.cxi", "w") as file:
        for name, part in zip(("entry_1/data_1", "entry_1/data_2", "entry_2/data_1"), parts, strict=True):
            file[f"{name}/data"] = part
    given = {"geometry": GEOMETRY, "photon_energy": 1600}
    found = open_frames(tmp_path / "156.cxi", **given)
    np.testing.assert_array_equal(found.read(range(2, 8)), np.concatenate(parts)[2:8])
    one = open_frames(f"{tmp_path}/156.cxi:/entry_1/data_2/data", **given)
    np.testing.assert_array_equal(one.read(range(3)), parts[1])
    del found, one  # closes the file
    with h5py.File(tmp_path / "156.cxi", "a") as file:
        file["entry_3/data_1/data"] = np.zeros((2, 5, 5), np.uint8)
    with pytest.raises(FormatError, match=r"has frames of several shapes; name one: .*entry_3/data_1/data"):
        open_frames(tmp_path / "156.cxi", **given)


def test_psocake__asks_which_of_two_detectors(tmp_path):
    with h5py.File(tmp_path / "amo.cxi", "w") as file:
        file["entry_1/data_3/data"], file["entry_1/data_4/data"] = frames(), frames(seed=2)
        file["LCLS/eventNumber"] = np.arange(N) * 3
        file["LCLS/photon_energy_eV"] = np.full(N, 1600.0)
        file["entry_1/result_1/nHits"] = np.array([N])
        file["entry_1/result_1/nHits"].attrs["numEvents"] = 100
    given = {"geometry": GEOMETRY, "photon_energy": 1600}
    with pytest.raises(FormatError, match=r"the same shots from several detectors; name one: .*data_3/data"):
        open_frames(tmp_path / "amo.cxi", **given)
    found = open_frames(f"{tmp_path}/amo.cxi:/entry_1/data_4/data", **given)
    np.testing.assert_array_equal(found.read(range(N)), frames(seed=2))
    np.testing.assert_array_equal(columns_of(found)["event"].values, np.arange(N) * 3)
