from __future__ import annotations

import numpy as np
import pytest
import zarr
from zarr.storage import MemoryStore

from xfeldask.config import Photonize
from xfeldask.errors import CorruptStoreError
from xfeldask.store.intake import SAMPLE_BYTES, Intake, fingerprint, stored_intake

MADE = {"sources": ("/data/a.npy",), "format": "npy", "fingerprint": "f", "n_shots": 9, "geometry": "g",
        "photon_energy": 4600.0}  # fmt: skip


def test_digest__is_that_of_the_bytes_and_not_of_the_names():
    due = Intake(**MADE).digest
    assert Intake(**MADE | {"sources": ("/tape/b.npy",), "variables": ("train",)}).digest == due
    for change in ({"format": "hdf5"}, {"fingerprint": "e"}, {"n_shots": 8}, {"geometry": "h"}, {"photon_energy": 5e3},
                   {"photonize": Photonize(gain=8)}):  # fmt: skip
        assert Intake(**MADE | change).digest != due


def test_digest__of_gain_files_is_that_of_their_content():
    def of(place, digest):
        return Intake(**MADE, photonize=Photonize(gain=place, digest=digest)).digest

    assert of("/a/gain.npy", "00ff") == of("/b/gain.npy", "00ff")
    assert of("/a/gain.npy", "00ff") != of("/a/gain.npy", "00fe")


def test_stored__is_what_was_written_or_nothing():
    root = zarr.create_group(MemoryStore())
    assert stored_intake(root) is None
    root.attrs["ingest"] = Intake(**MADE, photonize=Photonize(gain=8)).to_json()
    found = stored_intake(root)
    assert found == Intake(**MADE, photonize=Photonize(gain=8))


@pytest.mark.parametrize(("record", "told"), [(7, "is no text"), ("{", "cannot be read"), ("{}", "cannot be read")])
def test_stored__that_is_damaged_is_told(record, told):
    root = zarr.create_group(MemoryStore(), attributes={"ingest": record})
    with pytest.raises(CorruptStoreError, match=told):
        stored_intake(root)


@pytest.fixture
def large(tmp_path):
    """A file of which samples are read."""
    content = np.random.default_rng(1).bytes(40 * SAMPLE_BYTES)
    (tmp_path / "a.dat").write_bytes(content)
    return tmp_path / "a.dat"


def test_fingerprint__is_the_same_wherever_the_file_lies(large):
    due = fingerprint([str(large)])
    assert fingerprint([str(large.rename(large.with_name("b.dat")))]) == due


@pytest.mark.parametrize("place", [0, -1])
def test_fingerprint__sees_both_ends_of_a_large_file_and_its_size(large, place):
    content = bytearray(large.read_bytes())
    due = fingerprint([str(large)])
    content[place] ^= 1
    large.write_bytes(content)
    assert fingerprint([str(large)]) != due
    content[place] ^= 1
    large.write_bytes(content + b"\0")
    assert fingerprint([str(large)]) != due


def test_fingerprint__of_a_folder_is_of_all_files_in_it_by_name(tmp_path):
    for name in ("a/one", "a/two"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    due = fingerprint([str(tmp_path / "a")])
    (tmp_path / "a").rename(tmp_path / "b")
    assert fingerprint([str(tmp_path / "b")]) == due
    (tmp_path / "b/two").rename(tmp_path / "b/three")
    assert fingerprint([str(tmp_path / "b")]) != due


def test_fingerprint__tells_parts_of_a_file_and_names_of_runs_apart(large):
    whole, one, other = (fingerprint([f"{large}{part}"]) for part in ("", ":/a", ":/b"))
    assert len({whole, one, other}) == 3
    assert fingerprint(["exp=a:run=1"]) != fingerprint(["exp=a:run=2"])
    assert fingerprint([f"{large}:/a", f"{large}:/b"]) != fingerprint([f"{large}:/b", f"{large}:/a"])
