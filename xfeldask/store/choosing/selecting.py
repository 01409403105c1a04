"""Shots selected in words, and where they go."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import InputError, XfeldaskWarning
from xfeldask.store.choosing import expression
from xfeldask.store.choosing.columns import Shots
from xfeldask.store.run import Run
from xfeldask.store.store_given import Store, opened


def select(store: Store, where: str, embedding: str | None = None) -> NDArray[np.int64]:
    """Select the shots that an expression is true of; those that are still to be written are left out, with a warning.

    Parameters
    ----------
    store : path, or a Dataset of all of it as `open_dataset` gives
    where : str, an expression of the store's variables and the embedding's, in the units that they are stored in, such
        as ``"photon_count > 500 and is_single"``; its language is that of `xfeldask.store.choosing.expression`
    embedding : str, optional, whose variables are meant; the first that was sorted by default

    Returns
    -------
    int64 (n,), absolute indices of the shots, ascending

    Raises
    ------
    MissingFileError, UnknownNameError, InputError
        No store, no such embedding, or an expression that cannot be understood.

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> _ = xfeldask.simulate(path, particle="chaperonin", detector="square-64", n_shots=6, progress=False)
    >>> xfeldask.select(path, "n_particles == 1 and shot >= 4").tolist()
    [4, 5]
    """
    if not isinstance(where, str):
        raise InputError(f"where must be an expression, such as 'photon_count > 500', got {where!r:.60}")
    shots = Shots.of(opened(store), embedding)
    if left := int((~shots.done).sum()):
        told = f"{left:,} of {shots.n_shots:,} shots of {shots.path} are still to be written, and left out"
        warnings.warn(f"{told}; finish it with resume=True (--resume) and select again", XfeldaskWarning, stacklevel=2)
    return selected(shots, where)


def selected(shots: Shots, where: str) -> NDArray[np.int64]:
    """Return the indices of the shots that an expression is true of, of those that have been written; as `select`."""
    mask = expression.select(where, shots.column, shots.n_shots) & shots.done
    return np.asarray(shots.column("shot").values[mask], np.int64)


def shots_in(run: Run, selection: ArrayLike) -> NDArray[np.int64]:
    """Return the indices of selected shots, ascending.

    Parameters
    ----------
    run : Run
    selection : bool (shot,), of all shots or the first of them; or the indices of shots

    Returns
    -------
    int64 (n,), absolute indices, each once

    Raises
    ------
    InputError
        No shots, shots that are not there or not written yet, another kind of selection.

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path, two = tempfile.mkdtemp() + "/run.zarr", ([[0, 0, 0], [2e-9, 0, 0]], ["C", "C"])
    >>> _ = xfeldask.simulate(path, particle=two, detector="square-32", n_shots=4, progress=False)
    >>> run = xfeldask.open_run(path)
    >>> shots_in(run, [3, 1, 3]).tolist(), shots_in(run, [False, True]).tolist()
    ([1, 3], [1])
    """
    try:
        given, n = np.asarray(selection), run.n_shots
    except ValueError:
        raise InputError("a selection is booleans or indices of shots, got rows of several lengths") from None
    if given.ndim != 1 or (given.size and given.dtype.kind not in "bui"):
        raise InputError(f"a selection is booleans or indices of shots, got {given.dtype} of shape {given.shape}")
    if given.dtype == bool and len(given) > n:
        raise InputError(f"{run.path} has {n:,} shots, and the selection has {len(given):,} booleans; give one a shot")
    shots = np.flatnonzero(given) if given.dtype == bool else np.unique(given)
    if not len(shots):
        raise InputError("no shots are selected; select at least one")
    if shots[0] < 0 or shots[-1] >= n:
        raise InputError(f"{run.path} has shots 0 to {n - 1}, the selection goes from {shots[0]} to {shots[-1]}")
    missing = ~run.done()[shots]
    if missing.any():
        raise InputError(f"{missing.sum()} of {len(shots)} selected shots are not written yet; leave them out")
    return shots.astype(np.int64)


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
