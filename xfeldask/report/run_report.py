"""A report of one run: one HTML file that holds its figures, and the figures beside it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from html import escape
from io import BytesIO
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.report.confusion_figure import confusion_figure, kinds_matrix, verdict_matrix
from xfeldask.report.contact_sheet import contact_sheet
from xfeldask.report.decision_facts import verdict_told
from xfeldask.report.figures import q_extent
from xfeldask.report.kinds_figure import kinds_figure
from xfeldask.report.photon_peaks import photon_histogram
from xfeldask.report.tradeoff_figure import tradeoff_figure
from xfeldask.schema import MULTIPLE, OF_KINDS, SINGLE
from xfeldask.scores import COLORS
from xfeldask.sorting.decision import Decision
from xfeldask.store.adu_histogram import GROUP
from xfeldask.store.results.embedding import Embedding
from xfeldask.store.results.known_background import KnownBackground
from xfeldask.store.results.particle_kinds import KINDS as KINDS_FOUND
from xfeldask.store.run import Run
from xfeldask.store.storage.places import store_around
from xfeldask.store.storage.publish import replaced
from xfeldask.store.storage.urls import StorePath, local, store_path
from xfeldask.units import shown

BLOCK = 512
"""Images read together."""
NEAR = 20
"""Shots nearest to the threshold that are shown."""
KINDS = dict(OF_KINDS.flags)
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}td{padding:.15rem .8rem .15rem 0}td:first-child{color:#555}img{max-width:100%}"
)


def report(store: str | StorePath, out: str | Path | None = None, *, embedding: str | None = None) -> Path:
    """Write a report of a run: facts, verdicts, powders, profiles, scores in order, shots near the threshold, kinds.

    Where the store holds the truth, verdicts and kinds are counted against it.

    Parameters
    ----------
    store : path of a finished store
    out : path of the HTML file, ``<store>_report.html`` beside the store by default; figures go into a folder of the
        same name without its ending
    embedding : str, whose verdicts are told; by default the first that was sorted, or the first where none was

    Returns
    -------
    Path, of the HTML file, which needs no other

    Raises
    ------
    MissingFileError, IncompleteStoreError, UnknownNameError
        There is no such store or embedding.
    InputError
        The file does not end on ``.html``, its figures would lie in a store, or it cannot be written.

    Examples
    --------
    >>> report("nothing.zarr")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    xfeldask.errors.MissingFileError: no store at nothing.zarr...
    """
    run = Run.open(store).refuse_incomplete()
    path = (
        Path(out) if out is not None else local(store_path(store), "a report").with_name(f"{run.path.stem}_report.html")
    )
    _refuse_place(path)
    Embedding.refuse_unknown(run, embedding)
    name = embedding or Embedding.first_name(run.embeddings)
    latent = None if name is None else run.embeddings[name].dataset().load()
    kinds = None if name is None else run.embeddings[name].parts().get(KINDS_FOUND)
    drawn = {title: _png(figure) for title, figure in figures(run, latent, kinds)}
    try:
        folder = path.with_suffix("")
        folder.mkdir(exist_ok=True)
        for title, png in drawn.items():
            (folder / f"{title.replace(' ', '-')}.png").write_bytes(png)
        with replaced(path) as fresh:
            fresh.write_text(_html(run, latent, drawn), "utf-8")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error}; choose a folder that may be written") from error
    return path


def _refuse_place(path: Path) -> None:
    """Refuse to write a report where it would replace a folder, or lie in a store."""
    if path.suffix.lower() not in (".html", ".htm") or path.is_dir():
        raise InputError(f"a report is an HTML file, and {path} is none; end its name on .html (--out)")
    folder = path.absolute().with_suffix("")
    if not folder.parent.is_dir():
        raise InputError(f"there is no folder {folder.parent} to write {path.name} into; make it first")
    if (store := store_around(folder)) is not None:
        raise InputError(f"the figures of {path} would lie in the store {store}; give another path (--out)")


def figures(run: Run, latent: xr.Dataset | None, described: xr.Dataset | None = None) -> Iterator[tuple[str, Figure]]:
    """Draw what can be drawn of a run, one of its embeddings, and the kinds that were found beside it, by title."""
    kinds = verdicts(run, latent)
    powders = powder(run, kinds)
    yield "powder", _draw_powders(run, kinds, powders)
    yield "radial profiles", _draw_profiles(run, kinds, powders)
    yield "photons", _draw_photons(run, kinds)
    if latent is not None and "score" in latent:
        yield "score in order", _draw_scores(latent, kinds)
        single = run.read("n_particles") == 1 if "n_particles" in run else None
        costs = tradeoff_figure(latent, single)
        if costs is not None:
            yield "purity and loss", costs
        nearest = near_threshold(latent)
        if len(nearest):
            score = latent.score.values
            sheet = contact_sheet(run, nearest, lambda i: f"{i}: {score[i]:.3g}", binned=True)
            yield "nearest to the threshold", sheet
    if latent is not None and described is not None:
        yield "kinds of particles", kinds_figure(run, described, Decision.from_json(latent.attrs["decision"]))
    if latent is not None and "verdict" in latent and "n_particles" in run:
        yield "verdict and truth", confusion_figure({"verdicts, number of shots": verdict_matrix(run, latent)})
        if "kind" in latent:
            yield "kinds and truth", confusion_figure({"kinds, number of shots": kinds_matrix(run, latent)})
    if GROUP in run:
        yield "histogram of ADU", photon_histogram(run)


def verdicts(run: Run, latent: xr.Dataset | None) -> NDArray[np.int64]:
    """Return what each shot is taken for, int64 (shot,); -1 where nobody decided."""
    out = np.full(run.n_shots, -1)
    if latent is not None and "is_single" in latent:
        single = latent.is_single.values.astype(bool)
        found = latent.verdict.values if "verdict" in latent else np.where(single, SINGLE, MULTIPLE)
        out[: len(found)] = found
    return out


def powder(run: Run, kinds: NDArray[np.int64]) -> dict[int, NDArray[np.float64]]:
    """Sum of the images of each kind of shots, float64 (y, x) by kind, read in one pass."""
    sums = {int(kind): np.zeros(run.layout.image) for kind in np.unique(kinds)}
    for start in range(0, run.n_shots, BLOCK):
        images = run.read("image", slice(start, start + BLOCK))
        here = kinds[start : start + BLOCK]
        for kind in np.unique(here).tolist():
            sums[kind] += images[here == kind].sum(axis=0, dtype=np.float64)
    return sums


def near_threshold(latent: xr.Dataset) -> NDArray[np.int64]:
    """Shots whose score is nearest to the threshold, in order of their score; none where there is no threshold.

    Examples
    --------
    >>> decision = {"decision": Decision(threshold=0.0).to_json()}
    >>> # in order of their score; a shot without one is near to none
    >>> near_threshold(xr.Dataset({"score": ("shot", [0.4, 9.0, np.nan, -0.1])}, attrs=decision)).tolist()
    [1, 0, 3]
    """
    threshold = Decision.from_json(latent.attrs.get("decision", "{}")).threshold
    if threshold is None:
        return np.empty(0, np.int64)
    score = latent.score.values
    away = np.where(np.isfinite(score), np.abs(score - threshold), np.inf)
    nearest = np.argsort(away, kind="stable")[:NEAR]
    nearest = nearest[np.isfinite(away[nearest])]
    return np.asarray(nearest[np.argsort(-score[nearest], kind="stable")], np.int64)


def _told(kind: int) -> str:
    return KINDS.get(kind, "not sorted")


def _background_told(known: KnownBackground) -> str:
    n = int(known.blank.sum())
    return f"background: mean of {n:,} blanks" if n else f"background given by {known.source}"


def _color(kind: int) -> str:
    return COLORS.get(_told(kind), "0.4")


def _draw_powders(run: Run, kinds: NDArray[np.int64], powders: dict[int, NDArray[np.float64]]) -> Figure:
    count = {kind: int((kinds == kind).sum()) for kind in powders}
    drawn_of = {f"{_told(kind)}: mean of {count[kind]:,} shots": powders[kind] / count[kind] for kind in powders}
    if (known := run.known_background) is not None:
        drawn_of[_background_told(known)] = known.image.astype(np.float64)
    ds = run.dataset(chunks=None)
    extent, unit = q_extent(ds), shown(ds.x.attrs["units"])
    figure = Figure(figsize=(4.6 * len(drawn_of), 4.4), layout="constrained")
    axes = figure.subplots(1, len(drawn_of), squeeze=False)[0]
    for ax, (title, image) in zip(axes, drawn_of.items(), strict=True):
        mean = np.where(run.image_grid.weight > 0, image, np.nan)
        top = max(np.nanmax(mean), 1e-9)
        drawn = ax.imshow(
            np.maximum(mean, top * 1e-5), norm=LogNorm(top * 1e-5, top), origin="lower", cmap="magma", extent=extent
        )
        ax.set_facecolor("0.75")
        ax.set(xlabel=unit.label("q along x"), ylabel=unit.label("q along y"))
        ax.set_title(title, fontsize=10)
        figure.colorbar(drawn, ax=ax, shrink=0.8, label="photons in a bin")
    return figure


def _draw_profiles(run: Run, kinds: NDArray[np.int64], powders: dict[int, NDArray[np.float64]]) -> Figure:
    grid = run.image_grid
    q = np.linalg.norm(grid.s, axis=-1) * 1e-9
    step = float(np.abs(grid.step).mean()) * 1e-9
    ring, weight = (q / step).astype(int).ravel(), grid.weight.ravel().astype(np.float64)
    area = np.bincount(ring, weight)
    used = area > 0
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    ax = figure.subplots()
    for kind, total in powders.items():
        profile = np.bincount(ring, total.ravel()) / int((kinds == kind).sum())
        at, mean = (np.arange(len(area)) + 0.5)[used] * step, profile[used] / area[used]
        ax.plot(at[mean > 0], mean[mean > 0], color=_color(kind), label=_told(kind))
    if (known := run.known_background) is not None:
        at, mean = (np.arange(len(area)) + 0.5)[used] * step, np.bincount(ring, known.image.ravel())[used] / area[used]
        ax.plot(at[mean > 0], mean[mean > 0], color="0.2", ls="--", label=_background_told(known))
        if (cells := known.cells) is not None:
            each = np.stack([np.bincount(ring, image.ravel())[used] / area[used] for image in cells.image])
            least, most = each.min(axis=0)[mean > 0], each.max(axis=0)[mean > 0]
            ax.fill_between(
                at[mean > 0], least, most, color="0.2", alpha=0.2, lw=0, label=f"least to most by {cells.by}"
            )
    title = "mean radial profiles"
    ax.set(
        yscale="log",
        xlabel="q (1/nm)",
        ylabel="photons in a full bin",
        title=title if known is not None else f"{title}; blank is background",
    )
    ax.legend(frameon=False)
    return figure


def _draw_photons(run: Run, kinds: NDArray[np.int64]) -> Figure:
    counts = run.read("photon_count").astype(np.float64)
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    ax = figure.subplots()
    edges = np.geomspace(max(1.0, counts[counts > 0].min(initial=1.0)), max(2.0, counts.max(initial=2.0)) * 1.001, 60)
    for kind in np.unique(kinds).tolist():
        here = counts[kinds == kind]
        ax.stairs(
            np.histogram(here, edges)[0], edges, color=_color(kind), lw=1.5, label=f"{_told(kind)}: {len(here):,} shots"
        )
    ax.set(xscale="log", xlabel="photons in the shot", ylabel="shots")
    ax.legend(frameon=False)
    return figure


def _draw_scores(latent: xr.Dataset, kinds: NDArray[np.int64]) -> Figure:
    score = latent.score.values
    threshold = Decision.from_json(latent.attrs.get("decision", "{}")).threshold
    # more points than pixels tell nothing more
    step = max(1, len(score) // 20_000)
    shot = np.arange(0, len(score), step)
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    ax = figure.subplots()
    for kind in np.unique(kinds[shot]).tolist():
        here = shot[(kinds[shot] == kind) & np.isfinite(score[shot])]
        ax.plot(here, score[here], ".", ms=2, color=_color(kind), label=_told(kind))
    if threshold is not None:
        ax.axhline(threshold, color="0.3", lw=1, ls="--", label=f"threshold {threshold:.3g}")
    ax.set(xlabel="shot", ylabel="score")
    ax.legend(frameon=False, markerscale=4)
    return figure


def _png(figure: Figure) -> bytes:
    out = BytesIO()
    figure.savefig(out, dpi=100, format="png")
    return out.getvalue()


def _html(run: Run, latent: xr.Dataset | None, drawn: dict[str, bytes]) -> str:
    rows, kinds = dict(run.facts()), verdicts(run, latent)
    if latent is None or "verdict" not in latent:
        rows["taken for"] = ", ".join(
            f"{_told(kind)}: {n:,}" for kind in (*KINDS, -1) if (n := int((kinds == kind).sum()))
        )
    if latent is not None:
        rows |= verdict_told(run, latent)
    table = "".join(f"<tr><td>{escape(k)}</td><td>{escape(v)}</td></tr>" for k, v in rows.items())
    pictures = "".join(
        f'<h2>{name}</h2><img alt="{name}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
        for name, png in drawn.items()
    )
    title = escape(run.path.name)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"<h1>{title}</h1><table>{table}</table>{pictures}</html>\n"
    )
