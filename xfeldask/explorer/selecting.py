"""Shots selected in words, and where they go."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.explorer.language import select
from xfeldask.explorer.shots import Shots


def select_shots(store: str | Path, where: str, embedding: str | None = None) -> NDArray[np.int64]:
    """Absolute indices of the shots that an expression is true of, ascending.

    Parameters
    ----------
    store : str or Path
    where : str, an expression as in `xfeldask.explorer.language`
    embedding : str, optional; the store's first by default

    Raises
    ------
    MissingFileError, InputError
        No store, no such embedding, or an expression that cannot be understood.
    """
    shots = Shots.open(store, embedding)
    mask = select(where, shots.column, shots.n_shots)
    return np.asarray(shots.column("shot").values[mask], np.int64)


def write_shots(path: Path, shots: NDArray[np.int64]) -> None:
    """Write absolute shot indices as ``.npy`` or ``.csv`` (one column with a header).

    Raises
    ------
    InputError
        Another ending, or a file that cannot be written.
    """
    try:
        if path.suffix == ".npy":
            np.save(path, shots)
        elif path.suffix == ".csv":
            path.write_text("\n".join(["shot", *map(str, shots.tolist())]) + "\n")
        else:
            raise InputError(f"{path}: shots are written as .npy or .csv")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error}") from error
