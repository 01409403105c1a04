"""Features of the background of shots, which is expected in those of the shots and taken off them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.store.results.known_background import KnownBackground, background_columns

if TYPE_CHECKING:
    from xfeldask.store.run import Run

LESS_BACKGROUND = "less_background"
"""Option of features, of those that are sums of counts."""
SUMS = ("counts", "fourier_crop", "radial_profile")
"""Features that are sums of counts: what is expected of them is that of the particles and that of the background."""
OF_SHOT = ("background_weight", "background_cell")
"""What is to be known of each shot."""


@dataclass(frozen=True)
class BackgroundRows:
    """Features of a background, or of one for each memory cell.

    Attributes
    ----------
    rows : float32 (cell, feature), of a shot on average
    digest : str, of the background that they are of

    Examples
    --------
    >>> found = BackgroundRows(np.array([[2.0, 1.0], [4.0, 0.0]], np.float32))
    >>> found.expected({"background_weight": np.array([1.0, 0.5]), "background_cell": np.array([0, 1])}).tolist()
    [[2.0, 1.0], [2.0, 0.0]]
    """

    rows: NDArray[np.float32]
    digest: str = ""

    @classmethod
    def of(
        cls,
        instrument: Any,
        options: dict[str, Any],
        feature: Callable[[NDArray[Any]], NDArray[np.float32]],
        merged: int,
    ) -> Self | None:
        """Make features of the background of a run; None where that is not asked for.

        Parameters
        ----------
        instrument : Run, or another `Instrument`, which knows of no background
        options : dict, of the features
        feature : callable, images (n, y, x) to float32 (n, feature)
        merged : int, bins a side of the stored images that make one of the feature's; 0 where it is made of photons

        Raises
        ------
        InputError
            No background is known, or the features are no sums of counts in bins that are stored.
        """
        if not options.get(LESS_BACKGROUND):
            return None
        if options["name"] not in SUMS or not merged:
            raise InputError(
                f"{LESS_BACKGROUND} is an option of {', '.join(SUMS)} in bins of the store or whole multiples of them, "
                f"not of {options['name']}"
            )
        known: KnownBackground | None = getattr(instrument, "known_background", None)
        if known is None:
            raise InputError(f"{LESS_BACKGROUND} needs the background of the shots; measure it with find_background")
        images = known.image[None] if known.cells is None else known.cells.image
        edges = [np.arange(0, n, merged) for n in images.shape[1:]]
        rows = feature(np.add.reduceat(np.add.reduceat(images, edges[0], axis=1), edges[1], axis=2))
        return cls(rows, known.digest)

    def expected(self, shots: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Features of the background of some shots, float32 (shot, feature), by what `OF_SHOT` names of them."""
        weight, cell = (shots[name] for name in OF_SHOT)
        return np.asarray(weight[:, None].astype(np.float32) * self.rows[cell])


def background_of_shots(run: Run, shots: slice, under: BackgroundRows) -> dict[str, NDArray[Any]]:
    """Return what `OF_SHOT` names of some shots; of a run without cells all are of the first.

    Raises
    ------
    InputError
        The run has no background any more, or another one than the features are of.
    """
    known = background_columns(run)
    if not known:
        raise InputError(f"{run.path} has no background any more; measure it with find_background")
    if known.attrs["digest"] != under.digest:
        raise InputError(f"the background of {run.path} was replaced meanwhile; embed again with the new one")
    weight = known["background_weight"][shots].values
    cell = known["background_cell"][shots].values if "background_cell" in known else np.zeros(len(weight), np.int32)
    return {"background_weight": weight, "background_cell": cell}
