"""Verdicts on shots against the truth, counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import InputError


@dataclass(frozen=True)
class Confusion:
    """Shots counted by truth and verdict; made by `of`.

    A multiple is every shot that does not hold exactly one particle of the wanted species, blanks among them.
    Fractions are NaN where there is no shot to take them of.

    Attributes
    ----------
    singles_accepted, multiples_accepted, multiples_rejected, singles_rejected : int, in the order of `OUTCOMES`

    Examples
    --------
    >>> counted = Confusion.of(single=[True, True, True, False], accepted=[True, True, False, False])
    >>> counted
    Confusion(singles_accepted=2, multiples_accepted=0, multiples_rejected=1, singles_rejected=1)
    >>> counted.singles, counted.accepted, counted.purity, round(counted.singles_accepted_fraction, 3)
    (3, 2, 1.0, 0.667)
    """

    singles_accepted: int
    multiples_accepted: int
    multiples_rejected: int
    singles_rejected: int

    @classmethod
    def of(cls, single: ArrayLike, accepted: ArrayLike) -> Self:
        """Count shots.

        Parameters
        ----------
        single, accepted : bool (shot,), the truth and the verdict

        Raises
        ------
        InputError
            Values that are not booleans, lengths that differ.

        Examples
        --------
        >>> Confusion.of([True, False], [True, True]).multiples_accepted_fraction
        1.0
        """
        return cls(*np.bincount(confusion_class(single, accepted), minlength=4).tolist())

    @property
    def singles(self) -> int:
        """Shots of exactly one particle."""
        return self.singles_accepted + self.singles_rejected

    @property
    def multiples(self) -> int:
        """Shots that do not hold exactly one particle."""
        return self.multiples_accepted + self.multiples_rejected

    @property
    def accepted(self) -> int:
        """Shots that the verdict takes for singles."""
        return self.singles_accepted + self.multiples_accepted

    @property
    def rejected(self) -> int:
        """Shots that the verdict does not take for singles."""
        return self.singles_rejected + self.multiples_rejected

    @property
    def shots(self) -> int:
        """All shots."""
        return self.singles + self.multiples

    @property
    def single_fraction(self) -> float:
        """Fraction of singles among all shots, the purity of accepting all of them."""
        return fraction(self.singles, self.shots)

    @property
    def singles_accepted_fraction(self) -> float:
        """Fraction of the singles that is accepted."""
        return fraction(self.singles_accepted, self.singles)

    @property
    def singles_rejected_fraction(self) -> float:
        """Fraction of the singles that is rejected."""
        return fraction(self.singles_rejected, self.singles)

    @property
    def multiples_accepted_fraction(self) -> float:
        """Fraction of the multiples that is accepted."""
        return fraction(self.multiples_accepted, self.multiples)

    @property
    def multiples_rejected_fraction(self) -> float:
        """Fraction of the multiples that is rejected, the recall of finding them."""
        return fraction(self.multiples_rejected, self.multiples)

    @property
    def purity(self) -> float:
        """Fraction of singles among the accepted shots."""
        return fraction(self.singles_accepted, self.accepted)

    @property
    def rejected_multiple_fraction(self) -> float:
        """Fraction of multiples among the rejected shots, the precision of finding them."""
        return fraction(self.multiples_rejected, self.rejected)


def confusion_class(single: ArrayLike, accepted: ArrayLike) -> NDArray[np.uint8]:
    """Return the outcome of each shot as an index into `OUTCOMES`, the labels of the reference work's viewer.

    Parameters
    ----------
    single, accepted : bool (shot,), the truth and the verdict

    Returns
    -------
    uint8 (shot,), 0 single accepted, 1 multiple accepted, 2 multiple rejected, 3 single rejected

    Raises
    ------
    InputError
        Values that are not booleans, lengths that differ.

    Examples
    --------
    >>> confusion_class([True, False, False, True], [True, True, False, False]).tolist()
    [0, 1, 2, 3]
    """
    single, accepted = as_flags(single, "single"), as_flags(accepted, "accepted")
    refuse_other_length(single, accepted, "accepted")
    return np.where(accepted, ~single, 2 + single.astype(np.uint8)).astype(np.uint8)


def fraction(some: int, whole: int) -> float:
    """Return `some` over `whole`; NaN of nothing.

    Examples
    --------
    >>> fraction(1, 4), fraction(0, 0)
    (0.25, nan)
    """
    return some / whole if whole else float("nan")


def as_flags(value: ArrayLike, name: str) -> NDArray[np.bool_]:
    """Return booleans (shot,).

    Raises
    ------
    InputError
        Values other than 0 and 1, another number of dimensions.

    Examples
    --------
    >>> as_flags([1, 0], "single")
    array([ True, False])
    """
    flags = np.asarray(value)
    if flags.ndim != 1 or not ((flags == 0) | (flags == 1)).all():
        raise InputError(f"{name} must be booleans (shot,), got {flags.dtype} {flags.shape}")
    return flags.astype(bool)


def refuse_other_length(single: NDArray[np.bool_], other: NDArray[np.generic], name: str) -> None:
    """Refuse an array that cannot be of the same shots.

    Raises
    ------
    InputError

    Examples
    --------
    >>> refuse_other_length(np.ones(2, bool), np.zeros(2), "score")
    """
    if other.shape != single.shape:
        raise InputError(f"single and {name} must be of the same shots, got {single.shape} and {other.shape}")
