"""What an embedding has learned: applied to shots, and stored as arrays with its parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xfeldask.errors import WHOLE, InputError, refuse_unlike
from xfeldask.features.feature import Feature, make_feature
from xfeldask.latent.methods import METHODS, Method, fitted_arrays, is_linear, restore, size_learned
from xfeldask.latent.sent import FieldsOnly
from xfeldask.physics.binned_frames import bin_frames, merge_bins
from xfeldask.physics.binning import SAME_STEP, ImageGrid, bin_index, binned_shape, image_grid
from xfeldask.registry import call
from xfeldask.sorting.protocol import Columns, Rule
from xfeldask.sorting.rules import RULES, measured, needs_coordinates
from xfeldask.store.instrument import Instrument
from xfeldask.store.results.background_rows import LESS_BACKGROUND, OF_SHOT, BackgroundRows
from xfeldask.store.results.parameters import Parameters


@dataclass(frozen=True)
class Features:
    """How shots become rows; call it with images for float32 (shot, feature).

    Attributes
    ----------
    options : dict, ``name`` of the feature, ``bin`` [pixels], and what the feature takes
    feature : Feature
    merged : int, bins a side of the stored images that make one here; 0 where images are made of photons
    index : int32 (panel, ss, fs) or None, bin of each pixel where images are made of photons
    image_shape : (y, x)
    step : width of the bins along y and x [1/m]
    under : BackgroundRows, of the background that is taken off; None where nothing is

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> from xfeldask.store.instrument import DatasetInstrument
    >>> made = make_features(DatasetInstrument(square(8, 1e-3, 0.1), 4600.0, 2), {"name": "counts", "bin": 3})
    >>> # no bins of the store make up bins of three pixels, so that these are made of the photons
    >>> made.needs, made.size, made.options
    ('photons', 9, {'name': 'counts', 'bin': 3})
    """

    options: dict[str, Any]
    feature: Feature
    merged: int
    index: NDArray[np.int32] | None
    image_shape: tuple[int, int]
    step: tuple[float, float]
    under: BackgroundRows | None = None

    @property
    def size(self) -> int:
        """Length of a row."""
        return int(np.prod(self.feature.shape))

    @property
    def needs(self) -> str:
        """The variable that images are made of."""
        return "image" if self.index is None else "photons"

    def __call__(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Rows of images, as a store has them or as made of its photons."""
        return self.feature(merge_bins(images, self.merged) if self.merged > 1 else images)

    def rows(self, raw: NDArray[Any]) -> NDArray[np.float32]:
        """Rows of what `needs` names."""
        return self(raw if self.index is None else bin_frames(raw, self.index, self.image_shape))


Choice = str | Callable[[Any], object] | Mapping[str, Any]
"""How a feature is asked for: a name, one's own object or function, or a mapping of ``name`` and options."""
OWN = "own"
"""Marks in stored options that the feature was a user's object, which no name brings back."""


def make_features(instrument: Instrument, features: Choice) -> Features:
    """Make the features of shots of an instrument.

    Parameters
    ----------
    instrument : Instrument, such as a `Run`
    features : name, a user's own object or function, or a mapping of ``name`` (any of these), ``bin`` and options;
        ``less_background=1`` takes off what is expected of the background of each shot, of features that are sums of
        counts (`xfeldask.store.results.background_rows`)

    Raises
    ------
    InputError
        An unknown name or option; a user's own feature that fails, or that is asked for as a store knew it.

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> from xfeldask.store.instrument import DatasetInstrument
    >>> instrument = DatasetInstrument(square(8, 1e-3, 0.1), 4600.0, 2)
    >>> made = make_features(instrument, {"name": "counts", "bin": 4})
    >>> # of four bins as they are stored, one is made
    >>> made(np.ones((1, 4, 4), np.uint16)).tolist(), made.needs
    ([[4.0, 4.0, 4.0, 4.0]], 'image')
    """
    options: dict[str, Any] = dict(features) if isinstance(features, Mapping) else {"name": features}
    if "name" not in options:
        raise InputError(f"features need a name, such as 'counts'; got {options}")
    chosen = options["name"]
    if options.get(OWN):
        raise InputError(
            f"the feature {chosen} was a user's own object, which is not stored; register_feature() it by a name and "
            "embed again"
        )
    refuse_unlike("a whole number of pixels", WHOLE, bin=options.setdefault("bin", instrument.bin))
    bin = int(options["bin"])
    rest = {k: v for k, v in options.items() if k not in ("name", "bin", LESS_BACKGROUND)}
    grid = _grid(instrument, bin)
    feature = make_feature(chosen, grid, **rest)
    if not isinstance(chosen, str):
        options |= {"name": feature.name, OWN: True}
    merged = 0 if bin % instrument.bin else bin // instrument.bin
    index = None if merged else bin_index(instrument.geometry, bin)
    under = BackgroundRows.of(instrument, options, feature, merged)
    return Features(options, feature, merged, index, grid.shape, _step(grid), under)


