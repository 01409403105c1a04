"""`project`: the model of one store applied to the shots of another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from xfeldask.errors import InputError
from xfeldask.store.embedding import Embedding
from xfeldask.store.layout import layout_of
from xfeldask.store.model import restored_model
from xfeldask.store.opening import open_root
from xfeldask.store.parameters import Parameters
from xfeldask.store.publish import latent_parts
from xfeldask.store.run import Run, open_dataset
from xfeldask.verbs.building import dataset_of, decided
from xfeldask.verbs.options import refuse_name
from xfeldask.verbs.sort import RULES
from xfeldask.work.projection import project_all


def project(
    model_store: str | Path,
    name: str,
    other_store: str | Path,
    *,
    as_name: str | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> xr.Dataset:
    """Apply the model of an embedding to the shots of another store.

    Parameters
    ----------
    model_store : path of the store that was embedded
    name : str, of its embedding
    other_store : path, of shots of the same detector
    as_name : str, optional, of the embedding to be written into `other_store`; `name` by default
    overwrite : bool, replace an embedding of the same name
    progress : bool, show progress on stderr

    Returns
    -------
    xarray.Dataset, ``/latent/<as_name>`` of `other_store`

    Raises
    ------
    InputError
        Another detector or geometry, or a user's own estimator, of which arrays are not enough.
    StoreExistsError
        The embedding is there and `overwrite` is false.

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> paths = [tempfile.mkdtemp() + "/run.zarr" for _ in range(2)]
    >>> for seed, path in enumerate(paths):
    ...     _ = xfeldask.simulate(path, particle="chaperonin", detector="square-64", n_shots=600,
    ...                           single_fraction=0.9, seed=seed, progress=False)
    >>> _ = xfeldask.embed(paths[0], progress=False)
    >>> project(paths[0], "ipca", paths[1], progress=False).latent.shape
    (600, 3)
    """
    source, path, target = Path(model_store), Path(other_store), as_name or name
    found = open_dataset(source, group=f"latent/{name}", chunks=None).load()
    root = open_root(path)
    open_dataset(path, chunks=None)
    refuse_name(path, root, target, overwrite)
    parameters = Parameters.from_json(found.attrs["parameters"])
    if parameters.sort not in (*RULES, None):
        raise InputError(f"shots were sorted by {parameters.sort}, which is not stored; embed the other store")
    model, shots = restored_model(parameters, latent_parts(source, name), Run.open(path)), layout_of(root).n_shots
    columns, told = decided(project_all(path, model, shots, progress), parameters.sort, parameters)
    parameters = parameters.model_copy(update={"projected_from": source.name, "n_fitted": 0})
    columns["fitted"] = np.zeros(shots, bool)
    Embedding(Run.open(path), target).publish(dataset_of(columns, model, {}, parameters, told), model.parts())
    return open_dataset(path, group=f"latent/{target}", chunks=None)
