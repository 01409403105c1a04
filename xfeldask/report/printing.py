"""What the command line prints."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import xarray as xr
from rich.console import Console
from rich.table import Table

from xfeldask.engines.estimate import Estimate
from xfeldask.errors import CorruptStoreError, printable
from xfeldask.machine import cores
from xfeldask.report.photon_peaks import peaks_told
from xfeldask.sorting.cuts import WORTH
from xfeldask.sorting.decision import Decision
from xfeldask.store.embedding import Embedding
from xfeldask.store.parameters import Parameters
from xfeldask.store.places import place_of
from xfeldask.store.run import open_dataset, open_run
from xfeldask.store.urls import StorePath


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
    ds = open_dataset(store, chunks=None)
    shots = ds.sizes["shot"]
    rows = {
        "shots": f"{shots:,} in {seconds:.1f} s with start-up, {shots / seconds:,.0f} a second",
        "on disk": f"{bytes_text(size_on_disk(store))} for {bytes_text(ds.photons.nbytes)} of photons",
        "photons a shot": _quartiles(ds.photon_count.values),
    }
    if "n_particles" in ds:
        rows["particles a shot"] = _counts(ds.n_particles.values)
    if told := peaks_told(open_run(store)):
        rows["photonized"] = told
    console().print(facts(str(store), rows))
    console().print(f"next: xfeldask embed {printable(store)}    or, in Python: xfeldask.open_dataset({str(store)!r})")


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


def print_verdict(ds: xr.Dataset, latent: xr.Dataset) -> None:
    """Print what an embedding makes of the shots, how sure it is, and the truth where the store has it.

    Parameters
    ----------
    ds : Dataset of a store
    latent : Dataset of an embedding in it

    Examples
    --------
    >>> import json
    >>> parameters = {"method": "ipca", "features": {"name": "counts"}, "n_fitted": 2, "converged_at": None}
    >>> attrs = {"title": "latent space", "parameters": json.dumps(parameters), "decision": "{}"}
    >>> latent = xr.Dataset({"latent": (("shot", "component"), np.eye(2))}, attrs=attrs)
    >>> print_verdict(xr.Dataset(), latent)  # doctest: +ELLIPSIS
    latent space...
    """
    parameters = Parameters.from_json(latent.attrs["parameters"])
    rows = {
        "latent space": f"{latent.sizes['component']} components by {parameters.method} of "
        f"{parameters.features['name']}, fitted to {parameters.n_fitted:,} shots, {_convergence(parameters)}"
    }
    if "verdict" in latent:
        blank, single, multiple, other = np.bincount(latent.verdict.values, minlength=4).tolist()
        strange = f", {other:,} of another kind" if other else ""
        rows["verdict"] = f"{single:,} single, {multiple:,} multiple, {blank:,} blank{strange}, by {parameters.sort}"
    told = decision_told(Decision.from_json(latent.attrs["decision"]))
    if parameters.projected_from is not None:
        # of the shots that the rule was taught on, which are another store's
        told.pop("background", None)
    rows |= told
    if "n_particles" in ds and "is_single" in latent:
        rows["truth"] = _truth(ds.n_particles.values[latent.shot.values], latent)
    console().print(facts(str(latent.attrs["title"]), rows))


def decision_told(decision: Decision) -> dict[str, str]:
    """Return what a rule tells of its threshold and of what it expects, as far as it does.

    Examples
    --------
    >>> decision_told(Decision(threshold=1.5, threshold_interval=(1.0, 2.0)))
    {'threshold': 'log odds 1.50 (95 % of resampled data: 1.00 to 2.00)'}
    >>> decision_told(Decision(multiple_fraction=0.0123, expected_purity=0.9987))
    {'expected': '1.23 % of the hits are multiple, purity 99.870 %'}
    >>> list(decision_told(Decision(multiple_fraction=0.7, purity_at_most=0.4, steady_photons=12.0)))
    ['expected', 'beware', 'background']
    """
    rows = {}
    if decision.threshold is not None:
        rows["threshold"] = f"score {decision.threshold:.4g}"
    if decision.threshold is not None and decision.threshold_interval is not None:
        low, high = decision.threshold_interval
        rows["threshold"] = f"log odds {decision.threshold:.2f} (95 % of resampled data: {low:.2f} to {high:.2f})"
    if decision.kinds is not None:
        names = decision.kind_names or tuple(f"kind {kind}" for kind in range(len(decision.kinds)))
        counts = ", ".join(f"{count:,} {name}" for count, name in zip(decision.kinds, names, strict=True))
        rows["kinds"] = f"{counts}; {names[decision.wanted_kind or 0]} wanted"
    if asked := _asked(decision):
        rows["threshold"] = f"{rows.get('threshold', 'none told')}, {asked}"
    expected = (
        ("{:.2f} % of the hits are multiple", decision.multiple_fraction, 100, None),
        (
            "{:.2f} % of the singles rejected",
            decision.expected_singles_lost,
            100,
            decision.expected_singles_lost_interval,
        ),
        ("{:.1f} multiples accepted", decision.expected_others_kept, 1, None),
        ("purity {:.3f} %", decision.expected_purity, 100, decision.expected_purity_interval),
    )
    told = [
        text.format(scale * value) + ("" if span is None else f" ({100 * span[0]:.2f} to {100 * span[1]:.2f})")
        for text, value, scale, span in expected
        if value is not None
    ]
    if told:
        rows["expected"] = ", ".join(told)
    if decision.conflict is not None:
        rows["costs"] = decision.conflict
    if decision.purity_at_most is not None:
        rows["beware"] = (
            f"purity unknown: about {100 * decision.purity_at_most:.0f} % of the accepted look like one particle by "
            "their peaks, and the rule expects more; use one taught on a simulation (simulate with --like, sort that, "
            "project)"
        )
    if decision.steady_photons is not None:
        rows["background"] = (
            f"{decision.steady_photons:.3g} photons a shot do not grow with its brightness (a bright spot): "
            "taken for background; mask them if they are a fault of the detector"
        )
    return rows


def _asked(decision: Decision) -> str:
    """Tell what a threshold was to do."""
    lost, wrong = decision.max_singles_lost, decision.max_contamination
    if wrong is not None:
        also = "" if lost is None or decision.conflict else f" and {100 * lost:g} % of the singles rejected"
        return f"at most {100 * wrong:g} % of the accepted not single{also}, as expected"
    if lost is not None:
        return (
            f"where rejecting one more multiple costs {WORTH:g} singles, and at most {100 * lost:g} % of the singles "
            "rejected"
        )
    return ""


def _convergence(parameters: Parameters) -> str:
    at = parameters.converged_at
    return f"converged at {at:,}" if at else "not watched to convergence, or not converged"


def _truth(n_particles: np.ndarray, latent: xr.Dataset) -> str:
    from xfeldask.scores import sorting_scores  # imported by who needs it: each command imports this module

    scores = sorting_scores(n_particles == 1, latent.is_single.values, latent.score.values)
    counted = scores.confusion
    told = [
        f"{counted.singles_accepted:,} of {counted.singles:,} singles accepted",
        f"{counted.multiples_accepted:,} of {counted.multiples:,} multiples accepted",
        f"purity {100 * counted.purity:.3f} %",
    ]
    if not np.isnan(scores.roc_auc):
        told.append(f"area under the ROC curve {scores.roc_auc:.5f}")
    return ", ".join(told)


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
    console().print(f"next: xfeldask phase {printable(store)} --density {printable(name)}.mrc")
