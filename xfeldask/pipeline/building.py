"""The steps of an embedding: fit, decide, write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from dask.array import Array
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from xfeldask.graph.features import binned, feature_rows
from xfeldask.latent.methods import make_estimator
from xfeldask.pipeline.fitting import Fit, fit, teach
from xfeldask.pipeline.model import Features, Model, make_features
from xfeldask.pipeline.options import Options
from xfeldask.pipeline.running import watched
from xfeldask.pipeline.sorting import PAIRS, Columns, outliers, variables, verdict
from xfeldask.store.latents import publish_latent
from xfeldask.store.opening import open_dataset, open_root


def fit_model(path: Path, options: Options, shots: int) -> tuple[Model, Fit]:
    """Fit what is asked for to the first `shots` shots of a store."""
    root = open_root(path)
    made = make_features(root, options.features)
    estimator = make_estimator(options.method, options.n_components, options.seed)
    rows = _rows(path, made, shots, options.batch_size)
    with threadpool_limits(1, "blas"):
        with watched("fitting", options.progress):
            fitted = fit(rows, estimator, options.stop, options.measures)
        rule = teach(root, shots, options.seed, options.labels) if options.sort == PAIRS else None
    return Model(made, fitted.estimator, rule), fitted


def _rows(path: Path, made: Features, shots: int, batch_size: int) -> Array:
    ds = open_dataset(path, allow_incomplete=True)
    size = int(np.prod(made.feature.shape))
    photons = ds.photons.data[:shots]
    images = ds.image.data[:shots] if made.stored else binned(photons, made.index, made.image_shape)
    return feature_rows(images, made.feature, size, batch_size)


def publish(path: Path, options: Options, model: Model, fitted: Fit, columns: Columns) -> None:
    """Decide on shots, and write the embedding into their store."""
    parameters = options.parameters(model, len(fitted.fitted), fitted.converged_at)
    if options.sort is not None and options.sort != PAIRS:
        found = outliers(columns["latent"], options.sort, options.contamination, options.seed)
        columns, told = columns | found, {"contamination": options.contamination}
    else:
        columns, told = decided(columns, parameters)
    seen = np.zeros(len(columns["latent"]), bool)
    seen[fitted.fitted[fitted.fitted < len(seen)]] = True
    columns["fitted"] = seen
    publish_latent(path, options.name, dataset_of(columns, model, fitted.history, parameters, told), model.parts())


def decided(columns: Columns, parameters: Mapping[str, Any]) -> tuple[Columns, dict[str, Any]]:
    """Columns with a verdict by a named rule, and what is to be told about it."""
    if parameters["sort"] == PAIRS:
        found, told = verdict(columns, parameters["max_singles_lost"], parameters["seed"])
        return columns | found, told
    if parameters["sort"] is None:
        return columns, {}
    found = outliers(columns["latent"], parameters["sort"], parameters["contamination"], parameters["seed"])
    return columns | found, {"contamination": parameters["contamination"]}


def dataset_of(
    columns: Columns,
    model: Model,
    history: Mapping[str, NDArray[np.generic]],
    parameters: Mapping[str, Any],
    told: Mapping[str, Any],
) -> xr.Dataset:
    """An embedding as it is stored."""
    data = variables(columns) | variables(history) | model.pictures()
    n = len(columns["latent"])
    data["latent"].attrs["units"] = model.features.feature.units
    attributes = {
        "title": f"latent space of {n} shots by {parameters['method']}",
        "n_shots": n,
        "parameters": json.dumps(parameters),
        "decision": json.dumps(told),
    }
    return xr.Dataset(data, coords={"shot": np.arange(n)}, attrs=attributes)
