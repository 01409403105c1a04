from __future__ import annotations

import h5py
import numpy as np
import pytest

from xfeldask.errors import FormatError, InputError, MissingFileError, first_line
from xfeldask.formats.hdf5 import holds, number, open_hdf5, reading
from xfeldask.formats.shot_columns import values_of


@pytest.fixture
def file():
    with h5py.File("run.h5", "w", driver="core", backing_store=False) as found:
        yield found


@pytest.mark.parametrize(
    ("value", "found"),
    [(0.5, 0.5), ([0.5], 0.5), ([[7]], 7.0), (True, 1.0), ([1, 2], None), ("0.5", None), ([], None), (1j, None)],
)
def test_number__is_one_value_or_none(file, value, found):
    file["distance"] = value
    assert number(file, "distance") == found


def test_number__of_what_is_not_there_or_is_a_group_is_none(file):
    file.create_group("distance")
    assert number(file, "distance") is None
    assert number(file, "wavelength") is None


def test_holds__never_raises(tmp_path):
    with h5py.File(tmp_path / "run.h5", "w") as file:
        file["a"] = 1
    assert holds(tmp_path / "run.h5", lambda file: "a" in file)
    assert not holds(tmp_path / "run.h5", lambda file: file["b"][()] > 0)
    (tmp_path / "text.h5").write_text("no file of that kind")
    (tmp_path / "cut.h5").write_bytes((tmp_path / "run.h5").read_bytes()[:600])
    for name in ("text.h5", "cut.h5", "none.h5", "."):
        assert not holds(tmp_path / name, lambda file: True)


def test_open__says_what_hinders_it(tmp_path, monkeypatch):
    with pytest.raises(MissingFileError, match=r"there is no .*none\.h5; check the path"):
        open_hdf5(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("no file of that kind")
    for path in (tmp_path / "text.h5", tmp_path):
        with pytest.raises(FormatError, match=r"not an HDF5 file that can be read \(.*\)$"):
            open_hdf5(path)
    monkeypatch.setattr(h5py, "File", lambda *_: (_ for _ in ()).throw(BlockingIOError("unable to lock file")))
    with pytest.raises(InputError, match="is open elsewhere to be written; close it there"):
        open_hdf5(tmp_path / "text.h5")


def test_reading__tells_of_which_shots_and_lets_sentences_of_ours_through():
    told = r"^run\.h5: shots 3 to 4 cannot be read \(bad chunk\); the file is damaged$"
    with pytest.raises(FormatError, match=told), reading("run.h5", range(3, 5)):
        raise OSError("bad chunk\nat 0x7f")
    with pytest.raises(FormatError, match=r"it cannot be read \(KeyError\)"), reading("run.h5"):
        raise KeyError
    with pytest.raises(InputError, match=r"^mine$"), reading("run.h5"):
        raise InputError("mine")
    with pytest.raises(KeyboardInterrupt), reading("run.h5"):
        raise KeyboardInterrupt


def test_first_line__of_an_error_without_words_is_its_name():
    assert first_line(ValueError("\n one\ntwo")) == "one"
    assert first_line(ZeroDivisionError()) == "ZeroDivisionError"
    assert first_line(OSError(5, np.str_("gone"))) == "[Errno 5] gone"


@pytest.mark.parametrize("chunks", [None, (2,)])
def test_text__in_a_heap_without_an_end_is_refused(tmp_path, chunks):
    path = tmp_path / "hits.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("sample", data=["virus", "water", "virus"], dtype=h5py.string_dtype(), chunks=chunks)
    with h5py.File(path) as file:
        assert values_of(file["sample"]).tolist() == ["virus", "water", "virus"]
    data = bytearray(path.read_bytes())
    heap = data.index(b"GCOL")
    at = heap + 16
    while int.from_bytes(data[at : at + 2], "little"):
        at += 16 + (int.from_bytes(data[at + 8 : at + 16], "little") + 7) // 8 * 8
    # HDF5 would read what is free here for ever
    data[at + 8 : at + 16] = bytes(8)
    path.write_bytes(data)
    with h5py.File(path) as file, pytest.raises(OSError, match=f"the heap at byte {heap} is damaged"):
        values_of(file["sample"])
