"""`fit` and `transform`: a latent space of a Dataset, and its shots in it. Nothing is written."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from xfeldask.sorting.protocol import Allowance
from xfeldask.sorting.rules import needs_coordinates, refuse_target
from xfeldask.store.results.model import Choice, Model
from xfeldask.verbs.arguments.options import Options, refuse, tell_conflict
from xfeldask.verbs.parts.building import fit_model, judged, sorted_dataset
from xfeldask.work.progress import Tell
from xfeldask.work.sources import dataset_source, project_all


def fit(
    ds: xr.Dataset,
    *,
    method: str | object = "ipca",
    features: Choice = "counts",
    n_components: int = 3,
    batch_size: int = 512,
    sort: str | object | None = "pairs",
    labels: ArrayLike | None = None,
    stop: bool = True,
    seed: int = 0,
    progress: bool | Tell = True,
) -> Model:
    """Fit a latent space, and a rule that tells single hits from everything else, to the shots of a Dataset.

    What `embed` does with a store, for shots in memory or on any backend of xarray. Variables that are Dask arrays, or
    not in memory yet, are read a block at a time on the scheduler that Dask has active.

    Parameters
    ----------
    ds : Dataset with `image` (shot, y, x) [count], `pixel_position` (panel, ss, fs, xyz) [m], if there are bad pixels
        `mask` (panel, ss, fs), and as attributes or variables without dimensions `photon_energy` [eV] or `wavelength`
        [m], `pixel_size` [m], and `bin`, the pixels a side of a bin of `image`; further what the rule needs: `low_q`
        (shot, low_y, low_x) [count] for "pairs". One that `open_dataset` gives has all of it, and so has a part of it
    sort : as of `embed`, but for "models"
    labels : int (shot,), optional, as of `embed`
    method, features, n_components, batch_size, stop, seed, progress : as of `embed`

    Returns
    -------
    Model, for `transform`

    Raises
    ------
    InputError
        The Dataset tells too little, a parameter is out of range, fewer shots than components, too few hits for the
        rule.

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> ds = xfeldask.simulate(path, particle="chaperonin", detector="square-64", n_shots=40, progress=False)
    >>> model = fit(ds.load(), n_components=2, sort="elliptic_envelope", progress=False)
    >>> model
    <xfeldask.Model ipca of counts, 2 components, fitted to 40 shots, sorts by elliptic_envelope>
    >>> transform(ds.isel(shot=slice(10)), model, progress=False).latent.shape
    (10, 2)
    """
    options = Options(
        method=method,
        features=features,
        n_components=n_components,
        batch_size=batch_size,
        sort=sort,
        allowance=Allowance(),
        labels=None if labels is None else np.asarray(labels),
        stop=stop,
        measures=(),
        history=False,
        seed=seed,
        progress=progress,
    )
    source, shots = dataset_source(ds), ds.sizes["shot"]
    refuse(source, shots, options)
    model, _ = fit_model(source, options, shots)
    if needs_coordinates(model.rule):
        model, _ = judged(model, source.shots(shots), project_all(source, model, shots, progress))
    return model


def transform(
    ds: xr.Dataset,
    model: Model,
    *,
    max_singles_lost: float = 0.01,
    contamination: float = 0.1,
    max_contamination: float | None = None,
    progress: bool | Tell = True,
) -> xr.Dataset:
    """Compute the coordinates of the shots of a Dataset in a latent space, and decide which are single hits.

    Parameters
    ----------
    ds : Dataset as `fit` takes it, of the same instrument
    model : Model, from `fit`
    max_singles_lost : float, fraction of the singles that a rule such as "pairs" may reject
    contamination : float, fraction of the shots that a rule such as "elliptic_envelope" rejects
    max_contamination : float, optional, as of `embed`
    progress : as of `embed`

    Returns
    -------
    xarray.Dataset in memory, with `latent` (shot, component), and if the model has a rule its evidence, `score`,
    `is_single`, `verdict` and where it is known `probability_single` (shot,); the parameters as attributes

    Raises
    ------
    InputError
        The Dataset tells too little or is of another instrument, an allowance is out of range.

    Examples
    --------
    See `fit`.

    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> ds = xfeldask.simulate(path, particle="chaperonin", detector="square-64", n_shots=40, progress=False)
    >>> model = fit(ds, sort="elliptic_envelope", progress=False)
    >>> int(transform(ds, model, contamination=0.2, progress=False).is_single.sum())
    32
    """
    allowance = Allowance(
        max_singles_lost=max_singles_lost, contamination=contamination, max_contamination=max_contamination
    )
    refuse_target(model.rule, max_contamination)
    source, shots = dataset_source(ds), ds.sizes["shot"]
    model.refuse_other(source.instrument)
    columns = project_all(source, model, shots, progress)
    model, columns = judged(model, source.shots(shots), columns, learn=False)
    parameters = model.parameters.allowing(**asdict(allowance))
    found = tell_conflict(sorted_dataset(columns, replace(model, parameters=parameters), allowance))
    return found.assign_coords(shot=ds["shot"]) if "shot" in ds.coords else found
