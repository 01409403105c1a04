"""`embed`: a latent space of a store, and a verdict on each shot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr
from dask.array import Array
from dask_ml.wrappers import Incremental
from numpy.typing import NDArray

from xfeldask.errors import InputError, StoreExistsError, UnknownNameError
from xfeldask.graph.features import counts
from xfeldask.latent.estimators import IncrementalPCA
from xfeldask.latent.sorting import elliptic_envelope
from xfeldask.pipeline.running import watched
from xfeldask.store.latents import publish_latent
from xfeldask.store.opening import open_dataset, open_root

METHODS = ("ipca",)


def embed(
    store: str | Path,
    *,
    name: str | None = None,
    method: Literal["ipca"] = "ipca",
    n_components: int = 3,
    batch_size: int = 512,
    contamination: float = 0.1,
    overwrite: bool = False,
    progress: bool = True,
) -> xr.Dataset:
    """Embed the shots of a store by Incremental PCA of their binned counts and flag outliers.

    The estimator is driven by dask-ml, batch after batch in the order of the shots, and each image is read twice:
    to fit and to project. The verdict is that of an elliptic envelope.

    Parameters
    ----------
    store : path of a complete store
    name : str, optional, of the embedding; the method's by default
    method : "ipca"
    n_components : int
    batch_size : int, shots that enter the fit together
    contamination : float, part of the shots that the envelope flags
    overwrite : bool, replace an embedding of the same name
    progress : bool, show progress on stderr

    Returns
    -------
    xarray.Dataset, ``/latent/<name>``: `latent` (shot, component), `score` and `is_single` (shot,), and the model

    Raises
    ------
    InputError
        A parameter out of range, fewer shots than components.
    StoreExistsError
        The embedding is there and `overwrite` is false.

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> _ = xfeldask.simulate(path, particle="chaperonin", detector="square-64", n_shots=40, progress=False)
    >>> embed(path, progress=False).latent.shape
    (40, 3)
    """
    path, name = Path(store), name or method
    if method not in METHODS:
        raise UnknownNameError("method", method, METHODS)
    ds = open_dataset(path)
    _refuse(path, name, len(ds.shot), n_components, batch_size, overwrite)
    features = counts(ds.image.data, batch_size)
    estimator, latent = _fit_transform(features, n_components, progress)
    score, is_single = elliptic_envelope(latent, contamination)
    found = _dataset(ds, estimator, latent, score, is_single)
    parameters = {
        "method": method,
        "features": "counts",
        "n_components": n_components,
        "batch_size": batch_size,
        "sort": "elliptic_envelope",
        "contamination": contamination,
    }
    publish_latent(path, name, found.assign_attrs(parameters=json.dumps(parameters)))
    return open_dataset(path, group=f"latent/{name}", chunks=None)


def _refuse(path: Path, name: str, shots: int, n_components: int, batch_size: int, overwrite: bool) -> None:
    if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
        raise InputError(f"the embedding's name {name!r} may hold letters, digits, dash and underscore only")
    if n_components < 1 or shots <= n_components:
        raise InputError(f"{n_components} components need 1 or more of them and more shots than that, got {shots}")
    if batch_size < 1:
        raise InputError(f"batch_size must be at least 1 shot, got {batch_size}")
    if f"latent/{name}" in open_root(path) and not overwrite:
        raise StoreExistsError(f"{path} has an embedding {name}; pass overwrite=True (--overwrite) or another name")


def _fit_transform(features: Array, n_components: int, progress: bool) -> tuple[IncrementalPCA, NDArray[np.float32]]:
    wrapped = Incremental(
        IncrementalPCA(n_components), scoring=lambda *_: 0.0, shuffle_blocks=False, assume_equal_chunks=True
    )
    with watched("fitting", progress):
        wrapped.fit(features)
    with watched("projecting", progress):
        latent = np.asarray(wrapped.transform(features).compute())
    return wrapped.estimator_, latent


def _dataset(
    ds: xr.Dataset,
    estimator: IncrementalPCA,
    latent: NDArray[np.float32],
    score: NDArray[np.float64],
    is_single: NDArray[np.bool_],
) -> xr.Dataset:
    size = ("y", "x")
    components = estimator.components_.reshape(-1, *ds.image.shape[1:])
    mean = estimator.mean_.reshape(ds.image.shape[1:])
    about = "counts of the binned image"
    return xr.Dataset(
        {
            "latent": (("shot", "component"), latent, {"long_name": "coordinates of the shot", "units": "count"}),
            "score": (
                ("shot",),
                score,
                {"long_name": "distance inside the envelope, larger is more like the bulk", "units": "1"},
            ),
            "is_single": (("shot",), is_single, {"long_name": "kept as a single hit", "units": "1"}),
            "components": (
                ("component", *size),
                components,
                {"long_name": f"principal components of {about}", "units": "1"},
            ),
            "mean": (size, mean, {"long_name": f"mean {about}", "units": "count"}),
            "explained_variance": (
                ("component",),
                estimator.explained_variance_,
                {"long_name": "variance along each component", "units": "count2"},
            ),
        },
        coords={"shot": ds.shot.values},
        attrs={"title": "latent space", "n_shots": len(latent)},
    )
