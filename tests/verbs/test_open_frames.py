from __future__ import annotations

import h5py
import numpy as np
import pytest

from tests.formats.cxi_writer import frames as cxi_writer_frames
from tests.formats.cxi_writer import write_condor
from xfeldask import open_frames
from xfeldask.config import Detector
from xfeldask.engines.simulated import SimulatedFrames
from xfeldask.errors import FormatError, InputError, MissingFileError, UnknownNameError
from xfeldask.formats.arrays import Hdf5Frames, NpyFrames
from xfeldask.physics.detectors import builtin_geometry, wavelength
from xfeldask.verbs.open_frames import FRAME_FORMATS, register_frames

VALUES = np.random.default_rng(1).poisson(0.4, (3, 1, 16, 16)).astype(np.uint8)
GIVEN = {"geometry": "square-16", "photon_energy": 4600.0}


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """Kinds that a test registers are gone after it."""
    monkeypatch.setattr(FRAME_FORMATS, "_things", dict(FRAME_FORMATS._things))


@pytest.fixture
def path(tmp_path):
    np.save(tmp_path / "run.npy", VALUES)
    return tmp_path / "run.npy"


def test_open_frames__recognises_what_is_there(tmp_path, path):
    # a name says nothing
    renamed = path.rename(tmp_path / "run.h5")
    assert isinstance(open_frames(renamed, **GIVEN), NpyFrames)
    with h5py.File(tmp_path / "other.npy", "w") as file:
        file["a/b"] = VALUES
    for source in (tmp_path / "other.npy", f"{tmp_path}/other.npy:/a/b"):
        frames = open_frames(source, **GIVEN)
        assert isinstance(frames, Hdf5Frames)
        np.testing.assert_array_equal(frames.read(range(1, 3)), VALUES[1:])
        assert (frames.name, frames.wavelength) == ("other", wavelength(4600))


def test_open_frames__draws_those_of_an_experiment_file(tmp_path):
    (tmp_path / "run.toml").write_text('particle = "chaperonin"\nn_shots = 3\ndetector = "square-32"\n')
    frames = open_frames(tmp_path / "run.toml")
    assert isinstance(frames, SimulatedFrames)
    assert frames.read(range(2)).shape == (2, 1, 32, 32)


@pytest.mark.parametrize(
    "geometry",
    [
        "square-16",
        Detector(source="square-16", distance=0.2),
        {"source": "square-16", "pixel_size": 1e-4},
        builtin_geometry("square-16"),
    ],
)
def test_open_frames__takes_a_geometry_in_any_form(path, geometry):
    frames = open_frames(path, geometry=geometry, photon_energy=4600)
    assert frames.geometry.shape == (1, 16, 16)


def test_open_frames__takes_a_psana_geometry(shared, tmp_path):
    np.save(tmp_path / "run.npy", np.zeros((1, 4, 512, 512), np.uint8))
    geometry = shared / "data" / "pnccd-amo86615.data"
    assert open_frames(tmp_path / "run.npy", geometry=geometry, photon_energy=4600).geometry.shape == (4, 512, 512)


def test_register__has_ones_own_kind_asked_first(path):
    class Mine(NpyFrames):
        pass

    register_frames("mine", Mine)
    assert isinstance(open_frames(path, **GIVEN), Mine)
    assert not isinstance(open_frames(path, format="npy", **GIVEN), Mine)
    with pytest.raises(InputError, match="'npy' in xfeldask itself"):
        register_frames("npy", Mine)


@pytest.mark.parametrize(
    ("source", "more", "error", "told"),
    [
        ("none.npy", {}, MissingFileError, "there is no .*none.npy"),
        ("none.h5:/photons", {}, MissingFileError, "there is no .*none.h5:/photons"),
        ("notes.txt", {}, FormatError, "notes.txt: holds no frames of a format that is known; known: npy, hdf5, zarr"),
        (".", {}, FormatError, "holds no frames"),
        ("run.npy", {"format": "npx"}, UnknownNameError, "unknown format of frames 'npx'; did you mean np"),
        ("run.npy", {"geometry": "square-17"}, InputError, "give the geometry that belongs to them"),
        ("run.npy", {"geometry": None}, InputError, "give its geometry"),
        ("run.npy", {"geometry": "squaer-16"}, UnknownNameError, "unknown detector"),
    ],
)
def test_open_frames__refuses_in_one_sentence(tmp_path, path, source, more, error, told):
    (tmp_path / "notes.txt").write_text("no frames")
    with pytest.raises(error, match=told) as raised:
        open_frames(f"{tmp_path}/{source}", **(GIVEN | more))
    assert "\n" not in str(raised.value)


def test_photon_energy__beyond_any_laboratory_is_refused(tmp_path):
    np.save(tmp_path / "run.npy", np.zeros((2, 16, 16), np.uint8))
    with pytest.raises(InputError, match=r"photon_energy: 4.6 eV is beyond any laboratory .*did you mean 4600 eV"):
        open_frames(tmp_path / "run.npy", geometry="square-16", photon_energy=4.6)


def crystfel(folder, shape, energy):
    """Write the geometry of one panel, with a photon energy."""
    panel = {"min_fs": 0, "max_fs": shape[1] - 1, "min_ss": 0, "max_ss": shape[0] - 1, "fs": "x", "ss": "y",
             "corner_x": -2, "corner_y": 1}  # fmt: skip
    lines = [f"photon_energy = {energy}", "clen = 0.2", "res = 5000", *(f"a/{key} = {panel[key]}" for key in panel)]
    (folder / "a.geom").write_text("\n".join(lines))
    return folder / "a.geom"


@pytest.mark.parametrize(("given", "due"), [({}, 9300), ({"photon_energy": 8000.0}, 8000)])
def test_photon_energy__of_a_crystfel_file_holds_unless_one_is_given(tmp_path, given, due):
    np.save(tmp_path / "run.npy", np.zeros((2, 3, 4), np.uint8))
    frames = open_frames(tmp_path / "run.npy", geometry=crystfel(tmp_path, (3, 4), "9300 eV"), **given)
    assert frames.wavelength == pytest.approx(wavelength(due))


def test_photon_energy__that_frames_tell_goes_before_that_of_a_crystfel_file(tmp_path):
    write_condor(tmp_path / "condor.h5", cxi_writer_frames(2, (16, 16)))
    own = open_frames(tmp_path / "condor.h5", geometry="square-16").wavelength
    found = open_frames(tmp_path / "condor.h5", geometry=crystfel(tmp_path, (16, 16), "9300 eV"))
    assert found.wavelength == own != pytest.approx(wavelength(9300))


def test_photon_energy__of_a_crystfel_file_that_no_laboratory_has_is_refused(tmp_path, path):
    with pytest.raises(InputError, match=r"photon energy of .*a\.geom.*keV"):
        open_frames(path, geometry=crystfel(tmp_path, (16, 16), "9.3"))
