"""`project`: the model of one store applied to the shots of another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from xfeldask.store.results.embedding import Embedding
from xfeldask.store.results.model import restored_model
from xfeldask.store.results.particle_kinds import KINDS
from xfeldask.store.run import Run
from xfeldask.store.store_given import Store, opened
from xfeldask.verbs.arguments.given import refuse_name
from xfeldask.verbs.arguments.on_device import measured_on
from xfeldask.verbs.arguments.options import tell_conflict, tell_dropped_kinds, tell_kinds_left_behind
from xfeldask.verbs.parts.building import judged, sorted_dataset
from xfeldask.work.progress import Tell
from xfeldask.work.sources import StoreSource, project_all


def project(
    model_store: Store,
    name: str,
    other_store: Store,
    *,
    as_name: str | None = None,
    device: str = "cpu",
    overwrite: bool = False,
    progress: bool | Tell = True,
) -> xr.Dataset:
    """Apply the model of an embedding to the shots of another store.

    Parameters
    ----------
    model_store : path of the store that was embedded, or a Dataset of all of it
    name : str, of its embedding
    other_store : path of a store, or a Dataset of all of it, of shots of the same detector
    as_name : str, optional, of the embedding to be written into `other_store`; `name` by default
    device : as of `embed`
    overwrite : bool, replace an embedding of the same name
    progress : bool, show progress on stderr; or a function as `embed` takes it

    Returns
    -------
    xarray.Dataset, ``/latent/<as_name>`` of `other_store`

    Raises
    ------
    InputError
        Another detector or geometry, or a user's own object, which arrays alone cannot bring back;
        a device that is not there.
    StoreExistsError
        The embedding is there and `overwrite` is false.

    Warns
    -----
    XfeldaskWarning
        Kinds were found in the embedding, or in the one that is replaced, and the new one has none.

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> paths = [tempfile.mkdtemp() + "/run.zarr" for _ in range(2)]
    >>> for seed, path in enumerate(paths):
    ...     _ = xfeldask.simulate(path, particle="chaperonin", detector="square-64", n_shots=40, seed=seed,
    ...                           progress=False)
    >>> _ = xfeldask.embed(paths[0], sort=None, progress=False)
    >>> project(paths[0], "ipca", paths[1], progress=False).latent.shape
    (40, 3)
    """
    source, run, target = opened(model_store).refuse_incomplete(), opened(other_store), as_name or name
    embedding = source.embedding(name).refuse_older()
    run.refuse_incomplete()
    refuse_name(run, target, overwrite)
    gpus = measured_on(device, embedding.parameters.sort, progress)
    with Embedding(run, target).held():
        refuse_name(run.reopened(), target, overwrite)  # another may have made it meanwhile
        had_kinds = [KINDS in each.part_names() for each in (Embedding(run.reopened(), target), embedding)]
        _project(embedding, run, target, device, gpus, progress)
    if had_kinds[0]:
        tell_dropped_kinds(target)
    elif had_kinds[1]:
        tell_kinds_left_behind(name)
    return tell_conflict(Embedding(run, target).dataset())


def _project(embedding: Embedding, run: Run, target: str, device: str, gpus: str, progress: bool | Tell) -> None:
    n_shots, source = run.n_shots, embedding.run
    parts = embedding.parts()
    model = restored_model(embedding.parameters, parts, run, device)
    shots = StoreSource(run)
    columns = project_all(shots, model, n_shots, progress)
    # before they were stored, envelopes were fitted to the other store's coordinates
    model, columns = judged(model, shots.shots(n_shots), columns, learn="rule" not in parts)
    told: dict[str, Any] = {"projected_from": source.path.name, "model_digest": embedding.model_digest(), "n_fitted": 0}
    if (under := model.features.under) is not None:
        told["background"] = under.digest
    parameters = model.parameters.model_copy(update=told)
    columns["fitted"] = np.zeros(n_shots, bool)
    found = sorted_dataset(columns, replace(model, parameters=parameters), parameters.allowance, gpus=gpus)
    Embedding(run, target).publish(found, model.parts())
