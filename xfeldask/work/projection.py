"""Applying a model to shots, block by block, on whatever scheduler Dask has active."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from xfeldask.sorting.protocol import Columns
from xfeldask.store.results.background_rows import background_of_shots
from xfeldask.store.results.model import Model
from xfeldask.store.run import Run

BLOCK = 1024
"""Shots that a task takes."""
BATCH = 256
"""Shots that are in memory at a time; results do not depend on how blocks are shared out."""
ADVICE = "nothing was written: mend the cause and run again"


def project_block(run: Run, model: Model, n_shots: int, size: int, block: int) -> Columns:
    """Compute columns of one block of `size` shots, of the first `n_shots` of a store; the task that Dask runs."""
    start = block * size
    stop = min(n_shots, start + size)
    under = model.features.under
    told = {} if under is None else background_of_shots(run, slice(start, stop), under)

    def read(name: str, part: slice) -> NDArray[np.generic]:
        return told[name][part.start - start : part.stop - start] if name in told else run.read(name, part)

    return in_batches(model, read, start, stop)


def in_batches(model: Model, read: Callable[[str, slice], NDArray[np.generic]], start: int, stop: int) -> Columns:
    """Compute columns of shots `start` to `stop`, `BATCH` at a time.

    Examples
    --------
    >>> class Doubling:
    ...     needs = ["image"]
    ...     def columns(self, shots):
    ...         return {"latent": 2 * shots["image"]}
    >>> read = []
    >>> found = in_batches(Doubling(), lambda name, part: read.append(part) or np.arange(600)[part], 0, 600)
    >>> [part.stop for part in read], int(found["latent"][-1])
    ([256, 512, 600], 1198)
    """
    cuts = [slice(a, min(stop, a + BATCH)) for a in range(start, stop, BATCH)]
    return joined([model.columns({name: read(name, part) for name in model.needs}) for part in cuts])


def joined(parts: list[Columns]) -> Columns:
    """Join columns of several blocks, one after the other.

    Examples
    --------
    >>> joined([{"score": np.zeros(2)}, {"score": np.ones(1)}])["score"].tolist()
    [0.0, 0.0, 1.0]
    """
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
