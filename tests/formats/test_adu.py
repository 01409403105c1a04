from __future__ import annotations

import numpy as np
import pytest

from tests.formats.emc_writer import sparse_bytes
from xfeldask.config import Photonize
from xfeldask.errors import FormatError, InputError, MissingFileError
from xfeldask.formats.adu import PhotonizedFrames, read_correction, settled
from xfeldask.formats.emc import SparseEmcFrames
from xfeldask.formats.shot_columns import ShotColumn
from xfeldask.formats.stacks import StackFrames, flat_panel
from xfeldask.physics.detectors import square
from xfeldask.physics.photonizing import make_correction

PANEL = flat_panel((2, 2), 1e-3, 0.1)
GAIN = make_correction(PANEL.shape, gain=10.0)


def raw(n=5, **more):
    values = np.zeros((n, 2, 2))
    values[:, 0, 0] = np.arange(n) * 10 + 2
    return StackFrames("run.npy", values, PANEL, 4600, **more)


def test_photonized__frames_are_those_of_the_file_in_photons():
    bad = np.zeros((5, 2, 2))
    bad[3, 0, 0] = 1
    told = {"train": ShotColumn(np.arange(5), "train")}
    found = PhotonizedFrames(raw(bad=bad, columns=told, truth={"n_particles": np.ones(5)}), GAIN)
    assert (found.name, found.n_shots, found.geometry, found.columns()) == ("run", 5, PANEL, told)
    assert found.read(range(1, 5))[:, 0, 0, 0].tolist() == [1, 2, 0, 4]
    assert found.truth(range(2))["n_particles"].tolist() == [1, 1]


def test_photonized__refuses_what_is_photons_already(tmp_path):
    (tmp_path / "photons.emc").write_bytes(sparse_bytes(np.ones((2, 64), int)))
    listed = SparseEmcFrames(str(tmp_path / "photons.emc"), square(8, 1e-3, 0.1), 4600)
    with pytest.raises(InputError, match="photons holds photons already; leave photonize out"):
        PhotonizedFrames(listed, GAIN)


def test_bad_throughout__is_seen_in_frames_all_over_the_file():
    values = np.zeros((200, 2, 2))
    values[:, 0, 1], values[100:, 1, 0] = -9.0, np.nan
    found = PhotonizedFrames(StackFrames("run", values, PANEL, 4600), GAIN).bad_throughout()
    # one lies below the level of no photon in every frame; the other is gone in half of them, which is not most
    assert found[0].tolist() == [[False, True], [False, False]]


def test_settled__takes_a_number_a_path_a_mapping_or_the_thing_itself(tmp_path, monkeypatch):
    assert settled(8) == settled({"gain": 8}) == settled(Photonize(gain=8)) == Photonize(gain=8.0)
    monkeypatch.chdir(tmp_path)
    np.save("gain.npy", np.full((2, 2), 8.0))
    found = settled("gain.npy")
    assert found.gain == str(tmp_path / "gain.npy")
    assert len(found.digest) == 64
    # the digest is that of what is in the file, wherever it lies
    np.save("again.npy", np.full((2, 2), 8.0))
    assert settled({"gain": "again.npy"}).digest == found.digest
    assert settled({"gain": "again.npy", "dark": "gain.npy"}).digest != found.digest


@pytest.mark.parametrize(
    ("asked", "error", "told"),
    [
        ("none.npy", MissingFileError, "no gain file"),
        ({"gain": 8, "dark": "none.npy"}, MissingFileError, "no dark file"),
        ({"gain": 8, "thresold": 1}, InputError, "did you mean threshold"),
        (-8, InputError, "gain"),
        ({"dark": "none.npy"}, InputError, "gain is missing"),
    ],
)
def test_settled__refuses_in_one_sentence(asked, error, told):
    with pytest.raises(error, match=told):
        settled(asked)


def test_read_correction__reads_gain_and_dark_of_each_pixel(tmp_path):
    np.save(tmp_path / "gain.npy", np.arange(1.0, 5).reshape(2, 2))
    np.save(tmp_path / "dark.npy", np.full((1, 2, 2), 100.0))
    asked = Photonize(gain=str(tmp_path / "gain.npy"), dark=str(tmp_path / "dark.npy"), threshold=0.5)
    found = read_correction(asked, PANEL.shape)
    assert found.gain[0].tolist() == [[1, 2], [3, 4]]
    assert (found.dark.tolist(), found.threshold) == ([[[100, 100], [100, 100]]], 0.5)
    with pytest.raises((InputError, FormatError), match="gain"):
        read_correction(asked, (1, 3, 3))
