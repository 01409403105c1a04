"""What the command line prints."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table

from xfeldask.engines.estimate import Estimate
from xfeldask.errors import CorruptStoreError, command, printable
from xfeldask.machine import cores
from xfeldask.report.decision_facts import verdict_told
from xfeldask.report.photon_peaks import peaks_told
from xfeldask.store.results.embedding import Embedding
from xfeldask.store.run import Run, open_run
from xfeldask.store.storage.places import place_of
from xfeldask.store.storage.urls import StorePath

if TYPE_CHECKING:
    import xarray as xr

    from xfeldask.scores.quality import Agreement


def console() -> Console:
    """Return where results go: standard output, never wrapped narrower than a table needs if it is no terminal.

    Text is text: no word of it is markup, as names of files may look like it.

    Examples
    --------
    >>> console().width >= 80
    True
    """
    out = Console(highlight=False, markup=False, emoji=False)
    if not (out.is_terminal or out.is_jupyter):
        out.width = 120
    return out


def size_on_disk(path: StorePath) -> int:
    """Return the bytes of all files of a store.

    Examples
    --------
    >>> from pathlib import Path
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "zarr.json").write_text("{}")
    >>> size_on_disk(folder)
    2
    """
    return sum(place_of(path).sizes().values())


def bytes_text(n: float) -> str:
    """Write bytes with a decimal unit.

    Examples
    --------
    >>> bytes_text(1_480_000_000)
    '1.48 GB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if n < 1000:
            return f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:.3g} TB"


def facts(title: str, rows: dict[str, str]) -> Table:
    """Make a table of names and values.

    Examples
    --------
    >>> facts("run.zarr", {"shots": "10,000", "on disk": "23 MB"}).row_count
    2
    """
    table = Table(title=printable(title), title_justify="left", show_header=False)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column()
    for name, value in rows.items():
        table.add_row(name, printable(value))
    return table


@contextmanager
def print_run(store: StorePath, quiet: bool) -> Iterator[None]:
    """Print what making a store took, once it is done.

    Parameters
    ----------
    store : Path or URL
    quiet : bool, print nothing

    Examples
    --------
    >>> from pathlib import Path
    >>> with print_run(Path("run.zarr"), quiet=True):
    ...     pass
    """
    start = time.monotonic()
    yield
    if quiet:
        return
    seconds = time.monotonic() - start
    run = open_run(store)
    layout, shots = run.layout, run.n_shots
    size = shots * prod(layout.pixels) * np.dtype(layout.photon_dtype).itemsize
    rows = {
        "shots": f"{shots:,} in {seconds:.1f} s with start-up, {shots / seconds:,.0f} a second",
        "on disk": f"{bytes_text(size_on_disk(store))} for {bytes_text(size)} of photons",
        "photons a shot": _quartiles(run.read("photon_count")),
    }
    if "n_particles" in run:
        rows["particles a shot"] = _counts(run.read("n_particles"))
    if told := peaks_told(run):
        rows["photonized"] = told
    console().print(facts(str(store), rows))
    console().print(
        f"next: {command('xfeldask', 'embed', store)}    or, in Python: xfeldask.open_dataset({str(store)!r})"
    )


def print_estimate(found: Estimate, workers: int | None) -> None:
    """Print what a run would take.

    Parameters
    ----------
    found : Estimate
    workers : int, optional; as many as there are cores by default

    Examples
    --------
    >>> found = Estimate(
    ...     shots=10_000, tasks=2, seconds=8.0,
    ...     bytes_of_memory=2 * 10**8, bytes_on_disk=2 * 10**7, bytes_uncompressed=10**10,
    ... )
    >>> print_estimate(found, workers=4)  # doctest: +ELLIPSIS, +NORMALIZE_WHITESPACE
    dry run: nothing was written
    ...
    """
    at_once = workers or cores()
    rows = {
        "shots": f"{found.shots:,}",
        "tasks": f"{found.tasks:,}, a shard each",
        "on disk": f"{bytes_text(found.bytes_on_disk)} for {bytes_text(found.bytes_uncompressed)} of photons",
        "memory a worker": f"{bytes_text(found.bytes_of_memory)}, and what Python and its libraries take",
        "time": f"{found.seconds / at_once:,.0f} s on {at_once} cores, and start-up",
    }
    console().print(facts("dry run: nothing was written", rows))


def print_verdict(run: Run, latent: xr.Dataset) -> None:
    """Print what an embedding makes of the shots, how sure it is, and the truth where the store has it.

    Parameters
    ----------
    run : Run
    latent : Dataset of an embedding in it

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> one = [[0, 0, 0], [2e-9, 0, 0]], ["C", "C"]
    >>> _ = xfeldask.simulate(path, particle=one, detector="square-32", n_shots=20, progress=False)
    >>> print_verdict(xfeldask.open_run(path), xfeldask.embed(path, sort=None, progress=False))  # doctest: +ELLIPSIS
    latent space...
    """
    console().print(facts(str(latent.attrs["title"]), verdict_told(run, latent)))


