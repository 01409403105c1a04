from __future__ import annotations

import h5py
import numpy as np
import pytest

from tests.formats.cxi_writer import (
    EV,
    frames,
    panels,
    write_condor,
    write_cspi,
    write_euxfel,
    write_virtual,
)
from xfeldask import open_frames
from xfeldask.engines.kinds import recognised
from xfeldask.errors import FormatError, InputError
from xfeldask.formats.frames import columns_of
from xfeldask.physics.detectors import make_geometry, scattering_vector, square

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


def test_mask__of_all_and_of_single_shots(tmp_path):
    data = frames() + 1
    fixed = np.zeros(data.shape[1:], np.uint32)
    fixed[0, 0, :3] = [0x1, 0x20, 0x20000]
    write_euxfel(tmp_path / "fixed.cxi", data, mask=fixed)
    found = open_frames(tmp_path / "fixed.cxi")
    assert np.argwhere(~found.geometry.mask).tolist() == [[0, 0, 0], [0, 0, 2]]
    # what the file calls bad stays bad in a geometry of one's own
    assert (~open_frames(tmp_path / "fixed.cxi", geometry=GEOMETRY).geometry.mask).sum() == 2
    each = np.zeros(data.shape, np.uint32)
    each[:, 1, 1, 1], each[2, 3, 3, 3] = 0x80, 0x200
    write_euxfel(tmp_path / "each.cxi", data, mask=each)
    found = open_frames(tmp_path / "each.cxi")
    assert np.argwhere(~found.geometry.mask).tolist() == [[1, 1, 1]]
    due = np.where(each != 0, 0, data)
    np.testing.assert_array_equal(found.read(range(1, 5)), due[1:5])


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


def test_condor__has_its_particles_as_truth(tmp_path):
    data = frames(shape=(10, 8))
    told = write_condor(tmp_path / "condor.h5", data)
    assert recognised(str(tmp_path / "condor.h5")) == "condor"
    found = open_frames(tmp_path / "condor.h5")
    np.testing.assert_array_equal(found.read(range(N))[:, 0], data)
    truth = found.truth(range(2, 5))
    np.testing.assert_array_equal(truth["orientation"][:, 0], told["q"][2:5])
    np.testing.assert_array_equal(truth["position"][:, 0], told["p"][2:5])
    assert truth["n_particles"].tolist() == [1, 1, 1]
    assert found.wavelength == pytest.approx(1e-9)
    # the beam meets the middle of pixel (cy, cx)
    np.testing.assert_allclose(found.geometry.pixel_position[0, 5, 3], [-0.5e-4, -0.5e-4, 0.3], atol=1e-15)
    assert {"pulse_energy", "diameter", "intensity_of_file"} & set(columns_of(found))


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


@pytest.mark.parametrize("mixed", [True, False])
def test_cspi__has_directions_and_truth(tmp_path, mixed):
    data, singles = frames(), np.arange(N) % 2 == 0
    flat = np.concatenate([CENTRE[..., :2], np.full((*CENTRE.shape[:3], 1), 0.7)], axis=-1)
    write_cspi(tmp_path / "cspi.h5", data, flat, 2e-10, singles if mixed else None)
    assert recognised(str(tmp_path / "cspi.h5")) == "cspi"
    found = open_frames(tmp_path / "cspi.h5")
    np.testing.assert_array_equal(found.read(range(N)), data)
    assert found.wavelength == pytest.approx(2e-10, rel=1e-9)
    np.testing.assert_allclose(
        scattering_vector(found.geometry.pixel_position, 1), scattering_vector(flat, 1), atol=1e-12
    )
    truth = found.truth(range(N))
    assert truth["n_particles"].tolist() == ([1, 2] * 3 if mixed else [2] * N)
    assert truth["orientation"].shape == (N, 1 if mixed else 2, 4)
    assert ("position" in truth) == (not mixed)


def test_cxidb58__needs_nothing_else(tmp_path):
    data = np.random.default_rng(1).poisson(0.3, (3, 260, 257)).astype(np.uint16)
    with h5py.File(tmp_path / "amo86615_182.h5", "w") as file:
        file["photonConverter/pnccdBack/photonCount"] = data
    found = open_frames(tmp_path / "amo86615_182.h5")
    np.testing.assert_array_equal(found.read(range(3))[:, 0], data)
    assert found.wavelength == pytest.approx(7.9e-10)
    np.testing.assert_allclose(found.geometry.pixel_position[0, 130, 128], [0, 0.15e-3, 0.581], atol=1e-12)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda f: f["entry_1/instrument_1/detector_1"].pop("xyz_map"), None),
        (lambda f: f["entry_1/instrument_1"].pop("source_1"), "does not say its photon energy; give wavelength"),
        (lambda f: [f["entry_1/instrument_1/detector_1"].pop(n) for n in ("xyz_map", "corner_position")],
         "does not say where its pixels are; give its geometry"),
    ],
)  # fmt: skip
def test_missing__is_asked_for(tmp_path, change, told):
    write_euxfel(tmp_path / "hits.cxi", frames())
    with h5py.File(tmp_path / "hits.cxi", "a") as file:
        change(file)
    if told is None:
        np.testing.assert_allclose(open_frames(tmp_path / "hits.cxi").geometry.pixel_position, CENTRE, atol=1e-12)
        return
    with pytest.raises(InputError, match=told):
        open_frames(tmp_path / "hits.cxi")


def test_plane__at_the_sample_takes_the_distance(tmp_path):
    write_euxfel(tmp_path / "hits.cxi", frames())
    with h5py.File(tmp_path / "hits.cxi", "a") as file:
        detector = file["entry_1/instrument_1/detector_1"]
        detector["xyz_map"][2] -= 0.7
        with pytest.raises(FormatError, match="tells no distance"):
            open_frames(tmp_path / "hits.cxi")
        detector["distance"] = 0.7
    np.testing.assert_allclose(open_frames(tmp_path / "hits.cxi").geometry.pixel_position, CENTRE, atol=1e-12)


def test_one_panel__is_around_the_beam(tmp_path):
    with h5py.File(tmp_path / "flat.cxi", "w") as file:
        detector = file.create_group("entry_1/instrument_1/detector_1")
        detector["data"], detector["distance"], detector["x_pixel_size"] = frames(shape=(8, 8)), 0.1, 1e-3
        file["entry_1/instrument_1/source_1/energy"] = 4600 * EV
    found = open_frames(tmp_path / "flat.cxi")
    due = square(8, 1e-3, 0.1).pixel_position
    np.testing.assert_allclose(found.geometry.pixel_position, due, atol=1e-15)
    assert found.truth(range(N)) == {}
