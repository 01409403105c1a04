"""Verdicts on the shots of an embedding: by the pair rule, by an envelope, or by a user's outlier estimator."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.schema import BLANK, LATENT, MULTIPLE, SINGLE
from xfeldask.sorting.decision import Decision, decide
from xfeldask.sorting.envelope import elliptic_envelope, outlier_verdict
from xfeldask.store.parameters import Parameters
from xfeldask.store.run import Run

PAIRS, ENVELOPE = "pairs", "elliptic_envelope"
RULES = (PAIRS, ENVELOPE)

Columns = dict[str, NDArray[Any]]


def verdict(columns: Mapping[str, NDArray[Any]], max_singles_lost: float, seed: int) -> tuple[Columns, Decision]:
    """Columns and what is to be told of a decision on the `log_ratio` of shots, NaN where blank."""
    ratio = columns["log_ratio"]
    hit = ~np.isnan(ratio)
    found = decide(ratio[hit], max_singles_lost, seed)
    out: Columns = {
        "score": np.full(len(ratio), min(float(found.score.min()), found.threshold) - 1),
        "probability_single": np.zeros(len(ratio)),
        "is_single": np.zeros(len(ratio), bool),
        "verdict": np.full(len(ratio), BLANK, np.uint8),
    }
    out["score"][hit], out["probability_single"][hit], out["is_single"][hit] = (
        found.score,
        found.probability,
        found.kept,
    )
    out["verdict"][hit] = np.where(found.kept, SINGLE, MULTIPLE)
    kept = max(int(found.kept.sum()), 1)
    return out, Decision(
        max_singles_lost=max_singles_lost,
        threshold=found.threshold,
        threshold_interval=(found.threshold_low, found.threshold_high),
        multiple_fraction=found.prevalence,
        expected_singles_lost=found.singles_lost,
        expected_others_kept=found.let_in,
        expected_purity=1 - found.let_in / kept,
    )


def outliers(latent: NDArray[np.float32], rule: str | object, contamination: float, seed: int) -> Columns:
    """Columns of a verdict on coordinates (shot, component), for rules that look at nothing else."""
    if isinstance(rule, str):
        score, kept = elliptic_envelope(latent, contamination, seed)
    else:
        score, kept = outlier_verdict(rule, latent)
    return {"score": score, "is_single": kept, "verdict": np.where(kept, SINGLE, MULTIPLE).astype(np.uint8)}


def variables(columns: Mapping[str, NDArray[Any]]) -> dict[str, xr.Variable]:
    """Columns as they are stored."""
    return {
        name: xr.Variable(LATENT[name].dims, value.astype(LATENT[name].dtype), LATENT[name].attributes())
        for name, value in columns.items()
    }


def sort(store: str | Path, name: str = "ipca", *, max_singles_lost: float = 0.01) -> xr.Dataset:
    """Decide anew on the shots of an embedding, with another allowance; what was measured of them stays.

    Parameters
    ----------
    store : path
    name : str, of the embedding
    max_singles_lost : float, part of the singles that may be lost, above 0 and below 1

    Returns
    -------
    xarray.Dataset, ``/latent/<name>``

    Raises
    ------
    InputError
        The embedding was sorted by another rule than ``"pairs"``, or the part is out of range.
    MissingFileError
        There is no such embedding.

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> _ = xfeldask.simulate(path, particle="chaperonin", detector="square-64", n_shots=600,
    ...                       single_fraction=0.9, progress=False)
    >>> _ = xfeldask.embed(path, progress=False)
    >>> int(sort(path, max_singles_lost=0.05).is_single.sum()) > 400
    True
    """
    path = Path(store)
    embedding = Run.open(path).refuse_incomplete().embedding(name)
    found = embedding.dataset().load()
    if "log_ratio" not in found:
        raise InputError(f"{path} has no evidence of pairs in its embedding {name}; embed with sort='pairs'")
    parameters = Parameters.from_json(found.attrs["parameters"])
    columns, told = verdict({"log_ratio": found["log_ratio"].values}, max_singles_lost, parameters.seed)
    parameters = parameters.model_copy(update={"max_singles_lost": max_singles_lost})
    found = found.assign(variables(columns)).assign_attrs(parameters=parameters.to_json(), decision=told.to_json())
    embedding.publish(found, embedding.parts())
    return embedding.dataset()
