"""What shots are taken for against what they are, as a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray

from xfeldask.schema import OF_KINDS, OTHER, SINGLE
from xfeldask.store.choosing.truth import true_kinds
from xfeldask.store.run import Run

CLASSES = tuple(name for _, name in OF_KINDS.flags)
CELL = 0.62
"""Width of a column [inch]."""


def counts_of(
    truth: NDArray[np.integer], found: NDArray[np.integer], rows: Sequence[str], columns: Sequence[str]
) -> xr.DataArray:
    """Count shots by what they are and by what they are taken for.

    Parameters
    ----------
    truth, found : int (shot,), places in `rows` and in `columns`
    rows, columns : names; rows that no shot is of are left out

    Returns
    -------
    DataArray int64 (truth, found)

    Examples
    --------
    >>> counts_of(np.array([0, 0, 1]), np.array([0, 2, 2]), ("a", "b", "c"), ("a", "b", "d")).values.tolist()
    [[1, 0, 1], [0, 0, 1]]
    """
    flat = truth.astype(np.int64) * len(columns) + found.astype(np.int64)
    counts = np.bincount(flat, minlength=len(rows) * len(columns)).reshape(len(rows), len(columns))
    out = xr.DataArray(counts, dims=("truth", "found"), coords={"truth": list(rows), "found": list(columns)})
    return out.isel(truth=np.flatnonzero(counts.any(axis=1)))


def verdict_matrix(run: Run, latent: xr.Dataset) -> xr.DataArray:
    """Count the shots of a store with truth by what they hold and by the verdict.

    Parameters
    ----------
    run : Run, with `n_particles`
    latent : Dataset of an embedding that was sorted

    Returns
    -------
    DataArray int64 (truth, found)
    """
    return counts_of(true_kinds(run)[latent.shot.values], latent.verdict.values, CLASSES, CLASSES)


def kinds_matrix(run: Run, latent: xr.Dataset) -> xr.DataArray:
    """Count the single hits of a store with truth by what they are of and by their kind.

    Parameters
    ----------
    run : Run, with `n_particles`
    latent : Dataset of an embedding with `kind`

    Returns
    -------
    DataArray int64 (truth, found); what is not a single hit in truth has a row by what it is
    """
    kind, truth = latent.kind.values.astype(np.int64), true_kinds(run)[latent.shot.values].astype(np.int64)
    species = run.species or [str(run.attributes.get("particle", "particle"))]
    one = (truth == SINGLE) | (truth == OTHER)
    own = run.read("species")[latent.shot.values, 0].astype(np.int64) if run.species else np.zeros(len(truth), np.int64)
    truth = np.where(one, own, len(species) + truth)
    names = str(latent.kind.attrs.get("flag_meanings", "")).split()[1:]
    found = names or [f"kind {k}" for k in range(int(kind.max(initial=0)) + 1)]
    judged, rows = kind >= 0, (*species, *CLASSES)
    return counts_of(truth[judged], kind[judged], rows, found)


def confusion_figure(matrices: Mapping[str, xr.DataArray]) -> Figure:
    """Draw what shots are taken for, in parts of what they are: a panel each, truth by row.

    Parameters
    ----------
    matrices : counts (truth, found) by title, of the same truth

    Examples
    --------
    >>> counts = counts_of(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), "ab", "ab")
    >>> [text.get_text() for text in confusion_figure({"verdict": counts}).axes[0].texts]
    ['2', '1', '1']
    """
    rows = max(matrix.sizes["truth"] for matrix in matrices.values())
    widths = [matrix.sizes["found"] for matrix in matrices.values()]
    figure = Figure(figsize=(2.8 + CELL * max(sum(widths), 5), 2.2 + 0.42 * rows), layout="constrained")
    axes = figure.subplots(1, len(matrices), squeeze=False, width_ratios=widths)[0]
    drawn = None
    for ax, (title, matrix) in zip(axes, matrices.items(), strict=True):
        counts = matrix.values
        part = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
        drawn = ax.imshow(part, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for (i, j), count in np.ndenumerate(counts):
            if count:
                ax.text(
                    j, i, f"{count:,}", ha="center", va="center", fontsize=8, color="w" if part[i, j] > 0.6 else "k"
                )
        ax.set_xticks(range(counts.shape[1]), matrix.found.values, rotation=45, ha="right", fontsize=8)
        ax.set_yticks(range(counts.shape[0]), matrix.truth.values, fontsize=8)
        ax.set_xlabel("taken for")
        ax.set_title(title, fontsize=10)
    axes[0].set_ylabel("in truth")
    if drawn is not None:
        figure.colorbar(drawn, ax=axes, shrink=0.8, pad=0.02, label="fraction of the row's shots")
    return figure