Look = tuple[NDArray[Any], NDArray[Any]]
"""Mean (feature,) and components (component, feature) of a linear latent space while it is fitted."""


@dataclass(frozen=True, eq=False, repr=False)
class Model(FieldsOnly):
    """A latent space and a rule: all that is needed to embed and sort more shots of the same instrument.

    Attributes
    ----------
    features : Features
    estimator : Method, fitted
    rule : Rule or None; one that needs coordinates learns last
    parameters : Parameters, what it was made with
    looks : states of a linear space while it was fitted, by which shots get coordinates too, if any

    Examples
    --------
    >>> from xfeldask.latent.pca import PCA
    >>> from xfeldask.physics.detectors import square
    >>> from xfeldask.store.instrument import DatasetInstrument
    >>> made = make_features(DatasetInstrument(square(2, 1e-3, 0.1), 4600.0, 1), "counts")
    >>> told = Parameters(method="pca", features=made.options, n_components=1, n_fitted=3)
    >>> model = Model(made, PCA(1).fit([[0, 0, 0, 1], [0, 0, 0, 3], [0, 0, 0, 5]]), None, told)
    >>> model, model.needs
    (<xfeldask.Model pca of counts, 1 components, fitted to 3 shots, sorts by nothing>, ['image'])
    >>> model.columns({"image": np.array([[[0, 0], [0, 7]]])})["latent"].tolist()
    [[4.0]]
    """

    features: Features
    estimator: Method
    rule: Rule | None
    parameters: Parameters
    looks: tuple[Look, ...] = ()

    @property
    def needs(self) -> list[str]:
        """Variables of shots that `columns` takes."""
        rule = () if self.rule is None or needs_coordinates(self.rule) else self.rule.needs
        under = () if self.features.under is None else OF_SHOT
        return list(dict.fromkeys([self.features.needs, *under, *rule]))

    def columns(self, shots: Mapping[str, NDArray[Any]]) -> Columns:
        """Compute coordinates of some shots, and the evidence of a rule that does not need them, by name.

        Parameters
        ----------
        shots : arrays (shot, ...) of what `needs` names
        """
        rows = self.features.rows(shots[self.features.needs])
        if (under := self.features.under) is not None:
            rows = rows - under.expected({name: shots[name] for name in OF_SHOT})
        out: Columns = {"latent": np.asarray(self.estimator.transform(rows), np.float32)}
        if not np.isfinite(out["latent"]).all():
            raise InputError(f"{type(self.estimator).__name__} gives coordinates that are not finite")
        if self.looks:
            past = [(rows - mean) @ components.T for mean, components in self._turned]
            out["latent_history"] = np.stack(past, axis=1).astype(np.float32)
        if self.rule is not None and not needs_coordinates(self.rule):
            out |= measured(self.rule, {name: shots[name] for name in self.rule.needs})
        return out

    def refuse_other(self, instrument: Instrument) -> None:
        """Refuse shots of an instrument that the model does not know.

        Raises
        ------
        InputError
        """
        here, known = binned_shape(instrument.geometry, int(self.features.options["bin"])), self.features.image_shape
        if here != known:
            (y, x), (rows, columns) = here, known
            raise InputError(f"these shots have images of {y} x {x} bins, the model knows {rows} x {columns}")
        if self.rule is not None:
            self.rule.check(instrument)
        _refuse_other_bins(self.features.step, _step(_grid(instrument, int(self.features.options["bin"]))))

    def __repr__(self) -> str:
        told, sort = self.parameters, self.parameters.sort
        return (
            f"<xfeldask.Model {told.method} of {told.features['name']}, {told.n_components} components, fitted to "
            f"{told.n_fitted:,} shots, sorts by {sort or 'nothing'}>"
        )

    @cached_property
    def _turned(self) -> list[Look]:
        """Checkpoints with the signs of the last, so that nothing jumps from one to the next."""
        last = self.looks[-1][1]
        return [(mean, c * np.where((c * last).sum(axis=1) < 0, -1, 1)[:, None]) for mean, c in self.looks]

    def pictures(self) -> dict[str, xr.Variable]:
        """Mean, components and variances of a linear model in the shape of its feature; nothing of any other."""
        return self._pictures(fitted_arrays(self.estimator)) if is_linear(self.estimator) else {}

    def parts(self) -> dict[str, xr.Dataset]:
        """Everything needed to apply the model again, as groups of arrays."""
        out = {"estimator": _group(fitted_arrays(self.estimator))}
        learned = {} if self.rule is None else self.rule.arrays()
        if learned:
            out["rule"] = _group(learned)
        return out

    def _pictures(self, arrays: dict[str, NDArray[Any]]) -> dict[str, xr.Variable]:
        """Mean, components and variances of a linear model in the shape of its feature."""
        shape, units = self.features.feature.shape, self.features.feature.units
        dims, about = feature_dims(len(shape)), f"of {self.features.options['name']}"
        out = {
            "components": xr.Variable(
                ("component", *dims),
                arrays["components_"].reshape(-1, *shape),
                {"long_name": f"principal components {about}", "units": "1"},
            ),
            "mean": xr.Variable(dims, arrays["mean_"].reshape(shape), {"long_name": f"mean {about}", "units": units}),
        }
        if "explained_variance_" in arrays:
            value = arrays["explained_variance_"]
            attrs = {"long_name": "variance along each component", "units": "1" if units == "1" else f"{units}2"}
            out["explained_variance"] = xr.Variable(("component",), value, attrs)
        return out


