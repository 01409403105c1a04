"""Files that a visitor takes away: quantities, patterns and means of some shots, and a report of the run."""

from __future__ import annotations

import csv
from collections.abc import Callable
from io import BytesIO, TextIOWrapper
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.explorer.model.statistics import pattern_statistics
from xfeldask.formats.hdf5 import labelled
from xfeldask.store.choosing.columns import Column, Shots
from xfeldask.store.run import Run
from xfeldask.work.progress import Tell

MOST = 5_000
"""Patterns that leave through a browser; more leave by the command."""
MOST_PIXELS = 5_000_000_000
"""Pixels of all of them."""
RINGS = 200
"""Of a radial profile, from the beam to the farthest pixel."""
SAMPLE = 50
"""Rows by which the size of a table is told."""
BLOCK = 2_000
"""Rows of a table that are written at a time: in words and numbers of Python they take many times the room."""

Indices = NDArray[np.int64]


def quantities_csv(shots: Shots, chosen: Indices, tell: Tell | None = None) -> bytes:
    """Write every quantity of some shots as csv, a row a shot, the shot first, classes in words.

    Columns are named as expressions name them, and hold what expressions take: values in the unit of the store, which
    stands behind the name where there is one.

    Parameters
    ----------
    shots : Shots
    chosen : int64 (n,), absolute indices, ascending
    tell : optional, told how far it is

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path, two = tempfile.mkdtemp() + "/run.zarr", ([[0, 0, 0], [2e-9, 0, 0]], ["C", "C"])
    >>> _ = xfeldask.simulate(path, particle=two, detector="square-32", n_shots=4, progress=False)
    >>> table = quantities_csv(Shots.of(xfeldask.open_run(path)), np.array([1, 3])).decode().splitlines()
    >>> table[0].split(",")[:3], table[2].split(",")[:2]
    (['shot', 'hit', 'photon_count [count]'], ['3', 'single'])
    """
    rows = np.searchsorted(shots.column("shot").values, chosen)
    columns = [column for name in shots.names() if (column := shots.column(name)).name != "shot"]
    units = ["" if column.units in ("", "1") else f" [{column.units}]" for column in columns]
    made = BytesIO()
    text = TextIOWrapper(made, "utf-8", newline="")
    writer = csv.writer(text)
    writer.writerow(["shot", *(column.name + unit for column, unit in zip(columns, units, strict=True))])
    for first in range(0, len(chosen), BLOCK):
        if tell is not None:
            tell("writing", first, len(chosen), "shots")
        block = slice(first, first + BLOCK)
        values = [_words(column, rows[block]) for column in columns]
        writer.writerows(zip(chosen[block].tolist(), *values, strict=True))
    text.flush()
    return made.getvalue()


def table_bytes(shots: Shots, chosen: Indices) -> int:
    """Tell how large the table of these shots will be, about, by some of them.

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path, two = tempfile.mkdtemp() + "/run.zarr", ([[0, 0, 0], [2e-9, 0, 0]], ["C", "C"])
    >>> _ = xfeldask.simulate(path, particle=two, detector="square-32", n_shots=4, progress=False)
    >>> shots, some = Shots.of(xfeldask.open_run(path)), np.array([1, 3])
    >>> table_bytes(shots, some) == len(quantities_csv(shots, some))
    True
    """
    some = chosen[np.unique(np.linspace(0, len(chosen) - 1, SAMPLE).astype(int))] if len(chosen) else chosen
    head = len(quantities_csv(shots, some[:0]))
    return head + round((len(quantities_csv(shots, some)) - head) * len(chosen) / max(1, len(some)))


def _words(column: Column, rows: Indices) -> list[Any]:
    """Return a quantity of some shots, classes in words."""
    words = dict(column.classes)
    return [words.get(value, value) for value in column.values[rows].tolist()]


def patterns_zip(run: Run, chosen: Indices, kind: str, embedding: str | None, tell: Tell) -> bytes:
    """Write patterns, and what belongs beside them, as an archive.

    Parameters
    ----------
    run : Run
    chosen : int64 (n,), absolute indices
    kind : str, one of `xfeldask.verbs.export.FORMATS`
    embedding : str or None, whose verdicts a CXI file holds
    tell : told how far it is

    Raises
    ------
    InputError
        More patterns than `MOST`, or of more pixels than `MOST_PIXELS`.
    """
    from xfeldask.verbs.export import FORMATS, export  # all formats take a while to import

    most = min(MOST, MOST_PIXELS // run.geometry.mask.size)
    if len(chosen) > most:
        raise InputError(
            f"{len(chosen):,} patterns are more than the {most:,} that leave through a browser; select fewer, or use "
            f"xfeldask export {run.path} --where"
        )
    with TemporaryDirectory() as folder:
        out = Path(folder) / f"{run.path.stem}{FORMATS[kind]}"
        export(run.path, out, where=chosen, format=kind, embedding=embedding, progress=tell)
        made = BytesIO()
        with ZipFile(made, "w", ZIP_DEFLATED, compresslevel=1) as archive:
            for file in sorted(Path(folder).rglob("*")):
                archive.write(file, file.relative_to(folder))
    return made.getvalue()


def means_hdf5(run: Run, chosen: Indices, advance: Callable[[int], None]) -> bytes:
    """Write sum, mean, deviation and radial profile of the patterns of some shots as HDF5, with units.

    Parameters
    ----------
    run : Run
    chosen : int64 (n,), absolute indices
    advance : told the number of frames done since it was last called

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path, two = tempfile.mkdtemp() + "/run.zarr", ([[0, 0, 0], [2e-9, 0, 0]], ["C", "C"])
    >>> _ = xfeldask.simulate(path, particle=two, detector="square-32", n_shots=4, progress=False)
    >>> len(means_hdf5(xfeldask.open_run(path), np.array([0, 2]), print)) > 4 * 8 * 32 * 32
    2
    True
    """
    found = pattern_statistics(run, chosen, advance=advance)
    assert found is not None
    q, profile = _radial(run, found.mean)
    told = {
        "shot": (chosen, "1", "absolute indices of the shots"),
        "total": (found.total, "count", "photons of all shots (panel, ss, fs)"),
        "mean": (found.mean, "count", "mean photons of a shot (panel, ss, fs)"),
        "deviation": (found.deviation, "count", "standard deviation of the shots about their mean (panel, ss, fs)"),
        "q": (q, "angstrom-1", "middles of rings about the beam, s = 2 sin(theta / 2) / wavelength"),
        "radial_mean": (profile, "count", "mean photons of a shot in a good pixel of each ring"),
    }
    return labelled(told)


def _radial(run: Run, mean: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the middles of rings [1/angstrom] and the mean of their good pixels; NaN where a ring has none."""
    good = run.geometry.mask
    q = np.linalg.norm(np.asarray(run.array("q")), axis=-1)[good]
    edges = np.linspace(0, float(q.max()), RINGS + 1)
    pixels, photons = (np.histogram(q, edges, weights=weights)[0] for weights in (None, mean[good]))
    with np.errstate(invalid="ignore"):
        return (edges[1:] + edges[:-1]) / 2, photons / pixels


def report_html(run: Run, embedding: str | None) -> bytes:
    """Write the report of a run as one HTML file."""
    from xfeldask.report.run_report import report  # matplotlib takes a while

    with TemporaryDirectory() as folder:
        return report(run.path, Path(folder) / "report.html", embedding=embedding).read_bytes()
