"""Verdicts by what kinds single hits are of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xfeldask.schema import MULTIPLE, NO_KIND, OF_KINDS, OTHER, SINGLE, of_names
from xfeldask.sorting.decision import Decision, expectations
from xfeldask.sorting.kinds.wanted import accepted_at, accepted_losing
from xfeldask.verbs.parts.building import variables


class Known(NamedTuple):
    """What is known of kinds, and which of them are wanted; by their names in `Decision`.

    Attributes
    ----------
    wanted_kinds : tuple of int, to be accepted
    kind_names : tuple of str, or None
    rarest_kind, kinds_labels, doubtful_kind : as of `Decision`
    """

    wanted_kinds: tuple[int, ...]
    kind_names: tuple[str, ...] | None = None
    rarest_kind: float | None = None
    kinds_labels: tuple[int, int, int] | None = None
    doubtful_kind: int | None = None


def decided_by_kinds(
    before: xr.Dataset, shots: NDArray[np.int64], columns: Mapping[str, NDArray[Any]], known_of: Known,
    max_contamination: float | None,
) -> xr.Dataset:  # fmt: skip
    """Return the embedding with kinds, verdicts by them, and what is expected of those accepted.

    Parameters
    ----------
    before : Dataset, the embedding as its rule decided
    shots : int64 (some,), single hits
    columns : `kind`, `probability_wanted`, `probability_kind`, `misfit` and whatever else was found of each of them,
        (some, ...)
    known_of : Known, of the kinds
    max_contamination : as of `Decision`
    """
    n, count, wanted = before.sizes["shot"], columns["probability_kind"].shape[1], known_of.wanted_kinds
    out = dict[str, NDArray[Any]]()
    for name, values in columns.items():
        out[name] = np.full((n, *values.shape[1:]), NO_KIND if name == "kind" else np.nan, values.dtype)
        out[name][shots] = values
    known_single = "probability_single" in before
    both = columns["probability_wanted"] * (before.probability_single.values[shots] if known_single else 1.0)
    candidate = np.isin(columns["kind"], wanted) & (columns["probability_wanted"] > 0)
    chosen = accepted_at(both, candidate, max_contamination)
    verdict = before.verdict.values.copy() if "verdict" in before else np.full(n, MULTIPLE, np.uint8)
    verdict[shots] = np.where(chosen, SINGLE, np.where(candidate, MULTIPLE, OTHER))
    accepted = np.zeros(n, bool)
    accepted[shots] = chosen
    changed: dict[str, NDArray[Any]] = {**out, "verdict": verdict, "is_single": accepted}
    if known_single:
        changed["probability_single"] = before.probability_single.values.copy()
        changed["probability_single"][shots] = both
    decision = Decision.from_json(before.attrs["decision"])
    sizes = tuple(np.bincount(columns["kind"], minlength=count).tolist())
    told: dict[str, Any] = {"kinds": sizes, **known_of._asdict()}
    expected = expectations(both, chosen)
    sure = decision.purity_by_peaks is None and told["doubtful_kind"] is None
    known = sure and known_single
    if sure and not known_single and len(wanted) < count:
        told |= {f"expected_of_kind{end}": expected.get(f"expected_purity{end}") for end in ("", "_interval")}
    if known and (decision.expected_purity is not None or max_contamination is not None):
        told["expected_others_kept"] = float((1 - both)[chosen].sum())
        told |= {name: expected.get(name) for name in ("expected_purity", "expected_purity_interval")}
    if max_contamination is not None:
        told["rejected_of_kind"] = int((candidate & ~chosen).sum())
        told |= {"max_contamination": max_contamination, **_loss(decision.expected_singles_lost, expected)}
        if known:
            told |= _otherwise(decision, told["expected_singles_lost"], both, candidate)
    if not known:
        told["expected_purity_interval"] = None
    if told["doubtful_kind"] is not None:
        told["expected_others_kept"] = told["expected_purity"] = None
    decision = decision.model_copy(update=told)
    stored = variables(changed, None) | {"verdict": xr.Variable(("shot",), verdict, OF_KINDS.attributes())}
    if known_of.kind_names:
        stored["kind"] = xr.Variable(("shot",), out["kind"], of_names(known_of.kind_names).attributes())
        stored["probability_kind"].attrs["kind_names"] = " ".join(known_of.kind_names)
    return before.assign(stored).assign_attrs(decision=decision.to_json())


def _loss(before: float | None, expected: dict[str, Any]) -> dict[str, Any]:
    """Return the singles lost by the rule and then by kinds; of the wanted the rule loses as many."""
    told: dict[str, Any] = {"purity_otherwise": None, "expected_singles_lost": before}
    if before is None or "expected_singles_lost" not in expected:
        return told
    here = (expected["expected_singles_lost"], *expected["expected_singles_lost_interval"])
    lost, low, high = (1 - (1 - before) * (1 - part) for part in here)
    return told | {"expected_singles_lost": lost, "expected_singles_lost_interval": (low, high)}


def _otherwise(
    rule: Decision, lost: float | None, probability: NDArray[np.float64], candidate: NDArray[np.bool_]
) -> dict[str, Any]:
    """Return what is expected at the loss that the rule was allowed, where the contamination costs more than that."""
    most, before = rule.max_singles_lost, rule.expected_singles_lost
    if most is None or before is None or lost is None or lost <= most:
        return {}
    accepted = accepted_losing(probability, candidate, 1 - (1 - most) / (1 - before))
    expected = expectations(probability, accepted)
    least = _loss(before, expected)["expected_singles_lost"]
    if "expected_purity" not in expected or least >= lost:
        return {}
    purity = (expected["expected_purity"], *expected["expected_purity_interval"])
    return {"purity_otherwise": purity, "singles_lost_otherwise": least}
