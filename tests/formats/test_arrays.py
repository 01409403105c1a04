from __future__ import annotations

from zipfile import ZipFile

import h5py
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import examples
from xfeldask.errors import FormatError, InputError
from xfeldask.formats.arrays import ArrayFrames, Hdf5Frames, NpyFrames, NpzFrames, ZarrFrames
from xfeldask.formats.stacks import StackFrames
from xfeldask.physics.detectors import builtin_geometry, make_geometry, wavelength

GEOMETRY = builtin_geometry("square-8")
PANELS = make_geometry(np.concatenate([GEOMETRY.pixel_position, GEOMETRY.pixel_position + np.array([0.1, 0, 0])]), 1e-3)
ENERGY = 4600.0


def frames(n=5, shape=(2, 8, 8), dtype=np.uint8, seed=1):
    return np.random.default_rng(seed).poisson(0.4, (n, *shape)).astype(dtype)


def npy(folder, values):
    np.save(folder / "run.npy", values)
    return NpyFrames, str(folder / "run.npy")


def hdf5(folder, values):
    with h5py.File(folder / "run.h5", "w") as file:
        file.create_dataset("entry/photons", data=values, chunks=(1, *values.shape[1:]), compression="gzip")
        file["entry/mean"] = values.mean(axis=0)[0]
    return Hdf5Frames, f"{folder}/run.h5:/entry/photons"


def zarr_array(version):
    def write(folder, values):
        array = zarr.create_array(folder / "run.zarr", shape=values.shape, dtype=values.dtype, zarr_format=version,
                                  chunks=(2, *values.shape[1:]))  # fmt: skip
        array[...] = values
        return ZarrFrames, str(folder / "run.zarr")

    return write


WRITERS = {"npy": npy, "hdf5": hdf5, "zarr 2": zarr_array(2), "zarr 3": zarr_array(3)}


@pytest.fixture(params=WRITERS)
def writer(request):
    return WRITERS[request.param]


def test_read__returns_the_photons_of_any_array(tmp_path, writer):
    values = frames()
    kind, source = writer(tmp_path, values)
    assert kind.recognises(source)
    found = kind(source, PANELS, ENERGY)
    assert (found.name, found.n_shots, found.wavelength) == ("run", 5, wavelength(ENERGY))
    assert found.geometry is PANELS
    for shots in (range(5), range(2, 4), range(4, 5), range(3, 3)):
        block = found.read(shots)
        assert block.dtype == np.uint8
        np.testing.assert_array_equal(block, values[shots.start : shots.stop])
    assert found.truth(range(5)) == {}


def test_recognises__by_content_and_not_by_name(tmp_path, writer):
    kind, source = writer(tmp_path, frames())
    others = {NpyFrames, Hdf5Frames, ZarrFrames} - {kind}
    assert not any(other.recognises(source) for other in others)
    (tmp_path / "fake.npy").write_text("text")
    (tmp_path / "fake.h5").write_text("")
    (tmp_path / "fake.zarr").mkdir()
    for name in ("fake.npy", "fake.h5", "fake.h5:/a", "fake.zarr", "none"):
        assert not kind.recognises(str(tmp_path / name))


def test_hdf5__takes_the_only_stack_of_frames(tmp_path):
    _, source = hdf5(tmp_path, frames())
    path = source.partition(":/")[0]
    np.testing.assert_array_equal(Hdf5Frames(path, PANELS, ENERGY).read(range(5)), frames())
    with h5py.File(path, "a") as file:
        file["other"] = frames()
    for asked in (path, f"{path}:/entry", f"{path}:/none"):
        with pytest.raises(FormatError, match=r"name one dataset .*run\.h5:/entry/photons, .*run\.h5:/other"):
            Hdf5Frames(asked, PANELS, ENERGY)


def test_zarr__whose_metadata_are_damaged_is_told(tmp_path):
    zarr.create_array(tmp_path / "run.zarr", data=np.ones((2, 2, 2)))
    (tmp_path / "run.zarr/zarr.json").write_text("{")
    with pytest.raises(FormatError, match=r"run\.zarr: it cannot be read .*; the file is damaged"):
        ZarrFrames(str(tmp_path / "run.zarr"), GEOMETRY, 4600)


def test_zarr__of_a_group_names_its_arrays(tmp_path):
    group = zarr.create_group(tmp_path / "run.zarr")
    group.create_array("photons", data=frames())
    group.create_array("energy", data=np.ones(5))
    with pytest.raises(FormatError, match=r"is a Zarr group; name one of its arrays: .*run\.zarr/photons$"):
        ZarrFrames(str(tmp_path / "run.zarr"), PANELS, ENERGY)
    assert ZarrFrames(str(tmp_path / "run.zarr/photons"), PANELS, ENERGY).n_shots == 5


