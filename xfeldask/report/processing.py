"""`process`: a run from its file to its report, again and again with the same result."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from xfeldask.errors import InputError
from xfeldask.report.run_report import report, verdicts
from xfeldask.schema import OF_KINDS
from xfeldask.sorting.decision import Decision
from xfeldask.sorting.protocol import Allowance
from xfeldask.sorting.rules import RULES, make_rule, refuse_target
from xfeldask.store.results.embedding import Embedding
from xfeldask.store.results.parameters import Parameters
from xfeldask.store.run import Run
from xfeldask.store.storage.urls import StorePath, local, store_path
from xfeldask.verbs.embed import embed
from xfeldask.verbs.export import write_back as written_back
from xfeldask.verbs.ingest import Source, ingest
from xfeldask.verbs.project import project
from xfeldask.verbs.sort import sort as decide_anew


def process(
    source: Source | Sequence[Source],
    store: str | StorePath,
    *,
    model: str | StorePath | None = None,
    embedding: str | None = None,
    sort: str = "pairs",
    n_components: int = 3,
    max_contamination: float | None = None,
    write_back: bool = False,
    again: bool = False,
    progress: bool = True,
    **frames: Any,
) -> dict[str, Any]:
    """Ingest a run, embed it or apply a model to it, write its report and, if asked, verdicts back into its files.

    What is done already is not done again: a store that is complete is kept, one that was interrupted is finished, an
    embedding that tells of all its shots is kept. One that was made otherwise than is asked for, by another model, rule
    or number of components, is made anew.

    Parameters
    ----------
    source : as of `ingest`
    store : path of the store
    model : path of a store whose embedding is applied to the run; by default the run is embedded by itself
    embedding : str, name of the embedding, there and here; the model's only one, or "ipca", by default
    sort : "pairs" or "elliptic_envelope", of a run that is embedded by itself
    n_components : int, of a run that is embedded by itself
    max_contamination : float, optional, as of `embed`; an embedding that was sorted by another one is decided on anew
    write_back : bool, write verdicts into the CXI files that were ingested
    again : bool, replace the store and all that is in it
    progress : bool, show progress on stderr
    **frames : keywords of `ingest`

    Returns
    -------
    dict, of what JSON can hold: `store`, `shots`, `photons` (the median), `embedding`, `single`, `multiple`, `blank`,
    `threshold`, `report`, `written_back` and `seconds`

    Raises
    ------
    MissingFileError, InputError, RunError
        As of the verbs that it is made of.

    Examples
    --------
    >>> process("nothing.cxi", "nothing.zarr")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    xfeldask.errors.MissingFileError: there is no nothing.cxi...
    """
    Allowance(max_contamination=max_contamination)
    theirs = None if model is None else Embedding.chosen(Run.open(model), embedding, "embedding")
    rule = sort if theirs is None else theirs.parameters.sort
    if theirs is None or rule is None or rule in RULES:
        refuse_target(make_rule(rule), max_contamination)
    start, path = time.monotonic(), local(store_path(store), "what process makes")
    there = path.exists() and not again
    ingest(source, path, resume=there, overwrite=again and path.exists(), progress=progress, **frames)
    run = Run.open(path)
    name = _embedded(run, theirs, embedding or "ipca", sort, n_components, progress)
    run = run.reopened()
    known = run.embeddings[name].parameters
    if max_contamination not in (None, known.max_contamination):
        decide_anew(path, name, max_singles_lost=known.max_singles_lost, max_contamination=max_contamination)
        run = run.reopened()
    latent = run.embeddings[name].dataset().load()
    kinds = verdicts(run, latent)
    html = report(path, embedding=name)
    return {
        "store": str(path.absolute()),
        "shots": run.n_shots,
        "photons": float(np.median(run.read("photon_count"))),
        "embedding": name,
        **{meaning: int((kinds == kind).sum()) for kind, meaning in OF_KINDS.flags},
        "threshold": Decision.from_json(latent.attrs["decision"]).threshold,
        "report": str(html.absolute()),
        "written_back": written_back(path, embedding=name) if write_back else [],
        "seconds": round(time.monotonic() - start, 3),
    }


def _embedded(run: Run, theirs: Embedding | None, name: str, sort: str, n_components: int, progress: bool) -> str:
    """Embed a run, unless that has been done; return the embedding's name, which is that of a model that is applied."""
    name = name if theirs is None else theirs.name
    have = run.embeddings.get(name)
    if have is not None and have.is_current:
        if "is_single" not in have.dataset():
            raise InputError(f"the embedding {name} of {run.path} was not sorted; choose another name, or remove it")
        if _is_as_asked(have.parameters, theirs, sort, n_components):
            return name
    stale = have is not None
    if theirs is not None:
        project(theirs.run.path, name, run.path, overwrite=stale, progress=progress)
    else:
        embed(run.path, name=name, sort=sort, n_components=n_components, overwrite=stale, progress=progress)
    return name


def _is_as_asked(known: Parameters, theirs: Embedding | None, sort: str, n_components: int) -> bool:
    """Whether an embedding was made by a model, or of a run by itself, as is asked for."""
    if theirs is None:
        return (known.projected_from, known.sort, known.n_components) == (None, sort, n_components)
    if known.model_digest is None:
        return known.projected_from == theirs.run.path.name
    return known.model_digest == theirs.model_digest()
