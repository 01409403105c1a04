"""HDF5 files opened and read, with one sentence for whatever is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from xfeldask.errors import FormatError, InputError, MissingFileError, XfeldaskError


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
        return h5py.File(path, "r")
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
    except XfeldaskError:
        raise
    except Exception as error:  # a decoder may raise anything on damaged bytes
        which = "it" if shots is None else f"shots {shots.start} to {shots.stop - 1}"
        raise FormatError(source, f"{which} cannot be read ({first_line(error)}); the file is damaged") from None


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


def first_line(error: BaseException) -> str:
    r"""Return the first line of an error's text.

    Examples
    --------
    >>> first_line(ValueError("this\nand that"))
    'this'
    """
    return (str(error).strip() or type(error).__name__).split("\n")[0]
