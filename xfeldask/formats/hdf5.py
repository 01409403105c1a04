"""HDF5 files opened and read, with one sentence for whatever is wrong with them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import FormatError, InputError, MissingFileError, XfeldaskError, first_line

_ELEMENT = np.dtype([("length", "<u4"), ("heap", "<u8"), ("index", "<u4")])
"""A list as the element of a dataset has it."""
_MOST_HEAP = 2**32


def open_hdf5(path: str | Path) -> h5py.File:
    """Open a file to be read.

    Raises
    ------
    MissingFileError, FormatError
    InputError
        Another process holds it to write to it.

    Examples
    --------
    >>> open_hdf5("gone.h5")
    Traceback (most recent call last):
    ...
    xfeldask.errors.MissingFileError: there is no gone.h5; check the path
    """
    try:
        # whoever opens the file again by its name may be in another folder
        return h5py.File(Path(path).absolute(), "r")
    except FileNotFoundError:
        raise MissingFileError(f"there is no {path}; check the path") from None
    except (OSError, RuntimeError, ValueError) as error:
        if "unable to lock" in str(error):
            raise InputError(f"{path} is open elsewhere to be written; close it there and try again") from None
        raise FormatError(path, f"not an HDF5 file that can be read ({first_line(error)})") from None


@contextmanager
def reading(source: object, shots: range | None = None) -> Iterator[None]:
    r"""Say of what file, and of which shots, something could not be read.

    Raises
    ------
    FormatError
        In the place of what h5py raises.

    Examples
    --------
    >>> with reading("run.h5", range(3, 5)):
    ...     raise OSError("wrong checksum\nin chunk 7")
    Traceback (most recent call last):
    ...
    xfeldask.errors.FormatError: run.h5: shots 3 to 4 cannot be read (wrong checksum); the file is damaged
    """
    try:
        yield
    except (XfeldaskError, MemoryError):
        raise
    except Exception as error:  # a decoder may raise anything on damaged bytes
        which = "it" if shots is None else f"shots {shots.start} to {shots.stop - 1}"
        raise FormatError(source, f"{which} cannot be read ({first_line(error)}); the file is damaged") from None


def refuse_endless(item: h5py.Dataset, shots: range, known: set[int]) -> None:
    """Refuse lists of shots that HDF5 would read for ever, as it does a free part of a heap that has no length.

    Lists, and text of any length, lie in heaps, which elements of the dataset point to. Those in chunks that went
    through a filter are not looked at.

    Parameters
    ----------
    item : h5py.Dataset, of one axis, its elements lists or text of any length
    shots : range
    known : set of int, places of heaps that are sound, which grows

    Raises
    ------
    OSError
        A heap is damaged.

    References
    ----------
    HDF5 File Format Specification 3.0, III.E "Disk Format: Level 1E - Global Heap"

    Examples
    --------
    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/lists.h5"
    >>> with h5py.File(path, "w") as file:
    ...     lists = file.create_dataset("lists", (1,), h5py.vlen_dtype(np.int32))
    ...     lists[0] = [1, 2]
    >>> with h5py.File(path) as file:
    ...     refuse_endless(file["lists"], range(1), set())
    """
    if item.file.driver != "sec2" or item.file.id.get_create_plist().get_sizes() != (8, 8):
        return
    with Path(item.file.filename).open("rb") as file:
        heaps = np.concatenate([elements["heap"] for elements in _elements(item, shots, file)])
        for place in sorted({*heaps.tolist()} - known - {0}):
            file.seek(item.file.userblock_size + place)
            signature, _, size = struct.unpack("<4sIQ", file.read(16).ljust(16, b"\0"))
            if signature != b"GCOL" or not _ends(file.read(min(size, _MOST_HEAP) - 16)):
                raise OSError(f"the heap at byte {place} is damaged")
            known.add(place)


def _elements(item: h5py.Dataset, shots: range, file: BinaryIO) -> Iterator[NDArray[Any]]:
    """Read the elements of a dataset themselves, of some shots or of all chunks; none of a kind that is not known."""
    yield np.empty(0, _ELEMENT)
    start = item.id.get_offset()
    if start is not None:
        file.seek(start + _ELEMENT.itemsize * shots.start)
        yield np.fromfile(file, _ELEMENT, len(shots))
    elif item.chunks is not None and not item.id.get_create_plist().get_nfilters() and not item.file.userblock_size:
        for i in range(item.id.get_num_chunks()):
            chunk = item.id.get_chunk_info(i)
            file.seek(chunk.byte_offset or 0)
            yield np.frombuffer(file.read(chunk.size // _ELEMENT.itemsize * _ELEMENT.itemsize), _ELEMENT)


def _ends(objects: bytes) -> bool:
    """Whether one object of a heap after the other leads to its end."""
    at = 0
    while at + 16 <= len(objects):
        index, size = struct.unpack_from("<H6xQ", objects, at)
        at += 16 + (size + 7) // 8 * 8 if index else size
        if at > len(objects) or (index == 0 and size < 16):
            return False
    return True


def number(group: h5py.Group, name: str) -> float | None:
    """Return a number that is kept as a dataset of one value; None where there is none.

    Examples
    --------
    >>> file = h5py.File("run.h5", "w", driver="core", backing_store=False)
    >>> file["distance"], file["title"] = [0.15], "a run"
    >>> number(file, "distance"), number(file, "title"), number(file, "energy")
    (0.15, None, None)
    """
    item = group.get(name)
    if not isinstance(item, h5py.Dataset) or item.size != 1 or item.dtype.kind not in "buif":
        return None
    return float(item[()].item() if item.shape == () else item[()].ravel()[0])


def holds(path: str | Path, what: Callable[[h5py.File], bool]) -> bool:
    """Whether a path leads to an HDF5 file that something is true of; never an error.

    Examples
    --------
    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/run.h5"
    >>> with h5py.File(path, "w") as file:
    ...     file["photons"] = [1, 2]
    >>> holds(path, lambda file: "photons" in file), holds("gone.h5", lambda file: "photons" in file)
    (True, False)
    """
    if not Path(path).is_file() or not h5py.is_hdf5(path):
        return False
    try:
        with h5py.File(path, "r") as file:
            return what(file)
    except Exception:  # a damaged file may raise anything
        return False


def labelled(arrays: Mapping[str, tuple[NDArray[Any], str, str]]) -> bytes:
    """Write arrays as the bytes of an HDF5 file.

    Parameters
    ----------
    arrays : by name, each with its units, CF style, and what it is

    Examples
    --------
    >>> with h5py.File(BytesIO(labelled({"q": (np.arange(3.0), "angstrom-1", "rings")}))) as file:
    ...     file["q"][:].tolist(), dict(file["q"].attrs)
    ([0.0, 1.0, 2.0], {'long_name': 'rings', 'units': 'angstrom-1'})
    """
    made = BytesIO()
    with h5py.File(made, "w") as file:
        for name, (values, units, label) in arrays.items():
            file[name] = values
            file[name].attrs.update(units=units, long_name=label)
    return made.getvalue()