def test_files__that_are_broken_are_told(tmp_path):
    (tmp_path / "run.npy").write_bytes(b"\x93NUMPY\x01")
    (tmp_path / "run.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(FormatError, match=r"run\.npy: not a \.npy array"):
        NpyFrames(str(tmp_path / "run.npy"), PANELS, ENERGY)
    with pytest.raises(FormatError, match=r"run\.h5: not an HDF5 file that can be read"):
        Hdf5Frames(str(tmp_path / "run.h5"), PANELS, ENERGY)


@given(n=st.integers(0, 4), dtype=st.sampled_from([np.bool_, np.uint16, np.int32, np.int64, np.float32, np.float64]),
       flat=st.booleans())  # fmt: skip
@examples(1.3)
def test_read__takes_whole_numbers_of_any_type(n, dtype, flat):
    values = frames(n, (8, 8) if flat else (1, 8, 8), dtype)
    block = ArrayFrames("it", values, GEOMETRY, ENERGY).read(range(n))
    assert block.dtype.kind == "u"
    assert block.shape == (n, 1, 8, 8)
    np.testing.assert_array_equal(block.reshape(values.shape), values)


@pytest.mark.parametrize(("bad", "dtype"), [(-1, np.int16), (0.5, np.float32), (np.nan, np.float64)])
def test_read__refuses_what_is_no_photon(bad, dtype):
    values = frames(dtype=dtype)
    values[3, 1, 2, 5] = bad
    found = ArrayFrames("run.npy", values, PANELS, ENERGY)
    found.read(range(3))
    with pytest.raises(
        InputError, match=rf"run\.npy: shot 3 has {bad} photons in pixel \(1, 2, 5\); photons are whole"
    ):
        found.read(range(2, 5))


@pytest.mark.parametrize(("bad", "dtype"), [(-1, np.int16), (0.5, np.float32), (np.nan, np.float64)])
def test_read__of_a_pixel_that_is_masked_is_none_whatever_it_holds(bad, dtype):
    values, mask = frames(dtype=dtype), np.ones(PANELS.shape, bool)
    values[3, 1, 2, 5], mask[1, 2, 5] = bad, False
    masked = make_geometry(PANELS.pixel_position, PANELS.pixel_size, mask)
    due = np.where(values == bad, 0, np.nan_to_num(values))
    np.testing.assert_array_equal(ArrayFrames("run.npy", values, masked, ENERGY).read(range(5)), due)
    in_the_shot = StackFrames("run", values, PANELS, ENERGY, bad=~np.broadcast_to(mask, values.shape))
    np.testing.assert_array_equal(in_the_shot.read(range(5)), due * mask)
    values[2, 0, 0, 0] = bad
    with pytest.raises(InputError, match=r"shot 2 has .* photons in pixel \(0, 0, 0\)"):
        ArrayFrames("run.npy", values, masked, ENERGY).read(range(5))


@pytest.mark.parametrize(
    ("many", "dtype"),
    [(np.inf, np.float32), (2.0**32, np.float32), (1e300, np.float64), (2**40, np.int64), (2**63 + 5, np.uint64)],
)
def test_read__refuses_more_photons_than_are_kept_unless_the_pixel_is_masked(many, dtype):
    values = frames(dtype=dtype)
    due = values.copy()
    values[3, 1, 2, 5], due[3, 1, 2, 5] = many, 0
    with pytest.raises(
        InputError, match=r"shot 3 has .* photons in pixel \(1, 2, 5\); a pixel is kept with 4294967295"
    ):
        ArrayFrames("run.npy", values, PANELS, ENERGY).read(range(5))
    good = np.ones(PANELS.shape, bool)
    good[1, 2, 5] = False
    masked = make_geometry(PANELS.pixel_position, PANELS.pixel_size, good)
    np.testing.assert_array_equal(ArrayFrames("run.npy", values, masked, ENERGY).read(range(5)), due)


@pytest.mark.parametrize(
    ("values", "geometry", "energy", "told"),
    [
        (frames(), None, ENERGY, "does not say where its pixels are; give its geometry"),
        (frames(), PANELS, None, "give wavelength in m .--wavelength., or photon_energy in eV"),
        (frames(), PANELS, -1.0, "photon energy must be positive"),
        (frames(), GEOMETRY, ENERGY, r"has the shape \(5, 2, 8, 8\); frames of this detector are \(shot, 1, 8, 8\)"),
        (frames()[0, 0], GEOMETRY, ENERGY, r"has the shape \(8, 8\)"),
        (frames().astype("S1"), PANELS, ENERGY, "holds .S1; frames are numbers of photons"),
        (frames().astype(complex), PANELS, ENERGY, "holds complex128"),
    ],
)
def test_array_frames__refuse_what_does_not_fit(values, geometry, energy, told):
    with pytest.raises(InputError, match=told):
        ArrayFrames("it", values, geometry, energy)


@pytest.mark.parametrize("shape", [(2, 8, 8), (4, 4, 8), (16, 8)])
def test_tiles_and_slabs__take_the_shape_of_the_geometry(shape):
    values = frames().reshape(5, *shape)
    found = ArrayFrames("it", values, PANELS, ENERGY)
    np.testing.assert_array_equal(found.read(range(1, 4)), frames()[1:4])


def test_npz__of_a_version_that_nobody_has_written_is_not_recognised(tmp_path):
    path = tmp_path / "run.npz"
    np.savez(path, frames=np.ones((2, 3, 3)))
    assert NpzFrames.recognises(str(path))
    data = bytearray(path.read_bytes())
    # version that is needed to read the first file, in the directory at the end
    data[data.index(b"PK\x01\x02") + 6] = 99
    path.write_bytes(data)
    assert not NpzFrames.recognises(str(path))


def test_npz__that_holds_something_else_than_arrays_is_refused(tmp_path):
    with ZipFile(tmp_path / "run.npz", "w") as archive:
        archive.writestr("frames.npy", b"torn")
    with pytest.raises(FormatError, match=r"run\.npz: frames is no array; the file is damaged"):
        NpzFrames(str(tmp_path / "run.npz"), PANELS, ENERGY)