def print_store(store: StorePath) -> None:
    """Print what a store holds.

    Examples
    --------
    >>> from pathlib import Path
    >>> print_store(Path("nothing.zarr"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    xfeldask.errors.MissingFileError: no store at nothing.zarr...
    """
    run = open_run(store)
    ds = run.dataset(chunks=None)
    rows = {
        "title": str(ds.attrs.get("title", "")),
        "state": "complete" if run.complete else "not complete; finish it with --resume",
        **run.facts(),
        "on disk": f"{bytes_text(size_on_disk(store))} for {bytes_text(ds.photons.nbytes)} of photons",
        "digest": run.identity or "",
        **{f"embedding {name}": _embedding_told(embedding) for name, embedding in run.embeddings.items()},
    }
    if "n_particles" in ds:
        rows["particles a shot"] = _counts(ds.n_particles.values)
    console().print(facts(str(store), rows))
    table = Table(title="variables", title_justify="left")
    for heading in ("name", "dimensions", "type", "unit", "meaning"):
        table.add_column(heading, no_wrap=heading != "meaning")
    for name, variable in {**ds.data_vars, **ds.coords}.items():
        dims = ", ".join(f"{dim} {size:,}" for dim, size in variable.sizes.items())
        attrs = variable.attrs
        table.add_row(
            printable(name),
            printable(dims),
            str(variable.dtype),
            *(printable(attrs.get(key, "")) for key in ("units", "long_name")),
        )
    console().print(table)


def _embedding_told(embedding: Embedding) -> str:
    try:
        return "; ".join(f"{name}: {text}" for name, text in embedding.facts().items())
    except CorruptStoreError as error:
        return str(error)


def _counts(numbers: np.ndarray) -> str:
    values, counts = np.unique(numbers, return_counts=True)
    return ", ".join(f"{value}: {count:,} shots" for value, count in zip(values, counts, strict=True))


def print_range(store: StorePath) -> None:
    """Print how far a store is that several processes make.

    Parameters
    ----------
    store : Path or URL
    """
    run = open_run(store)
    then = f"next: {command('xfeldask', 'embed', store)}" if run.complete else "other jobs make the rest"
    console().print(
        f"{printable(store)}: {run.done().sum():,} of {run.n_shots:,} shots are written; {then}", soft_wrap=True
    )


def _quartiles(numbers: np.ndarray) -> str:
    low, middle, high = np.percentile(numbers, [5, 50, 95])
    return f"{middle:,.0f} in the middle, 90 % of shots from {low:,.0f} to {high:,.0f}"


def print_reconstruction(store: StorePath, name: str) -> None:
    """Print what a reconstruction came to.

    Parameters
    ----------
    store : Path or URL
    name : str

    Examples
    --------
    >>> from pathlib import Path
    >>> print_reconstruction(Path("nothing.zarr"), "emc")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    xfeldask.errors.MissingFileError: no store at nothing.zarr...
    """
    run = open_run(store)
    console().print(facts(f"{store}: {name}", run.reconstructions[name].facts()))
    then = command("xfeldask", "phase", store, "--name", name, "--density", f"{name}.mrc")
    console().print(f"next: {then}", soft_wrap=True)


def print_density(found: xr.Dataset) -> None:
    """Print how large the density of a reconstruction is, and to what resolution its starts and its half sets agree.

    Parameters
    ----------
    found : Dataset, ``/reconstruction/<name>``, phased

    Examples
    --------
    >>> import xarray as xr
    >>> shells = {"phase_transfer": ("shell", [1, 0.9, 0.4]), "density_correlation": ("shell", [0.9, 0.1, 0.1])}
    >>> grid = {"x": np.arange(9), "s": ("u", np.arange(-4, 5) * 1e8), "density": ("x", np.zeros(9))}
    >>> print_density(xr.Dataset({**grid, **shells}))
    density of 9^3 voxels; starts agree to 5.00 nm (phase transfer above 0.5)
    half sets agree to 10.00 nm (correlation above 0.143); unrelated ones agree in the first shells, too
    """
    from xfeldask.scores.quality import agreements  # of a command that few call

    curves = agreements(found.drop_vars("half_intensity", errors="ignore"))
    starts = _agreed("starts", curves["phase_transfer"], "phase transfer")
    on = f", phased on {device}" if (device := found["density"].attrs.get("device")) else ""
    console().print(f"density of {found.sizes['x']}^3 voxels{on}; {starts}")
    if "density_correlation" in curves:
        halves = _agreed("half sets", curves["density_correlation"], "correlation")
        console().print(f"{halves}; unrelated ones agree in the first shells, too")


def _agreed(what: str, curve: Agreement, of: str) -> str:
    if np.isinf(curve.resolution):
        return f"{what} do not agree"
    return f"{what} agree to {curve.resolution * 1e9:.2f} nm ({of} above {curve.limit:g})"
