"""What is told of a decision: its threshold, what it expects, and the truth where the store has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xfeldask.schema import BLANK, MULTIPLE, OTHER, SINGLE
from xfeldask.sorting.cuts import WORTH
from xfeldask.sorting.decision import Decision
from xfeldask.store.choosing.truth import true_kinds
from xfeldask.store.results.embedding import OF_WHATEVER_KIND, outdated
from xfeldask.store.results.parameters import Parameters
from xfeldask.store.run import Run
from xfeldask.units import told as written

if TYPE_CHECKING:
    import xarray as xr

COUNTED = {SINGLE: "singles", OTHER: "singles of another species", MULTIPLE: "multiples", BLANK: "blanks"}
"""Kinds of shots, as they are counted against the verdict."""


def verdict_told(run: Run, latent: xr.Dataset) -> dict[str, str]:
    """Return what an embedding makes of the shots, how sure it is, and the truth where the store has it.

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
    >>> list(verdict_told(xfeldask.open_run(path), xfeldask.embed(path, sort=None, progress=False)))
    ['latent space']
    """
    parameters = Parameters.from_json(latent.attrs["parameters"])
    size = latent.sizes["component"]
    rows = {
        "latent space": f"{size} component{'s' * (size > 1)} by {parameters.method} of "
        f"{parameters.features['name']}, fitted to {parameters.n_fitted:,} shots, {_convergence(parameters)}"
    }
    if "verdict" in latent:
        blank, single, multiple, other = np.bincount(latent.verdict.values, minlength=4).tolist()
        strange = f", {other:,} of another kind" if other else ""
        rows["verdict"] = f"{single:,} single, {multiple:,} multiple, {blank:,} blank{strange}, by {parameters.sort}"
    decision = Decision.from_json(latent.attrs["decision"])
    if decision.rejected_of_kind:
        rows["verdict"] += (
            f"; {decision.rejected_of_kind:,} of the multiple were taken for single hits of the wanted kind, and are "
            "rejected for the purity that was asked for"
        )
    if "is_single" in latent and "probability_single" not in latent:
        rows["purity"] = _unknown(parameters.sort)
    if (old := outdated(run, parameters, decision)) is not None:
        rows["outdated"] = old
    told = decision_told(decision)
    if "is_single" in latent and decision.kinds is None:
        rows["kinds"] = OF_WHATEVER_KIND
    if parameters.projected_from is not None:
        # of the shots that the rule was taught on, which are another store's
        told.pop("background", None)
    rows |= told
    if "n_particles" in run and "is_single" in latent:
        kinds = true_kinds(run)[latent.shot.values]
        rows["truth"] = truth_told(kinds, latent.is_single.values.astype(bool), latent.score.values)
    return rows


def _unknown(sort: str | None) -> str:
    """Tell why a purity is unknown where no rule gave probabilities."""
    if sort == "hits":
        return "unknown: all hits were taken, nobody told one particle from several (pairs does, of 300 hits or more)"
    return f"unknown: {sort} does not tell how likely a hit is one particle (pairs does)"


def truth_told(kinds: NDArray[np.uint8], accepted: NDArray[np.bool_], score: NDArray[np.float64]) -> str:
    """Return how many shots of each kind were accepted, and the purity of the accepted.

    Parameters
    ----------
    kinds : uint8 (shot,), as of `true_kinds`
    accepted : bool (shot,)
    score : (shot,)

    Examples
    --------
    >>> kinds = np.array([SINGLE, SINGLE, OTHER, BLANK], np.uint8)
    >>> truth_told(kinds, np.array([True, False, True, False]), np.array([3.0, 1.0, 2.0, 0.0])).split(", ")[:2]
    ['1 of 2 singles accepted', '1 of 1 singles of another species accepted']
    >>> truth_told(kinds, np.array([True, False, True, False]), np.array([3.0, 1.0, 2.0, 0.0])).split(", ")[-1]
    'area under the ROC curve of one particle of any species 1.00000'
    """
    from xfeldask.scores import sorting_scores  # imported by who needs it: each command imports this module

    scores = sorting_scores(kinds == SINGLE, accepted, score)
    told = [
        f"{(accepted & here).sum():,} of {here.sum():,} {name} accepted"
        for kind, name in COUNTED.items()
        if (here := kinds == kind).any() or kind in (SINGLE, MULTIPLE)
    ]
    told.append(f"purity {100 * scores.confusion.purity:.3f} %")
    # a score tells one particle from several, whatever that one is of
    one = np.isin(kinds, (SINGLE, OTHER))
    area = sorting_scores(one, accepted, score).roc_auc
    if not np.isnan(area):
        of = " of one particle of any species" if (kinds == OTHER).any() else ""
        told.append(f"area under the ROC curve{of} {area:.5f}")
    return ", ".join(told)


def decision_told(decision: Decision) -> dict[str, str]:
    """Return the threshold of a rule and the purity and loss that it expects, where it gives them.

    Examples
    --------
    >>> decision_told(Decision(threshold=1.5, threshold_interval=(1.0, 2.0)))
    {'threshold': 'log odds 1.50 (95 % of resampled data: 1.00 to 2.00)'}
    >>> decision_told(Decision(multiple_fraction=0.0123, expected_purity=0.9987))
    {'expected': '1.23 % of the hits are multiple, purity 99.870 %'}
    >>> list(decision_told(Decision(multiple_fraction=0.7, purity_by_peaks=0.4, steady_photons=12.0)))
    ['expected', 'beware', 'background']
    >>> decision_told(Decision(light_photons=160.0))["light"][:60]
    '160 photons of a single hit do not grow with its brightness:'
    >>> decision_told(Decision(max_contamination=0.005, doubtful_kind=113))["threshold"]
    'none told, at most 0.5 % of the accepted not single were asked for, which cannot be told'
    >>> decision_told(Decision(farthest_pair=8.4e-8))
    {'pairs': 'told from one particle up to 84 nm apart, as seen along the beam'}
    >>> decision_told(Decision(background_photons=12.0))
    {'background': '12 photons a shot on average, as measured or given'}
    """
    rows = {
        "threshold": _threshold(decision),
        "kinds": _kinds(decision),
        "each kind": _each_kind(decision),
        "label next": f"shots {', '.join(map(str, decision.next_to_label))}" if decision.next_to_label else "",
        "expected": _expected(decision),
        "pairs": _pairs(decision),
        "costs": decision.conflict or "",
        "beware": _beware(decision),
        "light": _light(decision),
        "background": _background(decision),
    }
    return {name: told for name, told in rows.items() if told}


def _threshold(decision: Decision) -> str:
    """Tell the threshold, and what it was to do."""
    told = "" if decision.threshold is None else f"score {decision.threshold:.4g}"
    if decision.threshold is not None and decision.threshold_interval is not None:
        low, high = decision.threshold_interval
        told = f"log odds {decision.threshold:.2f} (95 % of resampled data: {low:.2f} to {high:.2f})"
    asked = _asked(decision)
    return f"{told or 'none told'}, {asked}" if asked else told


def _kinds(decision: Decision) -> str:
    """Tell how many shots of which kind there are, and which kinds would not have been found."""
    if decision.kinds is None:
        return ""
    counts = ", ".join(f"{count:,} {name}" for count, name in zip(decision.kinds, decision.kinds_called, strict=True))
    told = f"{counts}; {decision.wanted_called} wanted"
    if decision.kinds_labels is not None:
        wanted, others, alike = decision.kinds_labels
        told += f"; labels called {wanted} wanted and {others} not, {alike} of which look wanted"
    if decision.rarest_kind is not None:
        told += f"; one of less than {100 * decision.rarest_kind:.2g} % of them, or a dim one, would not be found"
    for name, least in (decision.strangers_found or {}).items():
        told += f"; put among them, {name} is "
        told += "not found at 10 %" if least is None else f"found at {100 * least:g} % and more"
        if tried := (decision.strangers_tried or {}).get(name):
            told += f", and less than {100 * min(tried):g} % was not tried"
    return told


def _each_kind(decision: Decision) -> str:
    """Tell by what a person can name each kind that has shots: how bright and how large it is."""
    photons, radii = decision.kind_photons or (), decision.kind_radius or ()
    return "; ".join(
        f"{name} {mean:,.0f} photons a shot"
        + ("" if radius is None else f", radius of gyration {written(radius, 'm', digits=3)}")
        # decisions of older versions have kinds and not these
        for name, mean, radius in zip(decision.kinds_called, photons, radii, strict=False)
        if mean is not None
    )


def _expected(decision: Decision) -> str:
    """Tell the purity and the loss that are expected."""
    lost, lost_span = decision.expected_singles_lost, decision.expected_singles_lost_interval
    expected = (
        ("{:.2f} % of the hits are multiple", decision.multiple_fraction, 100, None),
        ("{:.2f} % of the singles rejected", lost, 100, lost_span),
        ("{:.1f} multiples accepted", decision.expected_others_kept, 1, None),
        ("purity {:.3f} %", decision.expected_purity, 100, decision.expected_purity_interval),
        (
            "if each of the accepted is one particle, {:.3f} % of them are of the wanted kind",
            decision.expected_of_kind,
            100,
            decision.expected_of_kind_interval,
        ),
    )
    return ", ".join(
        text.format(scale * value) + ("" if span is None else f" ({100 * span[0]:.2f} to {100 * span[1]:.2f})")
        for text, value, scale, span in expected
        if value is not None
    )


def _pairs(decision: Decision) -> str:
    """Tell which pairs of particles show that they are two."""
    if decision.farthest_pair is None:
        return ""
    apart = written(decision.farthest_pair, "m", digits=2)
    return f"told from one particle up to {apart} apart, as seen along the beam"


def _beware(decision: Decision) -> str:
    """Tell why the purity is unknown, where it is, and what to do."""
    if decision.purity_by_peaks is not None:
        return (
            f"purity unknown: about {100 * decision.purity_by_peaks:.0f} % of the accepted look like one particle by "
            "their peaks, and the rule expects more; use one taught on a simulation (simulate with --like, sort that, "
            "project)"
        )
    if decision.doubtful_kind is None:
        return ""
    advice = (
        "label some shots (xfeldask kinds --labels)"
        if decision.kinds_labels is None
        else "go by how many of the labelled look wanted"
    )
    return (
        f"purity unknown: {decision.doubtful_kind} of the single hits that kinds were sought among may be of one too "
        f"much like another to be sure of it, or views of a flat particle; {advice}, or name the species (--like)"
    )


def _light(decision: Decision) -> str:
    """Tell of photons that do not grow with the brightness of a hit, and may be light beside the particles."""
    if decision.light_photons is None:
        return ""
    return (
        f"{decision.light_photons:.3g} photons of a single hit do not grow with its brightness: particles whose "
        "sizes or kinds differ, or light beside them (a ring?), with which the purity is lower than told; if it is "
        "light, measure it (xfeldask background STORE hits) and embed again"
    )


def _background(decision: Decision) -> str:
    """Tell of the background that is known, and of what was taken for one."""
    told = []
    if decision.background_photons is not None:
        told.append(f"{decision.background_photons:.3g} photons a shot on average, as measured or given")
    if decision.steady_photons is not None:
        told.append(
            f"{decision.steady_photons:.3g} photons a shot do not grow with its brightness (a bright spot): "
            "taken for background; mask them if they are a fault of the detector"
        )
    return "; ".join(told)


def _asked(decision: Decision) -> str:
    """Tell what a threshold was to do."""
    lost, wrong = decision.max_singles_lost, decision.max_contamination
    if wrong is not None:
        also = (
            "" if lost is None or decision.conflict else f", and {100 * lost:g} % of the singles rejected as expected"
        )
        if not decision.purity_known:
            return f"at most {100 * wrong:g} % of the accepted not single were asked for, which cannot be told{also}"
        return f"at most {100 * wrong:g} % of the accepted not single by the interval of the purity{also}"
    if lost is not None:
        return (
            f"where rejecting one more multiple costs {WORTH:g} singles, and at most {100 * lost:g} % of the singles "
            "rejected"
        )
    return ""


def _convergence(parameters: Parameters) -> str:
    at = parameters.converged_at
    return f"converged at {at:,}" if at else "not watched to convergence, or not converged"
