"""When a linear latent space that grows with the data has settled."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import InputError, UnknownNameError
from xfeldask.latent.distances import (
    eigenvalue_change,
    fitting_mean,
    held_out_angle,
    jensen_shannon_distance,
    matrix,
    reconstruction_error,
)

EXTRA = ("jensen_shannon", "reconstruction")


class Convergence:
    """Watch a growing basis on shots that it is not fitted to.

    Two bases are compared at every update, so let the number of shots grow by a constant factor between updates: a
    mean over n shots moves by less and less however wrong it is.

    Parameters
    ----------
    held_out : (shot, feature), at least 2 k + 1 shots for k components
    angle : float, largest `held_out_angle` of a settled basis [rad]
    change : float, largest `eigenvalue_change` of a settled basis
    patience : int, how often running both must hold
    extra : any of ``'jensen_shannon'`` and ``'reconstruction'``, to be recorded besides

    Attributes
    ----------
    converged : bool, both held in each of the last `patience` updates
    converged_at : int or None, shots fitted when they had; None again once they hold no more

    Raises
    ------
    InputError
        Held-out shots that are not finite or too few, numbers out of range, updates out of order or of another size.
    UnknownNameError
        Any other extra.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(40, 3)) * [3, 2, 1]
    >>> watch = Convergence(x, patience=1)
    >>> watch.update(100, np.eye(2, 3), np.zeros(3), [9.0, 4.0])
    False
    >>> watch.update(200, np.eye(2, 3), np.zeros(3), [9.0, 4.0])
    True
    """

    def __init__(
        self,
        held_out: ArrayLike,
        angle: float = float(np.deg2rad(1.0)),
        change: float = 0.01,
        patience: int = 3,
        extra: Iterable[str] = (),
    ) -> None:
        rows = matrix(held_out, "held_out")
        if not len(rows):
            raise InputError("there are no held-out shots to watch a basis on; give at least 2 k + 1 for k components")
        if not (angle > 0 and change > 0 and patience >= 1):
            raise InputError(
                f"angle and change must be above 0 and patience at least 1, got {angle}, {change} and {patience}"
            )
        self.angle, self.change, self.patience = angle, change, patience
        self.extra = tuple(extra)
        for name in self.extra:
            if name not in EXTRA:
                raise UnknownNameError("measure", name, EXTRA)
        self.converged_at: int | None = None
        self._mean = rows.mean(axis=0)
        self._centred = (rows - self._mean).astype(np.float32)
        self._last: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
        self._rows: list[dict[str, float]] = []
        self._run = 0

    @property
    def converged(self) -> bool:
        """Whether the basis has settled."""
        return self._run >= self.patience

    def update(self, n_seen: int, components: ArrayLike, mean: ArrayLike, explained_variance: ArrayLike) -> bool:
        """Take the basis fitted to `n_seen` shots; true when it has settled.

        Parameters
        ----------
        n_seen : int, more than before
        components : (component, feature), orthonormal rows
        mean : (feature,)
        explained_variance : (component,)
        """
        if self._rows and n_seen <= self._rows[-1]["n_fitted"]:
            raise InputError(f"n_seen must grow from update to update, got {n_seen} after {self._rows[-1]['n_fitted']}")
        basis = matrix(components, "components")
        shift = self._mean - fitting_mean(mean, basis, len(self._mean))
        latent = self._centred @ basis.T.astype(np.float32) + shift @ basis.T
        variance = np.array(explained_variance, np.float64)
        old_latent, old_variance = self._last or (latent, variance)
        row = {
            "n_fitted": n_seen,
            "angle": held_out_angle(old_latent, latent),
            "eigenvalue_change": eigenvalue_change(old_variance, variance),
        }
        if "jensen_shannon" in self.extra:
            alike = self._last is not None and old_latent.shape == latent.shape
            row["jensen_shannon"] = jensen_shannon_distance(old_latent, latent) if alike else 1.0
        if "reconstruction" in self.extra:
            row["reconstruction"] = reconstruction_error(self._centred, basis, -shift)
        if self._last is None:
            row |= {"angle": np.pi / 2, "eigenvalue_change": 1.0}
        self._rows.append(row)
        self._last = latent, variance
        settled = row["angle"] <= self.angle and row["eigenvalue_change"] <= self.change
        self._run = self._run + 1 if settled else 0
        if not settled:
            self.converged_at = None
        elif self._run == self.patience:
            self.converged_at = n_seen
        return self.converged

    def history(self) -> dict[str, NDArray[np.generic]]:
        """All updates so far.

        Returns
        -------
        dict of arrays (update,): ``n_fitted`` int64, and as float64 ``angle`` [rad], ``eigenvalue_change`` and the
        extra ones. The first update has nothing to be compared with: its angle is pi/2, its change and its
        Jensen-Shannon distance are 1.
        """
        names = ("n_fitted", "angle", "eigenvalue_change", *(name for name in EXTRA if name in self.extra))
        kinds = {"n_fitted": np.int64}
        return {name: np.array([row[name] for row in self._rows], kinds.get(name, np.float64)) for name in names}
