"""What the shots of a simulated store are in truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xfeldask.schema import BLANK, MULTIPLE, OTHER, SINGLE

if TYPE_CHECKING:
    from xfeldask.store.run import Run


def true_kinds(run: Run) -> NDArray[np.uint8]:
    """Return what each shot of a run that holds the truth is, uint8 (shot,): blank, single, multiple or other.

    Other is one particle of another species than the wanted one.

    Parameters
    ----------
    run : Run, with `n_particles`

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> _ = xfeldask.simulate(path, particle="chaperonin", detector="square-32", n_shots=2, progress=False)
    >>> true_kinds(xfeldask.open_run(path)).tolist()
    [1, 1]
    """
    kinds: NDArray[np.uint8] = np.clip(run.read("n_particles"), BLANK, MULTIPLE).astype(np.uint8)
    if "species" in run:
        wanted = 0 if run.experiment is None else run.experiment.wanted_index
        kinds[(kinds == SINGLE) & (run.read("species")[:, 0] != wanted)] = OTHER
    return kinds


def true_singles(run: Run) -> NDArray[np.bool_]:
    """Return which shots of a simulated run hold exactly one particle, of the wanted species, bool (shot,).

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> two = [[0, 0, 0], [2e-9, 0, 0]], ["C", "C"]
    >>> hits = {"weights": {0: 1, 1: 1, 2: 1}}
    >>> ds = xfeldask.simulate(path, particle=two, detector="square-32", n_shots=9, hits=hits, progress=False)
    >>> bool((true_singles(xfeldask.open_run(path)) == (ds.n_particles == 1)).all())
    True
    """
    return np.asarray(true_kinds(run) == SINGLE)
