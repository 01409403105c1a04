"""What an embedding has learned: applied to shots, and stored as arrays with its parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.features.feature import Feature, make_feature
from xfeldask.latent.methods import METHODS, Method, fitted_arrays, is_linear, restore, size_learned
from xfeldask.latent.sent import FieldsOnly
from xfeldask.physics.binning import ImageGrid, bin_frames, bin_index, image_grid, merge_bins
from xfeldask.sorting.pairs.rule import PairRule
from xfeldask.store.codecs import FAST
from xfeldask.store.instrument import Instrument
from xfeldask.store.layout import shot_array
from xfeldask.store.parameters import Parameters

SAME_STEP = 1e-3
"""Relative difference of bin widths up to which a rule fits: at the rim a pattern then moves by a part of a bin."""

_OTHER = "the other store is of another detector or geometry"


@dataclass(frozen=True)
class Features:
    """How shots of a store become rows; call it with images for float32 (shot, feature).

    Attributes
    ----------
    options : dict, ``name`` of the feature, ``bin`` [pixels], and what the feature takes
    feature : Feature
    merged : int, bins a side of the store's images that make one here; 0 where images are made of photons
    index : int32 (panel, ss, fs) or None, bin of each pixel where images are made of photons
    image_shape : (y, x)
    """

    options: dict[str, Any]
    feature: Feature
    merged: int
    index: NDArray[np.int32] | None
    image_shape: tuple[int, int]

    @property
    def size(self) -> int:
        """Length of a row."""
        return int(np.prod(self.feature.shape))

    def __call__(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Rows of images, as the store has them or as made of its photons."""
        return self.feature(merge_bins(images, self.merged) if self.merged > 1 else images)

    def images(self, root: zarr.Group, shots: slice) -> NDArray[np.uint16]:
        """Images of some shots (shot, y, x)."""
        if self.index is None:
            return np.asarray(shot_array(root, "image", FAST)[shots])
        return bin_frames(np.asarray(shot_array(root, "photons", FAST)[shots]), self.index, self.image_shape)


Choice = str | Callable[[Any], object] | Mapping[str, Any]
"""How a feature is asked for: a name, one's own object or function, or a mapping of ``name`` and options."""
OWN = "own"
"""Marks in stored options that the feature was a user's object, which no name brings back."""


