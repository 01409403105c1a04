"""What a rule is: how it learns from shots, what it measures of each, and how it decides."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import NUMBER, InputError, refuse_unlike
from xfeldask.physics.binning import ImageGrid
from xfeldask.schema import Variable
from xfeldask.sorting.decision import Decision

Columns = dict[str, NDArray[Any]]
"""Variables along shots by name, (shot, ...)."""
COORDINATES = "latent"
"""What a rule needs that looks at coordinates in the latent space."""


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """How much a rule may reject, or accept in error; each rule goes by one of the first two.

    Attributes
    ----------
    max_singles_lost : float, fraction of the singles that may be rejected, above 0 and below 1
    contamination : float, fraction of the shots to reject, above 0 and at most 0.5
    max_contamination : float, optional, fraction of the accepted that may be other than single, above 0 and below 1, by
        the interval of the purity and whatever that costs; for a rule that goes by `max_singles_lost`, which needs
        probabilities too

    Raises
    ------
    InputError
        A fraction out of range.

    Examples
    --------
    >>> Allowance(max_singles_lost=0.05)
    Allowance(max_singles_lost=0.05, contamination=0.1, max_contamination=None)
    """

    max_singles_lost: float = 0.01
    contamination: float = 0.1
    max_contamination: float | None = None

    def __post_init__(self) -> None:
        refuse_unlike("a fraction", NUMBER, max_singles_lost=self.max_singles_lost, contamination=self.contamination,
                      max_contamination=self.max_contamination)  # fmt: skip
        if not 0 < self.max_singles_lost < 1:
            raise InputError(f"max_singles_lost must be above 0 and below 1, got {self.max_singles_lost}")
        if not 0 < self.contamination <= 0.5:
            raise InputError(f"contamination must be above 0 and at most 0.5, got {self.contamination}")
        if self.max_contamination is not None and not 0 < self.max_contamination < 1:
            raise InputError(f"max_contamination must be above 0 and below 1, got {self.max_contamination}")


class Grids(Protocol):
    """Where the bins of images lie in reciprocal space."""

    @property
    def image_grid(self) -> ImageGrid:
        """Bins of `image`."""

    @property
    def low_q_grid(self) -> ImageGrid:
        """Bins of `low_q`."""


class Shots(Grids, Protocol):
    """Shots that a rule learns from; what it does not read is not loaded."""

    @property
    def labels(self) -> NDArray[np.int8] | None:
        """Labels (shot,): 1 a single hit, 0 anything else, -1 not known; None where nobody gave any."""

    @property
    def background(self) -> NDArray[np.float32] | None:
        """Photons of the background of a shot, on average, in the bins of `low_q`; None where it is not known."""

    def __len__(self) -> int:
        """Return the number of shots."""

    def read(self, name: str, index: NDArray[np.int64] | None = None) -> NDArray[Any]:
        """Return a variable of some shots, in ascending order, or of all."""


@runtime_checkable
class Rule(Protocol):
    """Tells single hits from everything else.

    A rule learns from shots, measures each shot by itself, and decides on all of them by what it measured, so that
    decisions can be made anew, with another allowance, without looking at the shots again. Subclass it to have the
    attributes and methods that a rule of one's own may leave out: all but `needs`, `columns`, `fit`, `evidence` and
    `decide`.

    Attributes
    ----------
    needs : tuple of str, variables of a store that it is computed from, such as "low_q" or "photon_count", or "latent":
        the coordinates in the latent space. A rule that needs coordinates learns once all shots have theirs
    columns : tuple of Variable along `shot`, what `evidence` gives
    allowance : str, the field of `Allowance` that it goes by, if any; one that goes by "max_singles_lost" may go by
        `max_contamination` too, and then its decision tells that
    uses_labels : bool, whether `fit` learns from labels

    Notes
    -----
    One whose `fit` learns from the background of the shots, where that is known, has ``uses_background = True`` too.
    """

    needs: tuple[str, ...]
    columns: tuple[Variable, ...]
    allowance: str = ""
    uses_labels: bool = False

    @abstractmethod
    def fit(self, shots: Shots) -> Self:
        """Forget all and learn from these shots."""

    @abstractmethod
    def evidence(self, shots: Mapping[str, NDArray[Any]]) -> Columns:
        """Measure some shots, each by itself.

        Parameters
        ----------
        shots : arrays (shot, ...) of all that it needs, by name

        Returns
        -------
        dict of arrays (shot,), those of `columns`
        """

    @abstractmethod
    def decide(self, columns: Mapping[str, NDArray[Any]], allowance: Allowance) -> tuple[Columns, Decision]:
        """Decide on all shots.

        Parameters
        ----------
        columns : evidence on all shots
        allowance : Allowance

        Returns
        -------
        columns : arrays (shot,): ``score``, larger for what looks more like a single hit; ``is_single``, bool; and
            where they are known ``probability_single`` and ``verdict``, 0 blank, 1 single, 2 multiple
        decision : Decision, what is to be told about it
        """

    def check(self, grids: Grids) -> None:  # noqa: ARG002
        """Refuse shots whose images do not fit what was learned."""
        return

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything that was learned, numbers by name; `restore` takes it back."""
        return {}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:  # noqa: ARG003
        """Return the rule that `arrays` came from."""
        return cls()
