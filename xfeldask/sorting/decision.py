"""What a rule tells of its verdicts."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AliasChoices, BeforeValidator, Field

from xfeldask.records import Record
from xfeldask.sorting.expected import expected


def _several(value: Any) -> Any:
    """Take one number for several of which there is one."""
    return (value,) if isinstance(value, int) else value


class Decision(Record):
    """What a rule tells of its verdict on the shots of an embedding, the attribute `decision` of its group.

    A rule gives what it knows; a user's own may give more by other names.

    Attributes
    ----------
    max_singles_lost : float, fraction of the singles that could be rejected
    contamination : float, fraction of the shots to be rejected
    threshold : float, least score of an accepted shot
    threshold_interval : (float, float), where the threshold falls in 95 % of resampled data
    multiple_fraction : float, fraction of the hits that hold more than one particle
    expected_singles_lost : float, fraction of the singles below the threshold
    expected_others_kept : float, number of accepted hits that are not single
    expected_purity : float, fraction of singles among the accepted
    purity_by_peaks : float, told instead where the shots contradict what would be expected: the fraction of the
        accepted that looks single by `xfeldask.sorting.pairs.witness`, which is too low for dim shots
    steady_photons : float, photons of a shot, on average, that do not grow with its brightness; taken for background
    background_photons : float, photons of the background of a shot, on average, that was known beforehand
    light_photons : float, photons of a single hit, on average, that do not grow with its brightness and lie on both
        sides of the beam; where they are light beside the particle, the purity is lower than told
    farthest_pair : float, distance as seen along the beam up to which two particles are told from one [m]: the fringes
        of those farther apart are finer than bins show
    max_contamination : float, fraction of the accepted that might be anything but a single hit, or where kinds were
        found of the wanted one; the interval of the purity ends there or above
    expected_singles_lost_interval, expected_purity_interval : (float, float), where the true ones are in 95 % of runs,
        as of `xfeldask.sorting.expected`
    purity_otherwise : (float, float, float), purity expected at `max_singles_lost`, and its interval; told where
        `max_contamination` costs more singles than that
    singles_lost_otherwise : float, fraction of the singles that are rejected then, where kinds were found; it may be
        above `max_singles_lost`, as a rule and kinds lose some at the least
    expected_of_kind : float, fraction of the accepted that is of the wanted kind if each holds one particle; told
        instead of a purity where kinds were found after a rule that gives no probability of that
    expected_of_kind_interval : (float, float), as of the others
    kinds : tuple of int, shots of each kind of particle among the single hits, the most frequent first, or in
        the order of their names
    kind_names : tuple of str, where they were named: species that were compared, or kinds that a person gave names
    kind_photons : tuple of float, photons of a shot of each kind on average; None of one without shots
    kind_radius : tuple of float, radius of gyration of each kind's particle [m]; None where it is not known
    wanted_kinds : tuple of int, the kinds that are accepted
    rarest_kind : float, fraction of the single hits that a kind must have at least to be found; none where kinds were
        named, or as many were found as were sought
    doubtful_kind : int, shots, of those that kinds were sought among, that may be of a kind which is too much like
        another to be sure of it, as of `xfeldask.sorting.kinds.growth.doubtful`: the purity is not known then; None
        where there are none
    rejected_of_kind : int, single hits of the wanted kind that are rejected, with the verdict "multiple", for the sake
        of `max_contamination`; None where kinds were found and none was asked for
    kinds_labels : (int, int, int), single hits that labels called wanted, and something else, and those of the latter
        that look as the wanted kind does; None where kinds were found without labels
    strangers_found : fraction by name, the least at which shots of a species were found as a kind when they were put
        among the wanted hits; None of one that was not found at 10 %
    strangers_tried : tuple of fractions by name, at which shots of a species were put among the wanted hits
    next_to_label : tuple of int, shots whose labels would say most of kinds, as of
        `xfeldask.sorting.kinds.next_shots.next_to_label`; None where kinds were named
    kinds_background : str, digest of the background of the run that kinds were found with; None where none was known

    Examples
    --------
    >>> Decision(contamination=0.1).to_json()
    '{"contamination": 0.1}'
    """

    max_singles_lost: float | None = None
    contamination: float | None = None
    threshold: float | None = None
    threshold_interval: tuple[float, float] | None = None
    multiple_fraction: float | None = None
    expected_singles_lost: float | None = None
    expected_others_kept: float | None = None
    expected_purity: float | None = None
    # as it is called in stores that were sorted before
    purity_by_peaks: float | None = Field(None, validation_alias=AliasChoices("purity_by_peaks", "purity_at_most"))
    steady_photons: float | None = None
    background_photons: float | None = None
    light_photons: float | None = None
    farthest_pair: float | None = None
    max_contamination: float | None = None
    expected_singles_lost_interval: tuple[float, float] | None = None
    expected_purity_interval: tuple[float, float] | None = None
    purity_otherwise: tuple[float, float, float] | None = None
    singles_lost_otherwise: float | None = None
    expected_of_kind: float | None = None
    expected_of_kind_interval: tuple[float, float] | None = None
    kinds: tuple[int, ...] | None = None
    kind_names: tuple[str, ...] | None = None
    kind_photons: tuple[float | None, ...] | None = None
    kind_radius: tuple[float | None, ...] | None = None
    # one number in stores that were sorted before
    wanted_kinds: Annotated[tuple[int, ...] | None, BeforeValidator(_several)] = Field(
        None, validation_alias=AliasChoices("wanted_kinds", "wanted_kind")
    )
    rarest_kind: float | None = None
    doubtful_kind: int | None = None
    rejected_of_kind: int | None = None
    kinds_labels: tuple[int, int, int] | None = None
    strangers_found: dict[str, float | None] | None = None
    strangers_tried: dict[str, tuple[float, ...]] | None = None
    next_to_label: tuple[int, ...] | None = None
    kinds_background: str | None = None

    @property
    def kinds_called(self) -> tuple[str, ...]:
        """What people call kinds: their names, or their numbers.

        Examples
        --------
        >>> Decision(kinds=(9, 1)).kinds_called, Decision(kinds=(9, 1), kind_names=("drop", "ice")).kinds_called
        (('kind 0', 'kind 1'), ('drop', 'ice'))
        """
        return self.kind_names or tuple(f"kind {kind}" for kind in range(len(self.kinds or ())))

    @property
    def wanted_called(self) -> str:
        """What people call the kinds that are accepted.

        Examples
        --------
        >>> Decision(kinds=(9, 1, 1), wanted_kinds=(0, 2)).wanted_called
        'kind 0 and kind 2'
        """
        return " and ".join(self.kinds_called[kind] for kind in self.wanted_kinds or ())

    @property
    def purity_known(self) -> bool:
        """Whether the purity is what the rule's probabilities say: neither do shots contradict it, nor a doubtful kind.

        Examples
        --------
        >>> Decision(expected_purity=0.99).purity_known, Decision(purity_by_peaks=0.4).purity_known
        (True, False)
        """
        return self.purity_by_peaks is None and self.doubtful_kind is None

    @property
    def conflict(self) -> str | None:
        """What each of two demands costs that cannot both be had; None where both are met, or one was made."""
        if self.purity_otherwise is None:
            return None
        purity, low, high = self.purity_otherwise
        lost = _percents(self.expected_singles_lost or 0.0, *(self.expected_singles_lost_interval or ()))
        others = _percents(1 - purity, 1 - high, 1 - low)
        least = max(self.max_singles_lost or 0.0, round(self.singles_lost_otherwise or 0.0, 4))
        return (
            f"a contamination of no more than {100 * (self.max_contamination or 0.0):g} % costs {lost} of the single "
            f"hits; with at most {100 * least:g} % of them lost, {others} of the accepted are "
            "not single"
        )


def expectations(probability: NDArray[Any], accepted: NDArray[np.bool_]) -> dict[str, Any]:
    """Return what is expected and its intervals by their names in `Decision`; see `xfeldask.sorting.expected`.

    Of nothing accepted there is no purity, and of no singles no loss.

    Examples
    --------
    >>> told = expectations(np.array([1.0, 1.0, 0.0]), np.array([True, True, False]))
    >>> told["expected_purity"], told["expected_purity_interval"]
    (1.0, (1.0, 1.0))
    >>> sorted(expectations(np.array([1.0]), np.array([False])))
    ['expected_singles_lost', 'expected_singles_lost_interval']
    """
    told: dict[str, Any] = {}
    for name, one in zip(("expected_purity", "expected_singles_lost"), expected(probability, accepted), strict=True):
        if np.isfinite(one.value):
            told[name], told[f"{name}_interval"] = float(one.value), (float(one.low), float(one.high))
    return told


def _percents(value: float, *interval: float) -> str:
    """Write a fraction, and where it has one its interval.

    Examples
    --------
    >>> _percents(0.123, 0.108, 0.14), _percents(0.5)
    ('12.3 % (10.8 to 14.0)', '50.0 %')
    """
    told = f"{100 * value:.1f} %"
    return f"{told} ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})" if interval else told