def restored_model(
    parameters: Parameters, parts: Mapping[str, xr.Dataset], instrument: Instrument, device: str = "cpu"
) -> Model:
    """Restore the model of a stored embedding, for shots of an instrument.

    Parameters
    ----------
    parameters : Parameters, of the embedding
    parts : groups of arrays, as of `Model.parts`
    instrument : Instrument
    device : as of `make_rule`

    Raises
    ------
    InputError
        A user's own object, which arrays alone cannot bring back, or another detector or geometry.
    """
    method, options, sort = parameters.method, parameters.method_parameters, parameters.sort
    if sort is not None and sort not in RULES:
        raise InputError(f"shots were sorted by {sort}, which is not stored; embed the other store")
    features = make_features(instrument, parameters.feature_choice)
    if method not in METHODS or isinstance(options, str):
        raise InputError(f"the model is a {method}, which is not stored whole; embed the other store instead")
    arrays = _arrays(parts["estimator"])
    estimator = restore(method, options, arrays)
    _refuse_other_features(arrays, features)
    rule = None if sort is None else restored_rule(parameters, parts, device)
    if rule is not None and "rule" in parts:
        rule.check(instrument)
    if parameters.image_step is not None:
        _refuse_other_bins(parameters.image_step, features.step)
    return Model(features, estimator, rule, parameters)


def restored_rule(parameters: Parameters, parts: Mapping[str, xr.Dataset], device: str = "cpu") -> Rule:
    """Restore the rule of a stored embedding; one that has learned nothing where nothing of it is stored."""
    sort = str(parameters.sort)
    if "rule" in parts:
        return call(partial(RULES[sort].restore, _arrays(parts["rule"])), device=device)
    return call(RULES[sort], seed=parameters.seed, device=device)


def _arrays(part: xr.Dataset) -> dict[str, NDArray[Any]]:
    return {str(name): value.values for name, value in part.data_vars.items()}


def _refuse_other_features(arrays: Mapping[str, NDArray[Any]], features: Features) -> None:
    learned = size_learned(arrays)
    if learned not in (None, features.size):
        raise InputError(
            f"the other store is of another detector or geometry: its shots have {features.size} features, those of "
            f"the model {learned}"
        )


def _refuse_other_bins(known: tuple[float, float], here: tuple[float, float]) -> None:
    if not np.allclose(here, known, rtol=SAME_STEP, atol=0):
        raise InputError(
            "these shots are of another distance, wavelength or pixel size: bins of their images are "
            f"{np.mean(here):.6g} 1/m wide, those of the model {np.mean(known):.6g}; embed them by themselves"
        )


def _grid(instrument: Instrument, bin: int) -> ImageGrid:
    """Bins of so many pixels a side, those of the stored images or others."""
    same = bin == instrument.bin
    return instrument.image_grid if same else image_grid(instrument.geometry, instrument.wavelength, bin)


def _step(grid: ImageGrid) -> tuple[float, float]:
    y, x = grid.step.tolist()
    return y, x


def feature_dims(n: int) -> tuple[str, ...]:
    """Names of the dimensions of a feature that is an image, a profile or a pair of profiles.

    Examples
    --------
    >>> feature_dims(1), feature_dims(2)
    (('feature',), ('y', 'x'))
    """
    return {1: ("feature",), 2: ("y", "x")}.get(n, tuple(f"feature_{i}" for i in range(n)))


def _group(arrays: Mapping[str, NDArray[Any]]) -> xr.Dataset:
    return xr.Dataset(
        {
            name: (tuple(f"{name}_{i}" for i in range(value.ndim)), value, {"long_name": f"part of the model, {name}"})
            for name, value in arrays.items()
        }
    )
