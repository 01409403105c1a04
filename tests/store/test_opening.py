from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
import zarr

from xfeldask import open_dataset, open_run, simulate
from xfeldask.errors import CorruptStoreError, IncompleteStoreError, InputError, MissingFileError
from xfeldask.schema import VARIABLES
from xfeldask.store.opening import child_groups, open_root, stored_experiment

ATOMS = (np.random.default_rng(1).normal(size=(30, 3)) * 5e-10, ["C", "N", "O"] * 10)
BRIGHT = {"photon_energy": 4600.0, "photons_per_pulse": 1e15, "focus_radius": 5e-7}
PLAIN = """
import sys, xarray as xr
ds = xr.open_zarr(sys.argv[1], consolidated=False)
assert not any(name.startswith("xfeldask") for name in sys.modules)
for name, variable in ds.variables.items():
    assert variable.attrs["long_name"], name
    text = variable.dtype.kind in "OT"
    assert text or variable.attrs["units"], name
    variable.load()
assert {"orientation", "position", "fluence", "photon_energy", "beam_center", "image"} <= set(ds.data_vars)
assert {"q", "solid_angle", "mask", "pixel_position", "atom_element", "shot"} <= set(ds.coords)
assert ds.shot.values.tolist() == list(range(ds.sizes["shot"]))
volume = xr.open_zarr(sys.argv[1], group="volume/arrays", consolidated=False)
assert all(v.attrs["long_name"] and v.attrs["units"] for v in volume.variables.values())
print(ds.attrs["complete"], int(ds.photons.sum()), int(ds.photon_count.sum()))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small complete store; read only."""
    path = tmp_path_factory.mktemp("opening") / "run.zarr"
    simulate(path, particle=ATOMS, detector="square-32", beam=BRIGHT, n_shots=5, intensity=True,
             single_fraction=0.5, progress=False)  # fmt: skip
    return path


@pytest.fixture
def store(made, tmp_path):
    """A copy that may be spoilt."""
    return shutil.copytree(made, tmp_path / "run.zarr")


@pytest.mark.parametrize("mode", ["w", "a", "w-"])
def test_open_run__knows_no_mode_that_makes_or_empties_a_store(store, mode):
    with pytest.raises(InputError, match=r"a store is opened to read, mode 'r', or to write too, 'r\+', got "):
        open_run(store, mode=mode)
    assert len(open_dataset(store).shot) == 5


def set_attribute(store, **values):
    text = json.loads((store / "zarr.json").read_text())
    text["attributes"] |= values
    (store / "zarr.json").write_text(json.dumps(text))


def test_store__opens_with_plain_xarray(made):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PLAIN, str(made)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    complete, photons, counted = done.stdout.split()
    assert complete == "True"
    assert int(photons) == int(counted) > 0


def test_open_dataset__is_lazy_and_cut_as_the_store_is(made):
    ds = open_dataset(made)
    assert ds.photons.chunks[0] == ds.image.chunks[0] == ds.intensity.chunks[0] == (5,)
    assert [v for v in ds.data_vars if v in VARIABLES] == [v for v in VARIABLES if v in ds.data_vars]
    assert open_dataset(made, chunks=None).photons.chunks is None
    assert open_dataset(made, chunks={"shot": 2}).photons.chunks[0] == (2, 2, 1)
    xr.testing.assert_equal(open_dataset(made, chunks=None).load(), ds.load())


def test_open_dataset__opens_a_group(made):
    volume = open_dataset(made, group="volume/arrays")
    assert volume.form_factor.dims == ("u", "v", "w")
    with pytest.raises(MissingFileError, match="no group latent/x; it has volume/arrays"):
        open_dataset(made, group="latent/x")


def test_open_dataset__refuses_an_incomplete_store(store):
    set_attribute(store, complete=False)
    with pytest.raises(IncompleteStoreError, match=r"not complete; finish it with resume=True \(--resume\)"):
        open_dataset(store)
    assert open_dataset(store, allow_incomplete=True).sizes["shot"] == 5


def test_open_dataset__misses_a_store(tmp_path):
    with pytest.raises(MissingFileError, match=r"no store at .*none\.zarr; make one with"):
        open_dataset(tmp_path / "none.zarr")


