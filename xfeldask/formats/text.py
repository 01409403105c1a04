"""Reading a whole file, of text or of an array, or saying in one sentence why that cannot be done."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import FormatError, MissingFileError


def read_bytes(path: str | os.PathLike[str], what: str) -> bytes:
    """Content of a file; ``what`` names the kind of file in the error.

    Raises
    ------
    MissingFileError
        No such file.
    FormatError
        A directory, an empty file, or one that cannot be read.

    Examples
    --------
    >>> read_bytes("nowhere.beam", "beam file")
    Traceback (most recent call last):
    xfeldask.errors.MissingFileError: there is no beam file nowhere.beam; check the path
    """
    try:
        content = Path(path).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFileError(f"there is no {what} {os.fspath(path)}; check the path") from None
    except IsADirectoryError:
        raise FormatError(path, f"is a directory; give the path of a {what}") from None
    except OSError as error:
        raise FormatError(path, f"cannot be read ({error.strerror}); check its permissions") from error
    if not content.strip():
        raise FormatError(path, f"is empty; give a {what}")
    return content


def decode(content: bytes, path: str | os.PathLike[str], what: str) -> str:
    """Content as text.

    Raises
    ------
    FormatError
        Bytes that are not text.

    Examples
    --------
    >>> decode(b"a = 1", "x.beam", "beam file")
    'a = 1'
    """
    if b"\0" in content:
        raise FormatError(path, f"is a binary file; give a {what} as text")
    # old PDB and beam files have Latin-1 author names and units in comments
    return content.decode("utf-8" if _is_utf8(content) else "latin-1")


def read_lines(path: str | os.PathLike[str], what: str) -> list[str]:
    r"""Lines of a text file, with the errors of `read_bytes` and `decode`.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "beam.txt"
    >>> _ = path.write_text("4600 eV\n1e12\n")
    >>> read_lines(path, "beam")
    ['4600 eV', '1e12']
    """
    return decode(read_bytes(path, what), path, what).splitlines()


def load_array(path: str | os.PathLike[str], what: str) -> NDArray[np.generic]:
    """Array of a .npy file.

    Raises
    ------
    MissingFileError
        No such file.
    FormatError
        Anything but an array of numbers.

    Examples
    --------
    >>> load_array("nowhere.npy", "mask")
    Traceback (most recent call last):
    xfeldask.errors.MissingFileError: no mask file nowhere.npy; give the path of a .npy file
    """
    return np.array(map_array(path, what))


def map_array(path: str | os.PathLike[str], what: str) -> NDArray[np.generic]:
    """Array of a .npy file, mapped into memory: a header that promises more than the file holds costs nothing.

    Raises
    ------
    MissingFileError, FormatError
        As of `load_array`.

    Examples
    --------
    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/frames.npy"
    >>> np.save(path, np.arange(6).reshape(2, 3))
    >>> map_array(path, "frames")[1].tolist()
    [3, 4, 5]
    >>> map_array("gone.npy", "frames")
    Traceback (most recent call last):
    ...
    xfeldask.errors.MissingFileError: no frames file gone.npy; give the path of a .npy file
    """
    try:
        return np.lib.format.open_memmap(os.fspath(path), mode="r")
    except FileNotFoundError:
        raise MissingFileError(f"no {what} file {os.fspath(path)}; give the path of a .npy file") from None
    except Exception as error:  # NumPy parses the header as Python, and raises whatever that does on damaged text
        told = " ".join(str(error).split()) or type(error).__name__
        raise FormatError(path, f"not a .npy array ({told[:200]})") from None


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