def make_features(instrument: Instrument, features: Choice) -> Features:
    """Make the features of shots of an instrument.

    Parameters
    ----------
    instrument : Instrument, such as a `Run`
    features : name, a user's own object or function, or a mapping of ``name`` (any of these), ``bin`` and options

    Raises
    ------
    InputError
        An unknown name or option; a user's own feature that fails, or that is asked for as a store knew it.
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
    bin = int(options.setdefault("bin", instrument.bin))
    rest = {k: v for k, v in options.items() if k not in ("name", "bin")}
    grid = instrument.image_grid
    if bin != instrument.bin:
        grid = image_grid(instrument.geometry, instrument.wavelength, bin)
    feature = make_feature(chosen, grid, **rest)
    if not isinstance(chosen, str):
        options |= {"name": feature.name, OWN: True}
    merged = 0 if bin % instrument.bin else bin // instrument.bin
    index = None if merged else bin_index(instrument.geometry, bin)
    return Features(options, feature, merged, index, grid.shape)


Look = tuple[NDArray[Any], NDArray[Any]]
"""Mean (feature,) and components (component, feature) of a linear latent space while it is fitted."""


@dataclass(frozen=True)
class Model(FieldsOnly):
    """A latent space and a rule.

    Attributes
    ----------
    features : Features
    estimator : fitted
    rule : PairRule, or None where shots are sorted by their coordinates
    looks : of which shots get coordinates too, if any
    """

    features: Features
    estimator: Method
    rule: PairRule | None
    looks: tuple[Look, ...] = ()

    def columns(self, root: zarr.Group, shots: slice) -> dict[str, NDArray[Any]]:
        """Variables of some shots of a store, by name."""
        rows = self.features(self.features.images(root, shots))
        out: dict[str, NDArray[Any]] = {"latent": np.asarray(self.estimator.transform(rows), np.float32)}
        if not np.isfinite(out["latent"]).all():
            raise InputError(f"{type(self.estimator).__name__} gives coordinates that are not finite")
        if self.looks:
            past = [(rows - mean) @ components.T for mean, components in self._turned]
            out["latent_history"] = np.stack(past, axis=1).astype(np.float32)
        if self.rule is not None:
            found = self.rule.judge(np.asarray(shot_array(root, "low_q", FAST)[shots]))
            out |= {"log_ratio": found.log_ratio, "autocorrelation_peak": found.peak, "separation": found.separation}
        return out

    @cached_property
    def _turned(self) -> list[Look]:
        """Looks with the signs of the last one, so that nothing jumps from look to look."""
        last = self.looks[-1][1]
        return [(mean, c * np.where((c * last).sum(axis=1) < 0, -1, 1)[:, None]) for mean, c in self.looks]

    def pictures(self) -> dict[str, xr.Variable]:
        """Mean, components and variances of a linear model in the shape of its feature; nothing of any other."""
        return self._pictures(fitted_arrays(self.estimator)) if is_linear(self.estimator) else {}

    def parts(self) -> dict[str, xr.Dataset]:
        """Everything needed to apply the model again, as groups of arrays."""
        out = {"estimator": _group(fitted_arrays(self.estimator))}
        if self.rule is not None:
            out["rule"] = _group(self.rule.arrays())
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


def restored_model(parameters: Parameters, parts: Mapping[str, xr.Dataset], instrument: Instrument) -> Model:
    """Restore the model of a stored embedding, for shots of an instrument.

    Parameters
    ----------
    parameters : of the embedding
    parts : groups of arrays, as of `Model.parts`
    instrument : Instrument

    Raises
    ------
    InputError
        A user's own estimator, which arrays alone cannot bring back, or another detector or geometry.
    """
    method, options = parameters.method, parameters.method_parameters
    features = make_features(instrument, parameters.features)
    if method not in METHODS or isinstance(options, str):
        raise InputError(f"the model is a {method}, which is not stored whole; embed the other store instead")
    arrays = {str(name): value.values for name, value in parts["estimator"].data_vars.items()}
    estimator = restore(method, options, arrays)
    _refuse_other_features(arrays, features)
    if "rule" not in parts:
        return Model(features, estimator, None)
    rule = PairRule.restore({str(name): value.values for name, value in parts["rule"].data_vars.items()})
    _refuse_other_grid(rule, instrument.low_q_grid)
    return Model(features, estimator, rule)


def _refuse_other_features(arrays: Mapping[str, NDArray[Any]], features: Features) -> None:
    learned = size_learned(arrays)
    if learned not in (None, features.size):
        raise InputError(f"{_OTHER}: its shots have {features.size} features, those of the model {learned}")


def _refuse_other_grid(rule: PairRule, grid: ImageGrid) -> None:
    shape, step = rule.window.weight.shape, rule.evidence.step
    if shape != grid.shape or not np.allclose(grid.step, step, rtol=SAME_STEP, atol=0):
        grids = ((grid.shape, grid.step.mean()), (shape, step))
        here, there = (f"{y} x {x} bins of {width:.6g} 1/m" for (y, x), width in grids)
        raise InputError(f"{_OTHER}: its low_q has {here}, that of the model {there}")


def feature_dims(n: int) -> tuple[str, ...]:
    """Names of the dimensions of a feature that is an image, a profile or a pair of profiles."""
    return {1: ("feature",), 2: ("y", "x")}.get(n, tuple(f"feature_{i}" for i in range(n)))


def _group(arrays: Mapping[str, NDArray[Any]]) -> xr.Dataset:
    return xr.Dataset(
        {
            name: (tuple(f"{name}_{i}" for i in range(value.ndim)), value, {"long_name": f"part of the model, {name}"})
            for name, value in arrays.items()
        }
    )
