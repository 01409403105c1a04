from __future__ import annotations

import h5py
import numpy as np
import pytest
import zarr

from tests.formats.cxi_writer import frames, write_condor, write_cspi, write_euxfel
from tests.formats.emc_writer import dense_bytes, sparse_bytes, write_flat, write_vlen
from xfeldask.engines.frame_formats import FRAME_FORMATS, frames_at, recognised
from xfeldask.errors import FormatError, MissingFileError, UnknownNameError
from xfeldask.physics.detectors import square

PHOTONS = np.random.default_rng(1).poisson(0.7, (3, 64))
FRAMES = PHOTONS.reshape(3, 1, 8, 8)


def hdf5(path, frames):
    with h5py.File(path, "w") as file:
        file["a/frames"] = frames


def saved(save):
    def write(path, frames):
        with path.open("wb") as file:
            save(file, frames)

    return write


WRITERS = {
    "npy": saved(np.save),
    "npz": saved(np.savez),
    "hdf5": hdf5,
    "zarr": lambda path, frames: zarr.create_array(path, data=frames),
    "emc": lambda path, frames: path.write_bytes(sparse_bytes(frames.reshape(3, 64))),
    "emc_hdf5": lambda path, frames: write_vlen(path, frames.reshape(3, 64)),
    "emc_flat": lambda path, frames: write_flat(path, frames.reshape(3, 64)),
}


@pytest.mark.parametrize("name", WRITERS)
def test_frames_at__opens_every_kind_by_what_is_in_it(tmp_path, name):
    path = tmp_path / "no.ending"
    WRITERS[name](path, FRAMES)
    assert recognised(str(path)) == name
    for kind in (None, name):
        found = frames_at(str(path), kind, square(8, 1e-3, 0.1), 4600.0)
        np.testing.assert_array_equal(found.read(range(3)), FRAMES)


def test_recognised__takes_the_most_particular_of_several(tmp_path):
    """Files of programs are HDF5 files as well, and those of Condor and cspi are like CXI."""
    write_euxfel(tmp_path / "a", frames())
    write_condor(tmp_path / "b", frames(shape=(10, 8)))
    write_cspi(tmp_path / "c", frames(), np.ones((4, 8, 6, 3)), 2e-10, None)
    assert [recognised(str(tmp_path / name)) for name in "abc"] == ["cxi", "condor", "cspi"]
    (tmp_path / "d").write_bytes(dense_bytes(PHOTONS, 1))
    assert recognised(str(tmp_path / "d")) == "emc"
    assert recognised("exp=amo86615:run=193:det=pnccdBack") == "psana"


@pytest.mark.parametrize("kind", [None, "npy", "euxfel"])
@pytest.mark.parametrize("source", ["none.npy", "none.h5:/frames"])
def test_frames_at__says_what_is_not_there(tmp_path, kind, source):
    with pytest.raises(MissingFileError, match=rf"there is no .*{source}; give the path of frames"):
        frames_at(f"{tmp_path}/{source}", kind, None, None)


def test_frames_at__refuses_what_it_does_not_know(tmp_path):
    (tmp_path / "notes.txt").write_text("no frames")
    with pytest.raises(FormatError, match=r"notes\.txt: holds no frames of a format that is known; known: npy, hdf5"):
        frames_at(str(tmp_path / "notes.txt"), None, None, None)
    with pytest.raises(UnknownNameError, match="unknown format of frames 'cxi2'; did you mean cxi"):
        frames_at(str(tmp_path / "notes.txt"), "cxi2", None, None)


def test_kinds__are_never_an_error_where_nothing_is_theirs(tmp_path):
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    for name in FRAME_FORMATS:
        kind = FRAME_FORMATS[name]
        assert not any(kind.recognises(f"{tmp_path}/{file}") for file in ("empty", "folder", "none", "none:/a"))
