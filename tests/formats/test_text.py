"""Arrays of files that may be damaged anywhere."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfeldask.errors import FormatError, MissingFileError
from xfeldask.formats.text import load_array, map_array

VALUES = np.arange(12.0).reshape(3, 4)


def saved(array: np.ndarray, version: tuple[int, int] = (1, 0)) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version)
    return file.getvalue()


def test_load_array__reads_and_leaves_no_file_open(tmp_path):
    np.save(tmp_path / "a.npy", VALUES)
    found = load_array(tmp_path / "a.npy", "mask")
    assert not isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, VALUES)
    with pytest.raises(MissingFileError, match="no mask file"):
        load_array(tmp_path / "b.npy", "mask")
    with pytest.raises(FormatError, match=r"not a \.npy array"):
        load_array(tmp_path, "mask")


def outcome(path) -> str | None:
    """What is told of a file that is refused; None of one that is an array."""
    try:
        load_array(path, "orientations")
    except FormatError as error:
        return str(error)
    return None


@given(
    st.lists(st.tuples(st.integers(0, 130), st.integers(0, 255)), min_size=1, max_size=8),
    st.sampled_from([(1, 0), (2, 0), (3, 0)]),
)
def test_load_array__damaged_anywhere_is_an_array_or_one_sentence(tmp_path_factory, changes, version):
    data = bytearray(saved(VALUES, version))
    for at, byte in changes:
        data[at] = byte
    path = tmp_path_factory.getbasetemp() / "damaged.npy"
    path.write_bytes(data)
    told = outcome(path)
    assert told is None or "\n" not in told


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (",  # TokenError of tokenize
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999, 9999999999), }",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (-3, 4), }",
        b"{'descr': [('a', '<f8')] * 3, 'fortran_order': False, 'shape': (3,), }",
        b"{'descr': '|O', 'fortran_order': False, 'shape': (3, 4), }",
        b"[" * 900,
        b"\0" * 60,
        b"__import__('os').system('true')",
    ],
)
def test_map_array__refuses_headers_of_all_kinds(tmp_path, header):
    text = header + b"\n"
    whole = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + VALUES.tobytes()
    (tmp_path / "a.npy").write_bytes(whole)
    with pytest.raises(FormatError, match=r"not a \.npy array") as refused:
        map_array(tmp_path / "a.npy", "labels")
    assert "\n" not in str(refused.value)


def test_map_array__refuses_an_archive(tmp_path):
    np.savez(tmp_path / "a.npz", VALUES)
    for end in (None, 50):
        (tmp_path / "b.npy").write_bytes((tmp_path / "a.npz").read_bytes()[:end])
        with pytest.raises(FormatError, match=r"not a \.npy array"):
            map_array(tmp_path / "b.npy", "labels")