def test_open_dataset__refuses_what_is_no_store(tmp_path):
    (tmp_path / "file").write_text("text")
    (tmp_path / "folder").mkdir()
    zarr.create_array(tmp_path / "array", shape=(3,), dtype="f4")
    zarr.create_group(tmp_path / "foreign").create_array("photons", shape=(3,), dtype="f4")
    zarr.create_group(tmp_path / "older", zarr_format=2)
    told = {"file": "not a Zarr store", "folder": "not a Zarr store", "array": "is a Zarr array",
            "foreign": "not one of xfeldask", "older": "not one of xfeldask"}  # fmt: skip
    for name, sentence in told.items():
        with pytest.raises(InputError, match=sentence) as error:
            open_dataset(tmp_path / name)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"\xff\xfe", b'{"zarr_format": 3}'])
@pytest.mark.parametrize("name", ["zarr.json", "photons/zarr.json", "image/zarr.json", "fluence/zarr.json"])
def test_open_dataset__tells_of_metadata_that_cannot_be_read(store, name, damage):
    (store / name).write_bytes(damage)
    with pytest.raises((CorruptStoreError, InputError), match=r"run\.zarr") as error:
        open_dataset(store)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("damage", ["{", "[]", '{"n_shots": 5}', None])
def test_stored_experiment__tells_of_one_that_cannot_be_read(store, damage):
    set_attribute(store, experiment=damage)
    with pytest.raises(CorruptStoreError, match="stored experiment cannot be read"):
        stored_experiment(open_root(store))


def test_accessor__follows_the_golden_pnccd(tmp_path):
    ds = simulate(
        tmp_path / "run.zarr", particle=ATOMS, detector="pnccd-amo86615", beam=BRIGHT, n_shots=2, progress=False
    )
    assert ds.xfel.shape == (1028, 1040)
    pixels = np.arange(4 * 512 * 512).reshape(4, 512, 512)
    assembled = ds.xfel.assemble(pixels, gap=-1)
    corners = {
        0: ((1023, 1039), (512, 1039), (1023, 528)),
        1: ((0, 528), (511, 528), (0, 1039)),
        2: ((4, 0), (515, 0), (4, 511)),
        3: ((1027, 511), (516, 511), (1027, 0)),
    }
    for panel, (first, last_row, last_column) in corners.items():
        assert assembled[first] == pixels[panel, 0, 0]
        assert assembled[last_row] == pixels[panel, 511, 0]
        assert assembled[last_column] == pixels[panel, 0, 511]
    assert (assembled == -1).sum() == 20544
    shots = ds.xfel.assemble(ds.photons)
    assert shots.shape == (2, 1028, 1040)
    assert np.isnan(shots[0]).sum() == 20544
    np.testing.assert_array_equal(np.nansum(shots, axis=(1, 2)), ds.photon_count)
    np.testing.assert_array_equal(ds.xfel.shot(1), ds.photons[1])
    golden = {
        (0, 0, 0): (9.05950400e8, 8.83280132e8, -2.22416752e8),
        (2, 300, 5): (-9.19453032e8, -3.79733673e8, -1.35849852e8),
    }
    for pixel, s in golden.items():
        np.testing.assert_allclose(ds.q[pixel], np.array(s) * 1e-10, rtol=1e-6)
        assert float(ds.xfel.q[pixel]) == pytest.approx(np.linalg.norm(s) * 1e-10, rel=1e-6)
    assert float(ds.xfel.resolution.min()) == pytest.approx(7.716, abs=1e-3)
    assert float(ds.xfel.q.max()) == pytest.approx(0.12959616934373674, rel=1e-6)


def test_accessor__leaves_masked_pixels_out(tmp_path):
    mask = np.ones((1, 32, 32), bool)
    mask[0, 3, 4] = False
    np.save(tmp_path / "mask.npy", mask)
    ds = simulate(tmp_path / "run.zarr", particle=ATOMS, n_shots=1, beam=BRIGHT, progress=False,
                  detector={"source": "square-32", "mask": str(tmp_path / "mask.npy")})  # fmt: skip
    assembled = ds.xfel.assemble(ds.photons[0])
    assert np.argwhere(np.isnan(assembled)).tolist() == [[3, 4]]
    assert ds.xfel.assemble(ds.photons[0], gap=7)[3, 4] == 7
    assert ds.xfel.assemble(ds.photons[0], gap=7).dtype == np.uint8


def test_child_groups__says_that_one_cannot_be_read(tmp_path):
    root = zarr.create_group(tmp_path / "run.zarr")
    root.create_group("latent/ipca")
    assert child_groups(root, "latent") == ["ipca"]
    (tmp_path / "run.zarr" / "latent" / "ipca" / "zarr.json").write_text("{")
    with pytest.raises(CorruptStoreError, match=r"what is in latent cannot be read .*; xfeldask verify names what"):
        child_groups(root, "latent")
