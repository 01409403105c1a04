"""Shots rebuilt from the components of a linear latent space, and the components as images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.store.results.background_rows import background_of_shots
from xfeldask.store.results.embedding import Embedding
from xfeldask.store.run import Run

if TYPE_CHECKING:
    from xfeldask.store.results.model import Features

IMAGE_FEATURES = ("counts", "normalised", "variance_stabilised", "unit_root")
"""Features that have a number for each bin of the image."""
_ORTHONORMAL = 1e-3


@dataclass(frozen=True, eq=False)
class Rebuilt:
    """A shot and what the components make of it, in the units of the feature.

    Attributes
    ----------
    image : float32 (y, x), the feature of the shot
    rebuilt : float32 (y, x), mean and `n_components` components
    residual : float32 (y, x), image - rebuilt
    n_components : int
    unexplained : float, squared residual over the squared distance of the image to the mean; 0 of the mean itself

    Examples
    --------
    >>> image = np.ones((2, 2), np.float32)
    >>> Rebuilt(image, image, 0 * image, n_components=3, unexplained=0.0).residual.max()
    np.float32(0.0)
    """

    image: NDArray[np.float32]
    rebuilt: NDArray[np.float32]
    residual: NDArray[np.float32]
    n_components: int
    unexplained: float


@dataclass(frozen=True, eq=False)
class Scree:
    """Variance along the components, and its fraction of that along all that are stored.

    Attributes
    ----------
    component : int64 (component,), counted from 0
    variance : float64 (component,)
    share, cumulative : float64 (component,), of the variance along the stored components; what lies outside of them
        is not known

    Examples
    --------
    >>> Scree.of(np.array([3.0, 1.0])).cumulative.tolist()
    [0.75, 1.0]
    """

    component: NDArray[np.int64]
    variance: NDArray[np.float64]
    share: NDArray[np.float64]
    cumulative: NDArray[np.float64]

    @classmethod
    def of(cls, variance: NDArray[np.float64]) -> Self:
        """Make the scree of the variances (component,)."""
        share = variance / (variance.sum() or 1.0)
        return cls(np.arange(len(share)), variance, share, share.cumsum())


@dataclass(frozen=True, eq=False)
class LinearSpace:
    """Mean and components of a stored embedding as images; made by `of`.

    Attributes
    ----------
    name : str, of the embedding
    feature : str, one of `IMAGE_FEATURES`
    units : str, of the mean, and of a step along a component
    mean : float64 (y, x)
    components : float32 (component, y, x), orthonormal: the eigen-images
    variance : float64 (component,) or None where the estimator tells none

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> two = [[0, 0, 0], [2e-9, 0, 0]], ["C", "C"]
    >>> _ = xfeldask.simulate(path, particle=two, detector="square-32", n_shots=9, progress=False)
    >>> _ = xfeldask.embed(path, n_components=2, sort=None, progress=False)
    >>> space = LinearSpace.of(xfeldask.open_run(path).embedding())
    >>> space.components.shape, space.rebuild(0, 1).residual.shape
    ((2, 32, 32), (32, 32))
    """

    name: str
    feature: str
    units: str
    mean: NDArray[np.float64]
    components: NDArray[np.float32]
    variance: NDArray[np.float64] | None
    _run: Run = field(repr=False)
    _features: Features = field(repr=False)

    @classmethod
    def of(cls, embedding: Embedding) -> Self:
        """Read the model of an embedding.

        Raises
        ------
        InputError
            The embedding is not linear, or not of images.
        CorruptStoreError
            What is stored of it cannot be read.
        """
        from xfeldask.store.results.model import make_features  # takes a second to import

        name, run, parameters = embedding.name, embedding.run, embedding.refuse_other().refuse_older().parameters
        options = parameters.feature_choice
        if (feature := str(options.get("name"))) not in IMAGE_FEATURES:
            raise InputError(
                f"{name} is of the feature {feature}, which has no number for each bin of the image, so no image can "
                f"be rebuilt; embed with features={' or '.join(map(repr, IMAGE_FEATURES))}"
            )
        arrays = {str(key): value.values for key, value in embedding.parts()["estimator"].data_vars.items()}
        components, mean = _basis(name, parameters.method, arrays)
        features = make_features(run, options)
        if features.under is not None and features.under.digest != parameters.background:
            raise InputError(f"{name} was made with another background than the run has; embed again")
        shape = features.feature.shape
        return cls(
            name,
            feature,
            features.feature.units,
            mean.reshape(shape),
            components.reshape(-1, *shape),
            arrays.get("explained_variance_"),
            run,
            features,
        )

    def rebuild(self, shot: int, n_components: int | None = None) -> Rebuilt:
        """Rebuild a shot from the mean and its coordinates along the first components.

        Parameters
        ----------
        shot : int
        n_components : int, from 0, which leaves the mean; all by default

        Raises
        ------
        InputError
            No such shot, or more components than there are.
        """
        k, n = len(self.components) if n_components is None else n_components, self._run.n_shots
        if not 0 <= shot < n:
            raise InputError(f"there are shots 0 to {n - 1}, got {shot}")
        if not 0 <= k <= len(self.components):
            raise InputError(f"{self.name} has {len(self.components)} components, asked for {k}")
        raw = self._run.read(self._features.needs, slice(shot, shot + 1))
        row = self._features.rows(raw)
        if (under := self._features.under) is not None:
            row = row - under.expected(background_of_shots(self._run, slice(shot, shot + 1), under))
        image = row[0].reshape(self.mean.shape)
        basis = self.components[:k].reshape(k, self.mean.size).astype(np.float64)
        away = (image - self.mean).reshape(-1)
        rest = away - (basis @ away) @ basis
        whole = float(away @ away)
        residual = rest.reshape(self.mean.shape).astype(np.float32)
        unexplained = float(rest @ rest) / whole if whole else 0.0
        return Rebuilt(image, (image - residual).astype(np.float32), residual, k, unexplained)

    def scree(self) -> Scree:
        """Compute the variance along the components.

        Raises
        ------
        InputError
            The estimator tells no variances.
        """
        if self.variance is None:
            raise InputError(f"the estimator of {self.name} tells no variances; embed with method='ipca' or 'pca'")
        return Scree.of(self.variance)


def _basis(name: str, method: str, arrays: dict[str, NDArray[Any]]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return components (component, feature) and mean (feature,) of a linear model."""
    if "components_" not in arrays or "mean_" not in arrays:
        raise InputError(
            f"{name} was made by {method}, which is not linear: it has no components that add up to a shot; "
            "embed with method='ipca' or 'pca'"
        )
    components = np.asarray(arrays["components_"], np.float32)
    if not np.allclose(components @ components.T, np.eye(len(components)), atol=_ORTHONORMAL):
        raise InputError(
            f"the components of {name}, made by {method}, are not orthonormal, so that coordinates along them do not "
            "add up to a shot; embed with method='ipca' or 'pca'"
        )
    return components, np.asarray(arrays["mean_"], np.float64)
