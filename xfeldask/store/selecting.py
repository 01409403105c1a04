"""Shots selected in words, and where they go."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.store.columns import Shots
from xfeldask.store.expression import select
from xfeldask.store.run import Run


def select_shots(store: str | Path, where: str, embedding: str | None = None) -> NDArray[np.int64]:
    """Select the shots that an expression is true of; return their absolute indices, ascending.

    Parameters
    ----------
    store : str or Path
    where : str, an expression as in `xfeldask.store.expression`
    embedding : str, optional; the store's first by default

    Raises
    ------
    MissingFileError, InputError
        No store, no such embedding, or an expression that cannot be understood.

    Examples
    --------
    >>> select_shots("nothing.zarr", "photon_count > 500")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    xfeldask.errors.MissingFileError: no store at nothing.zarr...
    """
    shots = Shots.of(Run.open(store), embedding)
    mask = select(where, shots.column, shots.n_shots)
    return np.asarray(shots.column("shot").values[mask], np.int64)


def shots_as(kind: str, shots: NDArray[np.int64]) -> bytes:
    r"""Write absolute shot indices as the bytes of a file: "npy", or "csv" of one column with a header.

    Raises
    ------
    InputError
        Another kind.

    Examples
    --------
    >>> shots_as("csv", np.array([3, 5]))
    b'shot\n3\n5\n'
    """
    if kind == "csv":
        return "\n".join(["shot", *map(str, shots.tolist()), ""]).encode()
    if kind != "npy":
        raise InputError(f"shots are written as npy or csv, got {kind}")
    out = BytesIO()
    np.save(out, shots)
    return out.getvalue()


def write_shots(path: Path, shots: NDArray[np.int64]) -> None:
    """Write absolute shot indices into a file, ``.npy`` or ``.csv`` (one column with a header).

    Raises
    ------
    InputError
        Another ending, or a file that cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "shots.npy"
    >>> write_shots(path, np.array([3, 5]))
    >>> np.load(path).tolist()
    [3, 5]
    """
    if path.suffix not in (".npy", ".csv"):
        raise InputError(f"{path}: shots are written as .npy or .csv")
    try:
        path.write_bytes(shots_as(path.suffix[1:], shots))
    except OSError as error:
        raise InputError(f"cannot write {path}: {error}") from error
