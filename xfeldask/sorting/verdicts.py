"""Verdicts on shots by how much likelier each is under one particle than under several."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.schema import BLANK, MULTIPLE, SINGLE
from xfeldask.sorting.deciding import Cut, decide
from xfeldask.sorting.decision import expectations
from xfeldask.sorting.protocol import Allowance, Columns


def verdicts(log_ratio: NDArray[np.float64], allowance: Allowance, seed: int = 0) -> tuple[Columns, Cut | None]:
    """Decide by the likeliest fraction of multiple hits; see `xfeldask.sorting.deciding.decide`.

    Parameters
    ----------
    log_ratio : float64 (shot,), log likelihood ratio of one particle to several; NaN where a shot is blank
    allowance : Allowance
    seed : int

    Returns
    -------
    columns : `score`, `probability_single`, `is_single` and `verdict` (shot,)
    cut : Cut, of the hits; None where there are none

    Examples
    --------
    >>> columns, cut = verdicts(np.array([9.0] * 95 + [-9.0] * 5 + [np.nan]), Allowance())
    >>> columns["verdict"][[0, 95, 100]].tolist(), round(cut.prevalence, 2)  # a single, a multiple and a blank
    ([1, 2, 0], 0.05)
    """
    hit = ~np.isnan(log_ratio)
    out: Columns = {
        "score": np.full(len(log_ratio), -1.0),
        "probability_single": np.zeros(len(log_ratio)),
        "is_single": np.zeros(len(log_ratio), bool),
        "verdict": np.full(len(log_ratio), BLANK, np.uint8),
    }
    if not hit.any():
        return out, None
    found = decide(log_ratio[hit], allowance.max_singles_lost, seed, allowance.max_contamination)
    out["score"][~hit] = min(float(found.score.min()), found.threshold) - 1
    out["score"][hit], out["probability_single"][hit] = found.score, found.probability
    out["is_single"][hit] = found.kept
    out["verdict"][hit] = np.where(found.kept, SINGLE, MULTIPLE)
    return out, found


def told_of(found: Cut | None, allowance: Allowance) -> dict[str, Any]:
    """Return what a decision tells of a cut, and of what was asked for, by the names in `Decision`.

    Examples
    --------
    >>> told_of(None, Allowance(max_contamination=0.05))
    {'max_singles_lost': 0.01, 'max_contamination': 0.05}
    """
    asked = {"max_singles_lost": allowance.max_singles_lost, "max_contamination": allowance.max_contamination}
    if found is None:
        return asked
    return {
        **asked,
        "threshold": found.threshold,
        "threshold_interval": (found.threshold_low, found.threshold_high),
        "multiple_fraction": found.prevalence,
        "expected_others_kept": found.let_in,
        **expectations(found.probability, found.kept),
        **({} if found.otherwise is None else {"purity_otherwise": tuple(found.otherwise)}),
    }
